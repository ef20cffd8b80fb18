"""Fused Gromov-Wasserstein transport: who matches whom by what they are and how they lie."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

_PSEUDO = 0.01  # added to each count, so that a gene unseen in one spot costs a finite amount
_START = 16.0  # how many times warmer the first of the plans is, from which the others follow
_TINY = 1e-30


class Matching(NamedTuple):
    """What a plan has to suit.

    Attributes:
        cost: Difference between what they are, (rows, columns).
        within_rows, within_columns: Distances within each side.
        row_mass, column_mass: Shares that add up to one; 0 for one that takes no part.
        alpha: Weight of the distances, 0 to 1.
        epsilon: Weight of the entropy.
    """

    cost: jax.Array
    within_rows: jax.Array
    within_columns: jax.Array
    row_mass: jax.Array
    column_mass: jax.Array
    alpha: jax.Array
    epsilon: jax.Array


def profile_divergence(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """``KL(p_i | q_j)`` in nats between the profiles of counts + 0.01, (rows, columns)."""
    p, q = rows + _PSEUDO, columns + _PSEUDO
    p = p / jnp.sum(p, axis=1, keepdims=True)
    q = q / jnp.sum(q, axis=1, keepdims=True)
    return jnp.sum(p * jnp.log(p), axis=1)[:, None] - p @ jnp.log(q).T


def linear_cost(plan: jax.Array, match: Matching) -> jax.Array:
    """Slope of the objective in the plan; two matrix products, no array of four axes."""
    a, b, p, q = match.within_rows, match.within_columns, match.row_mass, match.column_mass
    apart = (a**2 @ p)[:, None] + b**2 @ q - 2.0 * (a @ plan @ b)
    return (1.0 - match.alpha) * match.cost + 2.0 * match.alpha * apart


def objective(plan: jax.Array, match: Matching) -> jax.Array:
    """``(1 - alpha) <cost, P> + alpha sum (A_ik - B_jl)^2 P_ij P_kl``, without the entropy."""
    slope = linear_cost(plan, match)
    own = (1.0 - match.alpha) * match.cost
    return 0.5 * jnp.sum((slope + own) * plan)


def best_plan(match: Matching, n_inner: int, n_outer: int) -> jax.Array:
    """The plan that makes ``objective - epsilon * entropy`` small, (rows, columns).

    Each round takes the slope at the last plan and finds the entropic plan of that linear cost.
    Where the distances are Euclidean the objective is concave on plans, so the linear cost lies
    above it and no round makes it worse; a line search would always take the whole step. The
    first rounds are warmer, so that the plan settles before it sharpens.

    Gradients: implicit, of the plan at which the rounds stand still; so they do not depend on the
    way there, and take the memory of one round. Wrong in proportion to what is left to move.
    Cost: O(rounds * (rows * columns * (rows + columns) + n_inner * rows * columns)) time,
    O(rows * columns) memory.

    Args:
        n_inner: Most Sinkhorn rounds for one linear cost.
        n_outer: Most linear costs, after the warm ones.

    References:
        Vayer et al. (2020), Fused Gromov-Wasserstein distance for structured objects.
        Peyre, Cuturi, Solomon (2016), Gromov-Wasserstein averaging of kernel and distance matrices.
    """
    return _standing(match, n_inner, n_outer)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _standing(match: Matching, n_inner: int, n_outer: int) -> jax.Array:
    plan = match.row_mass[:, None] * match.column_mass
    dtype = plan.dtype
    close = 1e-12 if dtype == jnp.float64 else 1e-6

    def body(state):
        plan, g, factor, n, _ = state
        warm = match._replace(epsilon=match.epsilon * factor)
        new, g, off = _sinkhorn(linear_cost(plan, warm) / warm.epsilon, warm, g, n_inner, close)
        moved = jnp.sum(jnp.abs(new - plan)) + off
        # Potentials are in units of epsilon, so they grow as it falls.
        cooler = jnp.maximum(factor * 0.5, 1.0)
        g = jnp.where(jnp.isfinite(g), g * factor / cooler, g)
        left = jnp.where(factor > 1.0, jnp.inf, moved)
        return new, g, cooler, n + (factor <= 1.0), left

    def going(state):
        return (state[4] > 10 * close) & (state[3] < n_outer)

    g = jnp.zeros_like(match.column_mass)
    start = (plan, g, jnp.asarray(_START, dtype), 0, jnp.asarray(jnp.inf, dtype))
    return jax.lax.while_loop(going, body, start)[0]


def _sinkhorn(
    scaled: jax.Array, match: Matching, g: jax.Array, n_rounds: int, close: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The entropic plan of a cost in units of epsilon; the potentials of columns; what is off."""
    log_p, log_q = _log(match.row_mass), _log(match.column_mass)
    p, q = match.row_mass, match.column_mass
    # Two rounds among logarithms bring every row and column into range; the rest are products.
    for _ in range(2):
        f = log_p - jax.nn.logsumexp(g - scaled, axis=1)
        g = log_q - jax.nn.logsumexp(f[:, None] - scaled, axis=0)
    kernel = jnp.exp(f[:, None] + g - scaled)

    def body(state):
        _, v, n, _ = state
        u_new = p / jnp.maximum(kernel @ v, _TINY)
        v_new = q / jnp.maximum(u_new @ kernel, _TINY)
        off = jnp.sum(jnp.abs(u_new * (kernel @ v_new) - p))
        return u_new, v_new, n + 1, off

    def going(state):
        return (state[3] > close) & (state[2] < n_rounds)

    start = (jnp.ones_like(p), jnp.ones_like(q), 0, jnp.asarray(jnp.inf, p.dtype))
    u, v, _, off = jax.lax.while_loop(going, body, start)
    return u[:, None] * kernel * v, g + _log(v), off


def _log(x: jax.Array) -> jax.Array:
    return jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1.0)), -jnp.inf)


def _forward(match, n_inner, n_outer):
    plan = _standing(match, n_inner, n_outer)
    return plan, (match, plan)


def _backward(n_inner, n_outer, kept, wanted):
    match, plan = kept
    rows, columns = jnp.sum(plan, axis=1), jnp.sum(plan, axis=0)
    p, q = jnp.where(rows > 0, rows, 1.0), jnp.where(columns > 0, columns, 1.0)
    # The potentials' part of the slope: one linear system in the potentials of the columns.
    # Constants are free, and those without mass stand alone.
    system = jnp.diag(q) - plan.T @ (plan / p[:, None]) + columns[:, None] * columns
    factors = jax.scipy.linalg.lu_factor(system)

    def through_sinkhorn(w):
        """Slope in the scaled cost of ``<w, plan>``."""
        weighed = plan * w
        by_row, by_column = jnp.sum(weighed, axis=1), jnp.sum(weighed, axis=0)
        b = jax.scipy.linalg.lu_solve(factors, by_column - plan.T @ (by_row / p))
        a = (by_row - plan @ b) / p
        return -plan * (w - a[:, None] - b)

    def scaled(plan, match):
        return linear_cost(plan, match) / match.epsilon

    _, back = jax.vjp(scaled, plan, match)
    close = 1e-11 if plan.dtype == jnp.float64 else 1e-5

    def body(state):
        w, _, n = state
        new = wanted + back(through_sinkhorn(w))[0]
        moved = jnp.sum(plan * jnp.abs(new - w)) / (jnp.sum(plan * jnp.abs(new)) + _TINY)
        return new, moved, n + 1

    def going(state):
        return (state[1] > close) & (state[2] < 300)

    start = (wanted, jnp.asarray(jnp.inf, plan.dtype), 0)
    w, _, _ = jax.lax.while_loop(going, body, start)
    slope = back(through_sinkhorn(w))[1]
    return (slope,)


_standing.defvjp(_forward, _backward)
