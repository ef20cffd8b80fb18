"""Opens an HDF5 file of a stranger, and refuses one that reaches out of itself.

HDF5 can name *other* files: external links, raw data in external files, virtual data sets. On a
server such a file would hand its sender anything that the server may read. So the whole file is
walked before anything in it is read, and it is read through the handle that was walked.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from diffbio_engine.errors import DataError, UserError
from diffbio_engine.quantities import in_units

# An anndata file has some hundred objects; a file with millions is made to keep us busy.
MOST_OBJECTS = 100_000
DEEPEST = 64
# Opening the attributes of one object by their numbers takes a time that grows with their square.
MOST_ATTRIBUTES = 500
# Asking for one value reads its whole chunk.
LARGEST_CHUNK = 2**30
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SAVE_AGAIN = "Save it again as one plain h5ad file (in Python: adata.write_h5ad('new.h5ad'))."
_SEND_ALL = "Copy the data into the file itself before you upload it."


def open_checked(path: str | Path) -> h5py.File:
    """An open file that holds all its data itself; the caller closes it."""
    path = Path(path)
    _look_at_the_first_bytes(path)
    try:
        file = h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        raise _cannot_open(path, error) from None
    try:
        _walk(file)
    except DataError:
        file.close()
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        # h5py answers broken names and types with any of these.
        file.close()
        raise _damaged(path, error) from None
    return file


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """A checked file; what goes wrong in HDF5 while it is open is told as damage of the file."""
    with open_checked(path) as file:
        try:
            yield file
        except (OSError, RuntimeError) as error:
            # h5py reports bytes that are missing or damaged in these two.
            if isinstance(error, UserError) or not _from_hdf5(error):
                raise
            raise _damaged(Path(path), error) from None
        except UnicodeDecodeError as error:
            raise _damaged(Path(path), error) from None


def check_hdf5(path: str | Path) -> None:
    """Refuses a file with links, storage or types through which it could reach out of itself."""
    with open_hdf5(path):
        pass


def _from_hdf5(error: Exception) -> bool:
    words = str(error).lower()
    return any(w in words for w in ("can't", "unable to", "hdf5", "synchronously", "truncated"))


def _look_at_the_first_bytes(path: Path) -> None:
    if not path.exists():
        raise DataError(f"There is no file {path}.", fix="Check the name and the folder.")
    if path.is_dir():
        raise DataError(f"{path.name} is a folder.", fix="Choose the file inside it.")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes).", fix="Upload or copy the file again.")
    with path.open("rb") as file:
        start = file.read(8)
        # HDF5 allows a user block: the signature may lie at 512, 1024, 2048, ...
        offset, size = 512, path.stat().st_size
        while start != _SIGNATURE and offset < min(size, 1 << 20):
            file.seek(offset)
            start, offset = file.read(8), offset * 2
    if start != _SIGNATURE:
        raise DataError(
            f"{path.name} is not an HDF5 file{_what_it_looks_like(path)}, whatever its name says.",
            fix="Choose an h5ad or 10x h5 file.",
        )


def _what_it_looks_like(path: Path) -> str:
    kinds = {
        b"\x89PNG": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"%PDF": "a PDF",
        b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "gzip data", b"BZh": "bzip2 data",
        b"RDX": "an R file", b"<htm": "a web page", b"<!DO": "a web page",
    }  # fmt: skip
    with path.open("rb") as file:
        start = file.read(8)
    return next((f" but looks like {k}" for s, k in kinds.items() if start.startswith(s)), "")


def looks_like(path: Path) -> str:
    """``"HDF5"`` if a file starts like one, whatever its name says."""
    with path.open("rb") as file:
        return "HDF5" if file.read(8) == _SIGNATURE else ""


def _cannot_open(path: Path, error: OSError) -> DataError:
    if isinstance(error, PermissionError):
        return DataError(f"{path.name} may not be read by this server.", fix="Change its rights.")
    if "truncated" in str(error):
        return DataError(
            f"{path.name} was cut off: its header promises more bytes than the "
            f"{path.stat().st_size:,} that are there.",
            fix="Copy or upload it again.",
        )
    return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).split("(")[-1].rstrip(")") or type(error).__name__
    return DataError(
        f"{path.name} is damaged and cannot be read (HDF5 says: {reason}).",
        fix="Copy or upload it again.",
    )


def _walk(file: h5py.File) -> None:
    root = h5py.h5o.get_info(file.id)
    seen: set[tuple[int, int]] = {(root.fileno, root.addr)}
    waiting: list[tuple[h5py.Group, str, int]] = [(file["/"], "", 0)]
    # Following a soft link could pass through an external one, so they are followed last.
    soft: list[tuple[h5py.Group, str, str]] = []
    _check_attributes(file, "/")
    while waiting:
        group, place, depth = waiting.pop()
        if depth > DEEPEST:
            raise DataError(f"Groups are nested more than {DEEPEST} deep.", fix=_SAVE_AGAIN)
        for name in group:
            where = f"{place}/{name}"
            if _is_soft(group, name, where):
                soft.append((group, name, where))
                continue
            item = group[name]
            info = h5py.h5o.get_info(item.id)
            if (info.fileno, info.addr) in seen:
                _refuse_second_name(item, where)
                continue
            seen.add((info.fileno, info.addr))
            if len(seen) > MOST_OBJECTS:
                raise DataError(f"The file has more than {MOST_OBJECTS:,} parts.", fix=_SAVE_AGAIN)
            _check_attributes(item, where)
            if isinstance(item, h5py.Group):
                waiting.append((item, where, depth + 1))
            elif isinstance(item, h5py.Dataset):
                _check_storage(item, where)
                _check_type(item.id.get_type(), where)
            else:
                _check_type(item.id, where)
    for group, name, where in soft:
        _check_soft_link(group, name, where)


def _check_soft_link(group: h5py.Group, name: str, where: str) -> None:
    try:
        item = group.get(name)
    except (KeyError, OSError, RuntimeError):
        item = None
    if item is not None:
        _refuse_second_name(item, where)
    else:
        target = group.get(name, getlink=True).path
        raise DataError(
            f"{where} is a soft link to {target}, which is not in this file.", fix=_SAVE_AGAIN
        )


def _refuse_second_name(item: h5py.HLObject, where: str) -> None:
    """Groups within themselves have no end, and twenty pairs of names make a million groups."""
    if isinstance(item, h5py.Group):
        raise DataError(
            f"{where} is another name of a group that is elsewhere in the file.", fix=_SAVE_AGAIN
        )


def _is_soft(group: h5py.Group, name: str, where: str) -> bool:
    kind = group.id.links.get_info(name if isinstance(name, bytes) else name.encode()).type
    if kind in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
        return kind == h5py.h5l.TYPE_SOFT
    if kind == h5py.h5l.TYPE_EXTERNAL:
        link = group.get(name, getlink=True)
        raise DataError(
            f"{where} is an external link to {link.path} in another file ({link.filename}). "
            "Files that read other files are refused.",
            fix=_SEND_ALL,
        )
    raise DataError(f"{where} is a link of a user-defined kind ({kind}).", fix=_SAVE_AGAIN)


def _check_storage(dataset: h5py.Dataset, where: str) -> None:
    plist = dataset.id.get_create_plist()
    if plist.get_external_count():
        name = plist.get_external(0)[0]
        raise DataError(
            f"{where} keeps its values in external storage ({_text(name)}). "
            "Files that read other files are refused.",
            fix=_SEND_ALL,
        )
    if plist.get_layout() == h5py.h5d.CHUNKED:
        size = math.prod(plist.get_chunk()) * dataset.id.get_type().get_size()
        if size > LARGEST_CHUNK:
            raise DataError(
                f"{where} is stored in pieces of {in_units(size)}; each is read whole.",
                fix="Save it in pieces (chunks) of some megabytes.",
            )
    if plist.get_layout() == h5py.h5d.VIRTUAL:
        raise DataError(
            f"{where} is a virtual data set, put together from other files. "
            "Files that read other files are refused.",
            fix=_SEND_ALL,
        )


def _check_attributes(item: h5py.HLObject, where: str) -> None:
    n = h5py.h5a.get_num_attrs(item.id)
    if n > MOST_ATTRIBUTES:
        raise DataError(
            f"{where} has {n:,} attributes; at most {MOST_ATTRIBUTES} are read.", fix=_SAVE_AGAIN
        )
    for i in range(n):
        attribute = h5py.h5a.open(item.id, index=i)
        _check_type(attribute.get_type(), f"{where} (attribute {_text(attribute.name)})")


def _check_type(kind: h5py.h5t.TypeID, where: str) -> None:
    """Bytes without a meaning are how pickled Python objects are hidden in HDF5."""
    hidden = _hidden(kind)
    if hidden:
        raise DataError(
            f"{where} holds {hidden}, in which program code could be hidden.", fix=_SAVE_AGAIN
        )


def _hidden(kind: h5py.h5t.TypeID) -> str:
    found = kind.get_class()
    if found == h5py.h5t.OPAQUE:
        return "opaque bytes"
    if found == h5py.h5t.VLEN:
        return "Python objects or lists of unequal length"
    if found == h5py.h5t.ARRAY:
        return _hidden(kind.get_super())
    if found == h5py.h5t.COMPOUND:
        parts = (_hidden(kind.get_member_type(i)) for i in range(kind.get_nmembers()))
        return next(filter(None, parts), "")
    return ""


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
