"""Draws minibatches in an order that depends on three integers: seed, epoch, position."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.sampling.records import Batch, Records
from diffbio_engine.errors import DataError

# Each use of random numbers has a stream of its own, so that one never shifts another.
_ORDER, _NEIGHBOURS, _SAMPLE = 1, 2, 3
# 32 blocks of 128 rows are shuffled together: nearly a full shuffle for one pass over the disk.
_BLOCKS_TOGETHER = 32


@dataclass(frozen=True)
class SamplerState:
    """Where a sampler stands: the next batch is number ``position`` of ``epoch``."""

    seed: int
    epoch: int = 0
    position: int = 0

    def as_dict(self) -> dict[str, int]:
        """Three integers, for a checkpoint."""
        return asdict(self)


def _random(seed: int, stream: int, *key: int) -> np.random.Generator:
    # Philox is keyed by counters, so batch 10 000 costs no more to reach than batch 0.
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, *key])))


class BatchSampler:
    """An endless iterator of batches that always have ``batch_size`` cells.

    In memory an epoch is one permutation of all cells. On disk, blocks of neighbouring cells are
    drawn in random order, 32 at a time, and shuffled among themselves: random access by row
    would be ten times slower. The cells left over at the end of an epoch (fewer than a batch)
    are skipped; other cells are left over in the next epoch. Where there are fewer cells than
    ``batch_size``, the permutation is repeated until the batch is full.

    Args:
        source: What to draw from.
        batch_size: Cells in a batch.
        seed: Of the order; the same seed gives the same batches, bit for bit.
        state: Where to go on; from ``sampler.state`` of a checkpoint.
        without: Cells that are never drawn.
    """

    def __init__(
        self,
        source: Records,
        batch_size: int,
        *,
        seed: int = 0,
        state: SamplerState | None = None,
        without: np.ndarray | None = None,
    ):
        if batch_size < 1:
            raise DataError(f"A batch of {batch_size} cells is empty.", fix="Use 1 or more.")
        self.source, self.batch_size, self.n_anchors = source, int(batch_size), int(batch_size)
        self.state = state or SamplerState(seed)
        self._wanted = np.ones(source.n, bool)
        self._wanted[[] if without is None else without] = False
        self._n = int(self._wanted.sum())
        self._order: tuple[tuple[int, int], tuple[np.ndarray, np.ndarray]] | None = None
        self._windows: _Windows | None = None

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self._n // self.n_anchors)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        state = self.state
        batch = self._draw(state)
        self.state = self._after(state)
        return batch

    def _after(self, state: SamplerState) -> SamplerState:
        if state.position + 1 < self.steps_per_epoch:
            return SamplerState(state.seed, state.epoch, state.position + 1)
        return SamplerState(state.seed, state.epoch + 1, 0)

    def cells(self, state: SamplerState) -> np.ndarray:
        """Which cells the batch at ``state`` has, without reading them."""
        return self._anchors(state)

    def _anchors(self, state: SamplerState) -> np.ndarray:
        order, _ = self._order_of(state.seed, state.epoch)
        start = state.position * self.n_anchors
        if start + self.n_anchors <= len(order):
            return order[start : start + self.n_anchors]
        return np.resize(order, self.n_anchors)

    def _order_of(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        if self._order is None or self._order[0] != (seed, epoch):
            self._order = (seed, epoch), self._make_order(_random(seed, _ORDER, epoch))
        return self._order[1]

    def _make_order(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The order of an epoch, and where the windows end that are shuffled by themselves."""
        n = self.source.n
        counts = self.source.counts
        if not self.source.backed or counts is None or counts.block_rows is None:
            order = random.permutation(n)
            return order[self._wanted[order]], np.array([self._n])
        size = counts.block_rows
        blocks = random.permutation(-(-n // size))
        windows = [
            random.permutation(
                np.concatenate([np.arange(b * size, min(b * size + size, n)) for b in together])
            )
            for together in np.split(blocks, range(_BLOCKS_TOGETHER, len(blocks), _BLOCKS_TOGETHER))
        ]
        windows = [window[self._wanted[window]] for window in windows]
        return np.concatenate(windows), np.cumsum([len(w) for w in windows])

    def _draw(self, state: SamplerState) -> Batch:
        cells = self._anchors(state)
        if not self.source.backed or self._n < self.n_anchors:
            return self.source.batch(cells)
        if self._windows is None or self._windows.epoch != state.epoch:
            self.close()
            order, ends = self._order_of(state.seed, state.epoch)
            self._windows = _Windows(self.source, order, ends, state.epoch)
        start = state.position * self.n_anchors
        counts = self._windows.rows(start, start + self.n_anchors)
        return self.source.batch(cells, self.source.dense(counts))

    def close(self) -> None:
        """Stops reading ahead."""
        if self._windows is not None:
            self._windows.close()
            self._windows = None


class _Windows:
    """Rows in the order of an epoch, read one window ahead by a thread of its own."""

    def __init__(self, source: Records, order: np.ndarray, ends: np.ndarray, epoch: int):
        self.epoch, self._source, self._order = epoch, source, order
        self._edges = np.concatenate([[0], ends])
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="diffbio-read-ahead")
        self._coming: dict[int, Future[sp.csr_matrix]] = {}

    def _read(self, window: int) -> sp.csr_matrix:
        start, stop = self._edges[window], self._edges[window + 1]
        counts = self._source.counts
        assert counts is not None, "only counts on disk are read ahead"
        return counts.rows(self._order[start:stop])

    def _ask(self, window: int) -> None:
        if window not in self._coming and window + 1 < len(self._edges):
            self._coming[window] = self._thread.submit(self._read, window)

    def rows(self, start: int, stop: int) -> sp.csr_matrix:
        first, last = np.searchsorted(self._edges, [start, stop - 1], side="right") - 1
        for window in range(int(first), int(last) + 2):
            self._ask(window)
        for done in [w for w in self._coming if w < first]:
            del self._coming[done]
        parts = []
        for window in range(int(first), int(last) + 1):
            low, high = self._edges[window], self._edges[window + 1]
            whole = self._coming[window].result()
            parts.append(whole[max(start, low) - low : min(stop, high) - low])
        return parts[0] if len(parts) == 1 else sp.vstack(parts, format="csr")

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


class NeighbourSampler(BatchSampler):
    """Batches of anchors and one neighbour each: ``[anchors; neighbours]``, in the same order.

    Anchors are the epoch's permutation; the neighbour of an anchor is drawn with probability
    proportional to the weight of the edge between them. ``n_anchors`` is half of ``batch_size``.
    A cell without edges is its own neighbour. On disk, neighbours are scattered rows, so this is
    slow there (about ten milliseconds for 128 cells).

    Args:
        graph: ``(indices, weights)``, both (cells, k); an index of -1 is no edge.
    """

    def __init__(
        self,
        source: Records,
        batch_size: int,
        graph: tuple[np.ndarray, np.ndarray],
        *,
        seed: int = 0,
        state: SamplerState | None = None,
        without: np.ndarray | None = None,
    ):
        if batch_size < 2:
            raise DataError("A batch of pairs needs two cells at least.", fix="Use 2 or more.")
        super().__init__(source, batch_size // 2 * 2, seed=seed, state=state, without=without)
        self.n_anchors = self.batch_size // 2
        indices, weights = (np.asarray(part) for part in graph)
        if indices.shape != weights.shape or len(indices) != source.n:
            raise DataError(
                f"The neighbour graph is {indices.shape} and {weights.shape} for "
                f"{source.n:,} cells.",
                fix="Use one row of neighbours and one of weights per cell.",
            )
        self._indices = indices
        self._weights = np.where((indices < 0) | ~self._wanted[indices], 0, weights)

    def cells(self, state: SamplerState) -> np.ndarray:
        anchors = self._anchors(state)
        heights = np.cumsum(self._weights[anchors], axis=1, dtype=np.float64)
        total = heights[:, -1:]
        random = _random(state.seed, _NEIGHBOURS, state.epoch, state.position)
        drawn = (heights <= random.random((len(anchors), 1)) * total).sum(axis=1)
        column = np.minimum(drawn, heights.shape[1] - 1)
        neighbours = self._indices[anchors, column]
        return np.concatenate([anchors, np.where(total[:, 0] > 0, neighbours, anchors)])

    def _draw(self, state: SamplerState) -> Batch:
        return self.source.batch(self.cells(state))


def iterate_chunks(source: Records, size: int) -> Iterator[Batch]:
    """All cells in their order, ``size`` at a time; the last batch may have fewer."""
    for start in range(0, source.n, size):
        stop = min(start + size, source.n)
        yield source.batch(np.arange(start, stop), source.chunk(start, stop))


def sample_cells(n: int, m: int, seed: int = 0) -> np.ndarray:
    """``m`` of ``n`` cells, spread evenly over the file: one at random from each stretch."""
    if m >= n:
        return np.arange(n)
    edges = np.linspace(0, n, m + 1)
    low, high = np.ceil(edges[:-1]), np.ceil(edges[1:])
    return (low + np.floor(_random(seed, _SAMPLE).random(m) * (high - low))).astype(np.int64)
