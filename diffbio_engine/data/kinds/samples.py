"""Samples by genes (bulk): few rows, many genes, and beside them a table that describes each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from diffbio_engine.axes import axis_of, said_of
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.plain_note import PlainNote, in_other_words
from diffbio_engine.data.design import level_of, proposed, table_of
from diffbio_engine.data.inspection.column_names import sides_of_a_comparison
from diffbio_engine.data.inspection.estimated_counts import said_of_estimates, said_of_normalised
from diffbio_engine.data.inspection.preview import Preview
from diffbio_engine.data.kinds.cells import BY_GROUP, Cells, first_look
from diffbio_engine.data.matrix.matrix_preview import ESTIMATED, RAW
from diffbio_engine.data.writers.gene_table import write_gene_table
from diffbio_engine.data.writers.h5ad import Written, with_clusters
from diffbio_engine.data.writers.table_beside import Beside, write_table
from diffbio_engine.ports import Offer, Place

# A bulk sample holds the molecules of thousands of cells: most genes are seen, most of them often.
# Of plates of single cells, the nearest to it, more than half of the values are zeros.
_MOST_SAMPLES, _FEWEST_GENES, _MOST_ZEROS, _FEWEST_COUNTS = 200, 5_000, 0.5, 200_000
_NAMES_OF_CELLS = re.compile(
    r"(.*[_\-.:#|])?[ACGTN]{10,}([_\-.:]\w+)*|(.*[_\-. ])?(cell|barcode|bc|nucleus|well)[-_. ]?\d+|"
    r".+[_\-.][A-P](0?[1-9]|1\d|2[0-4])",
    re.IGNORECASE,
)
_FEW = 30
# A design is made of few columns; those of a table with hundreds are measurements, and what has
# more letters than these is no name of a group.
_MOST_COLUMNS, _LONGEST_VALUE = 40, 200


class Samples(Cells):
    """Samples by genes; each row is the sum of many cells."""

    record = axis_of("samples")
    shares_files_of = "cells"
    order = 60
    has_quality_control = False  # of twelve samples, none is told apart by a deviation
    never = frozenset({"ambient_profile", "spliced", "unspliced"})
    # Three points lie in a plane whatever they are: their map and their groups say nothing.
    fewest = 4
    repeats = 2
    leaves = (
        Beside("Table (CSV)", "_samples.csv"), Beside("Genes (CSV)", "_genes.csv"), BY_GROUP,
    )  # fmt: skip
    offers: ClassVar[Mapping[str, Offer]] = {
        "design": Offer(
            title="Design",
            help="Columns of the samples: what is accounted for first, what is compared last.",
            lacking="groups of samples that are to be compared",
        ),
        "control_genes": Offer(
            title="Normalise by these genes",
            help="Spike-ins, or genes that do not change: size factors are taken from these alone."
            " Paste names or a pattern (ERCC-*); empty: all genes.",
            lacking="genes to normalise by",
            joins=True,
        ),
    }

    def why(self, dataset: Dataset) -> str:
        if dataset.n_cells > _MOST_SAMPLES or dataset.n_genes < _FEWEST_GENES:
            return ""
        names = [str(name) for name in dataset.obs.index]
        if sum(bool(_NAMES_OF_CELLS.fullmatch(name)) for name in names) > 0.5 * len(names):
            return ""
        seen = first_look(dataset)
        if seen is None or seen.zeros >= _MOST_ZEROS or seen.smallest < 0:
            return ""
        if seen.holds != RAW:
            return f"{dataset.n_genes:,} genes, and only {seen.zeros:.0%} of the values are zeros"
        if seen.per_cell < _FEWEST_COUNTS:
            return ""
        return (
            f"{seen.per_cell:,.0f} counts a row, and only {seen.zeros:.0%} of the values are zeros"
        )

    def adopt(self, dataset: Dataset) -> None:
        """In the words of samples; groups that stand in their names are no samples themselves."""
        self.say_of_rows(dataset)
        if (column := dataset.column_from_names) not in dataset.obs:
            return
        free = next(n for n in ("group", "group_in_names") if n not in dataset.obs)
        dataset.obs = dataset.obs.rename(columns={column: free})
        dataset.samples = ()
        said = f"in the column '{column}'."
        dataset.warnings = [
            in_other_words(w, w.replace(said, f"in the column '{free}'."))
            if w.endswith(said)
            else w
            for w in dataset.warnings
        ]

    def told(self, dataset: Dataset, why: str) -> tuple[str, ...]:
        n = dataset.n_cells
        said: list[str] = []
        if why:
            told = (
                f"The {n:,} rows are taken for samples, each of many cells: {why}. If they are"
                " single cells, say so under 'Rows are'."
            )
            said.append(PlainNote(told))
        if n < self.fewest:
            said.append(f"A run needs {self.fewest} samples or more; there are {n}.")
        elif n < _FEW:
            said.append(
                f"With {n} samples a network learns them by heart: its map and groups describe"
                " these samples and prove nothing. Ask for fewer groups than samples (Soft k-means:"
                " 2 to 4 clusters)."
            )
        return tuple(said)

    def preview(self, dataset: Dataset) -> Preview:
        found = super().preview(dataset)
        # What is said of the file already is in the words of samples, and may speak of cells.
        found = _with_estimates(found, dataset)
        warnings = (w if w in dataset.warnings else said_of(self.record, w) for w in found.warnings)
        return replace(found, warnings=tuple(warnings), table=_plain_table(dataset))

    def fields(self, found: Preview, places: Mapping[str, str]) -> dict[str, str]:
        """A design names its comparison by its values (treated, control) more than by its title."""
        taken = super().fields(found, places)
        sides = [c.name for c in found.obs if c.kind == "categorical" and _is_comparison(c.values)]
        if "condition_labels" not in taken and sides:
            taken["condition_labels"] = f"obs/{sides[0]}"
        condition, batch = (
            Place.parse(taken.get(f, "")).name for f in ("condition_labels", "batch_labels")
        )
        if designs := proposed(table_of(found.as_dict()), condition, batch):
            taken["design"] = designs[0].place
        return taken

    def write(self, dataset: Dataset, out: Path, arrays: Mapping[str, Any], **more: Any) -> Written:
        """Also ``..._samples.csv``: the table of samples, with what was found of each beside it."""
        written = super().write(dataset, out, arrays, **more)
        arrays = with_clusters(arrays, more.get("cluster_names"))
        table, genes, _ = (beside.of(out) for beside in self.leaves)
        said = [write_table(dataset, arrays, written, table, self.record.one)]
        said += write_gene_table(dataset, arrays, genes)
        return replace(written, notes=(*written.notes, *said))


def _is_comparison(values: Sequence[str]) -> bool:
    return len(values) == 2 and sides_of_a_comparison(values)


def _with_estimates(found: Preview, dataset: Dataset) -> Preview:
    """Counts that were shared out among genes are counts, once they are rounded."""
    if any(m.holds == RAW for m in found.matrices) or dataset.n_cells > _MOST_SAMPLES:
        return found
    said = {m.place: said_of_estimates(dataset.matrix(m.place)) for m in found.matrices}
    if not any(said.values()):
        none = "No raw counts"
        if not any(w.startswith(none) for w in found.warnings):
            return found
        first = found.matrices[0].place
        instead = said_of_normalised(dataset.matrix(first), first)
        told = [instead if w.startswith(none) else w for w in found.warnings]
        return replace(found, warnings=tuple(told))
    matrices = tuple(replace(m, holds=ESTIMATED) if said[m.place] else m for m in found.matrices)
    warnings = [w for w in found.warnings if not w.startswith("No raw counts")]
    more = [f"{place}: {told}" for place, told in said.items() if told]
    return replace(found, matrices=matrices, warnings=(*warnings, *more))


def _plain_table(dataset: Dataset) -> dict[str, list[Any]]:
    """The columns of few samples as they are: a design can then be made without the file."""
    table = dataset.obs
    if len(table) > _MOST_SAMPLES:
        return {}
    names = list(dict.fromkeys(str(c) for c in table.columns))[:_MOST_COLUMNS]
    found = {name: _plain(dataset.column(name)) for name in names}
    return {
        n: values
        for n, values in found.items()
        if max(map(_letters, values), default=0) < _LONGEST_VALUE
    }


def _plain(column: pd.Series) -> list[Any]:
    """Numbers, which are measured, as numbers; names of classes as they are called."""
    measured = column.dtype.kind in "fiub" and not isinstance(column.dtype, pd.CategoricalDtype)
    values = column.tolist()
    return [None if pd.isna(v) else v if measured else level_of(v) for v in values]


def _letters(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0
