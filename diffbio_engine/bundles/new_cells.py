"""New data as a trained pipeline needs them: which cells of them, their genes, their classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffbio_engine.bundles.bundle import Bundle
from diffbio_engine.bundles.sizes_of_cells import place_in_new_file, silent_pairs
from diffbio_engine.data import Dataset, Fields, Labels, Records, open_source, resolve
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.data.inspection.counts_place import find_counts
from diffbio_engine.data.kinds import USUAL, kind_named
from diffbio_engine.data.matrix.matrix_preview import RAW, look
from diffbio_engine.data.sampling.cell_totals import TOTAL_COUNTS
from diffbio_engine.errors import DataError, UserError, did_you_mean
from diffbio_engine.pipelines import Pipeline


@dataclass(frozen=True)
class CellsToPlace:
    """Cells that a trained pipeline can be applied to.

    Attributes:
        cells: Seen through the genes of the training.
        dataset: The new data without what the quality control of the pipeline removes.
        notes: What a person should know: cells removed, genes matched, batches not known.
        quality_control: What was removed and why, as plain data; empty where it was not asked.
    """

    cells: Records
    dataset: Dataset
    notes: list[str]
    quality_control: Mapping[str, Any] = field(default_factory=dict)


def cells_for(
    bundle: Bundle,
    dataset: Dataset,
    *,
    fields: Mapping[str, str] | None = None,
    least_overlap: float = LEAST_OVERLAP,
) -> CellsToPlace:
    """The cells of a new data set as a trained pipeline needs them, and what to know of them.

    Its quality control holds for them too, but no gene is removed: which ones are needed, the
    training has settled. Genes are matched by name, then by id; missing ones count as 0 and are
    stated. Batches are matched by name.

    Args:
        fields: Where the new file keeps a field, if not where the training file did.
        least_overlap: The share of the trained genes below which nothing is placed.

    Raises:
        DataError: With fewer genes than that, in words that name another species or spelling; or
            no cell passes the quality control.
    """
    if "design" in bundle.fields:
        why = kind_named(dataset.rows).unlike({"design": {}}, {})
        raise DataError(why, fix="Run the same pipeline on these: choose them, and press Run.")
    chosen = {n: facts["place"] for n, facts in bundle.fields.items() if facts["place"]}
    chosen |= dict(fields or {})
    notes = _of_other_rows(bundle, dataset)
    needed = tuple(bundle.fields)
    per_dataset = tuple(n for n in needed if n in bundle.per_dataset)
    per_cell = tuple(n for n in needed if n not in per_dataset)
    labels = {n: chosen.pop(n) for n in per_cell if bundle.fields[n]["names"]}
    if "counts" not in (fields or {}):
        chosen["counts"] = _counts_place(dataset, chosen.get("counts", "X"), notes)
    kind, control = kind_named(dataset.rows), bundle.pipeline.plan.spec.quality_control
    kept = kind.controlled(dataset, control, chosen["counts"], is_new=True)
    dataset, notes = kept.dataset, [*kept.notes, *notes]
    plain = tuple(n for n in per_cell if n not in labels)
    if TOTAL_COUNTS in plain:
        n_genes, facts = len(dataset.genes(chosen["counts"])), bundle.fields[TOTAL_COUNTS]
        chosen[TOTAL_COUNTS], told = place_in_new_file(dataset, chosen, facts, n_genes)
        notes += told
    source = open_source(dataset, Fields(chosen), plain)
    if "counts" in needed:
        alignment = kind.align(source, bundle.genes, least_overlap)
        notes.append(alignment.sentence)
        notes += _looking_past(bundle.pipeline, alignment.columns < 0)
        if "lr_pairs" in per_dataset:
            notes += silent_pairs(bundle.per_dataset["lr_pairs"], alignment.columns >= 0)
        source = source.aligned(alignment)
    source, told = kind.as_trained(source, bundle.fields, dataset.name)
    notes += told
    source.label_names.update({n: list(f["names"]) for n, f in bundle.fields.items() if f["names"]})
    source.per_dataset.update({n: bundle.per_dataset[n] for n in per_dataset})
    for name, place in labels.items():
        if name in source.per_record:
            continue
        codes = _codes(dataset, name, place, bundle.fields[name]["names"], notes)
        source.per_cell[name] = codes
    return CellsToPlace(source, dataset, notes, kept.facts)


def _looking_past(pipeline: Pipeline, missing: np.ndarray) -> list[str]:
    """Tells blocks which genes are missing; what to know of those that make something of it."""
    # Told where none is missing, too: a bundle may have placed cells of another file before.
    past = [name for name in pipeline.plan.blocks if pipeline.blocks[name].look_past(missing)]
    said = "does not look at missing genes, nor take them for silent."
    return [f"{name} {said}" for name in past] if missing.any() else []


def _of_other_rows(bundle: Bundle, dataset: Dataset) -> list[str]:
    """What to know where rows are placed by what was learned of another kind of rows."""
    # Bundles of earlier versions do not say: they were trained on cells, or on spots.
    untold = dataset.rows if dataset.rows == "spots" else USUAL
    trained = str(bundle.training.get("rows") or untold)
    if dataset.rows == trained:
        return []
    return [
        f"This pipeline was trained on {trained}; the rows of {dataset.name} are {dataset.rows}:"
        " where they are placed may say little."
    ]


def _counts_place(dataset: Dataset, place: str, notes: list[str]) -> str:
    """Where the training file had its counts, if this one has some there; else where it has."""
    if not dataset.places:
        return place
    if place in dataset.places and look(place, dataset.stored(place)).holds == RAW:
        return place
    other, said = find_counts(dataset)
    if not other:
        return place if place in dataset.places else dataset.places[0]
    notes.append(
        f"The new file has no {place}; its counts were taken from {other}."
        if place not in dataset.places
        else f"{place} of the new file holds no raw counts; they were taken from {other}. {said}"
    )
    return other


def _codes(
    dataset: Dataset, name: str, place: str, known: list[str], notes: list[str]
) -> np.ndarray:
    """Class numbers in the training's order; what is not known is -1, and stated."""
    try:
        labels = resolve(dataset, Fields({name: place}), (name,))[name]
    except UserError:
        notes.append(
            f"The new file has no {place}: its cells count as of no known"
            f" {name.removesuffix('_labels')} and are not corrected. Name the column with"
            f" --field {name}=obs/COLUMN if they come from known ones ({', '.join(known[:5])})."
        )
        return np.full(dataset.n_cells, -1, np.int32)
    if not isinstance(labels, Labels):
        raise DataError(f"{place} does not hold classes.", fix="Choose a column of obs.")
    number = {value: i for i, value in enumerate(known)}
    new = [value for value in labels.names if value not in number]
    if new:
        hint = did_you_mean(new[0], known)
        n_new = int(np.isin(labels.codes, [labels.names.index(v) for v in new]).sum())
        notes.append(
            f"{n_new} of {dataset.n_cells} cells are of {name.replace('_', ' ')} that training did"
            f" not see ({', '.join(map(repr, new[:5]))}): they are not corrected. {hint}".strip()
        )
    # The last place is for cells of no class (-1).
    table = np.array([*(number.get(value, -1) for value in labels.names), -1], np.int32)
    return table[labels.codes]
