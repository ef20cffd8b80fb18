"""Places in the plane: their distances, and the rigid motion that lays some on others."""

import jax
import jax.numpy as jnp


def plane_distances(places: jax.Array) -> jax.Array:
    """Euclidean distances between places, (places, places); their slope is 0 where places meet."""
    apart = places[:, None, :] - places[None, :, :]
    square = jnp.sum(apart * apart, axis=-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def spacing(distances: jax.Array, mass: jax.Array) -> jax.Array:
    """Distance from each place that has mass to the nearest other one; infinite without one."""
    takes_part = (mass[:, None] > 0) & (mass > 0) & (distances > 0)
    return jnp.min(jnp.where(takes_part, distances, jnp.inf), axis=1)


def lower_median(values: jax.Array, otherwise: float = 1.0) -> jax.Array:
    """The lower median of the finite values."""
    n = jnp.sum(jnp.isfinite(values))
    middle = jnp.sort(values)[jnp.maximum(n - 1, 0) // 2]
    return jnp.where(n > 0, jnp.where(jnp.isfinite(middle), middle, otherwise), otherwise)


def rigid_fit(
    fixed: jax.Array, moved: jax.Array, plan: jax.Array, *, may_mirror: bool
) -> tuple[jax.Array, jax.Array]:
    """Rotation (2, 2) and translation (2,) that make ``sum P_ij |x_i - (R y_j + t)|^2`` least.

    In the plane the best angle is that of a sum of complex products, so there is no singular
    value decomposition, whose slope breaks down where two values are equal.

    Args:
        may_mirror: Also consider laying the set on its face; then ``R`` may have determinant -1.
    """
    mass = jnp.maximum(jnp.sum(plan), 1e-30)
    rows, columns = jnp.sum(plan, axis=1), jnp.sum(plan, axis=0)
    x_mean, y_mean = rows @ fixed / mass, columns @ moved / mass
    # (2, 2): how y's axes (rows) go with x's (columns).
    together = (moved - y_mean).T @ plan.T @ (fixed - x_mean) / mass
    turned, reach = _turn(together)
    if may_mirror:
        face = jnp.array([[1.0, 0.0], [0.0, -1.0]], plan.dtype)
        flipped, far = _turn(face @ together)
        turned = jnp.where(far > reach, flipped @ face, turned)
    return turned, x_mean - turned @ y_mean


def _turn(together: jax.Array) -> tuple[jax.Array, jax.Array]:
    along = together[0, 0] + together[1, 1]
    across = together[0, 1] - together[1, 0]
    square = along**2 + across**2
    defined = square > 0
    length = jnp.sqrt(jnp.where(defined, square, 1.0))
    c = jnp.where(defined, along / length, 1.0)
    s = jnp.where(defined, across / length, 0.0)
    return jnp.array([[c, -s], [s, c]]), jnp.where(defined, length, 0.0)
