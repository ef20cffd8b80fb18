"""Writes some rows of a matrix that lies on disk; memory does not grow with it."""

import h5py
import numpy as np

from diffbio_engine.data.matrix.some_rows import SomeRows

_ROWS, _CHUNK = 4096, 2**16
_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def write_row_by_row(group: h5py.Group, key: str, matrix: SomeRows) -> None:
    """Writes ``group[key]`` in the way the whole is stored: dense, or as compressed sparse rows."""
    write = _write_dense if matrix.stored == "dense" else _write_sparse
    write(group, key, matrix)
    matrix.close()


def _write_dense(group: h5py.Group, key: str, matrix: SomeRows) -> None:
    n, width = matrix.shape
    rows = max(1, min(n, 2**18 // max(width, 1)))
    made = group.create_dataset(
        key, (n, width), np.float32, chunks=(rows, max(width, 1)), **_PACKED
    )
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    step = max(1, 2**24 // max(width, 1))  # about 64 MB
    for start in range(0, n, step):
        made[start : start + step] = matrix.block(start, start + step).toarray()


def _write_sparse(group: h5py.Group, key: str, matrix: SomeRows) -> None:
    made = group.create_group(key)
    made.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    made.attrs["shape"] = np.array(matrix.shape)
    parts = {
        name: made.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(_CHUNK,), **_PACKED)
        for name, kind in (("data", np.float32), ("indices", np.int32))
    }
    ends = [np.zeros(1, np.int64)]
    for start in range(0, matrix.shape[0], _ROWS):
        block = matrix.block(start, start + _ROWS)
        before = int(ends[-1][-1])
        for name, part in parts.items():
            part.resize((before + block.nnz,))
            part[before:] = getattr(block, name)
        ends.append(block.indptr[1:].astype(np.int64) + before)
    made.create_dataset("indptr", data=np.concatenate(ends))
