"""Tells processes apart: a process number is used again, its time of birth is not."""

import contextlib
import os
import signal
from pathlib import Path


def birth(pid: int) -> str | None:
    """When the process began, in the kernel's own count; None where that cannot be known."""
    fields = _stat(pid)
    return fields[19] if fields else None


def is_alive(pid: int, born: str | None = None) -> bool:
    """Whether this very process lives; one that only waits to be reaped does not."""
    fields = _stat(pid)
    if fields:
        return fields[0] != "Z" and (born is None or fields[19] == born)
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def send(pid: int, born: str | None, number: signal.Signals) -> None:
    """Sends a signal to the process and those it started, if it is still the same one."""
    if is_alive(pid, born):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def _stat(pid: int) -> list[str]:
    """State and what follows it in /proc/<pid>/stat; the name before may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
