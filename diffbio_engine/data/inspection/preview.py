"""What a person sees of a file before using it."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.axes import axis_of, said_of
from diffbio_engine.data.dataset import Dataset, shapes_in
from diffbio_engine.data.dataset.gene_names import REGIONS, gene_name_style, names_and_ids
from diffbio_engine.data.dataset.plain_note import PlainNote
from diffbio_engine.data.genes.prior_knowledge import n_known
from diffbio_engine.data.inspection.column_evidence import likeness, nested_in, one_for_each
from diffbio_engine.data.inspection.column_names import (
    MOST_BATCHES,
    called_batches,
    called_conditions,
    called_labels,
    called_times,
    called_types,
)
from diffbio_engine.data.inspection.counts_place import doubted
from diffbio_engine.data.matrix.matrix_preview import RAW, SCALED, MatrixPreview, look
from diffbio_engine.data.reading import Choice
from diffbio_engine.errors import DataError

_EXAMPLES = 5
_MOST_VALUES = 50
# Numbers of 32 bits tell whole numbers apart up to here.
_EXACT = 2**24
_MOST_ASKED = 8


@dataclass(frozen=True)
class ColumnPreview:
    """A column of ``obs`` or ``var``: what kind, how many values, some of them.

    Attributes:
        values: All its values, where there are at most fifty.
        ordered: Whether the file says that its categories have an order.
        biology: Why it looks like biology rather than like batches; empty if it does not.
        one_for_each: The condition or time whose values go one to one with its own.
        nested_in: The condition or time of which each of its groups has one value only.
        total: Sum of a column of numbers none of which is negative.
    """

    name: str
    kind: str
    n_values: int
    missing: int
    examples: tuple[str, ...]
    values: tuple[str, ...] = ()
    ordered: bool = False
    biology: str = ""
    one_for_each: str = ""
    nested_in: str = ""
    total: float = 0.0


@dataclass(frozen=True)
class Preview:
    """A file, looked at: headers, tables and a sample of each matrix.

    Attributes:
        rows: What its rows are: cells, spots, samples.
        size: How many rows and columns there are, in the words of its kind.
        facts: The first things to know, as value and what it is of: ``("200", "letters each")``.
        told: What is in it where there is no matrix, in full sentences.
        lengths: Of axes that are no genes and no rows: ``{"positions": 200}``.
        parts: What ``samples`` are called.
        plain: Those of ``warnings`` in which nothing is amiss.
        table: Of few rows, columns by name as they are, for a design; else empty.
        origin: From which samples it was joined, as the file says.
    """

    path: str
    name: str
    kind: str
    n_bytes: int
    n_cells: int
    n_genes: int
    matrices: tuple[MatrixPreview, ...]
    obs: tuple[ColumnPreview, ...]
    var: tuple[ColumnPreview, ...]
    obsm: dict[str, tuple[int, ...]]
    gene_names: str
    gene_examples: tuple[str, ...]
    warnings: tuple[str, ...]
    suggested: dict[str, str] = field(default_factory=dict)
    known_genes: dict[str, int] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    samples: tuple[tuple[str, int], ...] = ()
    rows: str = "cells"
    size: str = ""
    profiles: tuple[str, ...] = ()
    m: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    told: tuple[str, ...] = ()
    lengths: dict[str, int] = field(default_factory=dict)
    parts: str = "Samples"
    plain: tuple[str, ...] = ()
    table: dict[str, list[Any]] = field(default_factory=dict)
    origin: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The file in one line."""
        held = [*self.told[:1], *(m.sentence for m in self.matrices[:1])]
        main = f" {held[0]}" if held else " There is no matrix in it."
        return f"{self.name}: {self.size} ({self.kind}).{main}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for a file or a page."""
        out = asdict(self)
        for plain, matrix in zip(out["matrices"], self.matrices, strict=True):
            plain["sentence"] = matrix.sentence
        return out | {
            "sentence": self.sentence,
            "choices": [choice.as_dict() for choice in self.choices],
            "samples": [{"name": name, "n_cells": n} for name, n in self.samples],
        }


def preview_column(name: str, column: pd.Series, repeats: int = 10) -> ColumnPreview:
    """Kind, number of values and examples of one column."""
    missing = int(column.isna().sum())
    present = column.dropna()
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == bool:
        kind, values = "categorical", present.value_counts()
        values = values[values > 0].index
    elif column.dtype.kind in "fiu":
        kind, values = "number", present.unique()
    else:
        values = present.astype(str).value_counts().index
        # A column of few words repeated often is a category that nobody has marked as one.
        kind = "categorical" if len(values) <= max(2, len(column) // repeats) else "text"
    examples = [f"{v:.4g}" if isinstance(v, float | np.floating) else str(v) for v in values[:5]]
    few = kind != "text" and len(values) <= _MOST_VALUES
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and bool(column.cat.ordered)
    if ordered:
        values = [c for c in column.cat.categories if c in set(values)]
    total = 0.0
    if kind == "number" and column.dtype.kind == "f" and len(present) and present.min() >= 0:
        total = float(present.sum())
    return ColumnPreview(
        name,
        kind,
        len(values),
        missing,
        tuple(examples[:_EXAMPLES]),
        tuple(_text(v) for v in values) if few else (),
        ordered,
        total=total,
    )


def _text(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float | np.floating) else str(value)


def preview_of(
    dataset: Dataset,
    *,
    matrices: tuple[MatrixPreview, ...] | None = None,
    obsm: dict[str, tuple[int, ...]] | None = None,
    repeats: int = 10,
) -> Preview:
    """Looks at a data set whose matrices may still be on disk.

    Args:
        repeats: In how many rows each word of a column stands on average if they name groups.
    """
    unreadable: list[str] = []
    if matrices is None:
        found = []
        for place in dataset.places:
            try:
                found.append(look(place, dataset.stored(place)))
            except DataError as error:
                if place == "X" or len(dataset.places) == 1:
                    raise
                unreadable.append(f"{place} cannot be used: {error.what}")
        matrices = doubted(found)
    obsm = shapes_in(dataset.obsm) if obsm is None else obsm
    names = dataset.var.index
    if gene_name_style(names) == "numbers":
        names = names_and_ids(dataset.var)[0]
    return Preview(
        path=str(dataset.path or ""),
        name=dataset.name,
        kind=dataset.kind,
        n_bytes=_bytes_of(dataset.path),
        n_cells=dataset.n_cells,
        n_genes=dataset.n_genes,
        matrices=matrices,
        obs=_columns(dataset, matrices, repeats),
        var=tuple(preview_column(str(c), dataset.var[c]) for c in _single(dataset.var)),
        obsm={k: tuple(int(n) for n in s) for k, s in obsm.items()},
        gene_names=gene_name_style(names) if len(names) else "",
        gene_examples=tuple(str(n) for n in names[:_EXAMPLES]),
        known_genes=n_known(names_and_ids(dataset.var)[0]),
        choices=dataset.choices,
        profiles=dataset.profiles,
        m=dataset.m,
        samples=dataset.samples or ((dataset.name, dataset.n_cells),),
        rows=dataset.rows,
        origin=tuple(said_of(axis_of(dataset.rows), said) for said in dataset.origin),
        size=f"{dataset.n_cells:,} {dataset.rows} x {dataset.n_genes:,} genes",
        warnings=(
            *dataset.warnings,
            *unreadable,
            *_without_genes(dataset, obsm),
            *_of_regions(names),
            *_warnings(matrices),
        ),
        plain=tuple(w for w in dataset.warnings if isinstance(w, PlainNote)),
    )


def _columns(
    dataset: Dataset, looks: tuple[MatrixPreview, ...], repeats: int
) -> tuple[ColumnPreview, ...]:
    """The columns of cells; those that are called batches are looked at more closely."""
    found = [preview_column(str(c), dataset.obs[c], repeats) for c in _single(dataset.obs)]
    # Those that name types too: a person may choose one as the batch by mistake.
    asked = [*called_batches(found)[:_MOST_ASKED], *called_labels(found)[:_MOST_ASKED]]
    several = [c.name for c in found if c.name in asked and 2 <= c.n_values <= MOST_BATCHES]
    why = likeness(dataset, looks, several, called_types(found)) if several else {}
    found = [replace(c, biology=why.get(c.name, "")) for c in found]
    batches = called_batches(found)[:_MOST_ASKED]
    asked_about = [n for n in (*called_conditions(found), *called_times(found)) if n not in batches]
    return tuple(
        _compared(c, dataset.obs, asked_about[:_MOST_ASKED]) if c.name in batches else c
        for c in found
    )


def _compared(column: ColumnPreview, obs: pd.DataFrame, others: list[str]) -> ColumnPreview:
    one = one_for_each(obs, column.name, others)
    within = "" if one else nested_in(obs, column.name, others)
    return replace(column, one_for_each=one, nested_in=within)


def _single(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table.columns))


def _bytes_of(path: Path | None) -> int:
    if path is None or not path.exists():
        return 0
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size


def _without_genes(dataset: Dataset, obsm: dict[str, tuple[int, ...]]) -> list[str]:
    """What a file without genes holds instead, and what can be done with it."""
    if dataset.n_genes or dataset.ragged:
        return []
    there = [f"obsm/{name} ({shape[1]} columns)" for name, shape in obsm.items() if len(shape) == 2]
    held = f"{dataset.n_cells:,} cells with {', '.join(there) or 'a table of cells alone'}"
    can = (
        "Blocks that take embeddings or features, such as Harmony or UMAP, can run on it; those "
        "that need counts or names of genes cannot."
        if there
        else "No block can run on it: choose the file that holds the counts."
    )
    return [f"This file holds no genes and no expression matrix; it holds {held}. {can}"]


def _of_regions(names: pd.Index) -> list[str]:
    if gene_name_style(names) != REGIONS:
        return []
    return [
        f"The features are genomic regions ({names[0]}, ...), not genes: what is looked up by "
        "names of genes (markers, pairs, regulators) is not found among them."
    ]


def _empty_cells(matrices: tuple[MatrixPreview, ...]) -> list[str]:
    """How many cells hold nothing: said once, of the counts."""
    m = next((m for m in matrices if m.holds == RAW), None)
    if m is None or not m.empty_cells:
        return []
    n, looked = m.empty_cells, m.cells_looked_at
    if looked == m.n_cells:
        said = f"{n:,} of {looked:,} cells hold no counts ({m.place})"
    else:
        said = f"{n:,} of {looked:,} cells looked at (of {m.n_cells:,}) hold no counts ({m.place})"
    most = (
        " It looks like a raw matrix with empty droplets: choose the filtered one."
        if n > 0.5 * looked
        else ""
    )
    return [f"{said}: they belong to no cluster.{most}"]


def _warnings(matrices: tuple[MatrixPreview, ...]) -> list[str]:
    said = []
    for m in matrices:
        if m.not_numbers:
            said.append(f"{m.place} holds values that are not numbers (NaN); {m.looked}.")
        if m.smallest < 0 and m.whole_numbers:
            said.append(f"{m.place} holds negative whole numbers, so it cannot be counts.")
        if m.holds == RAW and m.largest > _EXACT:
            said.append(
                f"{m.place} holds numbers up to {m.largest:,.4g}, more than any count of molecules;"
                f" above {_EXACT:,} they are kept to seven digits."
            )
    said += _empty_cells(matrices)
    raw = [m.place for m in matrices if m.holds == RAW]
    if matrices and not raw:
        first = matrices[0]
        word = "scaled" if first.holds == SCALED else first.holds
        said.append(
            f"No raw counts were found ({first.place} is {word}). Blocks that model counts need "
            "them; blocks that take features or embeddings do not."
        )
    return said
