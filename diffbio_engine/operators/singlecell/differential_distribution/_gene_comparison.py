"""All that tells two groups of cells apart, gene by gene, a chunk of genes at a time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from diffbio_engine.operators.singlecell.differential_distribution._distribution_distances import (
    differences,
    in_order,
    kolmogorov_p,
    soft_statistic,
)
from diffbio_engine.operators.singlecell.differential_distribution._mode_patterns import (
    Modes,
    binned,
    modes_of,
    patterns,
)

_NUMBERS_AT_ONCE = 4_000_000
_NOT_SEEN = 0.01  # a hundredth of a logarithm: less than one molecule in any cell below 10^6


class Compared(NamedTuple):
    """One number a gene each; ``effects`` two: the weights of a shift and of a scale.

    ``p_values`` are those of the soft statistic, ``exact_p_values`` those of the exact one.
    """

    ks_statistics: jax.Array
    p_values: jax.Array
    exact_p_values: jax.Array
    effects: jax.Array
    categories: jax.Array
    mean_change: jax.Array
    zero_change: jax.Array


def compared_genes(
    expression: jax.Array,
    first: jax.Array,
    second: jax.Array,
    temperature: jax.Array,
    maximum_temperature: jax.Array,
    significance: float,
) -> Compared:
    """Compares the cells of ``first`` with those of ``second`` in each gene.

    Args:
        expression: (cells, genes); up to 0.01 where nothing was seen.
        temperature: In tenths of the spread of each gene.
    """
    n, n_genes = expression.shape
    n_chunks = -(-n_genes // max(1, min(n_genes, _NUMBERS_AT_ONCE // n)))
    size = -(-n_genes // n_chunks)
    padded = jnp.pad(expression, ((0, 0), (0, n_chunks * size - n_genes)))

    def chunk(number: jax.Array) -> tuple:
        values = jax.lax.dynamic_slice_in_dim(padded, number * size, size, axis=1).T
        return _of_chunk(values, first, second, temperature, maximum_temperature)

    whole = jax.lax.map(chunk, jnp.arange(n_chunks))
    statistic, p, exact_p, effects, changes, p_rest, modes = jax.tree.map(
        lambda x: x.reshape(-1, *x.shape[2:])[:n_genes], whole
    )
    found = patterns(modes[0], modes[1], p_rest[:, 0], p_rest[:, 1], significance)
    return Compared(
        statistic, p, exact_p, effects, found.astype(statistic.dtype), changes[:, 0], changes[:, 1]
    )


def _of_chunk(
    values: jax.Array,
    first: jax.Array,
    second: jax.Array,
    temperature: jax.Array,
    maximum_temperature: jax.Array,
) -> tuple:
    either = first | second
    n_first, n_second = jnp.sum(first), jnp.sum(second)
    pooled = jnp.sum(jnp.where(either, values, 0.0), axis=1) / jnp.maximum(jnp.sum(either), 1)
    square = jnp.where(either, (values - pooled[:, None]) ** 2, 0.0)
    spread = jnp.sqrt(jnp.sum(square, axis=1) / jnp.maximum(jnp.sum(either), 1) + 1e-12)

    # Cells of neither group take no part: they lie beyond all others, and count for no group.
    inside = jnp.where(either, values, jnp.max(values) + 1.0)
    ordered = in_order(inside, first, second)
    apart = differences(ordered)
    soft = soft_statistic(ordered, apart, 0.1 * temperature * spread, maximum_temperature)
    p = kolmogorov_p(soft, n_first, n_second)
    exact_p = kolmogorov_p(jnp.max(jnp.abs(apart), axis=1), n_first, n_second)

    held = jax.lax.stop_gradient(values)
    seen = (held > _NOT_SEEN) & either
    low = jnp.min(jnp.where(seen, held, jnp.inf), axis=1)
    low = jnp.where(jnp.isfinite(low), low, 0.0)
    high = jnp.max(jnp.where(seen, held, 0.0), axis=1)
    modes: list[Modes] = []
    for group in (first, second):
        modes.append(modes_of(binned(held, seen & group, low, high), low, high))
    seen_first, seen_second = jnp.sum(seen & first, axis=1), jnp.sum(seen & second, axis=1)
    among = jnp.max(jnp.abs(differences(ordered, above=_NOT_SEEN)), axis=1)
    p_seen = kolmogorov_p(among, seen_first, seen_second)
    zeros_first = 1.0 - seen_first / jnp.maximum(n_first, 1)
    zeros_second = 1.0 - seen_second / jnp.maximum(n_second, 1)
    p_zero = _p_of_shares(zeros_first, zeros_second, n_first, n_second)
    shift, scale, mean_change = _evidence(values, first, second, n_first, n_second)
    return (
        soft,
        p,
        exact_p,
        jnp.stack([shift, scale], axis=1),
        jnp.stack([mean_change, zeros_second - zeros_first], axis=1),
        jnp.stack([p_seen, p_zero], axis=1),
        tuple(modes),
    )


def _evidence(
    values: jax.Array, first: jax.Array, second: jax.Array, n_first: jax.Array, n_second: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Half of ``z^2 - log n`` for the difference of means and of logarithms of variances."""
    found = []
    for group, n in ((first, n_first), (second, n_second)):
        n = jnp.maximum(n, 1)
        mean = jnp.sum(jnp.where(group, values, 0.0), axis=1) / n
        apart = jnp.where(group, values - mean[:, None], 0.0)
        variance = jnp.sum(apart**2, axis=1) / n + 1e-6
        fourth = jnp.sum(apart**4, axis=1) / n
        # Of the logarithm of a variance, by the delta method; that of a normal one is 2 / n.
        found.append((mean, variance / n, jnp.log(variance), (fourth / variance**2 + 1.0) / n))
    (mean_1, error_1, log_1, unsure_1), (mean_2, error_2, log_2, unsure_2) = found
    penalty = jnp.log(jnp.maximum(n_first + n_second, 2).astype(values.dtype))
    shift = 0.5 * ((mean_2 - mean_1) ** 2 / (error_1 + error_2) - penalty)
    scale = 0.5 * ((log_2 - log_1) ** 2 / (unsure_1 + unsure_2) - penalty)
    return shift, scale, mean_2 - mean_1


def _p_of_shares(
    first: jax.Array, second: jax.Array, n_first: jax.Array, n_second: jax.Array
) -> jax.Array:
    """Two-sided, of two shares being one (pooled)."""
    n_first, n_second = jnp.maximum(n_first, 1), jnp.maximum(n_second, 1)
    together = (first * n_first + second * n_second) / (n_first + n_second)
    # At least the variance of one zero among all: shares that are 0 but for rounding are equal.
    variance = jnp.maximum(together * (1.0 - together), 1.0 / (n_first + n_second))
    z = jnp.abs(second - first) / jnp.sqrt(variance * (1.0 / n_first + 1.0 / n_second))
    return 2.0 * norm.sf(z)
