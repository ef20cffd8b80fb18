"""Cells whose places in a map are known, and the places of other cells among them."""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine import soft_ops

# Relative squared distance below which a cell counts as the anchor itself.
_SAME = 0.05
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
    """Mean place of the anchors around each cell, and how far the anchors speak for it.

    Weights ``(d^2 / s^2 + 0.05)^-12``, ``d`` the distance to an anchor and ``s`` that anchor's
    spacing (see ``anchor_spacing``): an anchor gets its own place back, a cell among several
    their mean (inverse-distance weighting; 8 and 16 place new cells of three data sets less
    well). The second result falls from 1 to 0 as the nearest anchor is more than about twice
    ``s`` away.

    Cost: O(cells * anchors * features) time, O(anchors) memory beyond the results.

    Args:
        cells, anchors: (cells, features), (anchors, features).
        sq_spacing: (anchors,), ``s^2``.
        places: (anchors, components).

    References:
        Shepard (1968), A two-dimensional interpolation function for irregularly-spaced data.
    """
    centre = jnp.mean(anchors, axis=0)
    anchors = anchors - centre
    norms = jnp.sum(anchors**2, axis=1)
    scale = 1 / jnp.maximum(sq_spacing, jnp.finfo(anchors.dtype).tiny ** 0.5)

    def place(chunk: jax.Array) -> tuple[jax.Array, jax.Array]:
        chunk = chunk - centre
        squares = jnp.sum(chunk**2, axis=1, keepdims=True) + norms - 2 * chunk @ anchors.T
        closeness = 1 / (jnp.maximum(squares, 0.0) * scale + _SAME)
        best = jnp.max(closeness, axis=1, keepdims=True)
        # The twelfth power by three products: a general power would be most of the cost.
        share = closeness / best
        share = share * share * share
        share = share * share
        share = share * share
        mean = share @ places / jnp.sum(share, axis=1, keepdims=True)
        # best is near 1 at the distance of a neighbour, 1/4 at twice that; a ramp from 0.1 to 0.3.
        return mean, soft_ops.heaviside(best - 0.2, softness=0.02, mode="c0")

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
