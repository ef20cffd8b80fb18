"""What a transformer reads of a sequence: letters, overlapping words of letters, or given ids."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.parts.letters import letters_of
from diffbio_engine.parts.masked_letters import draw_masks, hidden_letters
from diffbio_engine.parts.mean_over import mean_over
from diffbio_engine.ports.alphabets import PAST_THE_END, end_of


class Words(NamedTuple):
    """Words of a batch.

    Attributes:
        values: Ids (N, L), the number of words where one is not told; or rows of letters (N, L, A).
        ids: The same as ids, to be predicted.
        mask: 1.0 where there is a word, (N, L).
        told: Where it is known and is no mark; only these are hidden and predicted.
    """

    values: jax.Array
    ids: jax.Array
    mask: jax.Array
    told: jax.Array

    def hidden(
        self, ratio: float, span: int, first: int, n_words: int, key: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """Values to be read with some hidden, and which these are (N, L), as ``draw_masks`` says.

        Args:
            first: The least id that is no mark: of these and those above it others are drawn.
        """
        if self.values.ndim == 3:
            return hidden_letters(self.values, self.mask, ratio, key)
        choose, draw = (None, None) if key is None else jax.random.split(key)
        masks = draw_masks(self.told, ratio, choose, span)
        other = self.ids
        if draw is not None:
            other = jax.random.randint(draw, self.ids.shape, first, n_words)
        shown = jnp.where(masks.hidden, n_words, jnp.where(masks.other, other, self.ids))
        return shown, masks.chosen.astype(self.mask.dtype)

    def cross_entropy(self, logits: jax.Array, chosen: jax.Array) -> jax.Array:
        """``-log p`` of the chosen words, nats a word."""
        truth = jnp.where(self.told, self.ids, 0)
        fit = jnp.take_along_axis(jax.nn.log_softmax(logits, axis=-1), truth[..., None], axis=-1)
        return mean_over(-fit[..., 0], chosen)


def words_of(sequences: jax.Array, attention_mask: jax.Array | None, config: Any) -> Words:
    """As the settings say; a position whose ``attention_mask`` is 0 is past the end."""
    if config.vocab_size is not None:
        return _given(sequences, attention_mask, config)
    n_letters = config.alphabet_size
    if sequences.ndim == 2 and config.input_embedding_type != "linear":
        # Of a vocabulary there may be thousands: no rows are made of them.
        codes = sequences.astype(jnp.int32)
        mask = (codes != end_of(n_letters)).astype(float)
        if attention_mask is not None:
            mask = mask * (attention_mask > 0)
        told = (mask > 0) & (codes >= 0) & (codes < n_letters)
        codes = jnp.where(told, codes, n_letters)
        return _overlapping(codes, mask, told, n_letters, config.kmer_size)
    rows, mask = letters_of(sequences, n_letters)
    if attention_mask is not None:
        mask = mask * (attention_mask > 0)
        rows = rows * mask[..., None]
    told = (mask > 0) & (jnp.max(rows, axis=-1) > 0.5)
    codes = jnp.where(told, jnp.argmax(rows, axis=-1), n_letters)
    if config.input_embedding_type == "linear":
        return Words(rows, codes, mask, told)
    return _overlapping(codes, mask, told, n_letters, config.kmer_size)


def _overlapping(
    codes: jax.Array, mask: jax.Array, told: jax.Array, n_letters: int, k: int
) -> Words:
    """Words of k letters, one beginning at each position; none at the last k - 1 of a sequence."""
    length = codes.shape[1]

    def letters(x: jax.Array) -> list[jax.Array]:
        """What is said of the first, the second, ... letter of each word."""
        wide = jnp.pad(x, ((0, 0), (0, k - 1)))
        return [wide[:, i : i + length] for i in range(k)]

    told = functools.reduce(jnp.logical_and, letters(told))
    mask = functools.reduce(jnp.multiply, letters(mask))
    number = functools.reduce(lambda word, letter: word * n_letters + letter, letters(codes))
    ids = jnp.where(told, number, n_letters**k)
    return Words(ids, ids, mask, told)


def _given(sequences: jax.Array, attention_mask: jax.Array | None, config: Any) -> Words:
    """Ids of a vocabulary from elsewhere: its first are marks, and of these the first is no word.

    Below 0 there is nothing, nor at 255 where that cannot be an id.
    """
    ids = sequences.astype(jnp.int32)
    there = ids > 0 if config.special_tokens else ids >= 0
    if config.vocab_size <= PAST_THE_END:
        there = there & (ids != PAST_THE_END)
    if attention_mask is not None:
        there = there & (attention_mask > 0)
    known = there & (ids < config.vocab_size)
    ids = jnp.where(known, ids, config.vocab_size)
    return Words(ids, ids, there.astype(float), known & (ids >= config.special_tokens))


@nnx.jit
def measured(
    block: Any, sequences: jax.Array, attention_mask: jax.Array | None
) -> tuple[jax.Array, ...]:
    """Pooled vectors; mean and deviation over all positions, (E,); how often each word stands."""
    words = words_of(sequences, attention_mask, block.config)
    pooled, x = block._read(words.values, words.mask, None)
    n = jnp.maximum(jnp.sum(words.mask), 1.0)
    mean = jnp.sum(x, axis=(0, 1)) / n
    squares = jnp.sum(words.mask[..., None] * (x - mean) ** 2, axis=(0, 1))
    counts = jnp.bincount(
        jnp.where(words.told, words.ids, block.config.n_words).ravel(),
        length=block.config.n_words + 1,
    )
    return pooled, mean, jnp.sqrt(squares / n), counts[:-1]
