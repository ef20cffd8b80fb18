"""The cells whose signals reach a cell: its nearest in the tissue, or in expression."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils.extmath import randomized_svd

_AT_ONCE = 8_000_000  # distances, 32 MB
_SPARE = 4  # candidates more than asked: float32 products can put near-equal distances wrongly
_WIDE = 2000  # genes that the axes of expression are made of, at most


class Senders(NamedTuple):
    """For each cell: rows of its neighbours and their squared distances, both (cells, k)."""

    rows: jax.Array
    squares: jax.Array


def senders_among(places: jax.Array, k: int) -> Senders:
    """The ``k`` nearest other cells of each cell (all others if there are fewer)."""
    n = len(places)
    k = min(k, n - 1)
    if k < 1:
        return Senders(jnp.zeros((n, 0), int), jnp.zeros((n, 0), places.dtype))
    return _by_blocks(places, places, k, jnp.arange(n))


def senders_of(cells: jax.Array, places: jax.Array, k: int) -> Senders:
    """The ``k`` prepared places nearest to each cell; where a cell is itself one, the others."""
    k = min(k, len(places) - 1)
    found = _by_blocks(cells, places, k + 1, None)
    scale = jnp.mean(found.squares, axis=1, keepdims=True)
    is_there = found.squares[:, :1] <= 1e-7 * scale
    keep = lambda x: jnp.where(is_there, x[:, 1:], x[:, :-1])  # noqa: E731
    return Senders(keep(found.rows), keep(found.squares))


def soft_adjacency(squares: jax.Array, temperature: jax.Array) -> jax.Array:
    """Shares of the neighbours, ``softmax(-square / (mean square * temperature))``."""
    if not squares.shape[1]:
        return squares
    scale = jnp.mean(squares, axis=1, keepdims=True)
    nearness = -squares / (jnp.where(scale > 0, scale, 1.0) * temperature)
    return jax.nn.softmax(nearness, axis=1)


class ExpressionAxes(NamedTuple):
    """Principal axes of expression: ``(x[:, genes] - centre) @ axes``."""

    genes: np.ndarray
    centre: np.ndarray
    axes: np.ndarray


def expression_axes(expression: np.ndarray, n_axes: int) -> ExpressionAxes:
    """The leading axes of the 2000 genes that vary most."""
    centre, spread = expression.mean(axis=0), expression.std(axis=0)
    genes = np.sort(np.argsort(-spread)[:_WIDE])
    some = expression[:, genes] - centre[genes]
    n_axes = min(n_axes, *some.shape)
    _, _, axes = randomized_svd(some, n_axes, random_state=0)
    return ExpressionAxes(genes.astype(np.int32), centre[genes], axes.T.astype(np.float32))


def unit_rows(places: jax.Array) -> jax.Array:
    """Rows of length 1: their squared distances are twice one minus the cosine."""
    square = jnp.sum(places**2, axis=1, keepdims=True)
    return places / jnp.sqrt(jnp.where(square > 0, square, 1.0))


def _by_blocks(cells: jax.Array, places: jax.Array, k: int, own: jax.Array | None) -> Senders:
    """Chosen by products, block by block; squares from differences, with their gradient."""
    held = jax.lax.stop_gradient(places)
    centre = jnp.mean(held, axis=0)
    shifted = held - centre
    norms = jnp.sum(shifted**2, axis=1)
    n_kept = min(k + _SPARE, len(places) - (own is not None))

    def choose(item: tuple[jax.Array, jax.Array]) -> jax.Array:
        cell, row = item
        near = 2 * shifted @ (cell - centre) - norms
        if own is not None:
            near = near.at[row].set(-jnp.inf)
        rows = jax.lax.top_k(near, n_kept)[1]
        exact = jnp.sum((cell - held[rows]) ** 2, axis=1)
        return rows[jax.lax.top_k(-exact, k)[1]]

    rows = jnp.zeros(len(cells), int) if own is None else own
    items = (jax.lax.stop_gradient(cells), rows)
    batch = max(1, min(len(cells), _AT_ONCE // len(places)))
    nearest = jax.lax.map(choose, items, batch_size=batch)
    return Senders(nearest, jnp.sum((cells[:, None] - places[nearest]) ** 2, axis=-1))
