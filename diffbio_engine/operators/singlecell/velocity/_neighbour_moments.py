"""First moments: what a cell and its nearest neighbours express on average."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from diffbio_engine.operators.singlecell._value_diffusion import leading_axes
from diffbio_engine.parts.diffusion import squared_distances


class Nearest(NamedTuple):
    """Prepared cells around each cell, nearest first, and what each weighs in the mean.

    Attributes:
        rows: Prepared cells, (cells, k).
        weights: 1, or 0 for the prepared cell that the cell itself is (or that is one too many).
        itself: Whether the nearest prepared cell is the cell itself, (cells,).
    """

    rows: jax.Array
    weights: jax.Array
    itself: jax.Array


def nearest_prepared(places: jax.Array, prepared: jax.Array, k: int) -> Nearest:
    """The ``k`` nearest prepared cells; the cell itself counts as one of its own mean.

    A cell that lies where a prepared one does is taken to be that one. So a prepared cell gets the
    same mean as in ``moments``, and a new one takes the place of the last of its neighbours.
    """
    square = jax.lax.stop_gradient(squared_distances(places, prepared))
    least, rows = jax.lax.top_k(-square, min(k, len(prepared)))
    unit = jnp.mean(jnp.sum(prepared**2, axis=1)) + 1e-12
    itself = -least[:, 0] <= 1e-5 * unit
    weights = jnp.ones(rows.shape, places.dtype)
    weights = weights.at[:, 0].set(jnp.where(itself, 0.0, 1.0))
    weights = weights.at[:, -1].set(jnp.where(itself, weights[:, -1], 0.0))
    return Nearest(rows, weights, itself)


def mean_around(own: jax.Array, values: jax.Array, nearest: Nearest) -> jax.Array:
    """Mean of a cell and its neighbours, (cells, genes), one neighbour at a time."""

    def add(total: jax.Array, one: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        row, weight = one
        return total + weight[:, None] * values[row].astype(total.dtype), None

    total, _ = jax.lax.scan(add, own, (nearest.rows.T, nearest.weights.T))
    return total / (1.0 + jnp.sum(nearest.weights, axis=1, keepdims=True))


def moments(values: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Mean of each cell and its ``k`` nearest others, for all cells at once."""
    n_cells, k = nearest.shape
    rows = np.repeat(np.arange(n_cells), k)
    near = scipy.sparse.csr_matrix(
        (np.ones(n_cells * k, np.float32), (rows, nearest.ravel())), (n_cells, n_cells)
    )
    return np.asarray((near @ values + values) / np.float32(k + 1))


def typical_total(counts: np.ndarray) -> float:
    """Median total of cells with counts; 0 where these are no counts (not whole, or below 0)."""
    some = counts[:2000]
    if np.any(some < 0) or np.any(some != np.round(some)):
        return 0.0
    totals = counts.sum(axis=1)
    return float(np.median(totals[totals > 0])) if np.any(totals > 0) else 0.0


def scaled_to(counts: jax.Array | np.ndarray, total: jax.Array | float) -> jax.Array:
    """Cells brought to one total; as they come where ``total`` is 0."""
    counts, total = jnp.asarray(counts), jnp.asarray(total)
    own = jnp.sum(counts, axis=1, keepdims=True)
    share = jnp.where(own > 0, total / jnp.where(own > 0, own, 1.0), 1.0)
    return jnp.where(total > 0, counts * share, counts)


def components(values: np.ndarray, n_axes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and the leading principal axes, (genes, n_axes); axes that there are not are 0."""
    centre = values.mean(axis=0)
    axes = np.zeros((values.shape[1], n_axes), np.float32)
    n_found = min(n_axes, *values.shape)
    axes[:, :n_found] = leading_axes(values - centre, n_found, seed)
    return centre, axes
