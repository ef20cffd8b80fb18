"""What a ready pipeline is, and how one is put together from a list of blocks and wires."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.ports import DATA_BLOCKS, Address, Place, field_of, offer_of


@dataclass(frozen=True)
class Preset:
    """A ready pipeline.

    Attributes:
        make: From the fields that a data set offers, and their places in the file, to the
            document; None for all fields. Blocks that need a field which is not there are left
            out.
        demo: Id of the demo data set that shows it best.
        needs: Fields without which it is not what its title says.
        place: Where it stands among the others, from 1.
        rows: What rows it is made for; of data with such rows it stands before the others.
    """

    id: str
    title: str
    summary: str
    make: Callable[[Mapping[str, str] | None], PipelineSpec]
    demo: str = ""
    needs: tuple[str, ...] = ("counts",)
    place: int = 99
    rows: str = "cells"

    def missing(self, fields: Mapping[str, str]) -> list[str]:
        """The fields that it needs and that these are not."""
        return [name for name in self.needs if name not in fields]

    def lacking(self, fields: Mapping[str, str]) -> str:
        """The same in words: ``"known cell types and the batch of each cell"``; "" for none."""
        return " and ".join(offer_of(name).lacking or name for name in self.missing(fields))


# What most ready pipelines begin with: counts to a latent space of ten dimensions.
LATENT = {"latent_dim": 10, "hidden_dims": (128, 128)}
# Genes that are trained on, where a file has more (Stuart et al. 2019 and scanpy take as many).
VARIABLE_GENES = 2000
# One joint stage, which ends when cells that are held out are explained no better; what is prepared
# from the data looks again, at first every few epochs.
JOINT: dict[str, Any] = {
    "stages": [
        {
            "name": "joint",
            "epochs": 12,
            "least_steps": 240,
            "most_steps": 3000,
            "held_out": 0.1,
            "refresh_every": 3,
        }
    ],
    "batch_size": 256,
    "learning_rate": 1e-3,
}


def is_measured(field: str, fields: Mapping[str, str] | None) -> bool:
    """Whether a data set has a field itself, and it is not only estimated from its cells."""
    place = None if fields is None else fields.get(field)
    return fields is None or (place is not None and Place.parse(place).computed_from != "ambient")


def assembled(
    name: str,
    blocks: Mapping[str, tuple[str, dict[str, Any]]],
    wires: Mapping[str, str],
    fields: Mapping[str, str] | None,
    *,
    outputs: Mapping[str, str] | None = None,
    training: dict[str, Any] | None = None,
    weights: dict[str, float] | None = None,
) -> PipelineSpec:
    """A document of these blocks, without what the data set does not allow.

    A wire from a field that is not offered is left out, and so is every block that then misses an
    input it needs.

    Args:
        blocks: By block id, its operator and settings.
        wires: By input, ``"block.port"``, where it comes from; ``"| stop"`` behind it stops the
            gradient.
        fields: What the data offers; None for everything.
    """
    kept = dict(blocks)
    while True:
        there = {t: s for t, s in wires.items() if _offered(t, s, kept, fields)}
        lost = [b for b in kept if _misses_an_input(b, kept[b][0], there)]
        if not lost:
            break
        kept = {b: what for b, what in kept.items() if b not in lost}
    drawn = tuple(
        Wire(source.partition(" ")[0], target, stop_gradient=source.endswith("| stop"))
        for target, source in there.items()
    )
    return PipelineSpec(
        name=name,
        blocks=tuple(Block(b, operator, dict(config)) for b, (operator, config) in kept.items()),
        wires=drawn,
        outputs={n: p for n, p in (outputs or {}).items() if Address.parse(p).block in kept},
        weights={p: w for p, w in (weights or {}).items() if Address.parse(p).block in kept},
        training=JOINT if training is None else training,
        variable_genes=VARIABLE_GENES,
    )


def _offered(
    target: str, source: str, blocks: Mapping[str, Any], fields: Mapping[str, str] | None
) -> bool:
    start = Address.parse(source.partition(" ")[0])
    if Address.parse(target).block not in blocks:
        return False
    if start.block in DATA_BLOCKS:
        return fields is None or field_of(start) in fields
    return start.block in blocks


def _misses_an_input(block: str, operator: str, wires: Mapping[str, str]) -> bool:
    needed = (p for p in find_operator(operator).inputs if not p.optional and not p.drawn)
    return any(f"{block}.{p.name}" not in wires for p in needed)
