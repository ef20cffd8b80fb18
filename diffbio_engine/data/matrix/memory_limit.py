"""How much memory there is for an array, and what is refused before it is made."""

import contextlib
import os
import resource
from pathlib import Path

from diffbio_engine.errors import DataError
from diffbio_engine.quantities import in_units

_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_of_this_machine() -> int:
    """Bytes of memory that the machine has, or its container."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _CONTAINER:
        with contextlib.suppress(OSError, ValueError):
            found = min(found, int(Path(file).read_text()))
    return found


def refuse_if_too_big(n_bytes: int, where: str) -> None:
    """A few kilobytes on disk can stand for terabytes in memory."""
    most = memory_of_this_machine() // 2
    allowed = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if 0 <= allowed < most and n_bytes > allowed:
        raise DataError(
            f"{where} would need {in_units(n_bytes)} of memory; a file of this size may take "
            f"{in_units(allowed)} here.",
            fix="Bring a smaller part of it, or store the matrix as sparse CSR.",
        )
    if n_bytes > most:
        raise DataError(
            f"{where} would need {in_units(n_bytes)} of memory, more than half of what this "
            f"machine has ({in_units(most)} is half).",
            fix="Use a machine with more memory, or store the matrix as sparse CSR.",
        )
