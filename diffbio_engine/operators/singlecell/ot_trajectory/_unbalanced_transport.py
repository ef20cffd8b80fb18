"""Transport between two groups of cells whose masses may grow: entropic, in the log domain."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from diffbio_engine import soft_ops
from diffbio_engine.parts.diffusion import squared_distances

_NOTHING = -1e9  # the logarithm of no mass, that gradients can pass
_NEWTON_STEPS = 12


class Passage(NamedTuple):
    """How the cells of one time point go to those of the next, for any cell to be placed.

    Attributes:
        source, target: Places of the cells that the plan joins, (m, d) and (n, d).
        log_source, log_target: Logarithms of their masses; the source's as last iterated.
        scale: The median squared distance, by which costs are divided.
        back: Dual potential of the sources, (m,).
        onward: Dual potentials of the targets, one row for each iteration of growth, (K, n).
        log_means: Logarithm of the mean growth in each iteration, (K,).
    """

    source: jax.Array
    target: jax.Array
    log_source: jax.Array
    log_target: jax.Array
    scale: jax.Array
    back: jax.Array
    onward: jax.Array
    log_means: jax.Array


class Strengths(NamedTuple):
    """Of the entropy, and of keeping to the masses of the sources and of the targets."""

    entropy: jax.Array
    source: jax.Array
    target: jax.Array


def soft_transform(
    cost: jax.Array, log_mass: jax.Array, potential: jax.Array, entropy: jax.Array, keep: jax.Array
) -> jax.Array:
    """The best potential of each row against those of the columns.

    ``-keep / (keep + e) * e log sum_j mass_j exp((potential_j - cost_ij) / e)``; as ``e`` goes to
    0 and ``keep`` to infinity it is ``min_j cost_ij - potential_j``.
    """
    inside = entropy * log_mass + potential - cost
    return -soft_ops.logsumexp_max(inside, axis=1, softness=entropy) / (1.0 + entropy / keep)


def _round(
    cost: jax.Array, log_a: jax.Array, log_b: jax.Array, strengths: Strengths, back: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """One sweep: potentials of the columns against ``back``, then of the rows against those."""
    entropy = strengths.entropy
    onward = soft_transform(cost.T, log_a, back, entropy, strengths.target)
    return soft_transform(cost, log_b, onward, entropy, strengths.source), onward


def log_plan(
    cost: jax.Array,
    log_a: jax.Array,
    log_b: jax.Array,
    back: jax.Array,
    onward: jax.Array,
    entropy: jax.Array,
) -> jax.Array:
    """Logarithm of how much mass goes from each row to each column."""
    return log_a[:, None] + log_b + (back[:, None] + onward - cost) / entropy


def _undo(log_p: jax.Array, kept: jax.Array, right: jax.Array, power: float) -> jax.Array:
    """Solves ``(I - J) x = right`` (``power`` 0.5) or its transpose (-0.5), ``J`` of one sweep.

    ``J = kept D_r^-1 P D_c^-1 P'`` is symmetric between roots of the row masses, so conjugate
    gradients solve it in some ten products with the plan.
    """
    rows = jax.nn.logsumexp(log_p, axis=1)
    columns = jax.nn.logsumexp(log_p, axis=0)
    real = rows > 0.5 * _NOTHING
    middle = jnp.exp(log_p - 0.5 * jnp.where(real, rows, 0.0)[:, None] - 0.5 * columns)
    root = jnp.exp(power * jnp.where(real, rows - jnp.max(rows), 0.0))
    exact = right.dtype == jnp.float64
    solved, _ = cg(
        lambda x: x - kept * (middle @ (x @ middle)),
        jnp.where(real, root * right, 0.0),
        tol=1e-12 if exact else 1e-6,
        maxiter=500,
    )
    return jnp.where(real, solved / root, right)


def _kept(strengths: Strengths) -> jax.Array:
    e = strengths.entropy
    return 1.0 / ((1.0 + e / strengths.source) * (1.0 + e / strengths.target))


def _newton(
    cost: jax.Array, log_a: jax.Array, log_b: jax.Array, strengths: Strengths, start: jax.Array
) -> jax.Array:
    """From sweeps that are near the end to the end; a step that leads away is a sweep instead."""
    real = log_a > 0.5 * _NOTHING
    limit = 1e-13 if start.dtype == jnp.float64 else 1e-6

    def left(back: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        swept, onward = _round(cost, log_a, log_b, strengths, back)
        apart = jnp.where(real, swept - back, 0.0)
        return apart, onward, jnp.max(jnp.abs(apart))

    def step(carry: tuple) -> tuple:
        number, back, apart, onward, size = carry
        log_p = log_plan(cost, log_a, log_b, back, onward, strengths.entropy)
        tried = back + _undo(log_p, _kept(strengths), apart, 0.5)
        tried_left = left(tried)
        better = tried_left[2] < size
        swept = jnp.where(real, back + apart, back)
        back = jnp.where(better, tried, swept)
        chosen = jax.tree.map(lambda a, b: jnp.where(better, a, b), tried_left, left(swept))
        return number + 1, back, *chosen

    def goes_on(carry: tuple) -> jax.Array:
        return (carry[0] < _NEWTON_STEPS) & (carry[4] > limit)

    found = jax.lax.while_loop(goes_on, step, (0, start, *left(start)))
    return _round(cost, log_a, log_b, strengths, found[1])[0]


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def row_potentials(
    cost: jax.Array, log_a: jax.Array, log_b: jax.Array, strengths: Strengths, n_sweeps: int
) -> jax.Array:
    """Potentials of the rows in ``min <P, C> + e KL(P | ab) + k1 KL(P1 | a) + k2 KL(P'1 | b)``.

    ``n_sweeps`` of Sinkhorn, with an entropy that falls to ``e``, then Newton's method to the end,
    so that the gradient may be that of the end itself: one more linear system, no sweep unrolled.
    """
    first = jnp.maximum(jnp.max(jnp.abs(cost)), strengths.entropy)

    def sweep(number: jax.Array, back: jax.Array) -> jax.Array:
        entropy = jnp.maximum(strengths.entropy, first * 0.8**number)
        return _round(cost, log_a, log_b, strengths._replace(entropy=entropy), back)[0]

    start = jax.lax.fori_loop(0, n_sweeps, sweep, jnp.zeros_like(log_a))
    return _newton(cost, log_a, log_b, strengths, start)


def _forward(
    cost: jax.Array, log_a: jax.Array, log_b: jax.Array, strengths: Strengths, n_sweeps: int
) -> tuple[jax.Array, tuple]:
    back = row_potentials(cost, log_a, log_b, strengths, n_sweeps)
    return back, (cost, log_a, log_b, strengths, back)


def _reverse(n_sweeps: int, kept: tuple, slope: jax.Array) -> tuple:
    cost, log_a, log_b, strengths, back = kept
    _, onward = _round(cost, log_a, log_b, strengths, back)
    log_p = log_plan(cost, log_a, log_b, back, onward, strengths.entropy)
    _, pull = jax.vjp(lambda c, a, b, s: _round(c, a, b, s, back)[0], cost, log_a, log_b, strengths)
    return pull(_undo(log_p, _kept(strengths), slope, -0.5))


row_potentials.defvjp(_forward, _reverse)


def passage(
    source: jax.Array,
    target: jax.Array,
    source_mass: jax.Array,
    target_mass: jax.Array,
    prior: jax.Array,
    *,
    strengths: Strengths,
    n_sweeps: int,
    n_growth: int,
) -> Passage:
    """The plan from ``source`` to ``target``, its growth iterated.

    Args:
        source_mass, target_mass: 0 for rows that do not count; else any masses.
        prior: Growth that is expected of each source.
        n_growth: How often the masses of the rows become the next ones to keep to.
    """
    log_from, log_to = _log_shares(source_mass), _log_shares(target_mass)
    real = source_mass > 0
    cost, scale = relative_cost(source, target, real, target_mass > 0)
    log_growth = jnp.log(prior)
    log_prior = jax.nn.logsumexp(log_growth + log_from)

    def grow(log_growth: jax.Array, _: None) -> tuple[jax.Array, tuple]:
        log_a = log_from + log_growth
        back = row_potentials(cost, log_a, log_to, strengths, n_sweeps)
        # Rows that do not count have a potential too; nothing may depend on it.
        back = jnp.where(real, back, 0.0)
        onward = soft_transform(cost.T, log_a, back, strengths.entropy, strengths.target)
        grown = log_growth - back / strengths.source
        log_mean = jax.nn.logsumexp(grown + log_from)
        return grown - log_mean, (log_a, back, onward, log_mean)

    start = log_growth - log_prior
    _, (log_as, backs, onwards, log_means) = jax.lax.scan(grow, start, length=n_growth)
    log_means = log_means.at[0].add(log_prior)
    return Passage(source, target, log_as[-1], log_to, scale, backs[-1], onwards, log_means)


def joined(
    source: jax.Array,
    target: jax.Array,
    prior: jax.Array,
    strengths: Strengths,
    n_sweeps: int,
    n_growth: int,
) -> tuple[jax.Array, jax.Array]:
    """The plan between all rows, each with the same mass, and the mean place of each one's share.

    Returns:
        (sources, targets) and (sources, features).
    """
    ones = jnp.ones(len(source)), jnp.ones(len(target))
    way = passage(
        source, target, *ones, prior, strengths=strengths, n_sweeps=n_sweeps, n_growth=n_growth
    )
    cost, _ = relative_cost(source, target, ones[0] > 0, ones[1] > 0)
    # A plan holds its rows exactly, once the potentials of the rows answer those of the columns.
    back = soft_transform(cost, way.log_target, way.onward[-1], strengths.entropy, strengths.source)
    potentials = back, way.onward[-1]
    plan = jnp.exp(log_plan(cost, way.log_source, way.log_target, *potentials, strengths.entropy))
    return plan, (plan @ target) / jnp.sum(plan, axis=1, keepdims=True)


def relative_cost(
    source: jax.Array, target: jax.Array, real_source: jax.Array, real_target: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Squared distances divided by the median of those that count, and that median."""
    square = squared_distances(source, target)
    counts = real_source[:, None] & real_target
    median = jnp.nanmedian(jnp.where(counts, square, jnp.nan))
    scale = jnp.where(jnp.nan_to_num(median) > 0, median, 1.0)
    return jnp.where(counts, square, 0.0) / scale, scale


def onward(cells: jax.Array, way: Passage, strengths: Strengths) -> tuple[jax.Array, jax.Array]:
    """Of any cells at the source: logarithm of their growth, and the shares of the targets.

    The growth (prior apart) is relative to the mean of the sources; the shares (cells, n) add up
    to one: a cell's row of the plan, were it among the sources.
    """
    cost = squared_distances(cells, way.target) / way.scale
    entropy, keep = strengths.entropy, strengths.source
    log_growth = jnp.zeros(len(cells), cost.dtype)
    for row in range(way.onward.shape[0]):
        back = soft_transform(cost, way.log_target, way.onward[row], entropy, keep)
        log_growth = log_growth - back / keep - way.log_means[row]
    return log_growth, _shares(cost, way.log_target, way.onward[-1], entropy)


def backward(cells: jax.Array, way: Passage, strengths: Strengths) -> jax.Array:
    """Of any cells at the target: the shares of the sources that they come from, (cells, m)."""
    cost = squared_distances(cells, way.source) / way.scale
    return _shares(cost, way.log_source, way.back, strengths.entropy)


def _shares(
    cost: jax.Array, log_mass: jax.Array, potential: jax.Array, entropy: jax.Array
) -> jax.Array:
    inside = potential - cost + entropy * log_mass
    top = soft_ops.logsumexp_max(inside, axis=1, keepdims=True, softness=entropy)
    return jnp.exp((inside - top) / entropy)


def _log_shares(mass: jax.Array) -> jax.Array:
    """Logarithms of masses that add up to one; where there is none at all, all are equal."""
    total = jnp.sum(mass)
    mass = jnp.where(total > 0, mass, 1.0)
    return jnp.where(mass > 0, jnp.log(jnp.where(mass > 0, mass, 1.0) / jnp.sum(mass)), _NOTHING)
