"""A data set without the cells and genes that the quality control of a document removes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.some_rows import only
from diffbio_engine.data.inspection.raw_counts import as_matrix
from diffbio_engine.data.quality.judging import judged
from diffbio_engine.data.quality.metrics import (
    DOUBLET_SCORE,
    MITOCHONDRIAL,
    Measured,
    genes_seen_in,
    measured,
)
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place
from diffbio_engine.ports.quality_control import METRICS, QualityControl

_MOST_SAMPLES = 1_000


@dataclass(frozen=True)
class Filtered:
    """What is left of a data set.

    Attributes:
        dataset: The cells and genes that are kept.
        notes: How many of how many are kept and why others are not, in full sentences.
        facts: The same as plain data, for the provenance; empty where nothing was asked for.
    """

    dataset: Dataset
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def filtered(
    dataset: Dataset, control: QualityControl, place: str = "X", *, is_new: bool = False
) -> Filtered:
    """Removes the cells outside of the limits; then the genes that too few of the others have.

    That order is scanpy's: ``filter_cells``, then ``filter_genes``. Nothing is removed, and the
    data set is the same object, where the document asks for nothing.

    Args:
        dataset: All cells.
        control: What the document says.
        place: Where the raw counts lie.
        is_new: Whether these are new data for a trained pipeline: its genes are known, so none is
            removed, and a limit for which the file lacks the numbers removes nothing, which is
            said. In training a limit of doublet scores is refused where there are none.

    Raises:
        DataError: There are no raw counts, no such column, or no cell is left.
    """
    if not control.removes:
        return Filtered(dataset)
    try:
        return _filtered(dataset, control, place, is_new)
    except DataError as error:
        raise DataError(
            f"The quality control cannot be done: {error.what}", fix=error.fix, where="counts"
        ) from None


def unfiltered(
    dataset: Dataset, control: QualityControl, place: str, *, is_new: bool = False
) -> Filtered:
    """All of a data set whose rows have no such metrics: they are no cells.

    Raises:
        DataError: The document has limits, and this is no new data for a trained pipeline.
    """
    said = f"The quality control of the pipeline is of cells, and these are {dataset.rows}"
    if not control.removes or is_new:
        return Filtered(dataset, (f"{said}: none is removed.",) if control.removes else ())
    fix = "Take its limits away (Quality control, beside the data), or choose other data."
    raise DataError(f"{said}.", fix=fix, where="data")


def _filtered(dataset: Dataset, control: QualityControl, place: str, is_new: bool) -> Filtered:
    found = _measured(dataset, control, place, is_new)
    notes = _what_lacks(dataset, control, found, is_new)
    codes, names = None, list[str]()
    if control.samples and not (is_new and Place.parse(control.samples).name not in dataset.obs):
        codes, names = samples_of(dataset.obs, control.samples)
        notes += _other_samples(control, names)
    elif control.samples:
        notes.append(f"The new file has no {control.samples}: {_of_all(control)}.")
    values = dict(found.values)
    if not found.has_mitochondrial:
        del values[MITOCHONDRIAL]
    result = judged(control, values, codes, names)
    if not result.n:
        raise DataError(result.sentence, fix="Widen the limits of the quality control.")
    notes.insert(0, result.sentence)
    if any(one.metric == MITOCHONDRIAL for one in control.limits):
        notes.append(found.mitochondrial)
    rows, genes = np.flatnonzero(result.kept), None
    n_genes = len(dataset.genes(place))
    if control.least_cells and not is_new:
        seen = genes_seen_in(as_matrix(dataset.matrix(place)), rows)
        genes = np.flatnonzero(seen >= control.least_cells)
        notes.append(
            f"{len(genes):,} of {n_genes:,} genes are kept: the others are seen in fewer than"
            f" {control.least_cells:,} of these cells."
        )
        if not len(genes):
            raise DataError(notes[-1], fix="Keep genes that are seen in fewer cells.")
    all_genes = genes is None or len(genes) == n_genes
    kept = dataset
    if len(rows) < dataset.n_cells or not all_genes:
        kept = only(dataset, rows, None if all_genes else genes, place)
    facts = {
        **control.to_json(),
        "kept": result.n,
        "of": dataset.n_cells,
        "removed": {why: n for why, n in result.removed if n},
        "per_sample": {name: [a, b] for name, a, b in result.samples if name},
        "mitochondrial_genes": found.n_mitochondrial,
        "genes_kept": n_genes if genes is None else len(genes),
        "genes": n_genes,
    }
    return Filtered(kept, tuple(notes), facts)


def _measured(dataset: Dataset, control: QualityControl, place: str, is_new: bool) -> Measured:
    column = control.mitochondrial
    tables = (dataset.obs,) if column.startswith("obs/") else (dataset.genes(place), dataset.var)
    if is_new and column and not any(Place.parse(column).name in table for table in tables):
        column = ""  # by their names, then; what was found is said
    return measured(dataset, place, column)


def samples_of(obs: pd.DataFrame, place: str) -> tuple[np.ndarray, list[str]]:
    """The sample of each cell and the names of the samples; -1 for a cell of no sample."""
    name = Place.parse(place).name
    if name not in obs:
        raise DataError(
            f"There is no column '{name}' that names the samples.",
            fix="Choose another column on the page 'Quality control'.",
        )
    values = obs[name].astype("category").cat.remove_unused_categories()
    names = [str(value) for value in values.cat.categories]
    if len(names) > _MOST_SAMPLES:
        raise DataError(
            f"The column '{name}' names {len(names):,} samples; at most {_MOST_SAMPLES:,} are.",
            fix="Choose a column with a value for each sample.",
        )
    return values.cat.codes.to_numpy(np.int32), names


def _what_lacks(
    dataset: Dataset, control: QualityControl, found: Measured, is_new: bool
) -> list[str]:
    """Limits of what the file has no numbers for; refused in training."""
    asked = {one.metric for one in control.limits}
    notes = []
    if DOUBLET_SCORE in asked and DOUBLET_SCORE not in found.values:
        said = f"{dataset.name} has no column of doublet scores, of which there is a limit"
        if not is_new:
            fix = "Take the limit away, or bring a file with the scores (obs/doublet_score)."
            raise DataError(f"{said}.", fix=fix)
        notes.append(f"{said}: by doublet scores, no cell is removed.")
    if MITOCHONDRIAL in asked and not found.has_mitochondrial:
        title = METRICS[MITOCHONDRIAL].title.lower()
        notes.append(f"By {title}, no cell is removed: none of its genes is known.")
    return notes


def _other_samples(control: QualityControl, names: list[str]) -> list[str]:
    """Samples that have no limits of their own where others have."""
    own = {one.sample for one in control.limits if one.sample}
    others = [name for name in names if name not in own] if own else []
    if not others:
        return []
    shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
    return [f"Samples without limits of their own ({shown}): {_of_all(control)}."]


def _of_all(control: QualityControl) -> str:
    """What holds for a sample without limits of its own."""
    if any(not one.sample for one in control.limits):
        return "the limits for all samples are used"
    return "none is removed, as no limit is for all samples"
