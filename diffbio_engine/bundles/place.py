"""Places cells by a trained pipeline: those it was trained on, or new ones."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffbio_engine.bundles.axis_names import levels_of
from diffbio_engine.bundles.bundle import Bundle
from diffbio_engine.bundles.genes_of_file import genes_trained_on, of_all_genes
from diffbio_engine.bundles.kept_values import (
    as_kept,
    likeliest_classes,
    tell_small_p_values,
)
from diffbio_engine.bundles.new_cells_kept import counts_place, without_removed
from diffbio_engine.bundles.not_known import without_unknown
from diffbio_engine.bundles.result_places import of_the_whole, result_places
from diffbio_engine.bundles.rules import ports_of_rules, rules_in_words
from diffbio_engine.bundles.sizes_of_cells import place_in_new_file, silent_pairs, told_of_sizes
from diffbio_engine.data import (
    Dataset,
    Fields,
    Labels,
    Records,
    open_source,
    resolve,
)
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.data.kinds import USUAL, kind_named
from diffbio_engine.data.sampling.cell_totals import TOTAL_COUNTS
from diffbio_engine.declare import Kind
from diffbio_engine.errors import DataError, UserError, did_you_mean
from diffbio_engine.pipelines import Pipeline, values_of_cells
from diffbio_engine.ports import Place

# Dense layers above this size are left out unless they are asked for, and that is said.
_LAYER_LIMIT = 50e6


@dataclass
class NewCells:
    """What a pipeline says of cells.

    Attributes:
        arrays: By place in a result file, ``"obsm/X_latent"``.
        layers: By name, cells x genes of the file: an array, or CSR where only some are known.
        notes: What a person should know: genes matched, batches not known, layers left out.
        main_map: Which of the arrays is the map.
        dataset: The cells that were placed, where others were removed by quality control: to be
            given to ``write_result``.
    """

    arrays: dict[str, np.ndarray]
    layers: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    main_map: str = ""
    dataset: Dataset | None = None

    @property
    def sentence(self) -> str:
        """All notes in one line."""
        return " ".join(self.notes)


def result_arrays(
    pipeline: Pipeline,
    cells: Records,
    *,
    layers: str = "small",
    tick: Callable[[float], None] | None = None,
) -> NewCells:
    """Every port that has a place in a result file, for all cells.

    Args:
        layers: Dense layers, as large as the whole matrix without its zeros: ``"small"`` leaves
            out those above 50 MB, ``"all"`` none, ``"none"`` all.
    """
    places = result_places(pipeline)
    as_layers = {p: Place.parse(place).name for p, place in places.items() if _is_layer(place)}
    notes = list(cells.notes)
    size = cells.n_cells * cells.n_genes * 4
    if layers == "none" or (layers == "small" and size > _LAYER_LIMIT):
        notes += [
            f"The layer {name} was left out: {cells.n_cells:,} cells x {cells.n_genes:,} genes are"
            f" {size / 1e6:,.0f} MB. `apply BUNDLE FILE --layers all` writes it."
            for name in as_layers.values()
        ]
        as_layers = {}
    small = {p: place for p, place in places.items() if not _is_layer(place)}
    # All in one pass: whatever they have in common is computed, and compiled, once.
    told = ports_of_rules(pipeline.plan)
    ports = (*small, *as_layers, *told, *levels_of(pipeline.plan))
    values = values_of_cells(pipeline, cells, tuple(dict.fromkeys(ports)), tick=tick)
    rules = rules_in_words(pipeline.plan, {port: values.pop(port) for port in told})
    notes += without_unknown(pipeline, cells, values)
    tell_small_p_values(pipeline, values)
    arrays = {small[port]: as_kept(pipeline, cells, port, values) for port in small}
    arrays |= likeliest_classes(pipeline, cells, small, values)
    arrays = {p: of_all_genes(cells, v) if _is_of_genes(p) else v for p, v in arrays.items()}
    if cells.chosen is not None:
        arrays |= genes_trained_on(cells)
    notes += told_of_sizes(pipeline, cells)
    kept = {name: of_all_genes(cells, values[port]) for port, name in as_layers.items()}
    if cells.columns is not None:
        notes += [
            f"The layer {name} is known for {cells.n_genes:,} genes; it is 0 for the others."
            for name in kept
        ]
    maps = [p for p in pipeline.plan.results_first(pipeline.plan.ports(Kind.MAP)) if p in small]
    return NewCells(arrays, kept, notes, rules, main_map=small[maps[0]] if maps else "")


def _is_of_genes(place: str) -> bool:
    return Place.parse(place).table in ("var", "varm")


def _is_layer(place: str) -> bool:
    return Place.parse(place).table == "layers"


def place_cells(
    bundle: Bundle,
    dataset: Dataset,
    *,
    fields: Mapping[str, str] | None = None,
    layers: str = "small",
    least_overlap: float = LEAST_OVERLAP,
    tick: Callable[[float], None] | None = None,
) -> NewCells:
    """Applies a trained pipeline to a new data set: `without_removed` holds its limits against the
    cells, `cells_for` opens those that are kept, `placed_by` places them.
    """
    kept = without_removed(bundle, dataset, fields)
    cells, notes = cells_for(bundle, kept.dataset, fields=fields, least_overlap=least_overlap)
    placed = placed_by(bundle, cells, [*kept.notes, *notes], layers=layers, tick=tick)
    placed.dataset = kept.dataset
    placed.provenance |= {"quality_control": dict(kept.facts)} if kept.facts else {}
    return placed


def cells_for(
    bundle: Bundle,
    dataset: Dataset,
    *,
    fields: Mapping[str, str] | None = None,
    least_overlap: float = LEAST_OVERLAP,
) -> tuple[Records, list[str]]:
    """The cells of a new data set as a trained pipeline needs them, and what to know of them.

    Genes are matched by name, then by id; missing ones count as 0 and are stated. Batches are
    matched by name.

    Args:
        fields: Where the new file keeps a field, if not where the training file did.
        least_overlap: The share of the trained genes below which nothing is placed.

    Raises:
        DataError: With fewer genes than that, in words that name another species or spelling.
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
        chosen["counts"] = counts_place(dataset, chosen.get("counts", "X"), notes)
    plain = tuple(n for n in per_cell if n not in labels)
    if TOTAL_COUNTS in plain:
        n_genes, facts = len(dataset.genes(chosen["counts"])), bundle.fields[TOTAL_COUNTS]
        chosen[TOTAL_COUNTS], told = place_in_new_file(dataset, chosen, facts, n_genes)
        notes += told
    source = open_source(dataset, Fields(chosen), plain)
    if "counts" in needed:
        alignment = kind_named(dataset.rows).align(source, bundle.genes, least_overlap)
        notes.append(alignment.sentence)
        notes += _looking_past(bundle.pipeline, alignment.columns < 0)
        if "lr_pairs" in per_dataset:
            notes += silent_pairs(bundle.per_dataset["lr_pairs"], alignment.columns >= 0)
        source = source.aligned(alignment)
    source, told = kind_named(dataset.rows).as_trained(source, bundle.fields, dataset.name)
    notes += told
    source.label_names.update({n: list(f["names"]) for n, f in bundle.fields.items() if f["names"]})
    source.per_dataset.update({n: bundle.per_dataset[n] for n in per_dataset})
    for name, place in labels.items():
        if name in source.per_record:
            continue
        codes = _codes(dataset, name, place, bundle.fields[name]["names"], notes)
        source.per_cell[name] = codes
    return source, notes


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


def placed_by(
    bundle: Bundle,
    cells: Records,
    notes: Sequence[str] = (),
    *,
    layers: str = "small",
    tick: Callable[[float], None] | None = None,
) -> NewCells:
    """What a trained pipeline says of cells that `cells_for` opened."""
    placed = result_arrays(bundle.pipeline, cells, layers=layers, tick=tick)
    # What was found of genes belongs to the cells that it was found in.
    own = of_the_whole(bundle.pipeline)
    placed.arrays = {k: v for k, v in placed.arrays.items() if not _is_of_genes(k) or k in own}
    placed.notes[:0] = notes
    placed.provenance |= {
        "applied_bundle": bundle.training.get("title", bundle.pipeline.plan.spec.name),
        "pipeline": json.dumps(bundle.pipeline.plan.spec.to_json()),
        "training": json.dumps(bundle.training),
        "notes": json.dumps(placed.notes),
    }
    return placed


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
