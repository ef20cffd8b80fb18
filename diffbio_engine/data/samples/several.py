"""Whether a folder or archive holds several samples, or one data set of several files."""

from contextlib import ExitStack
from pathlib import Path

from diffbio_engine.data.kinds import kind_of_file
from diffbio_engine.data.opening import look_at
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.samples_apart import names_below, samples_in_names
from diffbio_engine.data.readers.tables import FILE_TYPE as TABLES
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError


def samples_inside(path: Path) -> list[str]:
    """Names of the samples; none where it is one data set.

    Names of files tell it. Tables may also be several matrices of the same cells (counts and their
    logarithms): then their reader takes one of them, and it is one data set.
    """
    found = samples_in_names(names_below(path))
    if not found or not kind_of_file(path, Reading()).joins:
        return []
    if all(bare_name(files[0]).endswith(TABLES.endings) for files in found.values()):
        try:
            with ExitStack() as stack:
                dataset, _ = look_at(path, Reading(), stack)
                if any(choice.name == "part" for choice in dataset.choices):
                    return []
        except DataError:  # one of them is wrong: which one is said in its row
            pass
    return list(found)
