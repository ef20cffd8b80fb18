"""Batches as the pipeline wants them: plain, or anchors with a drawn neighbour each."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from diffbio_engine.data import (
    Batch,
    BatchSampler,
    NeighbourSampler,
    Records,
    SamplerState,
)
from diffbio_engine.pipelines import Pipeline, Plan


def steps_of_an_epoch(plan: Plan, n_cells: int, batch_size: int) -> int:
    """In how many steps every cell is drawn once; drawn neighbours do not count."""
    neighbours = any(b.declared.learns_from_neighbours for b in plan.blocks.values())
    return max(1, n_cells // (batch_size // 2 if neighbours else batch_size))


def batch_and_held_out(
    plan: Plan, n_records: int, batch_size: int, share: float
) -> tuple[int, float]:
    """How many records a step sees, and which share none sees, where a block may need all."""
    if plan.needs_all_records:
        return n_records, 0.0
    return min(batch_size, max(2, n_records)), share


class DrawnBatches:
    """Draws batches; where a block learns from neighbours, from its graph.

    ``state`` is where the next batch is drawn; it moves on only when a batch was ``taken``.
    """

    def __init__(
        self,
        plan: Plan,
        cells: Records,
        batch_size: int,
        seed: int,
        without: np.ndarray | None = None,
    ) -> None:
        self.cells, self.seed, self._without = cells, seed, without
        self.state = SamplerState(seed, 0, 0)
        self._block = next(
            (b.id for b in plan.blocks.values() if b.declared.learns_from_neighbours), None
        )
        self._size = 2 * (batch_size // 2) if self._block else batch_size
        n_drawn = cells.n_cells - (0 if without is None else len(without))
        self.steps_per_epoch = steps_of_an_epoch(plan, n_drawn, batch_size)
        # Fields of the data set as a whole go to the device once.
        self._fixed = {
            name: jnp.asarray(value)
            for name, value in cells.per_dataset.items()
            if name in plan.needed_fields
        }
        self._sampler: BatchSampler | NeighbourSampler | None = None
        self._graph: tuple[np.ndarray, np.ndarray] | None = None

    def take_graph(self, pipeline: Pipeline) -> None:
        """From now on neighbours come from the graph that the pipeline holds now."""
        self._graph = pipeline.blocks[self._block].neighbour_graph() if self._block else None
        if self._sampler is not None:
            self._sampler.close()
        self._sampler = None

    def draw(self) -> dict[str, Any]:
        """The arrays of the next batch, by field name."""
        return self._with_the_rest(next(self._present_sampler()))

    def of(self, rows: np.ndarray) -> dict[str, Any]:
        """The arrays of these cells, as many as a batch has; neighbours are whoever comes next."""
        return self._with_the_rest(self.cells.batch(rows))

    @property
    def size(self) -> int:
        """Cells in a batch."""
        return self._size

    def _with_the_rest(self, batch: Batch) -> dict[str, Any]:
        data: dict[str, Any] = {k: v for k, v in batch.items() if k != "cell_index"}
        if isinstance(self._present_sampler(), NeighbourSampler):
            half = np.arange(self._size // 2, dtype=np.int32)
            # An edge has two ends: each cell is its partner's neighbour.
            data["neighbour"] = np.concatenate([half + self._size // 2, half])
        return data | self._fixed

    def taken(self) -> None:
        """The last batch has been learned from."""
        assert self._sampler is not None
        self.state = self._sampler.state

    def _present_sampler(self) -> BatchSampler | NeighbourSampler:
        if self._sampler is None:
            self._sampler = self._new_sampler()
        return self._sampler

    def _new_sampler(self) -> BatchSampler | NeighbourSampler:
        if self._graph is None:
            return BatchSampler(
                self.cells, self._size, seed=self.seed, state=self.state, without=self._without
            )
        return NeighbourSampler(
            self.cells,
            self._size,
            graph=self._graph,
            seed=self.seed,
            state=self.state,
            without=self._without,
        )
