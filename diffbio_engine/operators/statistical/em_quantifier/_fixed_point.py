"""Expected counts at which assigning fragments again changes nothing, and their derivatives."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, polygamma

from diffbio_engine.operators.statistical.em_quantifier._compatibility import Compatibility

_LEAST = 1e-30  # of a count whose logarithm is taken
_MOST_SOLVING = 200
# Steps that SQUAREM extrapolates at most: longer ones jump between the optima of a Dirichlet prior.
_LONGEST = 16.0
_STEPS_OF_A_CYCLE = 3


class Found(NamedTuple):
    """Expected counts (transcripts,), and log-likelihoods a fragment as the cycles went on."""

    counts: jax.Array
    path: jax.Array


def log_levels(counts: jax.Array, prior: float) -> jax.Array:
    """How common each transcript is, as the E-step wants it, up to a constant.

    ``log n`` of expectation-maximisation; with a Dirichlet prior the mean logarithm under the
    posterior, ``digamma(n + prior)`` (variational Bayes), which is far lower where n is small.
    """
    return digamma(counts + prior) if prior else jnp.log(jnp.maximum(counts, _LEAST))


def fixed_point(
    problem: Compatibility,
    start: jax.Array,
    temperature: jax.Array,
    prior: float,
    n_iterations: int,
    tolerance: float = 0.0,
) -> Found:
    """Iterates until a step moves no more than this share of all fragments (0: than is rounded), or
    to the last step; no gradients.

    SQUAREM (scheme S3) on the logarithms of the counts: a cycle is two steps, an extrapolation by
    ``|r| / |v|`` of them, and a step from there. A logarithm cannot become negative, and what
    shrinks by a factor with each step is extrapolated as what it is.
    """
    problem, start, temperature = jax.lax.stop_gradient((problem, start, temperature))
    n_cycles = -(-n_iterations // _STEPS_OF_A_CYCLE)
    n_fragments = jnp.maximum(jnp.sum(start), 1.0)
    tolerance = max(tolerance, 2 * float(jnp.finfo(start.dtype).eps))

    def step(counts: jax.Array) -> jax.Array:
        return problem.assigned(log_levels(counts, prior), temperature)

    def log(counts: jax.Array) -> jax.Array:
        return jnp.log(jnp.maximum(counts, _LEAST))

    def cycle(state: tuple[Any, ...]) -> tuple[Any, ...]:
        counts, path, done, _ = state
        first = step(counts)
        second = step(first)
        before, after = log(counts), log(second)
        r = log(first) - before
        v = after - log(first) - r
        length = jnp.linalg.norm(r) / jnp.maximum(jnp.linalg.norm(v), _LEAST)
        length = jnp.clip(length, 1.0, _LONGEST)
        ahead = before + 2 * length * r + length**2 * v
        # One step from there brings back all fragments, and what was extrapolated too far.
        best = step(jnp.exp(jnp.clip(ahead, jnp.log(_LEAST), jnp.log(n_fragments) + 2)))
        moved = jnp.sum(jnp.abs(first - counts)) / n_fragments
        path = path.at[done].set(problem.log_likelihood_each(best))
        return best, path, done + 1, moved

    def goes_on(state: tuple[Any, ...]) -> jax.Array:
        _, _, done, moved = state
        return (done < n_cycles) & (moved > tolerance)

    begin: tuple[Any, ...] = (
        start,
        jnp.zeros(n_cycles, start.dtype),
        0,
        jnp.asarray(jnp.inf, start.dtype),
    )
    counts, path, done, _ = jax.lax.while_loop(goes_on, cycle, begin)
    return Found(counts, jnp.where(jnp.arange(n_cycles) < done, path, path[done - 1]))


def with_derivatives(
    problem: Compatibility, counts: jax.Array, temperature: jax.Array, prior: float
) -> jax.Array:
    """The same counts with the derivatives of a fixed point, ``(1 - J)^-1 dF``.

    ``J = M G``: M, the covariance of who has the fragments, is symmetric, and G, the derivative of
    the levels over the temperature, is diagonal. So ``G^(1/2)`` makes ``1 - J`` symmetric, and
    conjugate gradients solve it, forward and backward, by passes over the memberships.
    """
    fixed = jax.lax.stop_gradient(temperature)
    held = jax.lax.stop_gradient(problem)
    shares = held.shares(log_levels(counts, prior), fixed)
    slope = polygamma(1, counts + prior) if prior else 1 / jnp.maximum(counts, _LEAST)
    root = jnp.sqrt(slope / fixed)

    def covariance(x: jax.Array) -> jax.Array:
        members = held.of_members(x)
        mean = held.by_class(shares * members)
        moved = shares * (members - held.of_own_class(mean)) * held.of_own_class(held.counts)
        return held.by_transcript(moved, len(x))

    def symmetric(x: jax.Array) -> jax.Array:
        return x - root * covariance(root * x)

    def solved(x: jax.Array) -> jax.Array:
        tolerance = float(jnp.finfo(x.dtype).eps) ** 0.8
        return jax.scipy.sparse.linalg.cg(symmetric, x, tol=tolerance, maxiter=_MOST_SOLVING)[0]

    again = problem.assigned(log_levels(counts, prior), temperature)
    moved = again - jax.lax.stop_gradient(again)  # nothing, but with derivatives
    change = jax.lax.custom_linear_solve(
        lambda x: x - covariance(slope / fixed * x),
        moved,
        solve=lambda _, b: solved(root * b) / root,
        transpose_solve=lambda _, b: root * solved(b / root),
    )
    return counts + change
