"""Reads a table of counts: csv, tsv or txt, gzipped or not, either way round."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset, gene_name_style
from diffbio_engine.data.matrices import InMemory
from diffbio_engine.data.packed_text import open_bytes
from diffbio_engine.data.reading import CELLS_IN_ROWS, GENES_IN_ROWS, Choice, Reading
from diffbio_engine.errors import DataError

_BARCODE = re.compile(r"^(.*[_\-.:#])?[ACGT]{10,}([_\-.]\w+)*$")
# Genes that nearly every human or mouse data set names.
_WELL_KNOWN = re.compile(
    r"^(ACTB|GAPDH|B2M|CD3[DE]|CD4|CD8A|MS4A1|LYZ|NKG7|MALAT1|ALB|PTPRC|EPCAM|HB[AB]\w*|"
    r"MT-\w+|RP[LS]\d+\w*|HLA-\w+|FOX\w+|SOX\d+|GM\d+|ENS\w*G\d+(\.\d+)?|\w+RIK)$",
    re.IGNORECASE,
)
_ROWS_AT_ONCE = 2_000
# pandas takes 12 s for 190,000 columns, and 40 s are not enough for a million.
MOST_COLUMNS, MOST_ROWS = 200_000, 5_000_000


@dataclass(frozen=True)
class TableSketch:
    """What the names of a table say, before its numbers are read."""

    separator: str
    rows: list[str]
    columns: list[str]
    orientation: str
    reason: str


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        start = file.read(4096)
    zipped = start.startswith(b"\x1f\x8b")
    if b"\x00" in start and not zipped:
        raise DataError(f"{path.name} is not a table of text.", fix="Choose a csv or tsv.")
    if zipped:
        return io.TextIOWrapper(
            open_bytes(path), encoding="utf-8-sig", errors="replace", newline=""
        )
    return path.open("rt", encoding="utf-8-sig", errors="replace", newline="")


def sketch_table(path: Path, orientation: str | None = None) -> TableSketch:
    """Names of rows and columns, and which way round the table is; numbers are not read."""
    if orientation not in (None, CELLS_IN_ROWS, GENES_IN_ROWS):
        raise DataError(
            f"'{orientation}' is no orientation.",
            fix=f"Say '{CELLS_IN_ROWS}' or '{GENES_IN_ROWS}'.",
        )
    try:
        with _open(path) as file:
            header = file.readline(50_000_000)
            if "\x00" in header or not header.strip():
                raise DataError(f"{path.name} is not a table of text.", fix="Choose a csv or tsv.")
            second = file.readline(50_000_000)
            separator = max(("\t", ",", ";", " "), key=header.count)
            rows = [_first(second, separator)] if second.strip() else []
            _refuse_too_many(path, header.count(separator), MOST_COLUMNS, "columns")
            for line in file:
                if line.strip():
                    rows.append(_first(line, separator))
                if len(rows) > MOST_ROWS:
                    _refuse_too_many(path, len(rows), MOST_ROWS, "rows")
    except DataError:
        raise
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise DataError(
            f"{path.name} was cut off or is damaged ({error}).", fix="Copy it again."
        ) from None
    columns = next(csv.reader([header], delimiter=separator))
    if len(next(csv.reader([second or ""], delimiter=separator), [])) == len(columns):
        # R leaves out the name of the first column; everybody else writes something there.
        columns = columns[1:]
    if not rows or not columns:
        raise DataError(
            f"{path.name} has {len(rows)} rows and {len(columns)} columns besides the names.",
            fix="Choose a table with a row of names and a column of names.",
        )
    detected, reason = _which_way(rows, columns)
    return TableSketch(
        separator,
        rows,
        columns,
        orientation or detected,
        "as you said" if orientation else reason,
    )


def _refuse_too_many(path: Path, n: int, most: int, what: str) -> None:
    if n > most:
        raise DataError(
            f"{path.name} has {n:,} {what} or more; a table of text may have {most:,} at most.",
            fix="Bring it as an h5ad or 10x file: they are read many times as fast.",
        )


def _first(line: str, separator: str) -> str:
    return line.split(separator, 1)[0].strip().strip('"')


def _which_way(rows: list[str], columns: list[str]) -> tuple[str, str]:
    def gene_like(names: list[str]) -> float:
        if gene_name_style(names) == "Ensembl ids":
            return 1.0
        return float(np.mean([bool(_WELL_KNOWN.match(n)) for n in names[:5000]]))

    def cell_like(names: list[str]) -> float:
        return float(np.mean([bool(_BARCODE.match(n)) for n in names[:2000]]))

    genes_in_rows = gene_like(rows) - gene_like(columns) + cell_like(columns) - cell_like(rows)
    if genes_in_rows > 0.005:
        return GENES_IN_ROWS, f"rows are named like genes ({rows[0]}, ...)"
    if genes_in_rows < -0.005:
        return CELLS_IN_ROWS, f"columns are named like genes ({columns[0]}, ...)"
    return CELLS_IN_ROWS, "the names do not tell, and this is the usual way"


def orientation_warning(sketch: TableSketch) -> str:
    """How the table was understood, and how to say otherwise."""
    why = f"Read with {sketch.orientation}, because {sketch.reason}."
    return f"{why} Turn it round if that is wrong."


def orientation_choice(sketch: TableSketch) -> Choice:
    """Which way round it was read; the other way is possible too."""
    ways = ((CELLS_IN_ROWS, "Cells in rows"), (GENES_IN_ROWS, "Genes in rows"))
    return Choice("orientation", "Which way round", sketch.orientation, ways, sketch.reason)


def _pieces(path: Path, sketch: TableSketch, most: int | None = None) -> Iterator[pd.DataFrame]:
    try:
        with _open(path) as file:
            yield from pd.read_csv(
                file,
                sep=sketch.separator,
                header=0,
                names=["", *sketch.columns] if len(set(sketch.columns)) else None,
                index_col=0,
                chunksize=_ROWS_AT_ONCE,
                nrows=most,
                low_memory=False,
            )
    except (pd.errors.ParserError, EOFError, gzip.BadGzipFile, OSError) as error:
        raise DataError(
            f"{path.name} cannot be read as a table ({str(error).strip()}).",
            fix="Check that all rows have the same number of columns.",
        ) from None


def _split(piece: pd.DataFrame, path: Path, orientation: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Numbers, and columns of words beside them (labels of cells)."""
    words = [c for c, t in piece.dtypes.items() if t.kind not in "fiub"]
    if words and (orientation == GENES_IN_ROWS or len(words) == piece.shape[1]):
        raise DataError(
            f"{path.name} holds words where numbers are expected (column "
            f"'{_shown(words[0])}': '{piece[words[0]].dropna().iloc[0]}').",
            fix="Keep one row of names and one column of names, and numbers between them.",
        )
    return piece.drop(columns=words), piece[words]


def _shown(name: str) -> str:
    return name.split("\x1f")[0]


def open_table(path: Path, reading: Reading) -> Dataset:
    """The whole table, as sparse counts; columns of words become columns of ``obs``."""
    sketch = _named_apart(sketch_table(path, reading.orientation or None))
    blocks, labels = [], []
    for piece in _pieces(path, sketch):
        numbers, words = _split(piece, path, sketch.orientation)
        blocks.append(sp.csr_matrix(numbers.to_numpy(np.float32)))
        labels.append(words)
        columns = [_shown(c) for c in numbers.columns]
        if blocks[0].shape[1] != blocks[-1].shape[1]:
            raise DataError(
                f"A column of {path.name} holds numbers in some rows and words in others.",
                fix="Mend the table, or leave the column out.",
            )
    matrix = sp.vstack(blocks, format="csr")
    obs = pd.concat(labels)
    obs.columns = [_shown(c) for c in obs.columns]
    obs = obs.astype(dict.fromkeys(obs.columns, object)).set_axis(sketch.rows)
    if sketch.orientation == GENES_IN_ROWS:
        matrix, columns, obs = matrix.T.tocsr(), sketch.rows, pd.DataFrame(index=columns)
    return Dataset(
        name=path.name,
        kind="table of text",
        obs=obs,
        var=pd.DataFrame(index=pd.Index(columns, dtype=object)),
        matrices={"X": InMemory(matrix)},
        warnings=(orientation_warning(sketch),),
        path=path,
        choices=(orientation_choice(sketch),),
    )


def _named_apart(sketch: TableSketch) -> TableSketch:
    """pandas renames repeated columns in its own way; ours are told apart by a hidden number."""
    apart = [f"{c}\x1f{i}" for i, c in enumerate(sketch.columns)]
    return TableSketch(sketch.separator, sketch.rows, apart, sketch.orientation, sketch.reason)


def sample_table(path: Path, sketch: TableSketch, n_rows: int = 200) -> tuple[pd.DataFrame, ...]:
    """Numbers and labels of the first rows."""
    named = _named_apart(sketch)
    piece = next(_pieces(path, named, min(n_rows, len(sketch.rows))))
    numbers, words = _split(piece, path, sketch.orientation)
    numbers.columns = [_shown(c) for c in numbers.columns]
    words.columns = [_shown(c) for c in words.columns]
    return numbers, words
