"""The weights that explained held-out cells best, for each part of a pipeline by itself."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffbio_engine.pipelines import Plan, PlannedBlock

_STORED = "kept/"


@dataclass(frozen=True)
class Part:
    """Blocks that wires join; what another part learns changes nothing here.

    Attributes:
        losses: By which held-out cells judge it, none where they cannot: those that a cell has by
            itself. None of a map, whose neighbours are drawn among the trained cells, and none that
            compares cells with each other: the held-out ones, with copies to fill a batch, are few.
    """

    name: str
    blocks: tuple[str, ...]
    losses: tuple[str, ...]


def parts_of(plan: Plan) -> tuple[Part, ...]:
    """The parts of a pipeline, in running order, by the first block judged (else: that learns)."""
    part = {name: name for name in plan.blocks}
    for block in plan.blocks.values():
        for wire in block.sources.values():
            if not wire.from_data:
                old, new = part[block.id], part[wire.start.block]
                part = {b: new if p == old else p for b, p in part.items()}
    found = []
    for first in dict.fromkeys(part.values()):
        blocks = tuple(b for b, p in part.items() if p == first)
        learned = [p for p in plan.losses if (b := p.block) in blocks and plan.blocks[b].learns]
        losses = tuple(port for port in learned if _judges(plan.blocks[port.block]))
        if learned:
            found.append(Part((*losses, *learned)[0].block, blocks, losses))
    return tuple(found)


def _judges(block: PlannedBlock) -> bool:
    declared, make = block.declared, block.declared.make
    together = declared.learns_from_neighbours or make.compares_cells
    return block.learns and not together and make.reach == "cell"


@dataclass
class KeptWeights:
    """The best weights of each part that were seen; all of it is part of a checkpoint.

    Attributes:
        losses: By part, the least loss of the held-out cells.
        steps: By part, after how many steps that was.
        arrays: The weights, by their paths in the pipeline.
        dials: The dials under which the losses were measured.
        looked: At which step the last look was.
    """

    losses: dict[str, float] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    dials: dict[str, float] = field(default_factory=dict)
    looked: int = -1

    def look(
        self,
        step: int,
        losses: Mapping[str, float],
        parts: Iterable[Part],
        weights: Callable[[], Mapping[str, np.ndarray]],
    ) -> None:
        """Keeps the present weights of the parts whose loss is the least so far."""
        self.looked = step
        losses = {name: loss for name, loss in losses.items() if math.isfinite(loss)}
        better = [
            p for p in parts if losses.get(p.name, math.inf) < self.losses.get(p.name, math.inf)
        ]
        present = weights() if better else {}
        for part in better:
            self.losses[part.name], self.steps[part.name] = losses[part.name], step
            self.arrays |= {k: v for k, v in present.items() if k.split("/")[1] in part.blocks}

    def measured_anew(self, losses: Mapping[str, float]) -> None:
        """Takes other losses of the kept weights, as they are after a dial was turned.

        A part of which none are kept, or whose loss is no number now, starts over.
        """
        self.losses = {
            name: loss
            for name, loss in losses.items()
            if name in self.steps and math.isfinite(loss)
        }

    def as_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain facts, for a checkpoint."""
        arrays = {_STORED + name: value for name, value in self.arrays.items()}
        facts = {"losses": self.losses, "steps": self.steps, "dials": self.dials}
        return arrays, facts | {"looked": self.looked}

    @classmethod
    def from_state(
        cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> tuple["KeptWeights", dict[str, np.ndarray]]:
        """What ``as_state`` told, and the arrays that are not its own."""
        own = {k.removeprefix(_STORED): v for k, v in arrays.items() if k.startswith(_STORED)}
        rest = {k: v for k, v in arrays.items() if not k.startswith(_STORED)}
        return cls(arrays=own, **facts), rest

    def in_words(self, plan: Plan, step: int) -> str:
        """Which steps the weights are of; "" where they are the last ones."""
        if not self.steps or all(kept == step for kept in self.steps.values()):
            return ""
        at = {name: _named(kept, step) for name, kept in self.steps.items()}
        last = [part.name for part in parts_of(plan) if part.name not in self.steps]
        if len(set(at.values())) == 1 and not last:
            return f"Kept is {next(iter(at.values()))}, where these cells were explained best."
        at |= dict.fromkeys(last, "the last step, as its losses compare cells")
        each = "; ".join(f"{plan.blocks[b].declared.title}: {words}" for b, words in at.items())
        return f"Kept is of each part where these cells were explained best: {each}."


def _named(kept: int, step: int) -> str:
    if kept == 0:
        return "the start, before any step"
    return f"step {kept:,} of {step:,}"
