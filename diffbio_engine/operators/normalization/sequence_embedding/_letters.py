"""Letters that are masked in training, and those of the other strand."""

import jax
import jax.numpy as jnp


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


def hidden_letters(
    rows: jax.Array, mask: jax.Array, ratio: float, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Rows to be read with some letters masked, and which these are, (N, L).

    Of the masked ones 8 in 10 are not told, 1 is another letter drawn at random, 1 is left as it
    is, so that the reader cannot rely on what it sees (BERT). Letters that are not told are never
    among them.
    """
    which, how, other = jax.random.split(key, 3)
    told = (mask > 0) & (jnp.max(rows, axis=-1) > 0.5)
    chosen = told & jax.random.bernoulli(which, ratio, mask.shape)
    draw = jax.random.uniform(how, mask.shape)
    n_letters = rows.shape[-1]
    drawn = jax.nn.one_hot(
        jax.random.randint(other, mask.shape, 0, n_letters), n_letters, dtype=rows.dtype
    )
    shown = jnp.where(draw[..., None] < 0.8, 1.0 / n_letters, drawn)
    replaced = chosen & (draw < 0.9)
    return jnp.where(replaced[..., None], shown, rows), chosen.astype(rows.dtype)


def letter_cross_entropy(logits: jax.Array, rows: jax.Array, chosen: jax.Array) -> jax.Array:
    """``-log p`` of the chosen letters, nats a letter; 0 where none is chosen."""
    fit = jnp.sum(rows * jax.nn.log_softmax(logits, axis=-1), axis=-1)
    return -jnp.sum(chosen * fit) / jnp.maximum(jnp.sum(chosen), 1.0)
