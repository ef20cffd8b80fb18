"""Maximum mean discrepancy: how far groups of points are apart, as seen by Gaussian kernels."""

import jax
import jax.numpy as jnp
import numpy as np

# From half to four times the typical distance: the kernels see both types and their insides.
SCALES = (0.25, 1.0, 4.0, 16.0)
_ROWS = 1024  # of the kernel at a time, so that cells by cells is never held


def median_sq_distance(points: np.ndarray, *, at_most: int = 1000, seed: int = 0) -> float:
    """Median squared distance between two different points (of a sample of ``at_most``)."""
    points = np.asarray(points, np.float64)
    if len(points) > at_most:
        points = points[np.random.default_rng(seed).choice(len(points), at_most, replace=False)]
    if len(points) < 2:
        return 1.0
    norms = np.sum(points**2, axis=1)
    sq = norms[:, None] + norms - 2 * points @ points.T
    found = float(np.median(np.maximum(sq[np.triu_indices(len(points), 1)], 0.0)))
    return found if found > 0 else 1.0


def mean_sq_distance(points: jax.Array) -> jax.Array:
    """Mean squared distance between two different points, without a matrix of distances."""
    n = points.shape[0]
    spread = jnp.sum((points - jnp.mean(points, axis=0)) ** 2)
    return 2 * spread / max(n - 1, 1) + 1e-6


def kernel_of_widths(sq_distances: jax.Array, sq_widths: jax.Array) -> jax.Array:
    """Mean over widths of ``exp(-d^2 / (2 width^2))``."""
    return jnp.mean(jnp.exp(-sq_distances[..., None] / (2 * sq_widths)), axis=-1)


def squared_mmd(
    points: jax.Array,
    labels: jax.Array,
    n_groups: int,
    sq_widths: jax.Array,
    *,
    rows_together: int = _ROWS,
) -> jax.Array:
    """Unbiased squared maximum mean discrepancy of every two groups, (groups, groups).

    ``sum_{i != j in a} k / (n_a (n_a - 1)) + the same of b - 2 sum_{i in a, j in b} k / (n_a n_b)``
    with the mean of Gaussian kernels of these squared widths. Groups are told apart by their
    labels alone: no point is moved or weighed down. Points with another label belong to no group;
    groups with fewer than two points have discrepancy 0.

    Gradients: reach the points and the widths.
    Cost: O(points^2 (features + widths)) time, O(rows_together * points) memory.

    References:
        Gretton et al. (2012), A kernel two-sample test, JMLR 13, equation 3.
    """
    points = points - jax.lax.stop_gradient(jnp.mean(points, axis=0))
    member = jax.nn.one_hot(labels, n_groups, dtype=points.dtype)
    norms = jnp.sum(points**2, axis=1)

    def sums(rows: jax.Array, of_rows: jax.Array, numbers: jax.Array) -> jax.Array:
        sq = jnp.sum(rows**2, axis=1)[:, None] + norms - 2 * rows @ points.T
        other = numbers[:, None] != jnp.arange(points.shape[0])
        kernel = jnp.where(other, kernel_of_widths(jnp.maximum(sq, 0.0), sq_widths), 0.0)
        return of_rows.T @ (kernel @ member)

    n = points.shape[0]
    if n <= 2 * rows_together:
        total = sums(points, member, jnp.arange(n))
    else:
        blocks = -(-n // rows_together)
        spare = blocks * rows_together - n

        def in_blocks(x: jax.Array) -> jax.Array:
            filled = jnp.pad(x, ((0, spare), *(((0, 0),) * (x.ndim - 1))))
            return filled.reshape(blocks, rows_together, *x.shape[1:])

        parts = (in_blocks(points), in_blocks(member), in_blocks(jnp.arange(n)))
        total = jnp.sum(jax.lax.map(jax.checkpoint(lambda some: sums(*some)), parts), axis=0)

    size = jnp.sum(member, axis=0)
    enough = size >= 2
    safe = jnp.where(enough, size, 2.0)
    within = jnp.diagonal(total) / (safe * (safe - 1))
    between = total / (safe[:, None] * safe)
    found = within[:, None] + within - 2 * between
    meant = enough[:, None] & enough & ~jnp.eye(n_groups, dtype=bool)
    return jnp.where(meant, found, 0.0)
