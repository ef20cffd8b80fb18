"""Files are looked at in a process of their own, as by the page: a breakdown is told in words."""

import atexit
from functools import cache, partial
from pathlib import Path
from typing import Any

from diffbio_engine.apart import Readers, limits_alone


@cache
def readers(*, limited: bool = True) -> Readers:
    """Those of this process; their imports begin with the first call and go on beside it."""
    made = Readers(limits=partial(limits_alone, limited=limited))
    atexit.register(made.close)
    made.begin()
    return made


def looked_at(path: Path, reading: dict[str, str], *, limited: bool) -> dict[str, Any]:
    """What a file holds: `diffbio_engine.data.inspect(path, **reading).as_dict()`.

    Args:
        path: The file or folder.
        reading: How it is read, where that was said.
        limited: Whether the look may take a part of this machine only.

    Raises:
        DataError: The file is wrong, takes too much, or breaks its reader.
    """
    return readers(limited=limited).inspect(path.absolute(), "", **dict[str, Any](reading))
