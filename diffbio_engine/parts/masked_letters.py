"""Letters and words that are hidden from a model, to be predicted from those around them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Multiples of it are spread evenly over 0 to 1, wherever one begins to count.
_GOLDEN_RATIO = 0.6180339887498949


class Masks(NamedTuple):
    """Which positions are asked for, and what stands there for the model, each (N, L).

    Of those asked for: nothing where ``hidden``, another word where ``other``, else what it is.
    """

    chosen: jax.Array
    hidden: jax.Array
    other: jax.Array


def draw_masks(told: jax.Array, ratio: float, key: jax.Array | None, span: int = 1) -> Masks:
    """Chooses ``ratio`` of the told positions, 8 in 10 hidden, 1 replaced, 1 left (BERT).

    Overlapping words of k letters spell each other: of a word alone, its neighbours tell every
    letter. So whole spans of k words are chosen, and what is done with one is done with all of its
    words (DNABERT chooses spans too, but leaves or replaces single words of them). Then a letter
    that is hidden stands in no word that can be seen.

    Args:
        told: Where it is known what stands there; nothing else is chosen.
        key: Without one the same positions are chosen in every record, spread evenly, and all are
            hidden: by these a model can be judged.
        span: Words that share a letter; 1 for letters.
    """
    n, length = told.shape
    wide = (n, length + span - 1)  # a span may begin before the first position
    begins = ratio if span == 1 else 1.0 - (1.0 - ratio) ** (1.0 / span)
    if key is None:
        spread = jnp.arange(wide[1]) * _GOLDEN_RATIO % 1.0
        starts, draw = jnp.broadcast_to(spread < begins, wide), jnp.zeros(wide)
    else:
        which, how = jax.random.split(key)
        starts, draw = jax.random.bernoulli(which, begins, wide), jax.random.uniform(how, wide)

    def covered(begin: jax.Array) -> jax.Array:
        found = begin[:, :length]
        for i in range(1, span):
            found = found | begin[:, i : i + length]
        return found & told

    hidden = covered(starts & (draw < 0.8))
    replaced = covered(starts & (draw >= 0.8) & (draw < 0.9)) & ~hidden
    return Masks(covered(starts), hidden, replaced)


def hidden_letters(
    rows: jax.Array, mask: jax.Array, ratio: float, key: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Rows of letters to be read with some masked, and which these are, (N, L).

    What is hidden is a uniform row, as a letter that is not told; those are never chosen.
    """
    choose, draw = (None, None) if key is None else jax.random.split(key)
    told = (mask > 0) & (jnp.max(rows, axis=-1) > 0.5)
    masks = draw_masks(told, ratio, choose)
    n_letters = rows.shape[-1]
    shown = jnp.where(masks.hidden[..., None], 1.0 / n_letters, rows)
    if draw is not None:
        drawn = jax.random.randint(draw, mask.shape, 0, n_letters)
        other = jax.nn.one_hot(drawn, n_letters, dtype=rows.dtype)
        shown = jnp.where(masks.other[..., None], other, shown)
    return shown, masks.chosen.astype(rows.dtype)
