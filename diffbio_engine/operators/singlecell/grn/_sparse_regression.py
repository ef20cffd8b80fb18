"""Sparse linear regression of many targets on the same few regulators, from their covariances.

For each target ``g`` the elastic net

``min over w of 1/2 w' C w - w' c_g + lambda (ratio |w|_1 + (1 - ratio)/2 |w|_2^2)``

with the covariances ``C`` among regulators, (regulators, regulators), and ``c_g`` of these with
the target. The cells are only needed for the covariances, so any number of them can be streamed.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine import soft_ops


@dataclass(frozen=True)
class Penalty:
    """How much strengths cost: all of it, and the share of it that is absolute values."""

    strength: float
    l1_ratio: float = 1.0

    @property
    def absolute(self) -> float:
        return self.strength * self.l1_ratio

    @property
    def squared(self) -> float:
        return self.strength * (1.0 - self.l1_ratio)


def chance_strength(n_cells: int, shape: tuple[int, ...], chance_edges: float | None) -> float:
    """Correlation beyond which chance makes so many of all edges, from ``n_cells`` cells.

    ``Phi^-1(1 - chance_edges / (2 edges)) / sqrt(n)``: without an edge, the covariance of
    standardised genes is normal about 0 with that spread (less, where others explain the gene).

    Args:
        shape: Regulators and genes.
        chance_edges: None: 0, every edge counts.
    """
    if chance_edges is None:
        return 0.0
    share = min(chance_edges / (2.0 * max(math.prod(shape), 1)), 0.5)
    return NormalDist().inv_cdf(1.0 - share) / math.sqrt(max(n_cells, 1))


def soft_threshold(
    x: jax.Array, threshold: float | jax.Array, softness: float | jax.Array
) -> jax.Array:
    """``sign(x) max(|x| - threshold, 0)``, edge rounded: ``s(x - threshold) - s(-x - threshold)``.

    ``s(z) = softness log(1 + exp(z / softness))``, the soft ``relu``. Odd, rising, and its slope is
    never above 1, so it is the proximal map of a convex penalty.

    Hard limit: soft thresholding as ``softness`` goes to 0.
    Gradients: everywhere; at 0 ``2 / (1 + exp(threshold / softness))``.
    """
    above = soft_ops.relu(x - threshold, softness=softness)
    return above - soft_ops.relu(-x - threshold, softness=softness)


def sparse_weights(
    among: np.ndarray,
    across: np.ndarray,
    allowed: np.ndarray,
    penalty: Penalty,
    *,
    tolerance: float = 1e-7,
    most_steps: int = 20_000,
) -> np.ndarray:
    """The elastic net of every target, (regulators, targets), to a given precision.

    Accelerated proximal gradient with a restart of a target's momentum where it goes uphill. It
    ends when no weight moves the gradient condition by more than ``tolerance`` (covariances of
    standardised genes, so that is in units of a correlation).

    Args:
        among: Covariances of the regulators, (regulators, regulators).
        across: Covariances of regulators and targets, (regulators, targets).
        allowed: Where a weight may differ from 0, (regulators, targets).

    Cost: O(regulators^2 * targets) time a step, O(regulators * targets) memory.
    """
    among = np.asarray(among, np.float64)
    found = np.zeros(across.shape)
    step = 1.0 / max(_greatest(among) + penalty.squared, 1e-12)
    open_targets = np.arange(across.shape[1])
    now = np.zeros(across.shape)
    ahead, pace = now.copy(), np.ones(across.shape[1])
    aim, may = np.asarray(across, np.float64), np.asarray(allowed, bool)
    for count in range(most_steps):
        slope = among @ ahead - aim + penalty.squared * ahead
        moved = _threshold(ahead - step * slope, step * penalty.absolute) * may
        change = moved - now
        uphill = np.einsum("fg,fg->g", ahead - moved, change) > 0
        later = np.where(uphill, 1.0, 0.5 * (1 + np.sqrt(1 + 4 * pace**2)))
        ahead = moved + np.where(uphill, 0.0, (pace - 1) / later) * change
        now, pace = moved, later
        if count % 20 == 19:
            left = _misses(among, aim, now, may, penalty)
            found[:, open_targets] = now
            still = left > tolerance
            if not still.any():
                break
            if still.mean() < 0.7:  # the targets that are done no longer cost time
                open_targets, pace = open_targets[still], pace[still]
                now, ahead, aim, may = now[:, still], ahead[:, still], aim[:, still], may[:, still]
    return found


def _greatest(among: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(among)[-1])


def _threshold(x: np.ndarray, threshold: float) -> np.ndarray:
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


def _misses(
    among: np.ndarray, aim: np.ndarray, weights: np.ndarray, may: np.ndarray, penalty: Penalty
) -> np.ndarray:
    """How far each target is from its optimality conditions."""
    pull = aim - among @ weights - penalty.squared * weights
    on = np.abs(pull - penalty.absolute * np.sign(weights))
    off = np.maximum(np.abs(pull) - penalty.absolute, 0.0)
    return (np.where(weights != 0, on, off) * may).max(axis=0)


def traced_weights(
    among: jax.Array, across: jax.Array, allowed: jax.Array, penalty: Penalty, n_steps: int = 500
) -> jax.Array:
    """The same for a traced function: a fixed number of steps, then the exact weights.

    Which weights are not 0, and their signs, are a choice; given these the weights solve linear
    equations, and so the gradient is that of the elastic net itself, not of the steps.
    """
    step = 1.0 / jnp.maximum(jnp.linalg.norm(jax.lax.stop_gradient(among)) + penalty.squared, 1e-9)
    fixed_among, fixed_across = jax.lax.stop_gradient((among, across))

    def move(
        state: tuple[jax.Array, jax.Array, jax.Array], _: None
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        now, ahead, pace = state
        raised = ahead - step * (fixed_among @ ahead - fixed_across + penalty.squared * ahead)
        kept = jax.nn.relu(jnp.abs(raised) - step * penalty.absolute)
        moved = jnp.where(allowed, jnp.sign(raised) * kept, 0.0)
        uphill = jnp.sum((ahead - moved) * (moved - now), axis=0) > 0
        later = jnp.where(uphill, 1.0, 0.5 * (1 + jnp.sqrt(1 + 4 * pace**2)))
        ahead = moved + jnp.where(uphill, 0.0, (pace - 1) / later) * (moved - now)
        return (moved, ahead, later), None

    start = jnp.zeros_like(across)
    (found, _, _), _ = jax.lax.scan(
        move, (start, start, jnp.ones(across.shape[1], across.dtype)), None, length=n_steps
    )
    found = jax.lax.stop_gradient(found)
    active = found != 0
    aim = jnp.where(active, across - penalty.absolute * jnp.sign(found), 0.0)

    def equations(weights: jax.Array) -> jax.Array:
        inside = jnp.where(active, weights, 0.0)
        pulled = among @ inside + penalty.squared * inside
        return jnp.where(active, pulled, weights)

    tolerance = 1e-12 if across.dtype == jnp.float64 else 1e-6
    exact, _ = jax.scipy.sparse.linalg.cg(equations, aim, x0=found, tol=tolerance, maxiter=300)
    return jnp.where(active, exact, 0.0)
