"""What a process that reads a person's file may take: memory, time, room on the disk."""

import contextlib
import math
import os
import resource
import signal
from dataclasses import dataclass, replace
from pathlib import Path

from diffbio_engine.data.matrix.memory_limit import memory_of_this_machine
from diffbio_engine.data.readers.archives import MOST_BYTES
from diffbio_engine.quantities import in_units, number_set

_MB, _GB = 2**20, 2**30
_SECONDS, _SECONDS_PER_MB, _MOST_SECONDS = 30.0, 1.0, 1800.0
# A value that is not zero takes 1 to 1.5 bytes in a compressed file, and 24 while it is read:
# value and place as they lie there (8 + 8), and as they are used here (4 + 4).
_MEMORY, _MEMORY_PER_BYTE = 3 * _GB // 2, 24
_LARGEST_FILE = 64 * _GB
_MOST_OPEN_FILES = 64
_BUSY = 4


@dataclass(frozen=True)
class Limits:
    """What reading one file may take.

    Attributes:
        file_bytes: The size of the file, by which the rest is measured.
        memory: Bytes beyond what a reader has before it reads.
        seconds: Of computing, for one question.
        unpacked: Bytes of an archive on the disk.
        are_kept: False: the kernel is told none of them.
        more: Who can allow more, as a fix says it; the name of the setting is put in.
    """

    file_bytes: int
    memory: int
    seconds: float
    unpacked: int = MOST_BYTES
    are_kept: bool = True
    more: str = "an administrator can allow more by {}"

    @property
    def wall_seconds(self) -> float | None:
        """For one question by the clock: a busy machine is no fault of the file."""
        return _BUSY * self.seconds if self.are_kept else None

    def memory_in_words(self) -> str:
        """``"1.5 GB"``."""
        return in_units(self.memory)

    def size_in_words(self) -> str:
        """``"53 kB"``."""
        n = self.file_bytes
        return f"{n / _MB:,.1f} MB" if n >= _MB else f"{max(n // 1000, 1)} kB"


def limits_for(path: str | Path) -> Limits:
    """The limits for a file or folder: they grow with its size.

    ``READ_SECONDS`` and ``READ_MEMORY_GB`` in the environment change the time that a small file
    may take, and the most memory that any may take (half of the machine's without it).
    """
    n_bytes = _size(Path(path))
    allowed = _number("READ_SECONDS", _SECONDS)
    seconds = min(allowed + _SECONDS_PER_MB * n_bytes / _MB, max(_MOST_SECONDS, allowed))
    memory = min(_MEMORY + _MEMORY_PER_BYTE * n_bytes, _most_memory())
    return Limits(n_bytes, memory, seconds)


def limits_alone(path: str | Path, *, limited: bool = True) -> Limits:
    """The limits for somebody at a machine of their own, where nobody else is to be guarded.

    The memory that any file may take, whatever its size; the time is as in `limits_for`.

    Args:
        path: A file or folder.
        limited: False: no limits.
    """
    usual = limits_for(path)
    more = "READ_SECONDS and READ_MEMORY_GB allow more, --no-limits all"
    return replace(usual, memory=_most_memory(), are_kept=limited, more=more)


def _most_memory() -> int:
    return int(_number("READ_MEMORY_GB", memory_of_this_machine() / 2 / _GB) * _GB)


def _number(name: str, usual: float) -> float:
    said = number_set(os.environ, name, least=1e-6, of=" above 0")
    return usual if said is None else said


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        if path.is_dir():
            return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        return path.stat().st_size
    return 0


def confine(limits: Limits) -> None:
    """In a reader, for the rest of its life: no more memory, files and descriptors than these."""
    if not limits.are_kept:
        return
    data, mapped = _in_use()
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, data + limits.memory),
        # Compiled code may map files besides; this only stops what is not private memory.
        (resource.RLIMIT_AS, mapped + limits.memory + _GB),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE),
        (resource.RLIMIT_NOFILE, _MOST_OPEN_FILES),
    ):
        # macOS knows some of these only by name.
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
    with contextlib.suppress(OSError):
        # Where the machine runs out of memory all the same, this one goes first.
        Path("/proc/self/oom_score_adj").write_text("1000")


def allow_time(limits: Limits | None) -> None:
    """In a reader, for one question: the kernel ends it then, whatever it is busy with.

    Args:
        limits: None between questions.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # The page gives up first, and says why.
    wall = limits.wall_seconds if limits else None
    signal.setitimer(signal.ITIMER_REAL, 0 if wall is None else wall + 5)
    if limits and limits.are_kept:
        used = resource.getrusage(resource.RUSAGE_SELF)
        until = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
            resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


def _in_use() -> tuple[int, int]:
    """Bytes of private memory and of all that is mapped, now."""
    found = {"VmData": 0, "VmSize": 0}
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) * 1024
    return found["VmData"] or _GB, found["VmSize"] or 4 * _GB
