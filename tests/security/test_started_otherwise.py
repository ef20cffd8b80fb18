"""Whoever starts the page by plain `panel serve` is told what it lacks; an upload says so, too."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.data.view import DataDesk
from tests.security.conftest import free_port
from tests.security.visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The page, served by `panel serve app`, and what the server says."""
    here, port = tmp_path_factory.mktemp("plain"), free_port()
    env = {**os.environ, "DATA_DIR": str(here / "data"), "SPARE_WORKER": "0"}
    words = [sys.executable, "-m", "panel", "serve", "app", "--port", str(port)]
    with (here / "log").open("w") as said:
        server = subprocess.Popen(
            words, cwd=ROOT, env=env, stdout=said, stderr=said, start_new_session=True
        )
        try:
            for _ in range(240):
                if "Bokeh app running" in (here / "log").read_text():
                    break
                assert server.poll() is None, (here / "log").read_text()
                time.sleep(0.1)
            yield Visitor(f"http://127.0.0.1:{port}"), here
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(20)


def test_the_log_says_what_is_not_guarded_and_how_to_start_it(plain):
    said = (plain[1] / "log").read_text()
    assert "nobody has to sign in" in said and "Start it by `python -m app.serve app`" in said
    assert (plain[1] / "data").stat().st_mode & 0o077 == 0


def test_an_upload_there_is_refused_by_what_the_page_says_in_words(plain):
    visitor, here = plain
    answer = visitor.ask("/transfer/uploads", "POST", '{"name": "a.csv", "size": 4}')
    assert answer.status == 404 and "sentence" not in answer.text  # there is no such route
    shown = 'answer.status === 404) return "This server takes no files: whoever runs it starts it'
    script = " ".join(DataDesk._esm.split())
    assert shown in script and "`python -m app.serve app`" in script
    assert not list((here / "data").glob("owners/*"))
