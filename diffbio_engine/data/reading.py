"""How a file is read where its bytes leave a choice; a person may say otherwise."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from diffbio_engine.errors import DataError, did_you_mean
from diffbio_engine.ports.alphabets import ALPHABETS

CELLS_IN_ROWS, GENES_IN_ROWS = "cells in rows", "genes in rows"
ALL_FEATURES = "all"
MEANINGS_OF_M = ("months", "minutes")
AS_IT_IS = "as it is"
OFFSETS = ("33", "64")
# More positions of a sequence are never drawn: a batch of 128 takes 8 MB as bytes, and a hundred
# times as much in the first layer of a network.
MOST_USED = 65_536
MOST_BASES = 1_000_000  # of a bin
ALL_TABLES, NO_TABLES, NO_COLUMN, NO_VOCABULARY = "all", "none", "none", "none"
SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "space": " ", "bar": "|"}
# What people also write.
_SAME = {
    "orientation": {
        "cells": CELLS_IN_ROWS, "rows are cells": CELLS_IN_ROWS, "cells_in_rows": CELLS_IN_ROWS,
        "cells-in-rows": CELLS_IN_ROWS, "genes in columns": CELLS_IN_ROWS,
        "genes": GENES_IN_ROWS, "rows are genes": GENES_IN_ROWS, "genes_in_rows": GENES_IN_ROWS,
        "genes-in-rows": GENES_IN_ROWS, "cells in columns": GENES_IN_ROWS,
    },
    "separator": {sign: name for name, sign in SEPARATORS.items()} | {"\\t": "tab", "pipe": "bar"},
    "features": {"All": ALL_FEATURES, "ALL": ALL_FEATURES, "*": ALL_FEATURES},
    "m": {"month": "months", "mo": "months", "minute": "minutes", "min": "minutes"},
    "letters": {
        "dna": "DNA", "rna": "RNA", "Protein": "protein", "PROTEIN": "protein", "aa": "protein",
    },
    "quality": {"Phred+33": "33", "phred33": "33", "Phred+64": "64", "phred64": "64"},
    "molecules": {
        "spliced+unspliced": "spliced + unspliced", "all": "spliced + unspliced + ambiguous",
        "spliced+unspliced+ambiguous": "spliced + unspliced + ambiguous",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What a person said of how to read a file; an empty word leaves it to the file.

    Attributes:
        orientation: ``"cells in rows"`` or ``"genes in rows"`` of a table.
        genome: Which genome of a 10x file that holds several; ``"all"`` for all of them.
        features: Which kind of features of a 10x matrix; ``"all"`` for every kind.
        separator: What stands between the columns of a table: a name of ``SEPARATORS``.
        sheet: Which sheet of a workbook.
        part: Which matrix, where a folder holds several of the same cells.
        annotation: Which table about the cells beside a matrix is joined; ``"none"`` for none.
        molecules: Which layers are added up as counts: ``"spliced + unspliced"``.
        m: What an "m" in a time ("3m") stands for: ``"minutes"`` or ``"months"``.
        rows: What the rows are: the name of a kind of data, ``"cells"``.
        letters: What the letters of sequences are: the name of an alphabet, ``"DNA"``.
        quality: From which sign qualities of FASTQ are counted: ``"33"`` or ``"64"``.
        longest: How many first positions of each sequence are used: ``"1024"``.
        bin_size: Over how many bases the signal of a track is averaged: ``"200"``.
        sequence_column: Which column of a table holds sequences: its title; ``"none"`` reads the
            table as one of counts.
        sample: Which sample of a folder or archive that holds several; empty: all, joined.
        vocabulary: ``"none"`` takes the letters where a vocabulary lies beside them.
    """

    orientation: str = ""
    genome: str = ""
    features: str = ""
    separator: str = ""
    sheet: str = ""
    part: str = ""
    annotation: str = ""
    molecules: str = ""
    m: str = ""
    rows: str = ""
    letters: str = ""
    quality: str = ""
    longest: str = ""
    bin_size: str = ""
    sequence_column: str = ""
    sample: str = ""
    vocabulary: str = ""

    def __post_init__(self) -> None:
        for name, same in _SAME.items():
            said = getattr(self, name)
            object.__setattr__(self, name, same.get(said, said))
        for name, known in (
            ("orientation", (CELLS_IN_ROWS, GENES_IN_ROWS)),
            ("separator", tuple(SEPARATORS)),
            ("m", MEANINGS_OF_M),
            ("letters", tuple(ALPHABETS)),
            ("quality", OFFSETS),
        ):
            said = getattr(self, name)
            if said and said not in known:
                raise DataError(
                    f"'{said}' is no {name}.",
                    fix=f"Say {' or '.join(repr(k) for k in known)}.",
                    where=name,
                )
        if self.longest and not _is_number(self.longest, MOST_USED):
            raise DataError(
                f"'{self.longest}' is no number of positions.",
                fix=f"Say how many first positions of each sequence are used: 1 to {MOST_USED:,}.",
                where="longest",
            )
        if self.bin_size and not _is_number(self.bin_size, MOST_BASES):
            raise DataError(
                f"'{self.bin_size}' is no size of bins.",
                fix=f"Say over how many bases the signal is averaged: 1 to {MOST_BASES:,}.",
                where="bin_size",
            )

    @classmethod
    def of(cls, said: Mapping[str, Any] | None) -> "Reading":
        """From plain data, as a run or a data set keeps it."""
        said = {k: v for k, v in (said or {}).items() if v not in (None, "")}
        for name in said:
            if name not in cls.__dataclass_fields__:
                raise DataError(
                    f"There is no way of reading called '{name}'.",
                    fix=did_you_mean(name, cls.__dataclass_fields__)
                    or f"There are {', '.join(cls.__dataclass_fields__)}.",
                )
        return cls(**{name: str(value) for name, value in said.items()})

    def as_dict(self) -> dict[str, str]:
        """What was said, and nothing else; plain data."""
        return {name: value for name, value in asdict(self).items() if value}


def _is_number(said: str, most: int) -> bool:
    """Whether it is a whole number from 1 to the most; not every digit makes one (``²``)."""
    return said.isdecimal() and len(said) < 16 and 0 < int(said) <= most


@dataclass(frozen=True)
class Choice:
    """Something that a person may say about a file: what was taken, and what else there is.

    Attributes:
        name: The keyword of ``read`` and ``inspect``: ``"orientation"``.
        title: What a person calls it.
        taken: What was taken.
        possible: Value and title of each that can be taken, the one taken among them.
        why: Why this one, in words; empty if the person said so.
    """

    name: str
    title: str
    taken: str
    possible: tuple[tuple[str, str], ...]
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        possible = [{"value": value, "title": title} for value, title in self.possible]
        return {**asdict(self), "possible": possible}


def source_of(path: Any, reading: Mapping[str, Any] | None = None) -> str:
    """One text for a file and the way it is read, for tables that are kept by it."""
    kept = Reading.of(reading).as_dict()
    # No path holds a zero byte.
    return f"{path}\x00{json.dumps(kept, sort_keys=True)}" if kept else str(path)


def file_of(source: str) -> tuple[str, Reading]:
    """The file of a source, and the way it is read."""
    path, zero, kept = source.partition("\x00")
    return path, Reading.of(json.loads(kept)) if zero else Reading()
