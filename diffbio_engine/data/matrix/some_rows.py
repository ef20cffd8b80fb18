"""Some rows of a matrix, without a copy where it lies on disk."""

from typing import Any

import numpy as np
import scipy.sparse as sp

# Rows that are read although nobody wants them, for each one that is wanted: scattered rows are
# dear (see `OnDisk`), and most of a block is usually kept.
_SPAN, _LOAD_AT_ONCE = 4, 4096


class SomeRows:
    """A matrix seen through some of its rows, and through some of its genes.

    Args:
        base: The whole matrix: on disk, or not read yet.
        rows: Which rows, from small to large.
        columns: Which genes; None: all.
    """

    rearranged, pointers = True, None

    def __init__(self, base: Any, rows: np.ndarray, columns: np.ndarray | None = None):
        if columns is not None and base.block_rows is not None:
            base, columns = base.of_genes(columns), None  # on disk: nothing is read for that
        self.base, self._rows, self._columns = base, np.asarray(rows, np.int64), columns
        self.stored, self.block_rows, self.dtype = base.stored, base.block_rows, base.dtype
        width = base.shape[1] if columns is None else len(columns)
        self.shape = (len(self._rows), width)
        self.n_bytes = int(base.n_bytes * len(self._rows) / max(base.shape[0], 1))

    @property
    def on_disk(self) -> bool:
        """Whether the whole lies on disk, in blocks of rows."""
        return self.block_rows is not None

    def rows(self, indices: np.ndarray) -> sp.csr_matrix:
        """These of its rows, in this order."""
        return self._some_genes(self.base.rows(self._rows[indices]))

    def block(self, start: int, stop: int) -> sp.csr_matrix:
        """Rows that lie side by side here; between them, others may lie in the whole."""
        wanted = self._rows[start:stop]
        if len(wanted) == 0:
            return sp.csr_matrix((0, self.shape[1]), dtype=np.float32)
        first, last = int(wanted[0]), int(wanted[-1]) + 1
        if last - first > _SPAN * len(wanted):
            return self._some_genes(self.base.rows(wanted))
        return self._some_genes(self.base.block(first, last)[wanted - first])

    def _some_genes(self, block: sp.csr_matrix) -> sp.csr_matrix:
        return block if self._columns is None else block[:, self._columns]

    def of_genes(self, columns: np.ndarray) -> "SomeRows":
        """The same rows with some of the genes only."""
        kept = columns if self._columns is None else self._columns[columns]
        return SomeRows(self.base, self._rows, kept)

    def of_whole_numbers(self) -> "SomeRows":
        """The same, rounded."""
        return SomeRows(self.base.of_whole_numbers(), self._rows, self._columns)

    def load(self) -> sp.csr_matrix:
        """All of it, in memory; of what lies on disk row by row, never the whole."""
        if not self.on_disk or self.stored == "CSC":
            return self._some_genes(self.base.load()[self._rows])
        starts = range(0, len(self._rows), _LOAD_AT_ONCE)
        blocks = [self.block(s, s + _LOAD_AT_ONCE) for s in starts]
        self.close()
        if not blocks:
            return sp.csr_matrix(self.shape, dtype=np.float32)
        return sp.vstack(blocks, format="csr")

    def close(self) -> None:
        """Closes the file; asking for rows opens it again."""
        self.base.close()
