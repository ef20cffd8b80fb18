"""Principal axes with a gradient that stays finite where single axes have none."""

import jax
import jax.numpy as jnp


def principal_axes(covariance: jax.Array, n_axes: int) -> jax.Array:
    """The ``n_axes`` leading eigenvectors of a symmetric matrix, as columns, greatest first.

    Only the space that they span has a meaning: distances within it do not change when the axes
    turn among themselves. So the gradient leaves that turning out and is finite where leading
    eigenvalues are equal; it is large only where the last kept and the first left out are close.

    Gradients: right for whatever depends on the space alone, such as distances between projected
    points; not for a single axis.
    Cost: O(features^3) time, O(features^2) memory.
    """
    values, axes = jnp.linalg.eigh(jax.lax.stop_gradient(covariance))
    values, axes = values[::-1], axes[:, ::-1]
    kept, left = axes[:, :n_axes], axes[:, n_axes:]
    if not left.shape[1]:
        return kept
    gap = values[:n_axes][None, :] - values[n_axes:][:, None]
    # Two axes of no variance: nothing is projected on either.
    meant = gap > 1e-7 * jnp.maximum(values[0], 1e-30)
    share = jnp.where(meant, 1.0 / jnp.where(meant, gap, 1.0), 0.0)
    # First-order perturbation of the kept axes out of their space: zero now, with a slope.
    moved = covariance - jax.lax.stop_gradient(covariance)
    return kept + left @ (share * (left.T @ moved @ kept))
