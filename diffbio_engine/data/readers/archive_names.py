"""What lies in a zip or tar, by the names alone: nothing is unpacked."""

import itertools
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from diffbio_engine.data.readers.archives import is_zip
from diffbio_engine.data.readers.packed_text import BROKEN, open_bytes
from diffbio_engine.data.readers.tars import is_tar
from diffbio_engine.errors import DataError

_MOST_LISTED, _SMALL = 2_000, 64 * 2**20


def is_archive(path: Path) -> bool:
    """Whether it is a file in which others lie."""
    return path.is_file() and (is_tar(path) or is_zip(path))


def names_in(path: Path, *, most_of_large: int = _MOST_LISTED) -> list[str]:
    """The files of an archive that are seen once it is unpacked; none of a damaged one.

    Args:
        path: A zip or tar.
        most_of_large: How many are looked for in a large tar, which is read for it.
    """
    try:
        if not is_tar(path):
            with zipfile.ZipFile(path) as archive:
                some = archive.infolist()[:_MOST_LISTED]
                return [m.filename for m in some if not m.is_dir() and _is_seen(m.filename)]
        most = _MOST_LISTED if path.stat().st_size < _SMALL else most_of_large
        with open_bytes(path) as file, tarfile.open(fileobj=file, mode="r|") as tar:
            names = (m.name for m in tar if not m.isdir() and _is_seen(m.name))
            return list(itertools.islice(names, most))
    except (DataError, *BROKEN, zipfile.BadZipFile, tarfile.TarError, NotImplementedError):
        return []


def _is_seen(name: str) -> bool:
    """As ``data_files`` sees what is unpacked."""
    return not any(n.startswith((".", "__MACOSX")) for n in PurePosixPath(name).parts)
