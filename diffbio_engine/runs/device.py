"""What must be said to JAX before it is imported, and where it then computes."""

import os
from pathlib import Path


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
