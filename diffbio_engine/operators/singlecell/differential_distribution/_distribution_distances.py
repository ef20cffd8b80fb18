"""How far two groups of cells lie apart in each gene: Kolmogorov and Smirnov's statistic, its
soft form, and how unlikely it is."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops

N_CUTS = 64


class Sorted(NamedTuple):
    """Values of each gene in rising order, (genes, cells), and in which group each lies.

    Attributes:
        first, second: Whether the cell counts for the first group, for the second.
    """

    values: jax.Array
    first: jax.Array
    second: jax.Array


def in_order(values: jax.Array, first: jax.Array, second: jax.Array) -> Sorted:
    """Sorts ``values`` (genes, cells), with the groups (cells,) of the cells."""
    order = jnp.argsort(jax.lax.stop_gradient(values), axis=1)
    return Sorted(jnp.take_along_axis(values, order, axis=1), first[order], second[order])


def differences(ordered: Sorted, *, above: float = -jnp.inf) -> jax.Array:
    """``F_first - F_second`` after each cell in order, (genes, cells); 0 between equal values.

    Args:
        above: Only cells with a greater value count.
    """
    held = jax.lax.stop_gradient(ordered.values)
    seen = held > above

    def share(group: jax.Array) -> jax.Array:
        so_far = jnp.cumsum((group & seen).astype(jnp.int32), axis=1)
        return so_far / jnp.maximum(so_far[:, -1:], 1)

    apart = share(ordered.first) - share(ordered.second)
    last_of_its_value = jnp.pad(held[:, 1:] > held[:, :-1], ((0, 0), (0, 1)))
    both = jnp.any(ordered.first & seen, axis=1) & jnp.any(ordered.second & seen, axis=1)
    return jnp.where(last_of_its_value & both[:, None], apart, 0.0)


def soft_statistic(
    ordered: Sorted, apart: jax.Array, width: jax.Array, softness: jax.Array
) -> jax.Array:
    """The greatest distance between two soft distribution functions, (genes,).

    ``F(t) = mean_i heaviside(t - x_i)`` with the softness ``width`` of each gene. Looked at in 64
    places: of each 64th of the cells in order the middle of the gap at which the hard functions
    lie farthest apart, so the farthest of all is among them.

    Args:
        apart: ``differences`` of the same cells.
        softness: Of the maximum (``logsumexp_max``).
    """
    n_genes, n = apart.shape
    n_cuts = min(N_CUTS, n)
    size = -(-n // n_cuts)
    padded = jnp.pad(jnp.abs(apart), ((0, 0), (0, n_cuts * size - n)))
    blocks = padded.reshape(n_genes, n_cuts, size)
    before = jnp.argmax(blocks, axis=2) + size * jnp.arange(n_cuts)
    before = jnp.minimum(before, n - 2) if n > 1 else jnp.zeros_like(before)
    after = jnp.minimum(before + 1, n - 1)
    ends = (jnp.take_along_axis(ordered.values, at, axis=1) for at in (before, after))
    cuts = 0.5 * jnp.add(*ends)
    weights = _mean_weights(ordered.first) - _mean_weights(ordered.second)

    @jax.checkpoint
    def at(cut: jax.Array) -> jax.Array:
        below = soft_ops.heaviside(cut[:, None] - ordered.values, softness=width[:, None])
        return jnp.sum(weights * below, axis=1)

    # Between equal values the cut is that value, of which one half is below: never the farthest.
    found = jax.lax.map(at, cuts.T).T
    return soft_ops.logsumexp_max(
        jnp.concatenate([found, -found], axis=1), axis=1, softness=softness
    )


def _mean_weights(group: jax.Array) -> jax.Array:
    return group / jnp.maximum(jnp.sum(group, axis=1, keepdims=True), 1)


def kolmogorov_p(statistic: jax.Array, n_first: jax.Array, n_second: jax.Array) -> jax.Array:
    """How likely a statistic as large is where both groups are drawn from one distribution.

    Kolmogorov's limit at ``(sqrt(m) + 0.12 + 0.11 / sqrt(m)) D``, ``m = n1 n2 / (n1 + n2)``.

    References:
        Stephens (1970), Use of the Kolmogorov-Smirnov statistics without extensive tables.
    """
    together = n_first * n_second / jnp.maximum(n_first + n_second, 1)
    root = jnp.sqrt(jnp.maximum(together, 1e-3))
    x = (root + 0.12 + 0.11 / root) * statistic
    k = jnp.arange(1, 21, dtype=x.dtype)
    large = jnp.maximum(x, 0.3)[:, None]
    far = 2.0 * jnp.sum((-1.0) ** (k - 1) * jnp.exp(-2.0 * (k * large) ** 2), axis=1)
    small = jnp.clip(x, 0.05, 1.5)[:, None]  # the same function by the other series
    inside = jnp.exp(-(((2 * k - 1) * jnp.pi) ** 2) / (8.0 * small**2))
    near = 1.0 - jnp.sqrt(2.0 * jnp.pi) / small[:, 0] * jnp.sum(inside, axis=1)
    return jnp.where(together > 0, jnp.clip(jnp.where(x > 1.0, far, near), 0.0, 1.0), 1.0)


def false_discovery(p_values: jax.Array) -> jax.Array:
    """The least rate of false discoveries at which each is one (Benjamini and Hochberg, 1995)."""
    n = p_values.shape[0]
    order = jnp.argsort(p_values)
    raised = p_values[order] * n / jnp.arange(1, n + 1)
    least = jax.lax.cummin(raised, reverse=True)
    return jnp.minimum(jnp.zeros_like(p_values).at[order].set(least), 1.0)
