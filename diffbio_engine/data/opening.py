"""Any file that people bring: looked at without reading it whole, or opened as a data set."""

import weakref
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.fields.suggestions import suggest
from diffbio_engine.data.inspection.preview import Preview
from diffbio_engine.data.kinds import DataKind, Opening, kind_of_file, tell_rows
from diffbio_engine.data.readers.feature_kinds import GENES
from diffbio_engine.data.reading import ALL_FEATURES, Reading
from diffbio_engine.errors import DataError


def inspect(
    path: str | Path,
    *,
    orientation: str | None = None,
    genome: str | None = None,
    features: str | None = GENES,
    separator: str | None = None,
    sheet: str | None = None,
    part: str | None = None,
    annotation: str | None = None,
    molecules: str | None = None,
    m: str | None = None,
    rows: str | None = None,
    letters: str | None = None,
    quality: str | None = None,
    longest: str | None = None,
    bin_size: str | None = None,
    sequence_column: str | None = None,
    sample: str | None = None,
    vocabulary: str | None = None,
) -> Preview:
    """What a file holds, from its headers, its tables and a sample of its values.

    The arguments are those of ``read``; ``Preview.choices`` says what was taken and what else
    can be. Cost: the tables of cells and genes, and about 500 rows of each matrix.
    """
    reading = _reading(
        features, orientation=orientation, genome=genome, separator=separator, sheet=sheet,
        part=part, annotation=annotation, molecules=molecules, m=m, rows=rows,
        letters=letters, quality=quality, longest=longest, bin_size=bin_size,
        sequence_column=sequence_column, vocabulary=vocabulary, sample=sample,
    )  # fmt: skip
    with ExitStack() as stack:
        return look_at(Path(path), reading, stack)[1]


def look_at(path: Path, reading: Reading, stack: ExitStack) -> tuple[Dataset, Preview]:
    """The same with the data set itself, which is open as long as the stack."""
    dataset, kind = _opened(path, reading, stack, with_uns=False)
    preview = kind.preview(dataset)
    found = suggest(preview)
    told = replace(
        preview,
        path=str(path),
        suggested=kind.fields(preview, found.fields),
        choices=(*preview.choices, *found.choices),
        warnings=(*preview.warnings, *found.notes),
    )
    return dataset, told


def read(
    path: str | Path,
    *,
    orientation: str | None = None,
    genome: str | None = None,
    features: str | None = GENES,
    separator: str | None = None,
    sheet: str | None = None,
    part: str | None = None,
    annotation: str | None = None,
    molecules: str | None = None,
    m: str | None = None,
    rows: str | None = None,
    letters: str | None = None,
    quality: str | None = None,
    longest: str | None = None,
    bin_size: str | None = None,
    sequence_column: str | None = None,
    sample: str | None = None,
    vocabulary: str | None = None,
    unpack_to: str | Path | None = None,
) -> Dataset:
    """Opens a data set. Matrices of HDF5 files stay on disk until they are asked for.

    Args:
        path: h5ad, 10x h5, loom, h5mu, zarr, a folder of matrices as any counting program writes
            it, csv, tsv (packed too) or xlsx; or a folder, zip or tar of one or several of these.
        orientation: ``"cells in rows"`` or ``"genes in rows"`` of a table; None: by its names.
        genome: Which genome of a 10x file that holds several; None: the one with most counts.
        features: Which features of a 10x file; None or ``"all"``: all.
        separator: What stands between the columns of a table: ``"comma"``, ``"tab"``,
            ``"semicolon"``, ``"space"`` or ``"bar"``; None: by its first lines.
        sheet: Which sheet of a workbook; None: the first that holds a table.
        part: Which matrix of a folder that holds several of the same cells.
        annotation: Which table about the cells beside the matrix is joined: its name, ``"all"``
            or ``"none"``; None: those that name the same cells.
        molecules: Layers to be added up as counts: ``"spliced + unspliced"`` or
            ``"spliced + unspliced + ambiguous"``; None: nothing is added up.
        m: What an "m" in a time ("3m") stands for, ``"minutes"`` or ``"months"``; None: by the
            other times.
        rows: What the rows are: ``"cells"``, ``"samples"`` or ``"spots"``; None: by the file.
        letters: What the letters of sequences are: ``"DNA"``, ``"RNA"`` or ``"protein"``; None: by
            which of them there are.
        quality: From which sign qualities of FASTQ are counted: ``"33"`` or ``"64"``; None: by
            their range.
        longest: How many first positions of each sequence are used; None: 1,024.
        bin_size: Over how many bases the signal of a track is averaged; None: 200.
        sequence_column: Which column of a table holds sequences; ``"none"`` for a table of counts;
            None: by titles and values.
        sample: Which sample of a folder or archive that holds several; None: all, joined.
        vocabulary: ``"none"`` takes the letters of sequences, though a vocabulary lies beside them.
        unpack_to: Where to unpack a zip; None: a folder that lives as long as the data set.
    """
    reading = _reading(
        features, orientation=orientation, genome=genome, separator=separator, sheet=sheet,
        part=part, annotation=annotation, molecules=molecules, m=m, rows=rows,
        letters=letters, quality=quality, longest=longest, bin_size=bin_size,
        sequence_column=sequence_column, vocabulary=vocabulary, sample=sample,
    )  # fmt: skip
    stack = ExitStack()
    try:
        dataset, _ = _opened(Path(path), reading, stack, unpack_to)
    except BaseException:
        stack.close()
        raise
    # An h5ad that came in a zip is still read from its unpacked copy.
    weakref.finalize(dataset, stack.close)
    return dataset


def _reading(features: str | None, **said: str | None) -> Reading:
    wanted = {None: ALL_FEATURES, GENES: ""}.get(features, features)
    return Reading.of({**said, "features": wanted})


def _opened(
    path: Path, reading: Reading, stack: ExitStack, unpack_to: Any = None, *, with_uns: bool = True
) -> tuple[Dataset, DataKind]:
    if not path.exists():
        raise DataError(f"There is no file {path}.", fix="Check the name and the folder.")
    opener = kind_of_file(path, reading)
    dataset = opener.open(path, Opening(reading, stack, unpack_to, with_uns))
    return dataset, tell_rows(dataset, opener, reading)
