"""Clocks of genes: each gene's place on its curve, brought to one time of all genes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Clocks(NamedTuple):
    """``time = begin + pace * phase`` of each gene, how far it is believed, and the whole range.

    Attributes:
        table: begin, pace, weight; (3, genes).
        span: What the weighted mean of the clocks says of the earliest and of the latest cells.
    """

    table: np.ndarray
    span: np.ndarray


def clocks_of(phases: np.ndarray, time: np.ndarray, fit: np.ndarray) -> Clocks:
    """Regression of the time on each gene's phase; a gene weighs what it explains, times ``fit``.

    Args:
        phases: (cells, genes), any precision.
        time: One time of each cell, (cells,).
        fit: (genes,).
    """
    n_cells = len(time)
    mean = phases.mean(axis=0, dtype=np.float64)
    spread = phases.std(axis=0, dtype=np.float32).astype(float)
    off = (time - time.mean()).astype(np.float32)
    sums = _of_blocks(lambda rows: off[rows] @ phases[rows].astype(np.float32), n_cells)
    along = np.sum(sums, axis=0) / n_cells
    moves = spread > 1e-3
    pace = np.where(moves, along / np.where(moves, spread**2, 1.0), 0.0)
    weight = (pace * spread / max(float(time.std()), 1e-6)) ** 2 * fit + 1e-9
    begin = time.mean() - pace * mean
    parts = _of_blocks(
        lambda rows: phases[rows].astype(np.float32) @ (pace * weight).astype(np.float32), n_cells
    )
    said = (np.concatenate(parts) + (begin * weight).sum()) / weight.sum()
    low, high = np.quantile(said, [0.005, 0.995])
    return Clocks(np.stack([begin, pace, weight]), np.array([low, max(high, low + 1e-6)]))


def told_time(phase: jax.Array, clocks: jax.Array, bounds: jax.Array) -> jax.Array:
    """What these clocks say together of cells with these phases, (cells,), 0 to 1 mostly."""
    begin, pace, weight = clocks
    said = (phase @ (pace * weight) + jnp.sum(begin * weight)) / jnp.sum(weight)
    return (said - bounds[0]) / (bounds[1] - bounds[0])


def _of_blocks(
    what: Callable[[slice], np.ndarray], n_cells: int, size: int = 2048
) -> list[np.ndarray]:
    return [what(slice(start, start + size)) for start in range(0, n_cells, size)]


def by_blocks(
    look: Callable[..., tuple[Any, ...]], *arrays: Any, size: int = 1024
) -> tuple[np.ndarray, ...]:
    """What ``look`` finds of all cells, looking at blocks of one size; tables over genes halved.

    The phases of 20 000 cells and 2000 genes are 80 MB in half precision, which is plenty for them.
    """
    n_cells = len(arrays[0])
    size = min(size, n_cells)
    found: list[np.ndarray] = []
    for start in range(0, n_cells, size):
        rows = slice(min(start, n_cells - size), min(start, n_cells - size) + size)
        parts = look(*(x[rows] for x in arrays))
        found = found or [np.empty((n_cells, *p.shape[1:]), np.float16) for p in parts]
        for whole, part in zip(found, parts, strict=True):
            whole[rows] = np.asarray(part)
    return tuple(found)
