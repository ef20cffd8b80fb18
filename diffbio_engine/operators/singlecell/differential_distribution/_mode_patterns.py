"""One mode or two in each gene, and by which pattern two groups of cells differ (scDD)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from diffbio_engine.operators.singlecell.differential_distribution._distribution_distances import (
    false_discovery,
)

PATTERNS = ("none", "DE", "DP", "DM", "DB", "DZ")
_BINS, _STEPS, _LEAST_SHARE, _LEAST_APART = 128, 60, 0.1, 2.0


class Modes(NamedTuple):
    """Of each gene: whether there are two modes, and of these (or of the one, twice) the means,
    the spreads and the share of the lower."""

    two: jax.Array
    means: jax.Array
    spreads: jax.Array
    lower: jax.Array


def binned(values: jax.Array, counts: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """How many of the cells that count lie in each of 128 equal bins, (genes, bins)."""
    n_genes = len(values)
    place = (values - low[:, None]) / jnp.maximum(high - low, 1e-6)[:, None] * _BINS
    place = jnp.clip(place.astype(jnp.int32), 0, _BINS - 1)
    flat = (place + _BINS * jnp.arange(n_genes)[:, None]).ravel()
    sums = jnp.zeros(n_genes * _BINS).at[flat].add(counts.ravel().astype(float))
    return sums.reshape(n_genes, _BINS)


def modes_of(heights: jax.Array, low: jax.Array, high: jax.Array) -> Modes:
    """One Gaussian or a mixture of two, by the Bayesian information criterion.

    Two only if, besides, each holds a tenth of the cells and they lie apart by Ashman's D > 2.

    References:
        Ashman, Bird, Zepf (1994), Detecting bimodality in astronomical datasets.
    """
    step = jnp.maximum(high - low, 1e-6) / _BINS
    at = low[:, None] + step[:, None] * (jnp.arange(_BINS) + 0.5)
    total = jnp.sum(heights, axis=1)
    share = heights / jnp.maximum(total, 1.0)[:, None]
    mean = jnp.sum(share * at, axis=1)
    variance = jnp.sum(share * (at - mean[:, None]) ** 2, axis=1) + step**2
    # Narrower than this, a mode is a single count among few, not a state of cells.
    floor = 0.04 * variance + step**2
    one = _log_density(at, mean, variance)
    fits = [_mixture(at, share, mean, variance, floor, start) for start in (0.7, 1.5)]
    better = fits[1][0] > fits[0][0]
    log_fit, means, variances, lower = jax.tree.map(
        lambda a, b: jnp.where(better.reshape(-1, *(1,) * (a.ndim - 1)), b, a), *fits
    )
    gain = 2.0 * total * (log_fit - jnp.sum(share * one, axis=1))
    apart = jnp.abs(means[:, 1] - means[:, 0]) * jnp.sqrt(2.0 / jnp.sum(variances, axis=1))
    large = jnp.minimum(lower, 1.0 - lower) > _LEAST_SHARE
    two = (gain > 3.0 * jnp.log(jnp.maximum(total, 2.0))) & (apart > _LEAST_APART) & large
    both = two[:, None]
    return Modes(
        two,
        jnp.where(both, means, mean[:, None]),
        jnp.sqrt(jnp.where(both, variances, variance[:, None])),
        jnp.where(two, lower, 1.0),
    )


def _log_density(at: jax.Array, mean: jax.Array, variance: jax.Array) -> jax.Array:
    square = (at - mean[:, None]) ** 2 / variance[:, None]
    return -0.5 * (square + jnp.log(2.0 * jnp.pi * variance)[:, None])


def _mixture(
    at: jax.Array,
    share: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    floor: jax.Array,
    start: float,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Expectation and maximisation on the bins, from two means that lie ``start`` spreads out."""

    def parts(state: tuple) -> jax.Array:
        means, variances, lower = state
        weights = jnp.stack([lower, 1.0 - lower], axis=1)
        logs = [_log_density(at, means[:, c], variances[:, c]) for c in (0, 1)]
        return jnp.stack(logs, axis=2) + jnp.log(weights)[:, None, :]

    def step(_: int, state: tuple) -> tuple:
        held = share[:, :, None] * jax.nn.softmax(parts(state), axis=2)
        weight = jnp.maximum(jnp.sum(held, axis=1), 1e-6)
        means = jnp.sum(held * at[:, :, None], axis=1) / weight
        square = (at[:, :, None] - means[:, None, :]) ** 2
        variances = jnp.maximum(jnp.sum(held * square, axis=1) / weight, floor[:, None])
        return means, variances, jnp.clip(weight[:, 0] / jnp.sum(weight, axis=1), 1e-6, 1 - 1e-6)

    out = start * jnp.sqrt(variance)
    first = (
        jnp.stack([mean - out, mean + out], axis=1),
        jnp.maximum(0.3 * jnp.stack([variance, variance], axis=1), floor[:, None]),
        jnp.full_like(mean, 0.5),
    )
    state = jax.lax.fori_loop(0, _STEPS, step, first)
    fit = jnp.sum(share * jax.nn.logsumexp(parts(state), axis=2), axis=1)
    return fit, *state


def patterns(
    first: Modes, second: Modes, p_seen: jax.Array, p_zero: jax.Array, level: float
) -> jax.Array:
    """The number of each gene's pattern in ``PATTERNS``.

    Where the values above 0 differ: DE, as many modes but elsewhere; DP, the same two modes with
    other shares; DM, another number of modes, one of which both have; DB, another number, none in
    common. DZ: only the share of zeros differs.

    Args:
        p_seen, p_zero: Of the difference among values above 0, and of that in the share of zeros.
        level: The rate of false discoveries.
    """
    spread = jnp.maximum(first.spreads.max(axis=1), second.spreads.max(axis=1))[:, None, None]
    near = jnp.abs(first.means[:, :, None] - second.means[:, None, :]) < 0.75 * spread
    same = jnp.where(
        first.two & second.two, near[:, 0, 0] & near[:, 1, 1], jnp.any(near, axis=(1, 2))
    )
    equal = first.two == second.two
    found = jnp.where(equal, jnp.where(first.two & same, 2, 1), jnp.where(same, 3, 4))
    rest = jnp.where(false_discovery(p_zero) < level, 5, 0)
    return jnp.where(false_discovery(p_seen) < level, found, rest).astype(jnp.int32)
