"""What must be said to JAX before it is imported, and where it then computes."""

import os
from collections.abc import Mapping
from pathlib import Path

# What glibc keeps for the next step of what a step gave back, instead of asking the kernel each
# time; tests/benchmarks/kept_memory.py measures it.
_KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
# Before 2.36 a threshold above 32 MB is refused, and then all above 128 kB is mapped. The pad is
# for the heaps of XLA's threads, which such a version gives back whole.
_KEPT_BY_OLD = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
    "MALLOC_TOP_PAD_": str(128 << 20),
}


def with_kept_memory(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process that computes step after step.

    XLA asks for the same buffers at every step. glibc maps large ones anew each time, and each of
    their pages is a fault. It reads these variables before the program begins; other C libraries
    do not know them. What an administrator has set is left alone.
    """
    if "glibc.malloc." in environ.get("GLIBC_TUNABLES", ""):
        return dict(environ)
    return {**(_KEPT_MEMORY if _glibc() >= (2, 36) else _KEPT_BY_OLD), **environ}


def _glibc() -> tuple[int, ...]:
    """The version of glibc here; empty where the C library is another one."""
    try:
        version = (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2]
        return tuple(int(part) for part in version.split(".")[:2])
    except (AttributeError, ValueError, OSError):
        return ()


def set_up_device() -> None:
    """No grabbing of all GPU memory; compiled programs are kept for the next run.

    Whatever the environment says already is respected (``JAX_COMPILATION_CACHE_DIR`` set to
    nothing: no cache).
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(home) / "diffbio/jax"))
    # All of them: the hundreds of small ones that building a pipeline needs add up to seconds.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def backend() -> str:
    """Where JAX computes: ``cpu``, ``gpu`` or ``tpu``. Imports it."""
    import jax

    return jax.default_backend()
