"""Records to draw from: counts in memory or on disk, and the arrays that go with each record."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from diffbio_engine.axes import Axis, axis_of
from diffbio_engine.data.genes.alignment import GeneAlignment
from diffbio_engine.data.inspection.raw_counts import as_matrix, blocks_of
from diffbio_engine.data.matrix.matrices import InMemory, Matrix
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.sampling.variable_genes import VariableGenes, of_some_genes
from diffbio_engine.errors import DataError, did_you_mean

COUNTS, SEQUENCES = "counts", "sequences"
# Arrays by port name with one row per record drawn, and "cell_index".
Batch = dict[str, np.ndarray]


class Records:
    """Records of one kind (cells, spots, samples) that can be drawn, and what is known of each.

    Args:
        counts: Records by genes, sparse or dense or on disk; None where there are only features.
        per_record: Arrays with one row per record, by port name (``batch_labels``,
            ``embeddings``); rows of different lengths as ``Ragged``.
        per_dataset: Arrays that are the same for all records (``ambient_profile``).
        record: What a record is: a record axis, or its name.
        label_names: Names behind the codes of a label array, by port name.
        record_names: Names of the records, where they are known.
        var_names, var_ids: Names and ids of the genes.
        gene_keys: What the table of genes in the file calls them; None: as ``var_names``.
        notes: How they were read, in full sentences.
        along: Names along other axes: ``{"letters": ["A", "C", "G", "T"]}``.
        n: How many records there are, where only the data set as a whole is known.
        rows_in_file: Which rows of the file these are, where some were left out.
    """

    def __init__(
        self,
        counts: Any = None,
        per_record: Mapping[str, np.ndarray | Ragged] | None = None,
        per_dataset: Mapping[str, np.ndarray] | None = None,
        *,
        record: Axis | str = "cells",
        label_names: Mapping[str, list[str]] | None = None,
        record_names: Sequence[str] | np.ndarray | None = None,
        var_names: Sequence[str] | np.ndarray | None = None,
        var_ids: Sequence[str] | np.ndarray | None = None,
        gene_keys: Sequence[str] | np.ndarray | None = None,
        alignment: GeneAlignment | None = None,
        notes: Sequence[str] = (),
        along: Mapping[str, Sequence[str]] | None = None,
        n: int | None = None,
        rows_in_file: np.ndarray | None = None,
    ):
        self.rows_in_file = rows_in_file
        self.record = axis_of(record) if isinstance(record, str) else record
        self.counts: Matrix | None = None if counts is None else as_matrix(counts)
        self.per_record: dict[str, Any] = {
            k: v if isinstance(v, Ragged) else np.ascontiguousarray(v)
            for k, v in (per_record or {}).items()
        }
        self.per_dataset = {k: np.asarray(v) for k, v in (per_dataset or {}).items()}
        self.label_names = dict(label_names or {})
        self.record_names = record_names
        self.var_names, self.var_ids = var_names, var_ids
        self.gene_keys = var_names if gene_keys is None else gene_keys
        self._alignment, self.notes, self.along = alignment, tuple(notes), dict(along or {})
        # Where these records are seen through some of their genes: through which, and all of them.
        self.chosen: VariableGenes | None = None
        self._whole: Records | None = None
        lengths = {k: len(v) for k, v in self.per_record.items()}
        if self.counts is not None:
            lengths = {COUNTS: self.counts.shape[0], **lengths}
        if not lengths and (n is None or not self.per_dataset):
            raise DataError("There is nothing to draw from.", fix="Wire the data to a block.")
        self.n = next(iter(lengths.values()), n or 0)
        wrong = [k for k, n in lengths.items() if n != self.n]
        if wrong:
            what = self.record.name
            raise DataError(
                f"{wrong[0]} has {lengths[wrong[0]]:,} {what} where {self.n:,} were expected.",
                fix=f"Use arrays of the same {what}.",
            )

    @property
    def n_cells(self) -> int:
        """How many records there are, as it was called while all of them were cells."""
        return self.n

    @property
    def per_cell(self) -> dict[str, Any]:
        """``per_record``, as it was called while all records were cells."""
        return self.per_record

    @property
    def fields(self) -> dict[str, tuple[int, ...]]:
        """What is known of each record: name of the port, and the shape for one record."""
        shapes = {name: tuple(value.shape[1:]) for name, value in self.per_record.items()}
        return shapes if not self.n_genes else {COUNTS: (self.n_genes,), **shapes}

    @property
    def names(self) -> dict[str, np.ndarray]:
        """Names along the axes, where they are known: ``names["genes"]``, ``names["cells"]``."""
        along = {self.record.name: self.record_names, "genes": self.var_names}
        known = {axis: np.asarray(names) for axis, names in along.items() if names is not None}
        return known | {axis: np.asarray(names) for axis, names in self.along.items()}

    @property
    def n_genes(self) -> int:
        if self.counts is None:
            return 0
        return self.counts.shape[1] if self._alignment is None else len(self._alignment.columns)

    @cached_property
    def empty(self) -> np.ndarray:
        """Which records have no count in any of the genes, or no letter; else none."""
        if self.counts is None:
            letters = self.per_record.get(SEQUENCES)
            return letters.lengths == 0 if isinstance(letters, Ragged) else np.zeros(self.n, bool)
        genes = np.ones(self.counts.shape[1], np.float32)
        if self._alignment is not None:
            columns = self._alignment.columns
            genes = np.bincount(columns[columns >= 0], minlength=len(genes)).astype(np.float32)
        return np.concatenate([b @ genes for b in blocks_of(self.counts)]) == 0

    @property
    def of_all_genes(self) -> "Records":
        """The same records with every gene that is stored: itself, where none was left out."""
        return self if self._whole is None else self._whole

    @property
    def columns(self) -> np.ndarray | None:
        """Where each gene lies among the stored ones (-1: nowhere); None for the same places."""
        if self._alignment is not None:
            return self._alignment.columns
        return None if self.chosen is None else self.chosen.columns

    def in_file(self, indices: np.ndarray | None) -> np.ndarray | None:
        """Which rows of the file some of these are (None: all of these); None for the same ones."""
        if self.rows_in_file is None:
            return None if indices is None else np.asarray(indices)
        return self.rows_in_file if indices is None else self.rows_in_file[indices]

    @property
    def backed(self) -> bool:
        """Whether the counts lie on disk."""
        return self.counts is not None and not isinstance(self.counts, InMemory)

    def rows(self, field: str, indices: np.ndarray) -> np.ndarray:
        """A field of these records, in this order; counts are dense float32.

        Rows of different lengths are padded to one of at most four widths (see ``Ragged``).

        Raises:
            DataError: There is no such field.
        """
        indices = np.asarray(indices)
        if field == COUNTS and self.counts is None:
            return np.zeros((len(indices), 0), np.float32)
        if field == COUNTS and self.counts is not None:
            return self.dense(self.counts.rows(indices))
        if field not in self.per_record:
            there = ", ".join(self.fields) or "nothing"
            raise DataError(
                f"No field '{field}' is known of these {self.record.name}; there is {there}.",
                fix=did_you_mean(field, self.fields) or "Choose one of these.",
            )
        values = self.per_record[field]
        return values.rows(indices) if isinstance(values, Ragged) else values[indices]

    def chunk(self, start: int, stop: int) -> np.ndarray:
        """Counts of records that lie side by side, dense float32."""
        stop = min(stop, self.n)
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
        """Every field of these records, and ``cell_index``.

        Args:
            counts: Their counts, where they have been read ahead.
        """
        indices = np.asarray(indices, np.int64)
        out: Batch = {} if counts is None else {COUNTS: counts}
        out |= {f: self.rows(f, indices) for f in self.fields if f not in out}
        out["cell_index"] = indices
        return out

    def subset(self, indices: np.ndarray) -> "Records":
        """Some of the records, in memory."""
        indices = np.asarray(indices, np.int64)
        some = Records(
            None if self.counts is None else self.counts.rows(indices),
            {
                k: v.subset(indices) if isinstance(v, Ragged) else v[indices]
                for k, v in self.per_record.items()
            },
            self.per_dataset,
            record=self.record,
            label_names=self.label_names,
            record_names=None
            if self.record_names is None
            else self.names[self.record.name][indices],
            var_names=self.var_names,
            var_ids=self.var_ids,
            gene_keys=self.gene_keys,
            alignment=self._alignment,
            notes=self.notes,
            along=self.along,
            n=len(indices),
            rows_in_file=self.in_file(indices),
        )
        some.chosen = self.chosen
        some._whole = None if self._whole is None else self._whole.subset(indices)
        return some

    def aligned(self, alignment: GeneAlignment) -> "Records":
        """The same records seen through the genes of a trained pipeline; missing genes are 0."""
        per_dataset = dict(self.per_dataset)
        for name, values in per_dataset.items():
            if values.shape == (self.n_genes,):
                taken = alignment.take(values[None])[0]
                per_dataset[name] = taken / taken.sum() if name == "ambient_profile" else taken
        seen = Records(
            self.counts,
            self.per_record,
            per_dataset,
            record=self.record,
            label_names=self.label_names,
            record_names=self.record_names,
            var_names=alignment.var_names,
            var_ids=alignment.var_ids,
            alignment=alignment,
            notes=self.notes,
            along=self.along,
            n=self.n,
            rows_in_file=self.rows_in_file,
        )
        seen._whole = self
        return seen

    def of_genes(self, chosen: VariableGenes) -> "Records":
        """The same records seen through some of their genes; the others are never made dense.

        What is known of all genes (profiles, regulators, pairs) is then known of these.
        """
        assert self.counts is not None, "genes are chosen by counts"
        columns, n = chosen.columns, self.n_genes
        seen = Records(
            self.counts.of_genes(columns),
            {
                k: v[:, columns] if isinstance(v, np.ndarray) and v.shape[1:] == (n,) else v
                for k, v in self.per_record.items()
            },
            {k: of_some_genes(k, v, columns, n) for k, v in self.per_dataset.items()},
            record=self.record,
            label_names=self.label_names,
            record_names=self.record_names,
            var_names=None if self.var_names is None else np.asarray(self.var_names)[columns],
            var_ids=None if self.var_ids is None else np.asarray(self.var_ids)[columns],
            notes=self.notes,
            along=self.along,
            n=self.n,
            rows_in_file=self.rows_in_file,
        )
        seen.chosen, seen._whole = chosen, self
        return seen

    def close(self) -> None:
        """Closes the file on disk, if there is one."""
        if self.counts is not None:
            self.counts.close()


class CellSource(Records):
    """``Records`` that are cells, by the name and the keywords that notebooks use."""

    def __init__(
        self,
        counts: Any = None,
        per_cell: Mapping[str, np.ndarray] | None = None,
        per_dataset: Mapping[str, np.ndarray] | None = None,
        **more: Any,
    ):
        super().__init__(counts, per_cell, per_dataset, **more)
