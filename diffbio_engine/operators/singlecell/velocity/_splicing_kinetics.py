"""Splicing kinetics of genes: steady states, curves of unspliced and spliced, places on them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_POINTS = 24  # of a curve, in each of its two phases
_WHOLE = 4.0  # mean lifetimes that a phase is followed for


class Kinetics(NamedTuple):
    """Rates of each gene, (genes,), in one unit of time.

    ``du/dt = alpha - beta u`` until ``switch``, ``du/dt = -beta u`` after it, and
    ``ds/dt = beta u - gamma s``, from nothing.
    """

    alpha: jax.Array
    beta: jax.Array
    gamma: jax.Array
    switch: jax.Array


class Placed(NamedTuple):
    """Where cells lie along each gene's curve, (cells, genes).

    Attributes:
        phase: 0 to 1 while transcribed, 1 to 2 after.
        on: How surely the gene is being transcribed.
        misfit: Free energy of the squared distance, in noise units: soft distance to the curve.
    """

    phase: jax.Array
    on: jax.Array
    misfit: jax.Array


def steady_state(
    spliced: jax.Array, unspliced: jax.Array, share: float = 0.05
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Ratio gamma / beta of each gene, what is unspliced at its top, and the share explained.

    The slope through the origin of the cells whose ``s / max s + u / max u`` is among the highest
    ``share``: those are at the end of a phase of transcription, where ``ds/dt = 0``.

    References:
        La Manno et al. (2018), RNA velocity of single cells, Nature 560.
        Bergen et al. (2020), Generalizing RNA velocity to transient cell states, Nature
        Biotechnology 38.
    """
    tops = [jnp.max(x, axis=0) for x in (spliced, unspliced)]
    scale = [jnp.where(top == 0, 1.0, jnp.maximum(top, 1e-3)) for top in tops]
    both = jax.lax.stop_gradient(spliced / scale[0] + unspliced / scale[1])
    extreme = both >= jnp.quantile(both, 1.0 - share, axis=0)
    square = jnp.sum(extreme * spliced**2, axis=0)
    ratio = jnp.sum(extreme * spliced * unspliced, axis=0) / jnp.where(square > 0, square, 1.0)
    top = jnp.sum(extreme * unspliced, axis=0) / jnp.maximum(jnp.sum(extreme, axis=0), 1)
    left = jnp.sum((unspliced - ratio * spliced) ** 2, axis=0)
    spread = jnp.sum((unspliced - jnp.mean(unspliced, axis=0)) ** 2, axis=0)
    explained = 1.0 - left / jnp.where(spread > 0, spread, 1.0)
    return ratio, top, jnp.where(spread > 0, explained, 0.0)


def start_of_kinetics(ratio: jax.Array, top: jax.Array) -> Kinetics:
    """Rates that have this steady state, in units of each gene's splicing time."""
    gamma = jnp.maximum(ratio, 1e-3)
    beta = jnp.ones_like(gamma)
    return Kinetics(jnp.maximum(top, 1e-6), beta, gamma, 3.0 / jnp.minimum(beta, gamma))


def in_time_of(beta: jax.Array, kinetics: Kinetics) -> Kinetics:
    """The same curves, run through ``beta`` times as fast: only speed along them tells it."""
    alpha, splicing, gamma, switch = kinetics
    return Kinetics(alpha * beta, splicing * beta, gamma * beta, switch / beta)


def after(
    kinetics: Kinetics, alpha: jax.Array, unspliced: jax.Array, spliced: jax.Array, time: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Unspliced and spliced after ``time`` at constant transcription ``alpha``, exactly.

    ``u = u0 e^(-bt) + a/b (1 - e^(-bt))`` and
    ``s = s0 e^(-gt) + a/g (1 - e^(-gt)) + (a - b u0) (e^(-gt) - e^(-bt)) / (g - b)``, with the
    last fraction as its limit ``-t e^(-bt)`` where the rates are equal.
    """
    _, beta, gamma, _ = kinetics
    spliced_away, degraded = jnp.exp(-beta * time), jnp.exp(-gamma * time)
    # Through the slower of the two, so that nothing overflows; the fraction is symmetric in them.
    apart = -jnp.abs(beta - gamma) * time
    near = apart > -1e-3
    safe = jnp.where(near, -1.0, apart)
    # (e^x - 1) / x, by its series where x is small.
    slope = jnp.where(near, 1.0 + apart / 2.0 + apart**2 / 6.0, jnp.expm1(safe) / safe)
    mixed = -time * jnp.exp(-jnp.minimum(beta, gamma) * time) * slope
    u = unspliced * spliced_away + alpha / beta * (1.0 - spliced_away)
    s = spliced * degraded + alpha / gamma * (1.0 - degraded)
    return u, s + (alpha - beta * unspliced) * mixed


def curve(kinetics: Kinetics) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Points of each gene's curve: unspliced, spliced (points, genes) and their phase (points,)."""
    alpha, beta, gamma, switch = kinetics
    # Squares: a phase begins fast and ends slowly.
    part = (jnp.linspace(0.0, 1.0, _POINTS) ** 2)[:, None]
    nothing = jnp.zeros_like(alpha)
    rising = after(kinetics, alpha, nothing, nothing, part * switch)
    top = rising[0][-1], rising[1][-1]
    falling = after(kinetics, nothing, *top, part * (_WHOLE / jnp.minimum(beta, gamma)))
    even = jnp.linspace(0.0, 1.0, _POINTS)
    phase = jnp.concatenate([even, 1.0 + even])
    unspliced, spliced = (jnp.concatenate(pair) for pair in zip(rising, falling, strict=True))
    return unspliced, spliced, phase


def place(
    kinetics: Kinetics,
    unspliced: jax.Array,
    spliced: jax.Array,
    noise: jax.Array,
    temperature: jax.Array,
) -> Placed:
    """Projects cells on each gene's curve, softly among its points.

    ``share_k ~ exp(-d_k^2 / temperature)`` with the distance in units of ``noise``, (2, genes) of
    unspliced and spliced. One point of the curve is looked at a time: O(cells * genes) memory.
    """
    us, ss, phases = curve(kinetics)
    points = us / noise[0], ss / noise[1], phases
    u, s = unspliced / noise[0], spliced / noise[1]

    def square(point: tuple[jax.Array, ...]) -> jax.Array:
        return (u - point[0]) ** 2 + (s - point[1]) ** 2

    def nearer(best: jax.Array, point: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        return jnp.minimum(best, square(point)), None

    fixed = jax.lax.stop_gradient(points)
    least, _ = jax.lax.scan(nearer, jnp.full(u.shape, jnp.inf, u.dtype), fixed)
    least = jax.lax.stop_gradient(least)

    def add(sums: tuple[jax.Array, ...], point: tuple[jax.Array, ...]) -> tuple[Any, None]:
        weight = jnp.exp((least - square(point)) / temperature)
        whole, phase, on = sums
        return (whole + weight, phase + weight * point[2], on + weight * (point[2] <= 1.0)), None

    nothing = jnp.zeros(u.shape, u.dtype)
    (whole, phase, on), _ = jax.lax.scan(add, (nothing, nothing, nothing), points)
    misfit = least - temperature * jnp.log(whole / len(phases))
    return Placed(phase / whole, on / whole, misfit)


def spread_of(values: jax.Array) -> jax.Array:
    """Standard deviation of each gene, 1 where it does not vary."""
    variance = jnp.var(values, axis=0)
    return jnp.sqrt(jnp.where(variance > 0, variance, 1.0))
