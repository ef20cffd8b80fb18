"""The fields that the data blocks of a pipeline offer, measured by their data sets or supposed."""

from collections.abc import Mapping
from typing import Any

from app.session.dataset_card import DatasetCard
from diffbio_engine.data.design import design_of, formula_at, table_of
from diffbio_engine.declare import DATA_PORTS, Kind, Port
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines import DataPort
from diffbio_engine.pipelines.spec import DATA, PipelineSpec
from diffbio_engine.ports import DATA_BLOCKS, Address, Place, offered_beside, port_of_field

_BEFORE_A_DATASET = ("counts", "batch_labels")
NO_OTHER: Mapping[str, DatasetCard] = {}


def data_ports(
    dataset: DatasetCard | None,
    spec: PipelineSpec,
    beside: Mapping[str, DatasetCard] = NO_OTHER,
) -> dict[str, DataPort]:
    """The fields that data blocks offer: the data sets' own, or usual ones before there is one.

    Args:
        dataset: Of the block ``data``.
        beside: Other data sets, by the block that stands for each.
    """
    ports = _of_data(dataset, spec)
    n_genes = (dataset and dataset.n_genes) or 2000
    for block in spec.data_blocks:
        if block != DATA:
            card = beside.get(block)
            ports |= _of_other(block, card, n_genes)
    return ports


def _of_data(dataset: DatasetCard | None, spec: PipelineSpec) -> dict[str, DataPort]:
    if dataset is not None:
        return {n: _measured(n, dataset) for n in dataset.fields if n in DATA_PORTS}
    used = [w.field for w in spec.wires if w.from_data]
    names = dict.fromkeys([*_BEFORE_A_DATASET, *used])
    return {n: _supposed(n) for n in names if n in DATA_PORTS}


def _of_other(block: str, card: DatasetCard | None, n_genes: int) -> dict[str, DataPort]:
    """What a second data set tells over the genes of the data; its usual ports before there is one.

    Nothing where it lacks what these are computed from: their wires stay, marked.
    """
    if card is None:
        names, n_types = [str(Address(block, port)) for port in DATA_BLOCKS[block].ports], 10
    else:
        names = list(offered_beside(block, card.fields))
        columns = {f"obs/{c.get('name')}": c.get("n_values", 0) for c in _columns(card)}
        n_types = int(columns.get(card.fields.get("labels", "")) or 10)
    ports = {name: port for name in names if (port := port_of_field(name))}
    lengths = {"genes": n_genes, "classes": n_types}
    return {name: DataPort(port, _lengths(port, lengths)) for name, port in ports.items()}


def missing_fields(
    dataset: DatasetCard | None,
    spec: PipelineSpec,
    beside: Mapping[str, DatasetCard] = NO_OTHER,
) -> list[str]:
    """Fields that a wire starts from and no data set offers; their wires stay, marked."""
    offered = data_ports(dataset, spec, beside)
    return [name for name in spec.fields if name not in offered]


def _supposed(name: str) -> DataPort:
    """A field before there is data: lengths that let the shapes be checked all the same."""
    port = DATA_PORTS[name]
    lengths = {"genes": 2000, "features": 50, "positions": 200, "letters": 4, "covariates": 2}
    n_classes = lengths.get(port.classes, 2)
    return DataPort(port, _lengths(port, lengths), _classes_of(port, n_classes))


def _measured(name: str, dataset: DatasetCard) -> DataPort:
    port, (kind, key) = DATA_PORTS[name], Place.parse(dataset.fields[name]).parts
    lengths = {"genes": dataset.n_genes or 2000, "features": 50}
    lengths |= dataset.preview.get("lengths") or {}
    if port.kind == Kind.DESIGN:
        lengths["covariates"] = _n_covariates(dataset, dataset.fields[name])
    if kind == "obsm":
        shape = (dataset.preview.get("obsm") or {}).get(key)
        lengths["features"] = int(shape[-1]) if shape else 50
    elif not port.per_record and name in (known := dataset.preview.get("known_genes") or {}):
        lengths[port.axis_names[0]] = int(known[name])
    columns = {str(c.get("name")): c.get("n_values", 0) for c in _columns(dataset)}
    n_classes = lengths.get(port.classes) or int(columns.get(key) or 2)
    return DataPort(port, _lengths(port, lengths), _classes_of(port, n_classes))


def _n_covariates(dataset: DatasetCard, place: str) -> int:
    """How many columns a design has; of one that cannot be made, as many as it has terms."""
    try:
        formula = formula_at(place)
        if formula is None:
            shape = (dataset.preview.get("obsm") or {}).get(Place.parse(place).name)
            return int(shape[-1]) if shape else 2
        return design_of(table_of(dataset.preview), formula).matrix.shape[1]
    except UserError:
        return 1 + place.count("+")


def _lengths(port: Port, lengths: dict[str, int]) -> tuple[int, ...]:
    names = port.axis_names[1:] if port.per_record else port.axis_names
    return tuple(int(a) if a.isdigit() else lengths.get(a, 10) for a in names)


def _classes_of(port: Port, n: int) -> int:
    return n if port.classes else 0


def _columns(dataset: DatasetCard) -> list[dict[str, Any]]:
    return [c for c in dataset.preview.get("obs") or [] if isinstance(c, dict)]
