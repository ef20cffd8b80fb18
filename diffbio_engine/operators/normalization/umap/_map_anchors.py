"""Cells whose places in a map are known, and the places of other cells among them."""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine import soft_ops

# Relative squared distance below which a cell counts as the anchor itself.
_SAME = 0.05
# Anchors that have a say in where a cell lies: as many as neighbours in UMAP's graph.
_AROUND = 15
# Cells placed at a time, so that memory does not grow with cells times anchors.
_CHUNK = 1024


def anchor_spacing(anchors: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Squared spacing of each anchor, (anchors,), from the position of its nearest neighbour.

    Half-way, in ratio, between its own distance to that neighbour and the typical one. Anchors in
    sparse regions would otherwise speak for cells far away, or be heard by nobody.
    """
    squares = np.sum((anchors - anchors[nearest]) ** 2, axis=1)
    typical = np.median(squares) or 1.0
    # Twins have no distance; a small one keeps them from speaking only for themselves.
    return np.sqrt(np.maximum(squares, 0.1 * typical) * typical)


def place_among_anchors(
    cells: jax.Array, anchors: jax.Array, sq_spacing: jax.Array, places: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Where the anchors around each cell agree that it is, and how far they speak for it.

    The ``k`` nearest anchors weigh ``w = exp(-(d - d_1) / mean(d - d_1))``, as neighbours do in
    UMAP's graph. Among their places that one is taken which the others support most,
    ``argmax_i sum_j w_j / (1 + |y_i - y_j|^2)``, and the mean of all around it with weights
    ``w_j / (1 + |y_i - y_j|^2)``: a cell whose neighbours lie in two parts of the map is put into
    one of them, not between. An anchor gets its own place back. The second result falls from 1
    to 0 as the nearest anchor is more than about twice its spacing away.

    Cost: O(cells * anchors * features) time, O(anchors) memory beyond the results.

    Args:
        cells, anchors: (cells, features), (anchors, features).
        sq_spacing: (anchors,), squared spacing (see ``anchor_spacing``).
        places: (anchors, components).
    """
    centre = jnp.mean(anchors, axis=0)
    anchors = anchors - centre
    norms = jnp.sum(anchors**2, axis=1)
    scale = 1 / jnp.maximum(sq_spacing, jnp.finfo(anchors.dtype).tiny ** 0.5)
    k = min(_AROUND, len(anchors))

    def place(chunk: jax.Array) -> tuple[jax.Array, jax.Array]:
        chunk = chunk - centre
        squares = jnp.sum(chunk**2, axis=1, keepdims=True) + norms - 2 * chunk @ anchors.T
        squares = jnp.maximum(squares, 0.0)
        best = jnp.max(1 / (squares * scale + _SAME), axis=1, keepdims=True)
        negative, near = jax.lax.top_k(-squares, k)
        beyond = jnp.sqrt(-negative) - jnp.sqrt(-negative[:, :1])
        width = jnp.mean(beyond, axis=1, keepdims=True)
        weights = jnp.exp(-beyond / jnp.maximum(width, 1e-12))
        there = places[near]
        apart = jnp.sum((there[:, :, None] - there[:, None]) ** 2, axis=-1)
        support = weights[:, None] / (1 + apart)
        chosen = jnp.argmax(jnp.sum(support, axis=2), axis=1)
        shares = jnp.take_along_axis(support, chosen[:, None, None], axis=1)[:, 0]
        found = jnp.einsum("ik,ikc->ic", shares, there) / jnp.sum(shares, axis=1, keepdims=True)
        is_anchor = -negative[:, :1] * scale[near[:, :1]] < _SAME
        # best is near 1 at the distance of a neighbour, 1/4 at twice that; a ramp from 0.1 to 0.3.
        certain = soft_ops.heaviside(best - 0.2, softness=0.02, mode="c0")
        return jnp.where(is_anchor, there[:, 0], found), certain

    n = cells.shape[0]
    if n <= _CHUNK:
        return place(cells)
    whole = n // _CHUNK * _CHUNK
    parts = jax.lax.map(place, cells[:whole].reshape(-1, _CHUNK, cells.shape[1]))
    mean, certain = (part.reshape(whole, -1) for part in parts)
    if whole < n:
        rest = place(cells[whole:])
        mean, certain = jnp.concatenate([mean, rest[0]]), jnp.concatenate([certain, rest[1]])
    return mean, certain
