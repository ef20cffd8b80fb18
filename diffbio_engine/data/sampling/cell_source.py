"""Cells to draw from: counts in memory or on disk, and the arrays that go with each cell."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.genes.alignment import GeneAlignment
from diffbio_engine.data.inspection.raw_counts import as_matrix, blocks_of
from diffbio_engine.data.matrix.matrices import InMemory, Matrix
from diffbio_engine.data.sampling.variable_genes import VariableGenes, of_some_genes
from diffbio_engine.errors import DataError

# Arrays by port name with one row per cell drawn, and "cell_index".
Batch = dict[str, np.ndarray]


class CellSource:
    """Cells that can be drawn: dense rows of counts, and what else is known of each cell.

    Args:
        counts: Cells by genes, sparse or dense or on disk; None where there are only features.
        per_cell: Arrays with one row per cell, by port name (``batch_labels``, ``embeddings``).
        per_dataset: Arrays that are the same for all cells (``ambient_profile``).
        label_names: Names behind the codes of a label array, by port name.
        var_names, var_ids: Names and ids of the genes.
        gene_keys: What the table of genes in the file calls them; None: as ``var_names``.
        notes: How they were read, in full sentences.
    """

    def __init__(
        self,
        counts: Any = None,
        per_cell: Mapping[str, np.ndarray] | None = None,
        per_dataset: Mapping[str, np.ndarray] | None = None,
        *,
        label_names: Mapping[str, list[str]] | None = None,
        var_names: Sequence[str] | np.ndarray | None = None,
        var_ids: Sequence[str] | np.ndarray | None = None,
        gene_keys: Sequence[str] | np.ndarray | None = None,
        alignment: GeneAlignment | None = None,
        notes: Sequence[str] = (),
    ):
        self.counts: Matrix | None = None if counts is None else as_matrix(counts)
        self.per_cell = {k: np.ascontiguousarray(v) for k, v in (per_cell or {}).items()}
        self.per_dataset = {k: np.asarray(v) for k, v in (per_dataset or {}).items()}
        self.label_names = dict(label_names or {})
        self.var_names, self.var_ids = var_names, var_ids
        self.gene_keys = var_names if gene_keys is None else gene_keys
        self._alignment, self.notes = alignment, tuple(notes)
        # Where these cells are seen through some of their genes: through which, and all of them.
        self.chosen: VariableGenes | None = None
        self._whole: CellSource | None = None
        lengths = {k: len(v) for k, v in self.per_cell.items()}
        if self.counts is not None:
            lengths = {"counts": self.counts.shape[0], **lengths}
        if not lengths:
            raise DataError("There is nothing to draw from.", fix="Wire the data to a block.")
        self.n_cells = next(iter(lengths.values()))
        wrong = [k for k, n in lengths.items() if n != self.n_cells]
        if wrong:
            raise DataError(
                f"{wrong[0]} has {lengths[wrong[0]]:,} cells where {self.n_cells:,} were expected.",
                fix="Use arrays of the same cells.",
            )

    @property
    def n_genes(self) -> int:
        if self.counts is None:
            return 0
        return self.counts.shape[1] if self._alignment is None else len(self._alignment.columns)

    @cached_property
    def empty(self) -> np.ndarray:
        """Which cells have no count in any of the genes; none where there are no counts."""
        if self.counts is None:
            return np.zeros(self.n_cells, bool)
        genes = np.ones(self.counts.shape[1], np.float32)
        if self._alignment is not None:
            columns = self._alignment.columns
            genes = np.bincount(columns[columns >= 0], minlength=len(genes)).astype(np.float32)
        return np.concatenate([b @ genes for b in blocks_of(self.counts)]) == 0

    @property
    def of_all_genes(self) -> "CellSource":
        """The same cells with every gene that is stored: itself, where none was left out."""
        return self if self._whole is None else self._whole

    @property
    def columns(self) -> np.ndarray | None:
        """Where each gene lies among the stored ones (-1: nowhere); None for the same places."""
        if self._alignment is not None:
            return self._alignment.columns
        return None if self.chosen is None else self.chosen.columns

    @property
    def backed(self) -> bool:
        """Whether the counts lie on disk."""
        return self.counts is not None and not isinstance(self.counts, InMemory)

    def rows(self, indices: np.ndarray) -> np.ndarray:
        """Counts of these cells, in this order, dense float32."""
        if self.counts is None:
            return np.zeros((len(indices), 0), np.float32)
        return self.dense(self.counts.rows(np.asarray(indices)))

    def chunk(self, start: int, stop: int) -> np.ndarray:
        """Counts of cells that lie side by side, dense float32."""
        stop = min(stop, self.n_cells)
        if self.counts is None:
            return np.zeros((stop - start, 0), np.float32)
        return self.dense(self.counts.block(start, stop))

    def dense(self, block: sp.csr_matrix) -> np.ndarray:
        """Rows of the stored matrix as dense rows of the genes that are wanted."""
        # scipy's compiled gather: 0.3 ms for 128 x 2000; a numba kernel takes 0.15 ms, but costs
        # each worker 2.3 s of import and compilation before its first step.
        rows = block.toarray()
        return rows if self._alignment is None else self._alignment.take(rows)

    def batch(self, indices: np.ndarray, counts: np.ndarray | None = None) -> Batch:
        """These cells: ``counts``, every per-cell array, and ``cell_index``."""
        indices = np.asarray(indices, np.int64)
        out: Batch = {k: v[indices] for k, v in self.per_cell.items()}
        if self.counts is not None:
            out["counts"] = self.rows(indices) if counts is None else counts
        out["cell_index"] = indices
        return out

    def subset(self, indices: np.ndarray) -> "CellSource":
        """Some of the cells, in memory."""
        indices = np.asarray(indices, np.int64)
        some = CellSource(
            None if self.counts is None else self.counts.rows(indices),
            {k: v[indices] for k, v in self.per_cell.items()},
            self.per_dataset,
            label_names=self.label_names,
            var_names=self.var_names,
            var_ids=self.var_ids,
            gene_keys=self.gene_keys,
            alignment=self._alignment,
            notes=self.notes,
        )
        some.chosen = self.chosen
        some._whole = None if self._whole is None else self._whole.subset(indices)
        return some

    def aligned(self, alignment: GeneAlignment) -> "CellSource":
        """The same cells seen through the genes of a trained pipeline; missing genes are 0."""
        per_dataset = dict(self.per_dataset)
        for name, values in per_dataset.items():
            if values.shape == (self.n_genes,):
                taken = alignment.take(values[None])[0]
                per_dataset[name] = taken / taken.sum() if name == "ambient_profile" else taken
        seen = CellSource(
            self.counts,
            self.per_cell,
            per_dataset,
            label_names=self.label_names,
            var_names=alignment.var_names,
            var_ids=alignment.var_ids,
            alignment=alignment,
            notes=self.notes,
        )
        seen._whole = self
        return seen

    def of_genes(self, chosen: VariableGenes) -> "CellSource":
        """The same cells seen through some of their genes; the others are never made dense.

        What is known of all genes (profiles, regulators, pairs) is then known of these.
        """
        assert self.counts is not None, "genes are chosen by counts"
        columns, n = chosen.columns, self.n_genes
        seen = CellSource(
            self.counts.of_genes(columns),
            {k: v[:, columns] if v.shape[1:] == (n,) else v for k, v in self.per_cell.items()},
            {k: of_some_genes(k, v, columns, n) for k, v in self.per_dataset.items()},
            label_names=self.label_names,
            var_names=None if self.var_names is None else np.asarray(self.var_names)[columns],
            var_ids=None if self.var_ids is None else np.asarray(self.var_ids)[columns],
            notes=self.notes,
        )
        seen.chosen, seen._whole = chosen, self
        return seen

    def close(self) -> None:
        """Closes the file on disk, if there is one."""
        if self.counts is not None:
            self.counts.close()
