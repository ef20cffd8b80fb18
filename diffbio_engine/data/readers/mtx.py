"""Reads a Matrix Market file: its header, some of its values, or all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.matrix.in_memory import Sample
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.matrix.whole_numbers import are_whole
from diffbio_engine.data.readers.packed_text import BROKEN, open_bytes
from diffbio_engine.errors import DataError

AGAIN = "Copy the three files again."
_ENTRIES_AT_ONCE = 2_000_000
_MOST_CELLS, _MOST_ODD = 256, 16
# So many values of a file that lists gene by gene are read to get at whole cells.
_MOST_READ = 20_000_000
_FIELDS = ("integer", "real", "double", "unsigned-integer", "pattern")


class MtxHeader(NamedTuple):
    """Rows, columns and stored values; whether the values are left out (all of them 1)."""

    n_rows: int
    n_columns: int
    n_entries: int
    pattern: bool


def mtx_header(path: Path) -> MtxHeader:
    """What the first lines of a file say."""
    try:
        with open_bytes(path) as file:
            return _header(file, path)
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise cut_off(path, error) from None


def _header(file: IO[bytes], path: Path) -> MtxHeader:
    words = file.readline(10_000).decode("ascii", "replace").lower().split()
    if not words or words[0] not in ("%%matrixmarket", "%matrixmarket"):
        raise DataError(f"{path.name} is not a Matrix Market file.", fix=AGAIN)
    if len(words) != 5 or words[1] != "matrix" or words[3] not in _FIELDS:
        raise DataError(
            f"The first line of {path.name} is damaged or of an unknown kind "
            f"('{' '.join(words)[:80]}').",
            fix="It should read: %%MatrixMarket matrix coordinate integer general.",
        )
    if words[2] != "coordinate" or words[4] != "general":
        raise DataError(
            f"{path.name} is a matrix of the kind '{words[2]} {words[4]}', which no count matrix "
            "of cells and genes has.",
            fix="Write it as a sparse matrix: 'coordinate' and 'general'.",
        )
    line = b"%"
    while line.startswith(b"%") or (line and not line.strip()):
        line = file.readline(10_000)
    numbers = line.split()
    if len(numbers) != 3 or not all(n.isdigit() and len(n) < 16 for n in numbers):
        raise DataError(f"{path.name} does not say how many rows it has.", fix=AGAIN)
    n_rows, n_columns, n_entries = (int(n) for n in numbers)
    if n_entries > n_rows * n_columns:
        raise DataError(
            f"{path.name} promises {n_entries:,} values, more than {n_rows:,} x {n_columns:,}.",
            fix=AGAIN,
        )
    return MtxHeader(n_rows, n_columns, n_entries, words[3] == "pattern")


def load_mtx(path: Path, *, cells_are_rows: bool) -> sp.csr_matrix:
    """All of it, as cells by genes."""
    header = mtx_header(path)
    refuse_if_too_big(header.n_entries * 24, path.name)
    rows = np.empty(header.n_entries, np.int64)
    columns, values = np.empty_like(rows), np.empty(header.n_entries, np.float32)
    n = 0
    for piece in _entries(path, header.pattern, _ENTRIES_AT_ONCE):
        if n + len(piece) > header.n_entries:
            raise _wrong_number(path, header, "more")
        stop = n + len(piece)
        rows[n:stop], columns[n:stop] = piece["row"] - 1, piece["column"] - 1
        values[n:stop] = 1 if header.pattern else piece["value"]
        n = stop
    if n < header.n_entries:
        raise _wrong_number(path, header, "fewer")
    _check_places(path, header, rows, columns)
    matrix = sp.coo_matrix((values, (rows, columns)), shape=header[:2])
    return sp.csr_matrix(matrix if cells_are_rows else matrix.T)


def sample_mtx(path: Path, *, cells_are_rows: bool, n_entries: int = 200_000) -> Sample:
    """The first values of a file, and how many of how many they are."""
    header = mtx_header(path)
    n = min(header.n_entries, n_entries)
    # Of a file that is looked at whole one line more is asked for: it must not be there.
    whole = n == header.n_entries
    piece = next(_entries(path, header.pattern, n + 1 if whole else n), None)
    found = 0 if piece is None else len(piece)
    if found < n:
        raise _wrong_number(path, header, "fewer")
    if found > n:
        raise _wrong_number(path, header, "more")
    if piece is not None:
        _check_places(path, header, piece["row"].to_numpy() - 1, piece["column"].to_numpy() - 1)
    values = np.ones(n) if header.pattern or piece is None else piece["value"].to_numpy()[:n]
    size = max(header.n_rows * header.n_columns, 1)
    said = f"the first {n:,} of {header.n_entries:,} values that are not 0 looked at"
    if n == header.n_entries:
        said = f"all {n:,} values that are not 0 looked at"
    filled = None
    if n == header.n_entries:
        cell = "row" if cells_are_rows else "column"
        filled = 0 if piece is None else int(piece[cell][values != 0].nunique())
    cells, whole_cells = None, True
    if piece is not None and not header.pattern and are_whole(values):
        cells = _first_cells(piece[:n], header, cells_are_rows)
        if cells is None:
            cells, odd, n_read = _spread_cells(path, header, cells_are_rows)
            values, whole_cells = np.r_[values, odd], n_read == header.n_entries
            said += (
                f", and {cells.shape[0]:,} whole cells"
                if whole_cells
                else f"; judged from the first {n_read:,} values"
            )
    zeros = 1 - header.n_entries / size
    return Sample(sp.csr_matrix(values[None]), said, False, zeros, filled, cells, whole_cells)


def _first_cells(
    piece: pd.DataFrame, header: MtxHeader, cells_are_rows: bool
) -> sp.csr_matrix | None:
    """Whole cells at the begin of a file that lists cell by cell, or that was seen whole."""
    cell, gene = ("row", "column") if cells_are_rows else ("column", "row")
    if len(piece) < header.n_entries:
        if not piece[cell].is_monotonic_increasing:
            return None
        piece = piece[piece[cell] < piece[cell].iloc[-1]]
    numbers, places = np.unique(piece[cell].to_numpy(), return_inverse=True)
    taken = places < _MOST_CELLS
    n_genes = header.n_columns if cells_are_rows else header.n_rows
    return sp.csr_matrix(
        (piece["value"].to_numpy()[taken], (places[taken], piece[gene].to_numpy()[taken] - 1)),
        shape=(min(len(numbers), _MOST_CELLS), n_genes),
    )


def _spread_cells(
    path: Path, header: MtxHeader, cells_are_rows: bool
) -> tuple[sp.csr_matrix, np.ndarray, int]:
    """Cells spread over a file that lists gene by gene, some fractions in it, and values read."""
    cell, gene = ("row", "column") if cells_are_rows else ("column", "row")
    n_cells, n_genes = header[:2] if cells_are_rows else (header.n_columns, header.n_rows)
    chosen = np.unique(np.linspace(1, n_cells, _MOST_CELLS).astype(np.int64))
    rows, columns, found, odd, n = [], [], [], np.zeros(0), 0
    for piece in _entries(path, header.pattern, _ENTRIES_AT_ONCE):
        _check_places(path, header, piece["row"].to_numpy() - 1, piece["column"].to_numpy() - 1)
        values, of_cell = piece["value"].to_numpy(), piece[cell].to_numpy()
        place = np.minimum(np.searchsorted(chosen, of_cell), len(chosen) - 1)
        mine = chosen[place] == of_cell
        rows.append(place[mine])
        columns.append(piece[gene].to_numpy()[mine] - 1)
        found.append(values[mine])
        if not are_whole(values):
            off = np.abs(values - np.round(values))
            odd = np.r_[odd, values[off > 0.5 * off.max()][:_MOST_ODD]][:_MOST_ODD]
        n += len(piece)
        if n >= min(_MOST_READ, header.n_entries):
            break
    if n < min(_MOST_READ, header.n_entries):
        raise _wrong_number(path, header, "fewer")
    places = (np.concatenate(rows), np.concatenate(columns))
    cells = sp.csr_matrix((np.concatenate(found), places), shape=(len(chosen), n_genes))
    return cells, odd, n


def _check_places(path: Path, header: MtxHeader, rows: np.ndarray, columns: np.ndarray) -> None:
    for what, places, end in (("row", rows, header.n_rows), ("column", columns, header.n_columns)):
        outside = places[(places < 0) | (places >= end)]
        if len(outside):
            raise DataError(
                f"{path.name} holds a value in {what} {int(outside[0]) + 1:,} of {end:,}, which "
                "is outside of the matrix.",
                fix=AGAIN,
            )


def _entries(path: Path, pattern: bool, at_once: int) -> Iterator[pd.DataFrame]:
    names = ["row", "column"] if pattern else ["row", "column", "value"]
    kinds = {"row": np.int64, "column": np.int64, "value": np.float64}
    try:
        with open_bytes(path) as file:
            _header(file, path)
            pieces = pd.read_csv(
                file,
                sep=r"\s+",
                names=names,
                header=None,
                index_col=False,
                dtype={name: kinds[name] for name in names},
                chunksize=at_once,
                comment="%",
            )
            for piece in pieces:
                if not pattern and piece["value"].isna().any():
                    raise ValueError("a value is missing")
                yield piece
    except (pd.errors.EmptyDataError, StopIteration):
        return
    except (*BROKEN, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path.name} holds a line that is not two whole numbers and a value ({error}).",
            fix=AGAIN,
        ) from None


def _wrong_number(path: Path, header: MtxHeader, how: str) -> DataError:
    return DataError(
        f"{path.name} promises {header.n_entries:,} values and holds {how}; it was probably cut "
        "off or damaged.",
        fix=AGAIN,
    )


def cut_off(path: Path, error: Exception) -> DataError:
    """The sentence for a file that ends too early."""
    return DataError(f"{path.name} was cut off or is damaged ({error}).", fix=AGAIN)
