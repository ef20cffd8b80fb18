"""The GPUs of this machine: how many runs may compute on them, and which one the next run gets.

JAX computes on the first GPU that it sees, so each worker is shown one of its own.
"""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

SHOWN = "CUDA_VISIBLE_DEVICES"
_WANTS_GPU = ("", "cuda", "gpu", "cuda,cpu")
_DEVICES = Path("/dev")


def gpus_here(environ: Mapping[str, str]) -> list[str]:
    """The names by which CUDA is told of a GPU, of those that a worker may use.

    Args:
        environ: Of a worker. ``JAX_PLATFORMS`` may keep it off GPUs; ``CUDA_VISIBLE_DEVICES`` lists
            those that the administrator gives (numbers, or ids of GPUs and of MIG instances). CUDA
            reads that list up to the first entry that is none. Without it they are numbered, as
            many as there are: a container sees its own as 0, 1, ... however the machine counts.
    """
    if environ.get("JAX_PLATFORMS", "") not in _WANTS_GPU or not (_DEVICES / "nvidiactl").exists():
        return []
    said = environ.get(SHOWN)
    if said is None:
        found = [p for p in _DEVICES.glob("nvidia[0-9]*") if p.name[6:].isdecimal()]
        return [str(number) for number in range(max(len(found), 1))]
    given: list[str] = []
    for name in (part.strip() for part in said.split(",")):
        if not name or name == "none" or name.startswith("-"):
            break
        given.append(name)
    return given


class GpusInUse:
    """Which worker has which GPU, as the launcher tells at every look."""

    def __init__(self) -> None:
        self._of: dict[int, str] = {}
        self._paused: set[int] = set()

    def has(self, pid: int, gpu: str | None) -> None:
        """A worker that lives has this one; of None nothing is known."""
        if gpu is not None:
            self._of[pid] = gpu

    def is_gone(self, pid: int) -> None:
        """The worker has ended."""
        self._of.pop(pid, None)
        self._paused.discard(pid)

    def rests(self, pid: int, paused: bool) -> None:
        """A paused worker keeps its memory on the GPU and lets others compute there."""
        self._paused.add(pid) if paused else self._paused.discard(pid)

    def next_of(self, gpus: list[str]) -> str | None:
        """The GPU of the next worker: where fewest compute, then where fewest are; None if one."""
        return min(gpus, key=self._load) if len(gpus) > 1 else None

    def is_as_free(self, gpu: str | None, gpus: list[str]) -> bool:
        """Whether no other GPU has fewer at work than this one."""
        best = self.next_of(gpus)
        return best is None or (gpu is not None and self._load(gpu) <= self._load(best))

    def _load(self, gpu: str) -> tuple[int, int]:
        there = Counter(pid in self._paused for pid, its in self._of.items() if its == gpu)
        return there[False], there.total()


def shown_to(environ: Mapping[str, str | None], gpu: str | None) -> dict[str, str | None]:
    """Changes of an environment with this GPU in it."""
    return {**environ} if gpu is None else {**environ, SHOWN: gpu}


def of_a_worker(env: Mapping[str, str | None]) -> dict[str, str]:
    """What a worker will find of the two variables, with these changes."""
    merged = {name: env.get(name, os.environ.get(name)) for name in ("JAX_PLATFORMS", SHOWN)}
    return {name: value for name, value in merged.items() if value is not None}
