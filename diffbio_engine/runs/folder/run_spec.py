"""What a run is to do, as plain data: the content of ``run.json``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from diffbio_engine.axes import AXES, Axis, axis_of
from diffbio_engine.data import Dataset, Reading, read
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.errors import RunError
from diffbio_engine.ports import DATA
from diffbio_engine.runs.folder.plain_values import text


def data_beside(run: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a ``run.json`` tells of other data sets than the data, by data block."""
    told = run.get("beside")
    if not isinstance(told, Mapping):
        return {}
    return {str(block): dict(one) for block, one in told.items() if isinstance(one, Mapping)}


def paths_of_data(run: Mapping[str, Any]) -> list[str]:
    """Every file that a run reads, as its ``run.json`` tells."""
    data = run.get("dataset")
    told = [data if isinstance(data, Mapping) else {}, *data_beside(run).values()]
    return [str(one.get("path") or "") for one in told]


@dataclass
class RunSpec:
    """Everything that a run follows from.

    Attributes:
        pipeline: The document of the pipeline.
        dataset: ``path``, ``name``, ``fields`` (field name -> place in the file) and, where a
            person said how to read the file, ``reading`` (``{"orientation": "genes in rows"}``).
        beside: Other data sets, in the same form, by the block that stands for each:
            ``{"reference": {"path": ...}}``.
        stages: Stretches of training as plain data; empty for the pipeline's own, or one joint
            stage.
        steps: The most steps to take; 0 for as many as the stages say.
        schedules: By dial, how it moves by itself.
        dials: Dials turned before the run began.
        bundle: Folder of a trained pipeline. The run then trains nothing: it places the cells of
            ``dataset`` by what was learned.
        layers: Which dense layers of cells by genes the result has: ``"small"`` (up to 50 MB),
            ``"all"`` or ``"none"``.
        least_overlap: With a bundle: the share of its genes below which nothing is placed.
    """

    pipeline: dict[str, Any]
    dataset: dict[str, Any]
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)
    title: str = ""
    stages: list[dict[str, Any]] = field(default_factory=list)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    dials: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    seed: int = 0
    batch_size: int = 256
    learning_rate: float = 1e-3
    command: str = ""
    bundle: str = ""
    layers: str = "small"
    least_overlap: float = LEAST_OVERLAP

    def to_json(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        return asdict(self)

    def opened_data(self, block: str = DATA) -> Dataset:
        """The data set of a data block, read as it was when the person looked at it."""
        told = self.dataset_of(block)
        reading = told.get("reading")
        kept = Reading.of(reading if isinstance(reading, Mapping) else {})
        return read(told["path"], **kept.as_dict())

    def dataset_of(self, block: str = DATA) -> dict[str, Any]:
        """What is told of the data set of a data block; empty if there is none."""
        told = self.dataset if block == DATA else self.beside.get(block)
        return told if isinstance(told, dict) else {}

    def rows(self) -> Axis:
        """What the rows of its data are, as far as that was said; cells where it was not."""
        reading = self.dataset.get("reading")
        said = text(reading.get("rows")) if isinstance(reading, Mapping) else ""
        known = (a for a in AXES.values() if a.record and said in (a.name, a.one))
        return next(known, axis_of("cells"))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RunSpec":
        """The run of a ``run.json``; keys of the engine (owner, created) are left aside."""
        known = {f: values[f] for f in cls.__dataclass_fields__ if f in values}
        known["beside"] = data_beside(values)
        for name in ("pipeline", "dataset"):
            if not isinstance(known.get(name), dict):
                raise RunError(
                    f"The run has no {name}.", fix="Start it again from the workbench.", where=name
                )
        return cls(**known)
