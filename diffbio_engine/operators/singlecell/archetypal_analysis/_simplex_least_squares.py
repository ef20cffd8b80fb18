"""Points as mixtures of a few corners: shares that add up to 1, by least squares.

The hard shares ``argmin over s >= 0, sum s = 1 of |x - s A|^2 / 2`` are those of the point of the
corners' hull that is nearest to ``x``; many are exactly 0. The soft ones add
``temperature * sum s log s``, which keeps every share above 0.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops

_LOWERINGS = 40  # steps in which the temperature falls to the one that is asked for
_SETTLING = 10  # Newton steps at that temperature
_LEAST = 1e-12  # a share below this is not told from 0


def onto_simplex(x: jax.Array) -> jax.Array:
    """The nearest shares to each row, by squared distance; exact."""
    return soft_ops.argmax(x, axis=-1, softness=1.0, mode="c0", standardize=False)


def hard_shares(points: jax.Array, corners: jax.Array, start: jax.Array, n_steps: int) -> jax.Array:
    """Shares of each point in the corners, (points, corners), by accelerated projected gradient.

    Cost: O(points * corners^2) a step.
    """
    gram, aim = corners @ corners.T, points @ corners.T
    return _descend(lambda shares: shares @ gram - aim, start, largest_eigenvalue(gram), n_steps)


def mixing_weights(
    points: jax.Array, shares: jax.Array, cells: jax.Array, start: jax.Array, n_steps: int
) -> jax.Array:
    """Corners as mixtures of cells: ``C`` that makes ``|points - shares C cells|^2`` small.

    Args:
        cells: Of which the corners are made, (cells, features).
        start: (corners, cells), rows that add up to 1.

    Cost: O(corners * cells * features) a step.
    """
    inner, aim = shares.T @ shares, shares.T @ points

    def slope(weights: jax.Array) -> jax.Array:
        return (inner @ (weights @ cells) - aim) @ cells.T

    steep = largest_eigenvalue(inner) * _largest_of_rows(cells)
    return _descend(slope, start, steep, n_steps)


def _descend(
    slope: Callable[[jax.Array], jax.Array], start: jax.Array, steep: jax.Array, n_steps: int
) -> jax.Array:
    rate = 1.0 / jnp.maximum(steep, 1e-12)

    def move(state: tuple[jax.Array, jax.Array], pace: jax.Array) -> tuple[tuple, None]:
        now, ahead = state
        moved = onto_simplex(ahead - rate * slope(ahead))
        return (moved, moved + pace * (moved - now)), None

    paces = jnp.arange(n_steps, dtype=start.dtype)
    (found, _), _ = jax.lax.scan(move, (start, start), paces / (paces + 3.0))
    return found


def largest_eigenvalue(gram: jax.Array) -> jax.Array:
    """Of a small symmetric matrix with no negative one, and about 2 % on top of it."""
    # Not eigvalsh: its gradient fails where eigenvalues are equal.
    return _largest_of_rows(gram) ** 0.5


def _largest_of_rows(rows: jax.Array) -> jax.Array:
    """Greatest eigenvalue of ``rows' rows``, by power iteration, and 5 % on top of it."""

    def again(vector: jax.Array, _: None) -> tuple[jax.Array, None]:
        turned = rows.T @ (rows @ vector)
        return turned / (jnp.sqrt(jnp.sum(turned**2)) + 1e-20), None

    # Not all ones: of centred data that may be no direction at all.
    start = jnp.cos(jnp.arange(rows.shape[1], dtype=rows.dtype)) + 1e-3
    vector, _ = jax.lax.scan(again, start / jnp.sqrt(jnp.sum(start**2)), None, length=20)
    return 1.05 * jnp.sum((rows @ vector) ** 2) + 1e-12


def soft_shares(points: jax.Array, corners: jax.Array, temperature: jax.Array) -> jax.Array:
    """Shares with an entropy: ``argmin of |x - s A|^2 / 2 + temperature * sum s log s``.

    Newton steps on the logarithms of the shares while the temperature falls from one at which all
    are equal. One more, alone, carries the gradient: that of the solution itself.

    Hard limit: `hard_shares` as ``temperature`` goes to 0; equal shares as it grows.
    Gradients: reach points, corners and the temperature, by the implicit function theorem.
    Cost: 50 steps of O(points * corners^3), O(points * corners^2) memory.
    """
    middle = jnp.mean(corners, axis=0)
    around, beside = corners - middle, points - middle
    gram, aim = around @ around.T, beside @ around.T
    # In units of the corners' own distances, so that numbers are of ordinary size.
    unit = jnp.maximum(jnp.trace(gram) / len(corners), 1e-12)
    gram, aim, temperature = gram / unit, aim / unit, temperature / unit
    fixed_gram, fixed_aim, last = jax.lax.stop_gradient((gram, aim, temperature))
    first = jnp.maximum(last, 1.0)
    falling = jnp.concatenate([jnp.linspace(0.0, 1.0, _LOWERINGS), jnp.ones(_SETTLING)])

    def step(shares: jax.Array, done: jax.Array) -> tuple[jax.Array, None]:
        now = first * (last / first) ** done
        change = _newton(shares, fixed_gram, fixed_aim, now)
        raised = shares * jnp.exp(jnp.clip(change / shares, -3.0, 3.0))
        raised = jnp.maximum(raised / jnp.sum(raised, axis=1, keepdims=True), _LEAST)
        return raised / jnp.sum(raised, axis=1, keepdims=True), None

    start = jnp.full(aim.shape, 1.0 / len(corners), aim.dtype)
    found, _ = jax.lax.scan(step, start, falling.astype(aim.dtype))
    found = jax.lax.stop_gradient(found)
    moved = _newton(found, gram, aim, temperature)
    # Zero now, up to rounding, with a slope; what is left of it must not make a share negative.
    return found + moved - jax.lax.stop_gradient(moved)


def _newton(
    shares: jax.Array, gram: jax.Array, aim: jax.Array, temperature: jax.Array
) -> jax.Array:
    """The Newton step of the shares, which keeps their sum."""
    root = jnp.sqrt(shares)
    slope = shares @ gram - aim + temperature * jnp.log(shares)
    slope = slope - jnp.sum(shares * slope, axis=1, keepdims=True)
    curve = root[:, :, None] * gram * root[:, None, :]
    curve = curve + temperature * jnp.eye(shares.shape[1], dtype=shares.dtype)
    sides = jnp.stack([root * slope, root], axis=-1)
    solved = root[:, :, None] * jnp.linalg.solve(curve, sides)
    down, even = solved[..., 0], solved[..., 1]
    held = jnp.sum(down, axis=1, keepdims=True) / jnp.sum(even, axis=1, keepdims=True)
    return held * even - down
