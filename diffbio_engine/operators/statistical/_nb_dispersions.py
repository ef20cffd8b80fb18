"""Dispersions of genes: a start by moments, then the Cox-Reid adjusted profile likelihood.

The line search is DESeq2's, step for step: where a likelihood is flat it is the way, not the
optimum, that says where the estimate comes to rest, and the trend is fitted through these.
"""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.operators.statistical._nb_design_basis import (
    Basis,
    cox_reid,
)
from diffbio_engine.operators.statistical._nb_gene_blocks import (
    ROUND,
    in_blocks,
    until_done,
)
from diffbio_engine.parts.count_likelihoods import log_rising

LEAST = 1e-8
_LEAST_LOG = float(np.log(LEAST / 10))
_TOLERANCE, _MOST_STEPS, _ARMIJO, _LARGEST_STEP = 1e-6, 100, 1e-4, 1.0
_GRID = 20


def most(n_samples: int) -> float:
    """The largest dispersion that is reported."""
    return max(10.0, float(n_samples))


def log_posterior(
    log_alpha: jax.Array,
    y: jax.Array,
    mu: jax.Array,
    q: jax.Array,
    prior_mean: jax.Array,
    prior_precision: jax.Array,
    weights: jax.Array,
) -> jax.Array:
    """Cox-Reid adjusted profile log-likelihood of each gene's ``ln alpha``, plus its log prior.

    Args:
        log_alpha: (genes,).
        y, mu: Counts and their means, (samples, genes).
        q: The design in its basis, (samples, P).
        prior_mean, prior_precision: Of the normal prior, (genes,); precision 0: no prior.
        weights: Of the samples, (samples, 1) or (samples, genes).
    """
    alpha = jnp.exp(log_alpha)
    theta = 1.0 / alpha
    grown = jnp.log1p(mu * alpha)
    # y log(mu + 1 / alpha) = y (log(1 + alpha mu) - log alpha)
    each = log_rising(y, theta) - y * (grown - log_alpha) - theta * grown
    prior = -0.5 * prior_precision * (log_alpha - prior_mean) ** 2
    return jnp.sum(weights * each, axis=0) - cox_reid(q, weights, mu, alpha) + prior


@jax.jit
def _round(state: dict, y, mu, prior_mean, prior_precision, weights, q) -> dict:  # type: ignore[no-untyped-def]
    def value_and_slope(log_alpha: jax.Array) -> tuple[jax.Array, jax.Array]:
        def value(a: jax.Array) -> jax.Array:
            return log_posterior(a, y, mu, q, prior_mean, prior_precision, weights)

        return jax.jvp(value, (log_alpha,), (jnp.ones_like(log_alpha),))

    def begun(s: dict) -> dict:
        value, slope = value_and_slope(s["a"])
        new = s["steps"] == 0
        return s | {
            "value": jnp.where(new, value, s["value"]),
            "slope": jnp.where(new, slope, s["slope"]),
            "first": jnp.where(new, value, s["first"]),
        }

    def step(s: dict) -> dict:
        a, size, slope = s["a"], s["size"], s["slope"]
        target = a + size * slope
        size = jnp.where(target < -30.0, (-30.0 - a) / slope, size)
        size = jnp.where(target > 10.0, (10.0 - a) / slope, size)
        tried = a + size * slope
        value, new_slope = value_and_slope(tried)
        taken = -value <= -s["value"] - size * _ARMIJO * slope**2
        gained = value - s["value"]
        at_rest = taken & (gained < _TOLERANCE)
        vanishing = taken & ~at_rest & (tried < _LEAST_LOG)
        accepted = s["accepted"] + taken
        wider = jnp.minimum(size * 1.1, _LARGEST_STEP)
        wider = jnp.where(accepted % 5 == 0, wider / 2.0, wider)
        new = {
            "a": jnp.where(taken, tried, a),
            "value": jnp.where(taken & ~vanishing, value, s["value"]),
            "slope": jnp.where(taken & ~at_rest & ~vanishing, new_slope, slope),
            "size": jnp.where(taken, wider, size / 2.0),
            "accepted": accepted,
            "steps": s["steps"] + 1,
            "first": s["first"],
        }
        new["done"] = at_rest | vanishing | (new["steps"] >= _MOST_STEPS)
        return {k: jnp.where(s["done"], s[k], v) for k, v in new.items()}

    def going(carry: tuple) -> jax.Array:
        s, i = carry
        return (i < ROUND) & ~jnp.all(s["done"])

    state = jax.lax.cond(jnp.any(state["steps"] == 0), begun, lambda s: s, state)
    state, _ = jax.lax.while_loop(going, lambda c: (step(c[0]), c[1] + 1), (state, 0))
    return state


@jax.jit
def _grid(y, mu, prior_mean, prior_precision, weights, q, low, high) -> dict:  # type: ignore[no-untyped-def]
    def at(log_alpha: jax.Array) -> jax.Array:
        return log_posterior(log_alpha, y, mu, q, prior_mean, prior_precision, weights)

    n = y.shape[1]
    coarse = jnp.linspace(low, high, _GRID)
    values = jax.lax.map(lambda a: at(jnp.full(n, a)), coarse)
    best = coarse[jnp.argmax(values, axis=0)]
    width = (high - low) / (_GRID - 1)
    fine = jnp.linspace(-width, width, _GRID)
    values = jax.lax.map(lambda d: at(best + d), fine)
    return {"a": best + fine[jnp.argmax(values, axis=0)]}


def searched(
    start: np.ndarray,
    y: np.ndarray,
    mu: np.ndarray,
    basis: Basis,
    weights: np.ndarray,
    prior_mean: np.ndarray | None = None,
    prior_variance: float | None = None,
) -> np.ndarray:
    """The alpha where the line search comes to rest from each gene's ``start``."""
    n = y.shape[1]
    precision = 0.0 if prior_variance is None else 1.0 / prior_variance
    along = {
        "y": y,
        "mu": mu,
        "prior_mean": np.zeros(n) if prior_mean is None else prior_mean,
        "prior_precision": np.full(n, precision),
        "weights": np.broadcast_to(weights, y.shape),
    }
    zeros = np.zeros(n)
    state = {
        "a": np.log(start),
        "value": zeros,
        "slope": zeros,
        "first": zeros,
        "size": np.full(n, _LARGEST_STEP),
        "accepted": np.zeros(n, np.int64),
        "steps": np.zeros(n, np.int64),
        "done": np.zeros(n, bool),
    }
    found = until_done(_round, state, along, q=basis.q)
    alpha = np.minimum(np.exp(found["a"]), most(len(y)))
    stuck = found["steps"] >= _MOST_STEPS
    rose = found["value"] >= found["first"] + np.abs(found["first"]) / 1e6
    if prior_variance is None:
        alpha = np.where(rose, alpha, start)
        again = (stuck | (found["steps"] == 1)) & (alpha > 10 * LEAST)
    else:
        again = stuck
    if again.any():
        low, high = np.log(LEAST), np.log(most(len(y)))
        some = {k: v[..., again] for k, v in along.items()}
        on_grid = in_blocks(_grid, some, q=basis.q, low=low, high=high)
        alpha[again] = np.exp(on_grid["a"])
    return np.clip(alpha, LEAST, most(len(y)))


def rough_start(levels: np.ndarray, basis: Basis, size_factors: np.ndarray) -> np.ndarray:
    """A first alpha of each gene: the smaller one of two estimates by moments.

    Args:
        levels: Normalised counts, (samples, genes).
    """
    n, p = basis.q.shape
    fitted = np.maximum(basis.q @ (basis.q.T @ levels), 1.0)
    rough = np.maximum((((levels - fitted) ** 2 - fitted) / fitted**2).sum(axis=0) / (n - p), 0.0)
    mean = levels.mean(axis=0)
    variance = levels.var(axis=0, ddof=1)
    moments = (variance - np.mean(1.0 / size_factors) * mean) / mean**2
    return np.clip(np.minimum(rough, moments), LEAST, most(n))
