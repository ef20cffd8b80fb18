"""Writes files so that a reader, or a crash, never meets a half-written one."""

import contextlib
import errno
import fcntl
import json
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from diffbio_engine.errors import RunError

_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def explain_os_error(path: Path) -> Iterator[None]:
    """Turns what the operating system says about writing `path` into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise RunError(
                f"There is no room left on the disk for {path.name} in {path.parent}.",
                fix="Delete data sets or runs that are no longer needed and empty the trash, then "
                "try again (a run goes on by Resume): nothing written before is lost.",
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise RunError(
                f"{path} may not be written.",
                fix="Give the workbench the right to write there, or choose another DATA_DIR.",
            ) from error
        if error.errno in _GONE and not path.parent.is_dir():
            raise RunError(
                f"The folder {path.parent} of this server is not there any more.",
                fix="Put it back (from a backup), then start the workbench again.",
            ) from error
        raise


def make_inside(root: Path, folder: Path) -> None:
    """Makes a folder and those above it up to the root, which has to be there.

    A data folder that was removed, or is not mounted now, is not begun anew beside what it held.
    """
    with explain_os_error(root / folder.name):
        os.stat(root)
    with explain_os_error(folder):
        folder.mkdir(parents=True, exist_ok=True)


def replace_with(path: Path, write: Callable[[BinaryIO], Any], *, durable: bool = True) -> None:
    """Puts a new file in the place of `path`, whole or not at all.

    Args:
        path: The file; the old one stays as it is if anything goes wrong.
        write: Writes the content into an open file.
        durable: Whether it must survive a power failure (costs an fsync).
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    with explain_os_error(path):
        try:
            with beside.open("wb") as file:
                write(file)
                file.flush()
                # The kernel's own stamp moves every 4 ms only: two writes in between, the second
                # with the first one's inode, would look like none to a reader.
                os.utime(file.fileno(), ns=(time.time_ns(),) * 2)
                if durable:
                    os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        if durable:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    """Puts `content` as JSON in the place of `path`, whole or not at all."""
    text = json.dumps(finite(content), ensure_ascii=False, allow_nan=False, default=_plain)
    replace_with(path, lambda file: file.write(text.encode()), durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """What the file says; nothing if it is absent or not a JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except (
        FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError, ValueError,
        RecursionError,
    ):  # fmt: skip
        return {}
    return content if isinstance(content, dict) else {}


def json_line(content: dict[str, Any]) -> bytes:
    """`content` on one line that ends."""
    text = json.dumps(finite(content), ensure_ascii=False, allow_nan=False, default=_plain)
    return text.encode() + b"\n"


def finite(content: Any) -> Any:
    """The same with NaN and infinities as None, which is all that JSON can say of them."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {str(key): finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy or JAX, and paths, as JSON knows them."""
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def append(file_descriptor: int, record: bytes, path: Path) -> None:
    """Adds a record to the end of an open file, whole or not at all."""
    with explain_os_error(path):
        end = os.fstat(file_descriptor).st_size
        try:
            written = os.write(file_descriptor, record)
            # A full disk takes what fits and says so only at the next write.
            while written < len(record):
                written += os.write(file_descriptor, record[written:])
        except OSError:
            os.ftruncate(file_descriptor, end)
            raise


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Waits until nobody else is between these two lines, in this process or another."""
    with explain_os_error(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
