"""Fits an S-curve over time to every gene: least squares, all genes of a chunk at once.

``mean(t) = base + amplitude / (1 + exp(-slope (t - place)))`` with ``amplitude >= 0``; a gene that
falls has a negative slope. Started from the best of a grid of curves, whose amplitude and base are
those of linear regression, so no gene begins in the wrong valley; then Levenberg-Marquardt.

References:
    Golub and Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate.
    Marquardt (1963), An algorithm for least-squares estimation of nonlinear parameters.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

STEEPEST = 200.0
EARLIEST, LATEST = -1.0, 2.0
_SLOPES = (1.0, 2.0, 3.5, 5.0, 7.0, 10.0, 15.0, 20.0, 35.0, 50.0, 100.0, 200.0)
_PLACES = np.linspace(-0.5, 1.5, 61)
_STEPS = 80
_GROUPS = 2000
_NUMBERS_AT_ONCE = 2_000_000


class Switches(NamedTuple):
    """One number per gene each; ``place`` and ``slope`` in units of time from 0 to 1."""

    place: np.ndarray
    slope: np.ndarray
    amplitude: np.ndarray
    base: np.ndarray


def fit_switches(time: np.ndarray, expression: np.ndarray, *, with_base: bool) -> Switches:
    """The curve of least squares of each gene.

    Args:
        time: (cells,), from 0 to 1.
        expression: (cells, genes).
        with_base: Whether genes keep a level before the switch; else the curve starts at 0.

    More than 2000 cells are seen as 2000 groups of neighbours in time, each by its means: the
    spread within a group says nothing of the curve, and is the same for all curves.

    Cost: O(min(cells, 2000) * genes * 1500) time, a few million numbers of memory beyond the input.
    """
    time, expression, weight = _grouped(time, expression)
    n, n_genes = expression.shape
    size = max(1, min(n_genes, _NUMBERS_AT_ONCE // n))
    t, heft = jnp.asarray(time, jnp.float32), jnp.asarray(np.sqrt(weight), jnp.float32)
    parts = []
    for start in range(0, n_genes, size):
        chunk = np.asarray(expression[:, start : start + size], np.float32)
        missing = size - chunk.shape[1]  # filled up, so that one shape is compiled
        found = _fitted(t, jnp.pad(jnp.asarray(chunk), ((0, 0), (0, missing))), heft, with_base)
        parts.append(np.asarray(found)[:, : chunk.shape[1]])
    return Switches(*np.concatenate(parts, axis=1))


def _grouped(time: np.ndarray, expression: np.ndarray) -> tuple[np.ndarray, ...]:
    """Times, means and sizes of at most ``_GROUPS`` groups of cells, in order of time."""
    n = len(time)
    if n <= _GROUPS:
        return time, expression, np.ones(n)
    order = np.argsort(time, kind="stable")
    edges = np.linspace(0, n, _GROUPS + 1).astype(int)
    sizes = np.diff(edges)
    middle = np.add.reduceat(time[order], edges[:-1]) / sizes
    means = [expression[order[a:b]].mean(axis=0) for a, b in pairwise(edges)]
    return middle, np.stack(means), sizes.astype(float)


@partial(jax.jit, static_argnums=3)
def _fitted(t: jax.Array, y: jax.Array, heft: jax.Array, with_base: bool) -> jax.Array:
    """(4, genes): place, slope, amplitude, base. ``heft``: roots of the weights of the rows."""
    heft = heft[:, None]
    start = _best_of_grid(t, y, heft, with_base)
    sums = _squares(start, t, y, heft)

    def step(_: int, state: tuple) -> tuple:
        now, sums, damping = state
        wanted = now + _newton_step(now, t, y, heft, damping, with_base)
        wanted = wanted.at[0].set(jnp.clip(wanted[0], EARLIEST, LATEST))
        wanted = wanted.at[1].set(jnp.clip(wanted[1], -STEEPEST, STEEPEST))
        wanted = wanted.at[2].set(jnp.maximum(wanted[2], 0.0))
        new_sums = _squares(wanted, t, y, heft)
        better = new_sums < sums
        damping = jnp.clip(jnp.where(better, damping / 4, damping * 4), 1e-7, 1e7)
        return jnp.where(better, wanted, now), jnp.where(better, new_sums, sums), damping

    damping = jnp.full(y.shape[1], 1e-2)
    return jax.lax.fori_loop(0, _STEPS, step, (start, sums, damping))[0]


def _best_of_grid(t: jax.Array, y: jax.Array, heft: jax.Array, with_base: bool) -> jax.Array:
    slopes = np.concatenate([_SLOPES, -np.asarray(_SLOPES)])
    grid = jnp.asarray(np.stack(np.meshgrid(_PLACES, slopes), -1).reshape(-1, 2), t.dtype)
    curves = jax.nn.sigmoid(grid[:, 1] * (t[:, None] - grid[:, 0]))  # (cells, curves)
    share = heft**2 / jnp.sum(heft**2)
    middle = jnp.sum(share * curves, axis=0) if with_base else jnp.zeros(len(grid))
    level = jnp.sum(share * y, axis=0) if with_base else jnp.zeros(y.shape[1])
    apart = heft * (curves - middle)
    along = apart.T @ (heft * (y - level))  # (curves, genes)
    long = jnp.sum(apart**2, axis=0)[:, None] + 1e-12
    gain = jnp.where(along > 0, along**2 / long, -1.0)
    best = jnp.argmax(gain, axis=0)
    amplitude = jnp.maximum(jnp.take_along_axis(along / long, best[None], axis=0)[0], 0.0)
    return jnp.stack([grid[best, 0], grid[best, 1], amplitude, level - amplitude * middle[best]])


def _curve(found: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The S from 0 to 1, and the time since the switch; (cells, genes) each."""
    since = t[:, None] - found[0]
    return jax.nn.sigmoid(found[1] * since), since


def _squares(found: jax.Array, t: jax.Array, y: jax.Array, heft: jax.Array) -> jax.Array:
    return jnp.sum((heft * (y - found[3] - found[2] * _curve(found, t)[0])) ** 2, axis=0)


def _newton_step(
    now: jax.Array,
    t: jax.Array,
    y: jax.Array,
    heft: jax.Array,
    damping: jax.Array,
    with_base: bool,
) -> jax.Array:
    """Gauss and Newton's step, held back by the damping; (4, genes)."""
    curve, since = _curve(now, t)
    away = heft * (y - now[3] - now[2] * curve)
    steep = now[2] * curve * (1.0 - curve)
    slopes = [-steep * now[1], steep * since, curve]
    if with_base:
        slopes.append(jnp.ones_like(curve))
    sides = heft * jnp.stack(slopes)  # (parameters, cells, genes)
    square = jnp.einsum("ang,bng->gab", sides, sides)
    along = jnp.einsum("ang,ng->ga", sides, away)
    sizes = jnp.diagonal(square, axis1=1, axis2=2)
    held = square + (damping[:, None] * sizes + 1e-9)[:, :, None] * jnp.eye(len(slopes))
    found = jnp.linalg.solve(held, along[..., None])[..., 0].T
    return found if with_base else jnp.concatenate([found, jnp.zeros_like(found[:1])])
