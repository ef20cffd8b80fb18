"""Which of new cells a trained pipeline is applied to: its quality control holds for them too."""

from collections.abc import Mapping

from diffbio_engine.bundles.bundle import Bundle
from diffbio_engine.data import Dataset
from diffbio_engine.data.inspection.counts_place import find_counts
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.matrix.matrix_preview import RAW, look
from diffbio_engine.data.quality import Filtered


def without_removed(
    bundle: Bundle, dataset: Dataset, fields: Mapping[str, str] | None = None
) -> Filtered:
    """The cells that pass the limits of the trained pipeline, how many of how many, and why.

    No gene is removed: which genes are needed, the training has settled.

    Args:
        bundle: The trained pipeline.
        dataset: The new data.
        fields: Where the new file keeps a field, if not where the training file did.

    Raises:
        DataError: There are no raw counts, or no cell passes.
    """
    control = bundle.pipeline.plan.spec.quality_control
    if not control.removes:
        return Filtered(dataset)
    trained = bundle.fields.get("counts", {}).get("place") or "X"
    place = (fields or {}).get("counts") or counts_place(dataset, trained, [])
    return kind_named(dataset.rows).controlled(dataset, control, place, is_new=True)


def counts_place(dataset: Dataset, place: str, notes: list[str]) -> str:
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
