"""Which port of a pipeline finds its array where in a data set."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.ambient_profiles import profile_at
from diffbio_engine.data.dataset.gene_names import names_and_ids
from diffbio_engine.data.design import FORMULA, Design, design_of, formula_at
from diffbio_engine.data.fields.classes import OF_CLASSES, of_classes
from diffbio_engine.data.fields.labels import UNASSIGNED, Labels, labels_of, without_unknown
from diffbio_engine.data.fields.letters import FREQUENCIES, OF_SEQUENCES, STATES, of_sequences
from diffbio_engine.data.genes.named_genes import NAMED, Named, named_genes
from diffbio_engine.data.genes.prior_knowledge import KNOWN_GENES
from diffbio_engine.data.inspection.estimated_counts import COUNTS_OF_SAMPLES, rounded_estimates
from diffbio_engine.data.inspection.raw_counts import ambient_profile, as_matrix, require_counts
from diffbio_engine.data.inspection.times import time_codes
from diffbio_engine.data.sampling.cell_totals import (
    OVER_ALL_GENES,
    TOTAL_COUNTS,
    place_of_totals,
    require_totals,
    totals_of,
)
from diffbio_engine.data.sampling.records import Records
from diffbio_engine.errors import DataError
from diffbio_engine.ports import DATA_PORTS, Kind, Place, offer_of

OF_ALL = ("var", FREQUENCIES, *OF_CLASSES)  # tables of what belongs to no record
COUNTS, BATCH_LABELS, LABELS, DESIGN = "counts", "batch_labels", "labels", "design"
AMBIENT_ALL, AMBIENT_LOW = "ambient:mean", "ambient:mean-of-low-count-cells"


class Fields(Mapping):
    """``{"counts": "layers/counts", "batch_labels": "obs/batch"}``: port name to place."""

    def __init__(self, places: Mapping[str, str] | None = None):
        self._places = dict(places or {})
        for port, place in self._places.items():
            _check_place(place, port)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Fields":
        """``["batch_labels=obs/batch"]``, as on a command line."""
        places = {}
        for text in texts:
            port, equals, place = text.partition("=")
            if not equals or not port.strip() or not place.strip():
                raise DataError(
                    f"'{text}' does not say which port lies where.",
                    fix="Write it as batch_labels=obs/batch.",
                    where="field",
                )
            places[port.strip()] = place.strip()
        return cls(places)

    def with_field(self, port: str, place: str | None) -> "Fields":
        """The same, with one port somewhere else (or nowhere)."""
        rest = {k: v for k, v in self._places.items() if k != port}
        return Fields(rest if place is None else rest | {port: place})

    def as_dict(self) -> dict[str, str]:
        """Plain data."""
        return dict(self._places)

    def __getitem__(self, port: str) -> str:
        return self._places[port]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"Fields({self._places})"


def _check_place(place: str, port: str) -> None:
    head, rest = Place.parse(place).parts
    if place.startswith(FORMULA) and formula_at(place):
        return
    known = place in ("X", "raw/X", AMBIENT_ALL, AMBIENT_LOW, OVER_ALL_GENES, *KNOWN_GENES)
    known = known or place in OF_SEQUENCES or place in OF_CLASSES or place.startswith(NAMED)
    if not (known or (head in ("layers", "obs", "obsm", "var", "uns") and rest)):
        raise DataError(
            f"'{place}' is no place in a data set.",
            fix="Write X, raw/X, layers/NAME, obs/COLUMN, obsm/KEY, var/COLUMN, uns/NAME, "
            f"ambient:mean, {OVER_ALL_GENES}, {', '.join(KNOWN_GENES)}, named:GENE,GENE* or"
            " formula:~ COLUMN.",
            where=port,
        )


def resolve(dataset: Dataset, fields: Mapping[str, str], needed: Iterable[str]) -> dict[str, Any]:
    """The arrays that the ports need: counts as CSR or on disk, labels as codes and names."""
    found: dict[str, Any] = {}
    for port in needed:
        place = place_of_totals(fields) if port == TOTAL_COUNTS else fields.get(port)
        if place is None:
            have = ", ".join(f"{p}={q}" for p, q in fields.items()) or "none"
            raise DataError(
                f"It is not known where to find '{port}' in {dataset.name} (fields: {have}).",
                fix=f"Say where it is, for instance {port}={_usual_place(port)}.",
                where=port,
            )
        try:
            found[port] = _array(dataset, port, place, fields)
        except DataError as error:
            raise error.at(port) from None
    return found


def _usual_place(port: str) -> str:
    by_name = "obs/batch" if "label" in port else "obsm/X_pca"
    return offer_of(port).usual_place or by_name


def _names_classes(port: str) -> bool:
    """Whether numbers of a column are names of classes, not measured."""
    return DATA_PORTS[port].kind == Kind.LABELS if port in DATA_PORTS else "label" in port


def _array(dataset: Dataset, port: str, place: str, fields: Mapping[str, str]) -> Any:
    _check_place(place, port)
    table, name = Place.parse(place).parts
    if port == DESIGN and (formula := formula_at(place)):
        return design_of(dataset.obs, formula)
    if place in KNOWN_GENES:
        return _known(dataset, place, fields)
    if place.startswith(NAMED):
        return named_genes(place, *names_and_ids(_genes(dataset, fields)))
    if place in OF_CLASSES:
        return of_classes(dataset, place)
    if place in OF_SEQUENCES:
        found = of_sequences(dataset, place)
        return Labels(cast(Any, found), list(dataset.states)) if place == STATES else found
    if place in (AMBIENT_ALL, AMBIENT_LOW, OVER_ALL_GENES):
        counts = as_matrix(dataset.matrix(fields.get(COUNTS, "X")))
        if place == OVER_ALL_GENES:
            return totals_of(counts)
        return ambient_profile(counts, low_counts_only=place == AMBIENT_LOW)
    if table == "obs":
        column = dataset.column(name)
        if port == "time_points":
            codes, names, notes = time_codes(column, place, dataset.m)
            return Labels(codes, names, tuple(notes))
        if column.dtype.kind in "fiu" and not _names_classes(port):
            return column.to_numpy(np.float32)
        if port == LABELS:
            return without_unknown(labels_of(column))
        return _with_missing_said(labels_of(column), column, place)
    if table == "var":
        values = dataset.column(name, "var").to_numpy(np.float32)
        return values / values.sum() if port == "ambient_profile" else values
    if table == "uns":
        kept = dataset.kept.get("var")
        return profile_at(dataset.uns, place, dataset.all_genes, kept)
    if table == "obsm":
        if name not in dataset.obsm:
            there = ", ".join(dataset.obsm) or "none"
            raise DataError(f"'{name}' is not in obsm; there are: {there}.", fix="Choose another.")
        return _finite(np.asarray(dataset.obsm[name], np.float32), place)
    matrix = dataset.matrix(place)
    if port == COUNTS:
        return matrix
    dense: Any = matrix if sp.issparse(matrix) else as_matrix(matrix).load()
    return _finite(dense.toarray() if sp.issparse(dense) else dense, place)


def _known(dataset: Dataset, place: str, fields: Mapping[str, str]) -> "Labels":
    """What is known of these genes by name: positions (or a matrix), and what they stand for."""
    genes = _genes(dataset, fields)
    array, names, told = KNOWN_GENES[place](names_and_ids(genes)[0])
    if not names:
        what = Place.parse(place).recipe.replace("-", " ")
        raise DataError(
            f"None of the known {what} is among the {len(genes):,} genes of {dataset.name}"
            f" ({', '.join(map(str, genes.index[:3]))}, ...).",
            fix="They are looked up by gene symbol: use a file whose genes have symbols.",
        )
    return Labels(array, names, (told,) if told else ())


def _genes(dataset: Dataset, fields: Mapping[str, str]) -> pd.DataFrame:
    counts = fields.get(COUNTS, "")
    return dataset.genes(counts) if counts in dataset.places else dataset.var


def _finite(array: np.ndarray, place: str) -> np.ndarray:
    bad = int((~np.isfinite(array)).any(axis=1).sum())
    if bad:
        raise DataError(
            f"{place} has values that are not finite in {bad:,} of {len(array):,} cells.",
            fix="Remove these cells or compute it again.",
        )
    return array


def _with_missing_said(labels: Labels, column: pd.Series, place: str) -> Labels:
    n = int(column.isna().sum())
    said = (
        f"{n:,} of {len(column):,} cells have no value in {place}: they count as a group of their"
        f" own, '{UNASSIGNED}'."
    )
    return Labels(labels.codes, labels.names, (said,)) if n else labels


def open_source(
    dataset: Dataset,
    fields: Mapping[str, str],
    needed: Iterable[str],
    *,
    counts_must_be_raw: bool = True,
    several_batches: bool = False,
) -> Records:
    """Everything that the ports need, ready to be drawn from in batches.

    Args:
        dataset: The data.
        fields: Where each port finds its array.
        needed: The ports of the block named ``data`` that are wired.
        counts_must_be_raw: Refuse counts that are not (a count likelihood would be wrong).
        several_batches: Refuse a batch column with one value (batch correction is asked for).
    """
    needed = tuple(needed)
    # Of the counts as they are drawn: a sum of what was rounded away would be a count or two.
    summed = {COUNTS, TOTAL_COUNTS} <= set(needed) and place_of_totals(fields) == OVER_ALL_GENES
    found = resolve(dataset, fields, (n for n in needed if n != TOTAL_COUNTS or not summed))
    counts = found.pop(COUNTS, None)
    place = fields.get(COUNTS, "X")
    notes: list[str] = []
    if counts is not None and counts_must_be_raw:
        if dataset.rows == "samples":
            counts, notes = rounded_estimates(counts, place)
        others = [p for p in dataset.places if p != place]
        try:
            counts = require_counts(counts, place, {p: dataset.stored(p) for p in others})
        except DataError as error:
            if dataset.rows != "samples" or not error.fix.startswith("Bring the raw counts"):
                raise
            raise DataError(error.what, fix=COUNTS_OF_SAMPLES, where=COUNTS) from None
    if summed:
        found[TOTAL_COUNTS] = totals_of(as_matrix(counts))
    if several_batches and BATCH_LABELS in found:
        require_several(found[BATCH_LABELS], fields[BATCH_LABELS])
    totals_from = fields.get(TOTAL_COUNTS, OVER_ALL_GENES)
    if TOTAL_COUNTS in found and totals_from != OVER_ALL_GENES:
        matrix = None if counts is None else as_matrix(counts)
        require_totals(found[TOTAL_COUNTS], matrix, totals_from)
    names: dict[str, list[str]] = {}
    per_cell: dict[str, Any] = {}
    per_dataset: dict[str, Any] = {}
    along = {"letters": list(dataset.alphabet.letters)} if "sequences" in dataset.ragged else {}
    if "signal" in dataset.ragged:
        along["bin_size"] = [c.taken for c in dataset.choices if c.name == "bin_size"]
    if dataset.classes is not None:
        along["transcripts"] = list(map(str, dataset.var.index))
    for port, value in found.items():
        notes += getattr(value, "notes", ())
        if isinstance(value, Design):
            per_cell[port] = value.matrix.astype(np.float32)
            along["covariates"] = list(value.names)
        elif isinstance(value, Named):
            per_dataset[port] = value.values
        elif isinstance(value, Labels):
            names[port] = value.names
            (per_dataset if fields[port] in KNOWN_GENES else per_cell)[port] = value.codes
        elif port == "ambient_profile" or Place.parse(fields.get(port, "")).table in OF_ALL:
            per_dataset[port] = value
        else:
            per_cell[port] = value
    genes = dataset.genes(place) if counts is not None else dataset.var
    var_names, var_ids = names_and_ids(genes)
    return Records(
        None if counts is None else as_matrix(counts),
        per_cell,
        per_dataset,
        record=dataset.rows,
        label_names=names,
        record_names=dataset.obs.index,
        var_names=var_names,
        var_ids=var_ids,
        gene_keys=genes.index.to_numpy(dtype=object),
        notes=notes,
        along=along,
        n=dataset.n_cells,
        rows_in_file=dataset.rows_kept,
    )


def require_several(labels: Labels, place: str) -> None:
    """Batch correction between one batch and nothing is a mistake, not a result."""
    if len(labels.names) < 2:
        column = Place.parse(place).name
        raise DataError(
            f"The batch column '{column}' has one value ('{labels.names[0]}') for all "
            f"{len(labels.codes):,} cells, so there is nothing to correct between.",
            fix="Choose a column with two values or more, or remove the batch correction block.",
            where=BATCH_LABELS,
        )
