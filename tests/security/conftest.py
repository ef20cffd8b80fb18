"""One real server with a login: ada, whose things are there, bob, and eve, who opens too much.

The attacks of this folder share their small files, too.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import pytest

from app.login import hash_of
from diffbio_engine.runs import RunFolder
from diffbio_engine.workspace import Store
from tests.security.visitor import Visitor

sys.path.insert(0, str(Path(__file__).parent))
ROOT = Path(__file__).resolve().parents[2]
PASSWORDS = {"ada": "analytical engine", "bob": "difference engine", "eve": "her own engine"}
MOST_TABS = 8
RUN = "20250101-000000-0123456789abcdef"


@dataclass
class Lab:
    """The server, and what lies in its data folder."""

    home: str
    data: Path
    log: Path
    people: Path
    known: dict[str, dict[str, str]] = field(default_factory=dict)

    def visitor(self, name: str = "", *, again: bool = False) -> Visitor:
        """A browser, in which a person has signed in if one is named; ``again`` by a new login."""
        visitor = Visitor(self.home)
        if name and (again or name not in self.known):
            assert visitor.sign_in(name, PASSWORDS[name]).status == 303
            if not again:
                self.known[name] = dict(visitor.cookies)
        elif name:
            visitor.cookies = dict(self.known[name])
        return visitor

    @property
    def her_file(self) -> Path:
        """What ada has uploaded."""
        return self.store.datasets("ada")[0].path

    @property
    def store(self) -> Store:
        """The same files as the server's."""
        return Store(self.data)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Served as `make run` serves it."""
    here = tmp_path_factory.mktemp("lab")
    data, people = here / "data", here / "users.json"
    people.write_text(json.dumps({name: hash_of(word) for name, word in PASSWORDS.items()}))
    _hers(data)
    port = free_port()
    env = {**os.environ, "LOGIN": str(people), "PORT": str(port), "DATA_DIR": str(data)}
    env |= {"SPARE_WORKER": "0", "BEHIND_PROXY": "1", "MOST_TABS": str(MOST_TABS)}
    home, log = f"http://127.0.0.1:{port}", here / "log"
    with log.open("w") as said:
        server = subprocess.Popen(
            # As few lines as a system may give a program that does not ask for more.
            ["bash", "-c", 'ulimit -Sn 256 && exec bash .ci/serve.sh "$0"', sys.executable],
            cwd=ROOT, env=env, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            for _ in range(480):
                try:
                    urllib.request.urlopen(f"{home}/liveness", timeout=5).read()
                    break
                except OSError:
                    assert server.poll() is None, log.read_text()
                    time.sleep(0.25)
            yield Lab(home, data, log, people)
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # nothing of it is kept
            server.wait(20)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _hers(data: Path) -> None:
    """A data set, a pipeline and a run of ada's; a file for everybody."""
    data.mkdir()
    store = Store(data)
    upload = store.new_upload("ada", "hers.h5ad")
    with h5py.File(upload.partial_path, "w") as file:
        file["secret"] = [1, 2, 3]
    store.finish_upload("ada", upload.id)
    store.save_pipeline("ada", "Hers", {"name": "Hers"})
    folder = RunFolder.create(data / "runs" / RUN, {"owner": "ada", "title": "Her run"})
    folder.bundle.mkdir()
    folder.result.touch()
    (data / "cohort").mkdir()
    (data / "cohort/link.h5ad").symlink_to(store.datasets("ada")[0].path)
    (data / "cohort/table.csv").write_text("cell,A,B\nc1,1,0\nc2,0,2\n")
