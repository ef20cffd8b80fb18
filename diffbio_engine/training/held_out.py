"""When training no longer helps: the loss of cells that are not trained on."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

# Fewer cells say too little, and more would only take time.
_FEWEST, _MOST = 20, 2048
_LEAST_STEPS_BETWEEN = 50
# Looks without an improvement before the rate is lowered, and again before the end.
_PATIENCE = 4
_LEAST_GAIN = 1e-4  # of the loss; smaller ones are no improvement
_LOWER = 0.1


def n_held_out(n_cells: int, share: float) -> int:
    """How many cells are not trained on."""
    n = min(round(share * n_cells), _MOST)
    return n if n >= _FEWEST else 0


def held_out_cells(n_cells: int, share: float, seed: int) -> np.ndarray:
    """Which cells are not trained on; none where so few cells would say nothing."""
    n = n_held_out(n_cells, share)
    if not n:
        return np.zeros(0, np.int64)
    random = np.random.default_rng(np.random.SeedSequence([seed, 4]))
    return np.sort(random.choice(n_cells, n, replace=False))


def filled_batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The cells in batches of one size; the last is filled up from the first cells."""
    n_batches = max(1, math.ceil(len(rows) / size))
    yield from np.split(np.resize(rows, n_batches * size), n_batches)


@dataclass
class Plateau:
    """Whether the held-out loss of a stage still falls.

    Where it has not fallen for four looks the training goes back to its best weights and on at a
    tenth of the learning rate; where that does not help either, the stage ends. Losses compare only
    under the same dials: where one was turned, or its schedule moved it, all begins anew. All of it
    is part of a checkpoint.

    Attributes:
        best: The least loss seen at the present rate's stretch.
        waited: Looks since then.
        lowered: Whether the rate has been lowered.
        ended: By number of a stage, the step (from its first) at which it ended.
        dials: Weights of losses and dials of blocks at the last look; None before the first.
    """

    best: float = math.inf
    waited: int = 0
    lowered: bool = False
    ended: dict[str, int] = field(default_factory=dict)
    dials: dict[str, float] | None = None

    @property
    def rate_factor(self) -> float:
        """What the learning rate is multiplied by."""
        return _LOWER if self.lowered else 1.0

    def look(
        self, loss: float, least_reached: bool, dials: Mapping[str, float] | None = None
    ) -> bool:
        """Takes a loss, and the dials it depends on, into account; whether the stage is over."""
        now = None if dials is None else {name: float(value) for name, value in dials.items()}
        if self.dials is not None and now != self.dials:
            self.next_stage()
        self.dials = now
        if loss < self.best - _LEAST_GAIN * abs(self.best if math.isfinite(self.best) else 0.0):
            self.best, self.waited = loss, 0
            return False
        self.waited += 1
        if self.waited < _PATIENCE or not least_reached:
            return False
        if self.lowered:
            return True
        self.lowered, self.waited = True, 0
        return False

    def next_stage(self) -> None:
        """Forgets what belongs to the stage, or to the dials, of before."""
        self.best, self.waited, self.lowered, self.dials = math.inf, 0, False, None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint; no infinity, which JSON does not have."""
        facts = asdict(self)
        return facts | {"best": None if math.isinf(self.best) else self.best}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Plateau":
        """What ``as_dict`` told; a checkpoint of before there was any told nothing."""
        known = {k: facts[k] for k in cls.__dataclass_fields__ if k in facts}
        if known.get("best") is None:
            known["best"] = math.inf
        return cls(**known)


def steps_between_looks(steps_per_epoch: int) -> int:
    """A look at the held-out cells costs some steps: at most one an epoch."""
    return max(steps_per_epoch, _LEAST_STEPS_BETWEEN)
