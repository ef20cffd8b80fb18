"""The pipeline as a document: blocks, wires, outputs; JSON in and out. Nothing is computed here."""

import json
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diffbio_engine.declare import find_operator
from diffbio_engine.errors import PipelineError, UserError, did_you_mean
from diffbio_engine.pipelines.document_checks import (
    FORMAT,
    SCHEMA,
    check_document,
    too_deep,
    upgraded,
)
from diffbio_engine.ports import DATA, DATA_BLOCKS, Address, field_of
from diffbio_engine.ports.quality_control import QualityControl

_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Block:
    """An operator placed in a pipeline.

    Attributes:
        id: Its name in the pipeline: small letters, digits and ``_``.
        operator: Id of the operator's declaration.
        config: Settings that differ from the defaults (all of them, once saved).
        learns: Whether training changes its weights.
    """

    id: str
    operator: str
    config: dict[str, Any] = field(default_factory=dict)
    learns: bool = True


@dataclass(frozen=True)
class Wire:
    """The line between two ports, ``"block.port"`` each; ``"data.counts"`` is a field of the data,
    ``"reference.profiles"`` one of a second data set.

    ``stop_gradient``: values pass, learning does not.
    """

    source: str
    target: str
    stop_gradient: bool = False

    @property
    def start(self) -> Address:
        """Where it starts: an output of a block, or a field of the data."""
        return Address.parse(self.source)

    @property
    def end(self) -> Address:
        """Where it ends: an input of a block."""
        return Address.parse(self.target)

    @property
    def from_data(self) -> bool:
        """Whether it starts from a field of a data set: the data's own, or the reference's."""
        return self.start.block in DATA_BLOCKS

    @property
    def field(self) -> str:
        """The name of the field that it starts from; empty if it starts from a block."""
        return field_of(self.start) if self.from_data else ""


@dataclass(frozen=True)
class PipelineSpec:
    """A pipeline as a document.

    Attributes:
        outputs: Public name of a result and the port it comes from.
        weights: Weight of a loss port in the objective; others keep the port's default.
        layout: Places of the blocks on the canvas; not part of equality.
        training: Stages and schedules that suggest themselves for it, as plain data.
        variable_genes: How many of the most variable genes to train on; 0 for all genes.
        quality_control: Which rows and genes of the data are kept.
    """

    name: str
    blocks: tuple[Block, ...] = ()
    wires: tuple[Wire, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    layout: dict[str, tuple[float, float]] = field(default_factory=dict, compare=False)
    variable_genes: int = 0
    quality_control: QualityControl = field(default_factory=QualityControl)

    def block(self, block_id: str) -> Block:
        """The block of this id."""
        for block in self.blocks:
            if block.id == block_id:
                return block
        names = [b.id for b in self.blocks]
        raise PipelineError(
            f"There is no block '{block_id}' in the pipeline.",
            fix=did_you_mean(block_id, names) or f"Its blocks are {', '.join(names)}.",
            where=block_id,
        )

    @property
    def data_blocks(self) -> tuple[str, ...]:
        """The blocks that stand for data sets: ``data``, and others that are wired or placed."""
        there = {w.start.block for w in self.wires} | set(self.layout)
        return tuple(block for block in DATA_BLOCKS if block == DATA or block in there)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of data sets that a wire starts from, sorted by name."""
        return tuple(sorted({w.field for w in self.wires if w.from_data}))

    def with_config(self, block_id: str, **changes: Any) -> "PipelineSpec":
        """The same pipeline with some settings of one block changed.

        The block ``data`` has one, ``variable_genes``.
        """
        if block_id == DATA:
            return self._with_data(**changes)
        self.block(block_id)
        blocks = tuple(
            replace(b, config={**b.config, **changes}) if b.id == block_id else b
            for b in self.blocks
        )
        return replace(self, blocks=blocks)

    def _with_data(self, **changes: Any) -> "PipelineSpec":
        unknown = [name for name in changes if name != "variable_genes"]
        if unknown:
            raise PipelineError(
                f"there is no setting '{unknown[0]}'.",
                fix=did_you_mean(unknown[0], ["variable_genes"]) or "It has variable_genes.",
                where=DATA,
            )
        return replace(self, variable_genes=_n_genes(changes["variable_genes"]))

    def to_json(self) -> dict[str, Any]:
        """The document as JSON data, with every setting written out."""
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            "name": self.name,
            "blocks": [
                {
                    "id": b.id,
                    "operator": b.operator,
                    "version": find_operator(b.operator).version,
                    "config": _all_settings(b),
                    "learns": b.learns,
                }
                for b in self.blocks
            ],
            "wires": [
                {"source": w.source, "target": w.target, "stop_gradient": w.stop_gradient}
                for w in self.wires
            ],
            "outputs": dict(self.outputs),
            "weights": dict(self.weights),
            "training": dict(self.training),
            "variable_genes": self.variable_genes,
            "quality_control": self.quality_control.to_json(),
            "layout": {name: list(place) for name, place in self.layout.items()},
        }

    @classmethod
    def from_json(cls, document: Any) -> "PipelineSpec":
        """The pipeline of a document; a ``PipelineError`` says what is wrong with it."""
        check_document(document)
        document = upgraded(document)
        try:
            return cls(
                name=str(document["name"]),
                blocks=tuple(_block(b) for b in document["blocks"]),
                wires=tuple(
                    Wire(str(w["source"]), str(w["target"]), bool(w.get("stop_gradient", False)))
                    for w in document.get("wires", ())
                ),
                outputs={str(k): str(v) for k, v in document.get("outputs", {}).items()},
                weights={str(k): _finite(v) for k, v in document.get("weights", {}).items()},
                training=dict(document.get("training", {})),
                variable_genes=_n_genes(document.get("variable_genes", 0)),
                quality_control=QualityControl.from_json(document.get("quality_control", {})),
                layout={
                    str(k): (_finite(v[0]), _finite(v[1]))
                    for k, v in document.get("layout", {}).items()
                },
            )
        except UserError:
            raise
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            IndexError,
            OverflowError,
        ) as error:
            raise PipelineError(
                f"The pipeline file is not complete ({type(error).__name__}: {error}).",
                fix="Export it again from the workbench.",
            ) from None


def document_from(text: str | bytes, called: str = "This file") -> Any:
    """What the text of a pipeline file says; a ``PipelineError`` where that is no JSON."""
    try:
        return json.loads(text)
    except RecursionError:
        raise too_deep() from None
    except ValueError as error:
        raise PipelineError(
            f"{called} cannot be read as JSON ({error}).",
            fix="Choose a pipeline file that was exported from the workbench.",
        ) from None


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no finite number")
    return number


def _n_genes(value: Any) -> int:
    """How many variable genes; a document of before there were any says nothing: all genes."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise PipelineError(
            f"{value!r} is no number of variable genes.",
            fix="Use a whole number; 0 trains on all genes.",
            where=DATA,
        )
    return value


def _block(entry: dict[str, Any]) -> Block:
    block_id = str(entry["id"])
    if not _ID.fullmatch(block_id) or block_id in DATA_BLOCKS:
        taken = " and ".join(f"'{name}'" for name in DATA_BLOCKS)
        raise PipelineError(
            f"'{block_id}' cannot name a block.",
            fix=f"Use small letters, digits and _, starting with a letter; {taken} are taken.",
            where=block_id,
        )
    try:
        declared = find_operator(str(entry["operator"]))
    except UserError as error:
        raise PipelineError(error.what, fix=error.fix, where=block_id) from None
    version = entry.get("version", declared.version)
    if not isinstance(version, int) or version > declared.version:
        raise PipelineError(
            f"'{declared.id}' has version {version} in the file; this workbench has"
            f" version {declared.version}.",
            fix="Open it with a newer version of the workbench.",
            where=block_id,
        )
    return Block(
        block_id, declared.id, dict(entry.get("config", {})), bool(entry.get("learns", True))
    )


def _all_settings(block: Block) -> dict[str, Any]:
    try:
        return find_operator(block.operator).make.Config.from_dict(block.config).to_dict()
    except UserError as error:
        raise error.at(block.id) from None


def save_pipeline(spec: PipelineSpec, path: Path) -> None:
    """Writes the document as JSON."""
    Path(path).write_text(json.dumps(spec.to_json(), indent=1), encoding="utf-8")


def load_pipeline(path: Path) -> PipelineSpec:
    """Reads a document; mistakes are named in words."""
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        raise PipelineError(f"There is no file {path}.", fix="Check the path.") from None
    except OSError as error:
        raise PipelineError(
            f"{Path(path).name} cannot be read ({error.strerror}).", fix="Choose another file."
        ) from None
    return PipelineSpec.from_json(document_from(text, Path(path).name))
