"""Places cells by a trained pipeline: those it was trained on, or new ones."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffbio_engine.bundles.axis_names import levels_of
from diffbio_engine.bundles.bundle import Bundle
from diffbio_engine.bundles.genes_of_file import genes_trained_on, of_all_genes
from diffbio_engine.bundles.kept_values import as_kept, likeliest_classes, tell_small_p_values
from diffbio_engine.bundles.new_cells import CellsToPlace, cells_for
from diffbio_engine.bundles.not_known import without_unknown
from diffbio_engine.bundles.result_places import of_the_whole, result_places
from diffbio_engine.bundles.rules import ports_of_rules, rules_in_words
from diffbio_engine.bundles.sizes_of_cells import told_of_sizes
from diffbio_engine.data import Dataset, Records
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.declare import Kind
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
        dataset: New cells that were placed, to be given to ``write_result``: without those that
            quality control removed.
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
    """Applies a trained pipeline to a new data set: `cells_for` opens it, `placed_by` places it."""
    found = cells_for(bundle, dataset, fields=fields, least_overlap=least_overlap)
    return placed_by(bundle, found, layers=layers, tick=tick)


def placed_by(
    bundle: Bundle,
    found: CellsToPlace,
    *,
    layers: str = "small",
    tick: Callable[[float], None] | None = None,
) -> NewCells:
    """What a trained pipeline says of cells that `cells_for` opened."""
    placed = result_arrays(bundle.pipeline, found.cells, layers=layers, tick=tick)
    placed.dataset = found.dataset
    # What was found of genes belongs to the cells that it was found in.
    own = of_the_whole(bundle.pipeline)
    placed.arrays = {k: v for k, v in placed.arrays.items() if not _is_of_genes(k) or k in own}
    placed.notes[:0] = found.notes
    placed.provenance |= {
        "applied_bundle": bundle.training.get("title", bundle.pipeline.plan.spec.name),
        "pipeline": json.dumps(bundle.pipeline.plan.spec.to_json()),
        "training": json.dumps(bundle.training),
        "notes": json.dumps(placed.notes),
    }
    if found.quality_control:
        placed.provenance["quality_control"] = dict(found.quality_control)
    return placed
