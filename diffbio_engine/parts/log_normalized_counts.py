"""Log-normalised counts, ``log(1 + counts per 10 000)``: what most methods of the field begin with.

The size of a cell is its total over *all* genes, also where only the variable ones are at hand:
else a cell whose other genes are loud has levels that are too high. So the total travels beside
the counts, and stands in for the sum of the genes that are seen.
"""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine import soft_ops

PER_CELL = 1e4
# One for each cell over all its genes; None: the sum of those given.
type Totals = jax.Array | np.ndarray | None


def normalize_total(
    counts: jax.Array, total_counts: Totals = None, target_sum: float | jax.Array = PER_CELL
) -> jax.Array:
    """``target_sum counts_ig / T_i``; a cell without counts stays at 0.

    Args:
        counts: (..., genes), all genes or some.
        total_counts: ``T``, (...,): of each cell over all genes. None for the sum of these. It is
            never less than that sum: whoever gives less did not give totals.
        target_sum: What the counts of a cell add up to afterwards.
    """
    totals = jnp.sum(counts, axis=-1, keepdims=True)
    if total_counts is not None:
        totals = jnp.maximum(jnp.asarray(total_counts)[..., None], totals)
    return target_sum * soft_ops.div(counts, totals)


def log_normalized(
    counts: jax.Array, total_counts: Totals = None, target_sum: float | jax.Array = PER_CELL
) -> jax.Array:
    """``log(1 + normalize_total)``, (..., genes)."""
    return jnp.log1p(normalize_total(counts, total_counts, target_sum))


def log_expression(
    counts: jax.Array | np.ndarray, normalize: bool, total_counts: Totals = None
) -> jax.Array:
    """``log_normalized`` in floating point; as it came if ``normalize`` is off."""
    counts = jnp.asarray(counts, float)
    return log_normalized(counts, total_counts) if normalize else counts


def log_normalized_rows(counts: np.ndarray, total_counts: np.ndarray | None = None) -> np.ndarray:
    """``log_normalized`` in NumPy, float32, for loops over blocks that need no gradient."""
    counts = np.asarray(counts, np.float32)
    totals = counts.sum(axis=1, keepdims=True)
    if total_counts is not None:
        totals = np.maximum(np.asarray(total_counts, np.float32)[:, None], totals)
    return np.log1p(PER_CELL * counts / np.where(totals > 0, totals, 1.0))
