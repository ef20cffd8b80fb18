"""Placing of cells between prepared ones, by a Gaussian kernel with local widths."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.operators.singlecell._diffusion_maps import gaussian_weights, local_scales
from diffbio_engine.parts.diffusion import squared_distances

_PLACED_AT_ONCE = 1024  # cells, so that (cells, prepared cells) stays below 100 MB


def placed_by_kernel(
    cells: jax.Array,
    prepared: jax.Array,
    scales: jax.Array,
    width: jax.Array,
    k: int,
    then: Callable[[jax.Array, jax.Array], Any],
) -> Any:
    """What ``then`` makes of each cell's ``k`` nearest prepared cells and their shares.

    Args:
        scales: Squared local scale of each prepared cell.
        width: Of the kernel, in local scales.
        then: Given indices (cells, k) and shares (cells, k) that add up to one.
    """
    k = min(k, len(prepared))

    def block(some: jax.Array) -> Any:
        held = jax.lax.stop_gradient(squared_distances(some, prepared))
        _, nearest = jax.lax.top_k(-held, k)
        apart = some[:, None, :] - prepared[nearest]
        square = jnp.sum(apart * apart, axis=-1)
        weights = gaussian_weights(square, local_scales(square)[:, None], scales[nearest], width)
        # A cell far from all belongs to the nearest: no sum is 0.
        weights = weights.at[:, 0].add(1e-9)
        return then(nearest, weights / jnp.sum(weights, axis=1, keepdims=True))

    if len(cells) <= _PLACED_AT_ONCE:
        return block(cells)

    def one(cell: jax.Array) -> Any:
        return jax.tree.map(lambda x: x[0], block(cell[None]))

    return jax.lax.map(one, cells, batch_size=_PLACED_AT_ONCE)


def drawn_rows(n_cells: int, limit: int, seed: int, *, also: int) -> np.ndarray:
    """All rows up to ``limit``, above it that many drawn evenly, and one ``also``; rising."""
    if n_cells <= limit:
        return np.arange(n_cells)
    rng = np.random.default_rng(seed)
    return np.unique(np.append(rng.choice(n_cells, limit, replace=False), also))
