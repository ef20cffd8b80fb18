"""A sparse matrix that grows in an h5ad, block of rows by block of rows."""

import h5py
import numpy as np
import scipy.sparse as sp

_CHUNK = 2**16


class GrowingRows:
    """Cells by genes as CSR of 32 bits; only one block is in memory.

    Args:
        group: Where it is made.
        key: Its name there.
        n_columns: How many genes.
    """

    def __init__(self, group: h5py.Group, key: str, n_columns: int):
        self._made, self._n_columns = group.create_group(key), n_columns
        self._made.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        how = {"maxshape": (None,), "chunks": (_CHUNK,), "compression": "gzip"}
        more = {"compression_opts": 1, "shuffle": True}
        self._data = self._made.create_dataset("data", (0,), np.float32, **how, **more)
        self._indices = self._made.create_dataset("indices", (0,), np.int32, **how, **more)
        self._lengths: list[np.ndarray] = []

    def add(self, block: sp.csr_matrix, columns: np.ndarray) -> None:
        """Rows of a sample.

        Args:
            block: As the sample has them.
            columns: For each of its genes its column here; -1: left out.
        """
        place = columns[block.indices]
        kept = place >= 0
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))[kept]
        lengths = np.bincount(rows, minlength=block.shape[0])
        pointers = np.concatenate([[0], np.cumsum(lengths)])
        made = sp.csr_matrix(
            (block.data[kept], place[kept], pointers), shape=(block.shape[0], self._n_columns)
        )
        made.sort_indices()
        start, stop = len(self._data), len(self._data) + made.nnz
        for dataset, values in ((self._data, made.data), (self._indices, made.indices)):
            dataset.resize((stop,))
            dataset[start:stop] = values
        self._lengths.append(lengths)

    def end(self) -> None:
        """Writes where each row begins."""
        lengths = np.concatenate(self._lengths) if self._lengths else np.empty(0, np.int64)
        pointers = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self._made.create_dataset("indptr", data=pointers.astype(np.int64), compression="gzip")
        self._made.attrs["shape"] = np.array([len(lengths), self._n_columns])
