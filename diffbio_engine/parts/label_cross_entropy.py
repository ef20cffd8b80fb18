"""Cross-entropy of the records whose label is known."""

import jax
import jax.numpy as jnp


def known_cross_entropy(log_shares: jax.Array, labels: jax.Array | None) -> jax.Array:
    """``-log share`` of the true class, mean over records whose label is not negative; or 0."""
    if labels is None:
        return jnp.zeros((), log_shares.dtype)
    known = (labels >= 0) & (labels < log_shares.shape[1])
    place = jnp.where(known, labels, 0)
    of_truth = jnp.take_along_axis(log_shares, place[:, None], axis=1)[:, 0]
    return -jnp.sum(jnp.where(known, of_truth, 0.0)) / jnp.maximum(jnp.sum(known), 1)
