"""Matrices of cells by genes in memory, or on their way there from text or from several files."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.errors import DataError


class InMemory:
    """Cells by genes in memory, as CSR."""

    stored = "in memory"
    block_rows = None

    def __init__(self, matrix: Any, dtype: Any = None):
        """``dtype``: in which the file has the values, where ``matrix`` is a copy of them."""
        self._csr = float32_csr(matrix)
        self.dtype = np.dtype(getattr(matrix, "dtype", np.float32) if dtype is None else dtype)

    @property
    def shape(self) -> tuple[int, int]:
        return self._csr.shape

    @property
    def n_bytes(self) -> int:
        return self._csr.data.nbytes + self._csr.indices.nbytes

    @property
    def pointers(self) -> np.ndarray | None:
        """Where the values of each cell begin."""
        return self._csr.indptr

    def rows(self, indices: np.ndarray) -> sp.csr_matrix:
        """These cells, in this order."""
        return self._csr[indices]

    def block(self, start: int, stop: int) -> sp.csr_matrix:
        """Cells that lie side by side."""
        return self._csr[start:stop]

    def of_genes(self, columns: np.ndarray) -> "InMemory":
        """The same cells with some of the genes only, copied."""
        return InMemory(self._csr[:, columns], self.dtype)

    def of_whole_numbers(self) -> "InMemory":
        """The same, rounded; copied."""
        csr = self._csr.copy()
        csr.data = np.round(csr.data)
        return InMemory(csr, self.dtype)

    def load(self) -> sp.csr_matrix:
        """All of it, in memory."""
        return self._csr

    def close(self) -> None:
        """Nothing is open."""


class Sample(NamedTuple):
    """Some values of a matrix, to judge it by.

    Attributes:
        rows: Rows of the matrix; where ``whole_rows`` is false, any of its values in one row.
        looked: How many of how many, in words.
        zeros: Share of zeros, where the rows do not show it.
        filled: How many cells have counts, where all values were seen.
        cells: Some whole cells, where the rows are none.
        whole_cells: Whether all values of these cells were seen, or only those of some genes.
    """

    rows: sp.csr_matrix
    looked: str
    whole_rows: bool = True
    zeros: float | None = None
    filled: int | None = None
    cells: sp.csr_matrix | None = None
    whole_cells: bool = True


class Unread:
    """Cells by genes in a form that is read whole (text, joined samples), once somebody asks.

    Args:
        load: Reads all of it.
        sample: Reads some of it, quickly.
        stored: What form it has, in words.
    """

    rearranged, block_rows, pointers = True, None, None
    dtype = np.dtype(np.float32)

    def __init__(
        self,
        shape: tuple[int, int],
        load: Callable[[], sp.csr_matrix],
        sample: Callable[[], Sample],
        *,
        stored: str,
        n_values: int,
    ):
        self.shape, self.stored, self.n_bytes = shape, stored, 8 * n_values
        self.sample, self._load = sample, load
        self._read: sp.csr_matrix | None = None

    def load(self) -> sp.csr_matrix:
        """All of it, in memory; kept."""
        if self._read is None:
            refuse_if_too_big(2 * self.n_bytes, "The matrix")
            self._read = float32_csr(self._load())
        return self._read

    def forget(self) -> None:
        """Lets go of what was read; whoever asks again reads again."""
        self._read = None

    def rows(self, indices: np.ndarray) -> sp.csr_matrix:
        """These cells, in this order."""
        return self.load()[indices]

    def block(self, start: int, stop: int) -> sp.csr_matrix:
        """Cells that lie side by side."""
        return self.load()[start:stop]

    def of_genes(self, columns: np.ndarray) -> InMemory:
        """The same cells with some of the genes only, copied."""
        return InMemory(self.load()[:, columns])

    def of_whole_numbers(self) -> InMemory:
        """The same, rounded; copied."""
        return InMemory(self.load()).of_whole_numbers()

    def close(self) -> None:
        """Nothing is open."""


def float32_csr(matrix: Any) -> sp.csr_matrix:
    """Anything like a matrix of numbers, as CSR of 32 bits."""
    if sp.issparse(matrix):
        csr = sp.csr_matrix(matrix)
        if not csr.has_canonical_format:  # a value that stands there in parts is their sum
            csr = csr.copy()
            csr.sum_duplicates()
        return csr if csr.dtype == np.float32 else csr.astype(np.float32)
    matrix = np.asarray(matrix)
    if matrix.dtype.kind not in "fiub":
        raise DataError(f"The matrix holds {matrix.dtype} instead of numbers.", fix="Save numbers.")
    return sp.csr_matrix(matrix.astype(np.float32, copy=False))
