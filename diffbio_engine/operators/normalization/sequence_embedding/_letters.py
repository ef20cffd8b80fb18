"""Letters of the other strand, and how well letters are predicted."""

import jax
import jax.numpy as jnp

from diffbio_engine.parts.mean_over import mean_over


def turned_round(x: jax.Array, mask: jax.Array) -> jax.Array:
    """What lies along positions (N, L, ...) in the opposite order; ends stay at the end."""
    at = jnp.arange(mask.shape[1])
    length = jnp.max(jnp.where(mask > 0, at + 1, 0), axis=1, keepdims=True)
    place = length - 1 - at
    found = jnp.take_along_axis(x, jnp.maximum(place, 0)[..., None], axis=1)
    return jnp.where(place[..., None] >= 0, found, 0.0)


def reverse_complement(rows: jax.Array, mask: jax.Array) -> jax.Array:
    """The other strand of DNA, read in its own direction; letters in the order ACGT."""
    return turned_round(rows[..., ::-1], mask)


def letter_cross_entropy(logits: jax.Array, rows: jax.Array, chosen: jax.Array) -> jax.Array:
    """``-log p`` of the chosen letters, nats a letter; 0 where none is chosen."""
    return mean_over(-jnp.sum(rows * jax.nn.log_softmax(logits, axis=-1), axis=-1), chosen)
