"""How many droplets are expected to hold two cells."""

import jax
import jax.numpy as jnp
import numpy as np

_PER_CELL = 8e-6  # 0.8 % per 1000 cells recovered
_LEAST, _MOST = 0.008, 0.3
_LEAST_SET = 1e-3


def rate_by_cells(
    n_cells: int, batches: jax.Array | np.ndarray | None = None, share_seen: float = 1.0
) -> jax.Array | float:
    """Expected share of doublets: 0.8 % for each 1000 cells of a batch, from 0.8 to 30 %.

    The mean over cells of ``clip(8e-6 n_b, 0.008, 0.3)``, ``n_b`` the cells of a cell's batch.
    Without batches all cells count as one. Below 1000 cells the rate is held: plates and small
    samples have doublets for other reasons.

    Args:
        share_seen: Share of the data's cells that these are.

    References:
        10x Genomics, Chromium Single Cell 3' user guides, "multiplet rate": about 0.8 % per 1000
        cells recovered.
    """
    if batches is None:
        return float(np.clip(_PER_CELL * n_cells / share_seen, _LEAST, _MOST))
    xp = np if isinstance(batches, np.ndarray) else jnp
    ordered = xp.sort(batches)
    ends = xp.searchsorted(ordered, ordered, side="right")
    sizes = ends - xp.searchsorted(ordered, ordered, side="left")
    return xp.mean(xp.clip(_PER_CELL * sizes / share_seen, _LEAST, _MOST))


def rate_or(by_cells: jax.Array, chosen: jax.Array) -> jax.Array:
    """The rate that was chosen; where that is 0, the other."""
    return jnp.where(chosen > 0, jnp.maximum(chosen, _LEAST_SET), by_cells)
