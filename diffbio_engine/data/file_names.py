"""Which files may hold data, by their names, and in words: of all readers and kinds of data."""

from diffbio_engine.data.kinds import kinds
from diffbio_engine.data.readers.file_types import endings, what_opens
from diffbio_engine.data.readers.packed_text import PACKINGS
from diffbio_engine.data.readers.tars import TARS


def all_endings() -> tuple[str, ...]:
    """How the names of files end that may be opened: data, packed data and archives."""
    of_kinds = (ending for kind in kinds().values() for ending in kind.endings)
    return tuple(dict.fromkeys((*endings(), *of_kinds, ".zip", *TARS, *PACKINGS)))


def all_in_words() -> str:
    """What can be brought: ``"h5ad, 10x h5, ..., FASTA and FASTQ"``."""
    return ", ".join((what_opens(), *(kind.said for kind in kinds().values() if kind.said)))
