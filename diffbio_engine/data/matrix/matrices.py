"""A matrix of cells by genes, in memory or on disk, with one way to ask for rows."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.matrix.hdf5_check import open_checked
from diffbio_engine.data.matrix.hdf5_elements import (
    check_sparse,
    encoding,
    is_sparse,
    refuse_if_hollow,
    sparse_shape,
)
from diffbio_engine.data.matrix.in_memory import InMemory, Unread, float32_csr
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.matrix.some_rows import SomeRows
from diffbio_engine.errors import DataError
from diffbio_engine.quantities import in_units

# Below this a matrix is taken into memory, where any row is as near as any other.
IN_MEMORY_LIMIT = 4 * 2**30


class OnDisk:
    """Cells by genes in an HDF5 file; rows are read when they are asked for.

    Neighbouring rows are cheap and scattered rows are dear (about forty times on gzip), so
    ``block_rows`` says how many to take at a time.

    Args:
        path: The file; it is checked for links out of itself before it is read.
        place: The path inside the file.
        columns: Genes to keep, where not all are wanted.
        sideways: Genes are rows in the file and cells are columns, as in 10x files; then CSC in
            the file's words is CSR in ours.
    """

    block_rows = 128

    def __init__(
        self,
        path: str | Path,
        place: str,
        *,
        columns: np.ndarray | None = None,
        sideways: bool = False,
    ):
        self.path, self.place, self._columns = Path(path), place, columns
        self._sideways, self._rounded = sideways, False
        # Its bytes on disk are not cells by genes as anndata has them.
        self.rearranged = sideways or columns is not None
        self._file: h5py.File | None = None
        item = self._item()
        if isinstance(item, h5py.Dataset):
            if item.ndim != 2:
                raise DataError(f"{place} has {item.ndim} axes instead of cells x genes.")
            self.stored, shape = "dense", item.shape
            self.n_bytes, self.dtype = item.size * 4, item.dtype
        elif is_sparse(item) or sideways:
            shape = (
                tuple(int(n) for n in item["shape"][()][::-1]) if sideways else sparse_shape(item)
            )
            csr = sideways or encoding(item) == "csr_matrix"
            self.stored = "CSR" if csr else "CSC"
            self.n_bytes, self.dtype = int(item["data"].shape[0]) * 8, item["data"].dtype
            self._read_pointers(item, shape)
        else:
            raise DataError(f"{place} is no matrix that this version knows.", fix="Save it again.")
        self.shape = (int(shape[0]), int(shape[1]) if columns is None else len(columns))
        self._width = int(shape[1])
        self.close()

    def _read_pointers(self, item: h5py.Group, shape: tuple[int, ...]) -> None:
        refuse_if_hollow(item["indptr"])
        refuse_if_too_big(item["indptr"].size * 8, f"{item.name}/indptr")
        self._indptr = item["indptr"][()].astype(np.int64)
        make = sp.csr_matrix if self.stored == "CSR" else sp.csc_matrix
        n_values = min(item["data"].shape[0], item["indices"].shape[0])
        check_sparse(np.array([], int), self._indptr, n_values, shape, make, item.name)

    @property
    def pointers(self) -> np.ndarray | None:
        """Where the values of each cell begin; None where that is not known without reading."""
        return self._indptr if self.stored == "CSR" and self._columns is None else None

    def _item(self) -> h5py.Group | h5py.Dataset:
        if self._file is None:
            self._file = open_checked(self.path)
        return self._file[self.place]

    def close(self) -> None:
        """Closes the file; asking for rows opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def block(self, start: int, stop: int) -> sp.csr_matrix:
        """Cells that lie side by side."""
        stop = min(stop, self.shape[0])
        try:
            item = self._item()
            if self.stored == "dense":
                return self._some_genes(float32_csr(item[start:stop]))
            if self.stored == "CSC":
                raise self._wrong_way_round()
            return self._some_genes(self._lines(item, start, stop, self._width, sp.csr_matrix))
        except (OSError, RuntimeError, KeyError) as error:
            raise _unreadable(self.path, self.place, error) from None

    def genes_block(self, start: int, stop: int) -> sp.csr_matrix:
        """All cells of some genes, for CSC only; without those that are left out."""
        found = self._lines(self._item(), start, stop, self.shape[0], sp.csc_matrix).tocsr()
        if self._columns is None:
            return found
        kept = self._columns[(self._columns >= start) & (self._columns < stop)]
        return found[:, kept - start]

    def _lines(self, item: h5py.Group, start: int, stop: int, width: int, make: Any) -> Any:
        first, last = int(self._indptr[start]), int(self._indptr[stop])
        indices, data = item["indices"][first:last], item["data"][first:last]
        pointers = self._indptr[start : stop + 1] - first
        shape = (stop - start, width) if make is sp.csr_matrix else (width, stop - start)
        check_sparse(indices, pointers, min(len(data), len(indices)), shape, make, self.place)
        made = make(
            (data.astype(np.float32, copy=False), indices.astype(np.int32, copy=False), pointers),
            shape=shape,
        )
        if not made.has_canonical_format:  # a value that stands there in parts is their sum
            made.sum_duplicates()
        return made

    def _some_genes(self, block: sp.csr_matrix) -> sp.csr_matrix:
        if self._rounded:
            block.data = np.round(block.data)
        return block if self._columns is None else block[:, self._columns]

    def of_genes(self, columns: np.ndarray) -> "OnDisk":
        """The same cells with some of the genes only; nothing is read."""
        kept = columns if self._columns is None else self._columns[columns]
        made = OnDisk(self.path, self.place, columns=kept, sideways=self._sideways)
        made._rounded = self._rounded
        return made

    def of_whole_numbers(self) -> "OnDisk":
        """The same, rounded as it is read; nothing is read."""
        made = OnDisk(self.path, self.place, columns=self._columns, sideways=self._sideways)
        made._rounded = True
        return made

    def rows(self, indices: np.ndarray) -> sp.csr_matrix:
        """These cells, in this order; runs of neighbours are read at once."""
        wanted, back = np.unique(np.asarray(indices), return_inverse=True)
        if len(wanted) == 0:
            return sp.csr_matrix((0, self.shape[1]), dtype=np.float32)
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        blocks = [self.block(int(run[0]), int(run[-1]) + 1) for run in runs]
        return sp.vstack(blocks, format="csr")[back]

    def load(self) -> sp.csr_matrix:
        """All of it, in memory; the only way to get at the rows of a CSC matrix."""
        if self.stored == "CSC":
            refuse_if_too_big(2 * self.n_bytes, self.place)
            try:
                whole = self._lines(self._item(), 0, self._width, self.shape[0], sp.csc_matrix)
            except (OSError, RuntimeError, KeyError) as error:
                raise _unreadable(self.path, self.place, error) from None
            finally:
                self.close()
            return self._some_genes(whole.tocsr())
        refuse_if_too_big(self.n_bytes, self.place)
        step = self.shape[0] or 1
        if self.stored == "dense":
            # Blocks of about 64 MB: the dense form of all cells never exists.
            step = max(1, 2**24 // max(self._width, 1))
        starts = range(0, self.shape[0], step)
        blocks = [self.block(s, s + step) for s in starts]
        self.close()
        if not blocks:
            return sp.csr_matrix(self.shape, dtype=np.float32)
        return blocks[0] if len(blocks) == 1 else sp.vstack(blocks, format="csr")

    def _wrong_way_round(self) -> DataError:
        return DataError(
            f"{self.place} is stored gene by gene (CSC), so cells cannot be read from disk one "
            f"after the other, and it has {in_units(self.n_bytes)}, more than the "
            f"{in_units(IN_MEMORY_LIMIT)} that are read into memory.",
            fix="Save it cell by cell: adata.X = adata.X.tocsr(); adata.write_h5ad('new.h5ad').",
        )


Matrix = InMemory | OnDisk | Unread | SomeRows


def taken(matrix: Matrix, on_disk: bool | None = None) -> Matrix:
    """In memory or on disk, as its size asks for, or as the caller does."""
    if isinstance(matrix, InMemory):
        return matrix
    whole = matrix.base if isinstance(matrix, SomeRows) else matrix
    if not isinstance(whole, OnDisk):
        return InMemory(matrix.load(), matrix.dtype)
    if on_disk is None:
        on_disk = matrix.n_bytes > IN_MEMORY_LIMIT
    if on_disk and whole.stored == "CSC" and whole.n_bytes > IN_MEMORY_LIMIT:
        raise whole._wrong_way_round()
    if not on_disk or whole.stored == "CSC":
        return InMemory(matrix.load(), matrix.dtype)
    return matrix


def some_of(matrix: Matrix, rows: np.ndarray, columns: np.ndarray | None = None) -> Matrix:
    """Some rows of a matrix, from small to large, and some of its genes (None: all).

    What is in memory is copied; on disk nothing is read for it.
    """
    if not isinstance(matrix, InMemory):
        return SomeRows(matrix, rows, columns)
    csr = matrix.rows(rows)
    return InMemory(csr if columns is None else csr[:, columns], matrix.dtype)


def _unreadable(path: Path, place: str, error: Exception) -> Exception:
    if isinstance(error, DataError):
        return error
    return DataError(
        f"{place} of {path.name} cannot be read: the file is damaged or was cut off.",
        fix="Copy or upload it again.",
    )
