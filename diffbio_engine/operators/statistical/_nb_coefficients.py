"""Coefficients of genes at given dispersions: iteratively reweighted least squares."""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.operators.statistical._nb_design_basis import (
    RIDGE,
    Basis,
    information,
    inverse,
)
from diffbio_engine.operators.statistical._nb_gene_blocks import (
    ROUND,
    in_blocks,
    until_done,
)
from diffbio_engine.parts.count_likelihoods import negative_binomial_log_prob

# A mean is never taken for smaller: where a whole group has no counts its coefficient then comes
# to rest, far out, in place of going to minus infinity.
LEAST_MEAN = 0.5
_LARGEST = 30.0
_HELD = 1e8  # precision of a coefficient that is held at its bound
_TOLERANCE, _MOST_STEPS = 1e-8, 100


@jax.jit
def _round(state: dict, y, alpha, r_inverse, weights, q, ridge, log_size) -> dict:  # type: ignore[no-untyped-def]
    def step(s: dict) -> dict:
        rate = log_size[:, None] + q @ s["c"]
        mu = jnp.maximum(jnp.exp(rate), LEAST_MEAN)
        w = weights * mu / (1.0 + alpha * mu)
        z = jnp.log(mu) - log_size[:, None] + (y - mu) / mu
        a = information(q, w) + ridge[:, :, None]
        c = jnp.einsum("pqg,qg->pg", inverse(a), q.T @ (w * z))
        beta = jnp.einsum("pq,qg->pg", r_inverse, c)
        mu = jnp.maximum(jnp.exp(log_size[:, None] + q @ c), LEAST_MEAN)
        each = negative_binomial_log_prob(y, jnp.log(mu), -jnp.log(alpha))
        deviance = -2.0 * jnp.sum(weights * each, axis=0)
        change = jnp.abs(deviance - s["deviance"]) / (jnp.abs(deviance) + 0.1)
        broken = jnp.any(jnp.abs(beta) > _LARGEST, axis=0) | jnp.isnan(change)
        steps = jnp.where(broken, _MOST_STEPS, s["steps"] + 1)
        at_rest = (s["steps"] > 0) & (change < _TOLERANCE)
        new = {"c": c, "deviance": deviance, "steps": steps}
        new["done"] = at_rest | (steps >= _MOST_STEPS)
        return {k: jnp.where(s["done"], s[k], v) for k, v in new.items()}

    def going(carry: tuple) -> jax.Array:
        s, i = carry
        return (i < ROUND) & ~jnp.all(s["done"])

    state, _ = jax.lax.while_loop(going, lambda c: (step(c[0]), c[1] + 1), (state, 0))
    return state


@jax.jit
def _newton(c, y, alpha, weights, precision, centre, q, r_inverse, log_size) -> dict:  # type: ignore[no-untyped-def]
    """For genes whose least squares did not converge: damped Newton steps, means unbounded.

    ``precision`` and ``centre`` are of the normal prior of each coefficient, (P, genes).
    """

    def off(c: jax.Array) -> jax.Array:
        return r_inverse @ c - centre

    def loss(c: jax.Array) -> jax.Array:
        rate = log_size[:, None] + q @ c
        each = negative_binomial_log_prob(y, rate, -jnp.log(alpha))
        return 0.5 * jnp.sum(precision * off(c) ** 2, axis=0) - jnp.sum(weights * each, axis=0)

    prior = jnp.einsum("kp,kg,kq->pqg", r_inverse, precision, r_inverse)

    def step(_: int, carry: tuple) -> tuple:
        c, value, damping = carry
        mu = jnp.exp(log_size[:, None] + q @ c)
        slope = q.T @ (weights * (y - mu) / (1.0 + alpha * mu)) - r_inverse.T @ (precision * off(c))
        a = information(q, weights * mu * (1.0 + alpha * y) / (1.0 + alpha * mu) ** 2) + prior
        a = a + (damping * jnp.trace(a) / len(a)) * jnp.eye(len(a))[:, :, None]
        new = c + jnp.einsum("pqg,qg->pg", inverse(a), slope)
        new_value = loss(new)
        better = new_value <= value
        damping = jnp.clip(jnp.where(better, damping / 4.0, damping * 4.0), 1e-12, 1e3)
        return jnp.where(better, new, c), jnp.where(better, new_value, value), damping

    first = (c, loss(c), jnp.full(c.shape[1], 1e-3))
    found, *_ = jax.lax.fori_loop(0, 200, step, first)
    return {"c": found}


@jax.jit
def _spread(c, y, alpha, weights, q, ridge, r_inverse, log_size) -> dict:  # type: ignore[no-untyped-def]
    mu = jnp.exp(log_size[:, None] + q @ c)
    return spread(mu, alpha, weights, q, ridge, r_inverse) | {"mu": mu}


def spread(
    mu: jax.Array,
    alpha: jax.Array,
    weights: jax.Array,
    q: jax.Array,
    ridge: jax.Array,
    r_inverse: jax.Array,
    whole: bool = False,
) -> dict[str, jax.Array]:
    """Variance of each coefficient and leverage of each sample, from the Fisher information.

    ``(A + ridge)^-1 A (A + ridge)^-1`` with ``A = X' W X`` and ``w = mu / (1 + alpha mu)``; where
    the ``whole`` of it is asked for also ``covariance``, (P, P, genes).
    """
    floored = jnp.maximum(mu, LEAST_MEAN)
    w = weights * floored / (1.0 + alpha * floored)
    a = information(q, w)
    b = inverse(a + ridge[:, :, None])
    rows = jnp.einsum("kp,pqg->kqg", r_inverse, b)
    told = {
        "variance": jnp.einsum("kqg,qrg,krg->kg", rows, a, rows),
        "leverage": w * jnp.einsum("ip,pqg,iq->ig", q, b, q),
    }
    return told | ({"covariance": jnp.einsum("kqg,qrg,lrg->klg", rows, a, rows)} if whole else {})


def fitted(
    y: np.ndarray,
    alpha: np.ndarray,
    basis: Basis,
    size_factors: np.ndarray,
    weights: np.ndarray,
) -> dict[str, np.ndarray]:
    """Coefficients of each gene, (P, genes), natural logarithms.

    Returns:
        ``beta``, ``variance`` (P, genes), ``leverage``, ``mu`` (samples, genes). Where least
        squares did not come to rest, Newton steps were taken.
    """
    along = {"y": y, "alpha": alpha, "weights": np.broadcast_to(weights, y.shape)}
    log_size = np.log(size_factors)
    fixed = {
        "q": basis.q, "r_inverse": basis.r_inverse, "ridge": basis.ridge, "log_size": log_size
    }  # fmt: skip
    n = y.shape[1]
    start = basis.q.T @ np.log(y / size_factors[:, None] + 0.1)
    state = {
        "c": start,
        "deviance": np.zeros(n),
        "steps": np.zeros(n, np.int64),
        "done": np.zeros(n, bool),
    }
    found = until_done(_round, state, along, **fixed)
    c, lost = found["c"], found["steps"] >= _MOST_STEPS
    if lost.any():
        beta = np.abs(basis.coefficients(c[:, lost]))
        near = np.isfinite(beta).all(axis=0) & (beta < _LARGEST).all(axis=0)
        some = {k: v[..., lost] for k, v in along.items()}
        first = np.where(near, c[:, lost], start[:, lost])
        c[:, lost] = _within_bounds(first, some, basis, log_size)
    told = in_blocks(_spread, along | {"c": c}, **fixed)
    return told | {"beta": basis.coefficients(c)}


def _within_bounds(
    c: np.ndarray, along: dict[str, np.ndarray], basis: Basis, log_size: np.ndarray
) -> np.ndarray:
    """The optimum with no coefficient beyond 30 (log2) either way."""
    bound = _LARGEST * np.log(2)
    fixed = {"q": basis.q, "r_inverse": basis.r_inverse, "log_size": log_size}
    prior = {"precision": np.full(c.shape, RIDGE), "centre": np.zeros(c.shape)}
    c = in_blocks(_newton, along | prior | {"c": c}, **fixed)["c"]
    for _ in range(len(c)):
        beta = basis.coefficients(c)
        out = np.abs(beta) > bound * (1 + 1e-9)
        if not out.any():
            break
        # What left is held at the bound, and the others follow.
        prior["precision"] = np.where(out, _HELD, prior["precision"])
        prior["centre"] = np.where(out, np.sign(beta) * bound, prior["centre"])
        genes = out.any(axis=0)
        some = {k: v[..., genes] for k, v in (along | prior | {"c": c}).items()}
        some["c"] = basis.from_coefficients(np.clip(beta[:, genes], -bound, bound))
        c[:, genes] = in_blocks(_newton, some, **fixed)["c"]
    return c
