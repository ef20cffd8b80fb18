"""Looks at the cells that are not trained on: what their losses say of the weights."""

from collections.abc import Callable, Mapping

import numpy as np

from diffbio_engine.ports import DialName
from diffbio_engine.training.dials import Dials
from diffbio_engine.training.drawn_batches import DrawnBatches
from diffbio_engine.training.held_out import Plateau, filled_batches
from diffbio_engine.training.kept_weights import KeptWeights, parts_of
from diffbio_engine.training.objective_step import ObjectiveStep

_NOISE_OF_HELD_OUT = 2**31  # no step has these numbers, so no step has this noise


class Looks:
    """Whether held-out cells are still explained better (``plateau``), and by which weights best.

    Args:
        rows: The held-out cells.
    """

    def __init__(
        self,
        dials: Dials,
        drawn: DrawnBatches,
        step_function: ObjectiveStep,
        rows: np.ndarray,
        seed: int,
    ) -> None:
        self.plateau, self.kept = Plateau(), KeptWeights()
        self._dials, self._drawn, self._step_function = dials, drawn, step_function
        self._rows, self._seed = rows, seed
        self._parts = parts_of(dials.plan)

    def begin(
        self, step: int, dials: Mapping[str, float], weights: Callable[[], dict[str, np.ndarray]]
    ) -> None:
        """A stage begins: what it starts from may turn out to be the best."""
        self.kept = KeptWeights()
        found = self.look(step, dials, weights)
        self.plateau.look(found, False, self._dials.that_count(dials))

    def leave(self) -> None:
        """A stage begins that looks at no held-out cells: its last weights are those to keep."""
        self.kept = KeptWeights()

    def look(
        self, step: int, dials: Mapping[str, float], weights: Callable[[], dict[str, np.ndarray]]
    ) -> float:
        """The objective of the held-out cells; keeps the weights of each part that is at its best.

        Losses compare only under the same dials. Where one was turned, or its schedule moved it,
        those of the kept weights are measured anew.
        """
        counted = {k: float(value) for k, value in self._dials.that_count(dials).items()}
        found = self.losses(dials)
        if self.kept.steps and counted != self.kept.dials:
            kept = self.losses(dials, self.kept.arrays)
            self.kept.measured_anew(self._by_part(kept, counted))
        self.kept.dials = counted
        self.kept.look(step, self._by_part(found, counted), self._parts, weights)
        return sum(found.values())

    def in_words(self, step: int, most: int, *, ended: bool) -> str:
        """How the training ended, and which weights are kept.

        Args:
            most: How many steps it might have taken.
            ended: Whether these cells ended its last stage.
        """
        n = f"{len(self._rows):,} cells that were not trained on"
        said = f"Trained for {step:,} of at most {most:,} steps; {n} might still improve."
        if ended:
            said = f"Trained for {step:,} steps: {n} were then explained no better."
        return f"{said} {self.kept.in_words(self._dials.plan, step)}".strip()

    def losses(
        self, dials: Mapping[str, float], weights: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, float]:
        """Each weighted loss, its mean over batches of the held-out cells, with the same noise.

        Losses of neighbours (the map) do not count: neighbours are drawn among the trained cells.
        """
        counted = {
            dial.address: weight
            for dial, weight in ((DialName(n), w) for n, w in self._dials.that_count(dials).items())
            if dial.is_weight
        }
        found = []
        for number, rows in enumerate(filled_batches(self._rows, self._drawn.size)):
            noise = _NOISE_OF_HELD_OUT + number
            terms = self._step_function.terms_of(
                self._drawn.of(rows), dials, self._seed, noise, weights
            )
            found.append([weight * terms[port] for port, weight in counted.items()])
        return dict(zip(counted, map(float, np.mean(found, axis=0)), strict=True))

    def _by_part(self, losses: Mapping[str, float], dials: Mapping[str, float]) -> dict[str, float]:
        """The loss of each part that has one with a weight."""
        return {
            part.name: sum(losses[port] for port in part.losses)
            for part in self._parts
            if any(dials[DialName.of_loss(port)] for port in part.losses)
        }
