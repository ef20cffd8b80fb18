"""What is known of the types of a reference, over the genes of other data: their mean counts."""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.gene_names import names_and_ids
from diffbio_engine.data.fields.places import COUNTS, LABELS, Labels, resolve
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP, GeneAlignment, align_genes
from diffbio_engine.data.inspection.raw_counts import blocks_of, require_counts
from diffbio_engine.data.matrix.matrices import Matrix
from diffbio_engine.errors import DataError

# More different labels than this name cells or samples, not types.
MOST_TYPES = 500


def type_profiles(
    reference: Dataset,
    fields: Mapping[str, str],
    var_names: Sequence[str] | np.ndarray,
    var_ids: Sequence[str] | np.ndarray | None,
    *,
    measure: bool = True,
) -> Labels:
    """Mean counts per cell of each type, float32 (types, genes), and the names of the types.

    Mean counts, not shares: an operator that divides a mixture into cells needs how large the cells
    of a type are. A gene that the reference has not is 0 in every type. Cost: one pass over the
    counts of the reference, in blocks of cells.

    Args:
        fields: Where counts and labels lie in the reference.
        var_names, var_ids: The genes of the data: matched by name, then by id.
        measure: False to find what is wrong without the pass; the means are then 0.

    Raises:
        DataError: No raw counts, no labels, fewer than two types, or less than half of the genes
            (of whichever has fewer) in both.
    """
    for field in (COUNTS, LABELS):
        if field not in fields:
            what = {COUNTS: "its raw counts", LABELS: "the cell types of its cells"}[field]
            raise DataError(
                f"It is not known where {reference.name} has {what}.",
                fix="Say where they lie, where the reference is chosen.",
                where=field,
            )
    found = resolve(reference, fields, (COUNTS, LABELS))
    labels, place = found[LABELS], fields[COUNTS]
    _require_types(labels, fields[LABELS], reference)
    others = {p: reference.stored(p) for p in reference.places if p != place}
    counts = require_counts(found[COUNTS], place, others)
    alignment = _shared_genes(reference, place, var_names, var_ids)
    means = np.zeros((len(labels.names), len(alignment.columns)), np.float32)
    if measure:
        there = alignment.columns >= 0
        means[:, there] = _means(counts, labels)[:, alignment.columns[there]]
    return Labels(means, labels.names, tuple(_told(reference, labels, alignment)))


def _require_types(labels: Labels, place: str, reference: Dataset) -> None:
    n = len(labels.names)
    if 2 <= n <= MOST_TYPES:
        return
    said = f"{place} of {reference.name} has {n:,} different values"
    raise DataError(
        f"{said}: these are hardly types." if n else f"{place} of {reference.name} names no type.",
        fix=f"Choose a column with 2 to {MOST_TYPES} cell types.",
        where=LABELS,
    )


def _shared_genes(
    reference: Dataset,
    place: str,
    var_names: Sequence[str] | np.ndarray,
    var_ids: Sequence[str] | np.ndarray | None,
) -> GeneAlignment:
    names, ids = names_and_ids(reference.genes(place))
    try:
        alignment = align_genes(names, ids, list(map(str, var_names)), _list(var_ids))
    except DataError:
        raise DataError(
            f"{reference.name} shares no genes with the data: its genes are named like"
            f" {_some(names)}; those of the data like {_some(var_names)}.",
            fix="Use a reference of the same species with the same kind of gene names.",
            where="genes",
        ) from None
    shared, fewer = int((alignment.columns >= 0).sum()), min(len(names), len(var_names))
    if shared < LEAST_OVERLAP * fewer:
        raise DataError(
            f"{reference.name} shares only {shared:,} genes with the data ({len(names):,} and"
            f" {len(var_names):,} genes). {alignment.spelling}".rstrip(),
            fix="Use a reference of the same species with the same kind of gene names.",
            where="genes",
        )
    return alignment


def _means(counts: Matrix, labels: Labels) -> np.ndarray:
    """Mean counts of the cells of each type, (types, genes of the reference)."""
    total = np.zeros((len(labels.names), counts.shape[1]))
    start = 0
    for block in blocks_of(counts):
        codes = labels.codes[start : start + block.shape[0]]
        rows = np.flatnonzero(codes >= 0)
        member = sp.csr_matrix(
            (np.ones(len(rows)), (codes[rows], rows)), shape=(len(total), block.shape[0])
        )
        total += (member @ block).toarray()
        start += block.shape[0]
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(total))
    return total / np.maximum(sizes, 1)[:, None]


def _told(reference: Dataset, labels: Labels, alignment: GeneAlignment) -> list[str]:
    n, shared = len(alignment.columns), int((alignment.columns >= 0).sum())
    unknown, rows = int((labels.codes < 0).sum()), reference.rows
    told = [f"{shared:,} of {n:,} genes of the data are in the reference {reference.name}."]
    if unknown:
        told.append(
            f"{unknown:,} of {len(labels.codes):,} {rows} of the reference have no known type and"
            " are in no profile."
        )
    return [*told, *labels.notes]


def _list(names: Sequence[str] | np.ndarray | None) -> list[str] | None:
    return None if names is None else list(map(str, names))


def _some(names: Sequence[str] | np.ndarray) -> str:
    return ", ".join(map(str, list(names)[:5]))
