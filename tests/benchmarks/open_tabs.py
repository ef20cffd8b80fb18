"""What an open tab costs the server: `python tests/benchmarks/open_tabs.py` (a minute).

Starts a server, opens tabs as a browser does, and reads its memory and processor time.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Prints memory, and processor seconds per second, for 1, 20 and 40 tabs without a run."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as data:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        env = {**os.environ, "PORT": str(port), "DATA_DIR": data, "SPARE_WORKER": "0"}
        home = f"http://127.0.0.1:{port}"
        server = subprocess.Popen(["bash", ".ci/serve.sh", sys.executable], cwd=ROOT, env=env)
        try:
            _wait_for(f"{home}/liveness")
            asyncio.run(_with_tabs(home, server.pid))
        finally:
            server.terminate()
            server.wait(20)


async def _with_tabs(home: str, pid: int) -> None:
    from tests.security.visitor import Visitor

    visitor, tabs, listening = Visitor(home), [], []
    for n in (1, 20, 40):
        while len(tabs) < n:
            tabs.append(await visitor.tab())
            listening.append(asyncio.create_task(_listen(tabs[-1].line)))
        await asyncio.sleep(3)
        before = _used(pid)[1]
        await asyncio.sleep(5)
        memory, seconds = _used(pid)
        print(f"{n:3} tabs: {memory:.0f} MB, {(seconds - before) / 5:.3f} s of processor a second")


async def _listen(line) -> None:
    while await line.read_message() is not None:
        pass


def _wait_for(address: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except OSError:
            time.sleep(0.25)


def _used(pid: int) -> tuple[float, float]:
    status = Path(f"/proc/{pid}/status").read_text()
    spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    memory = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return memory, (int(spent[11]) + int(spent[12])) / ticks


if __name__ == "__main__":
    main()
