"""Which letters a score stands on where overlapping words of letters are read."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

# More letters than any alphabet has are words of a vocabulary: rows of them would be too large.
MOST_LETTERS = 32


def word_gradient(
    score: Callable[..., jax.Array], vectors: jax.Array, beside: tuple[jax.Array, ...], at_once: int
) -> jax.Array:
    """The gradient of the score of each sequence by the vectors of its words, (N, L, E).

    Args:
        score: Of vectors (1, L, E) and what stands beside them, a number.
        beside: Arrays of the same sequences: mask, words.
        at_once: Sequences that are looked at together.
    """

    def of_one(given: tuple[jax.Array, ...]) -> jax.Array:
        vector, *rest = given
        return jax.grad(lambda x: jnp.sum(score(x[None], *(r[None] for r in rest))))(vector)

    n = max(1, min(at_once, len(vectors)))
    return jax.lax.map(of_one, (vectors, *beside), batch_size=n)


def saliency_of_letters(
    gradient: jax.Array, ids: jax.Array, rows: jax.Array, table: jax.Array, k: int
) -> jax.Array:
    """``sum_j g[p - j] (e(w) - mean_a e(w with its letter j := a))`` at the letter of p, (N, L, A).

    A letter stands in up to k words. To first order this is by how much the score would fall, were
    the letter any other with the same chance, in all of its words at once; of k = 1 it is the
    saliency of letters given as rows. Words that are not told, or hidden, have none.

    Args:
        gradient: By the vectors of words, (N, L, E).
        ids: Words (N, L), ``n_letters^k`` where there is none.
        rows: Letters (N, L, A), one-hot; those that are not told are none.
        table: Vectors of the words, (A^k or more, E).
    """
    length, n_letters = ids.shape[1], rows.shape[-1]
    n_words = n_letters**k
    vectors = table[:n_words]
    by_letter = vectors.reshape(*(n_letters,) * k, -1)
    known, safe = ids < n_words, jnp.minimum(ids, n_words - 1)
    total = jnp.zeros(ids.shape, gradient.dtype)
    for j in range(k):
        mean = jnp.mean(by_letter, axis=j, keepdims=True)
        change = (by_letter - mean).reshape(n_words, -1)
        of_word = jnp.where(known, jnp.sum(gradient * change[safe], axis=-1), 0.0)
        total = total + jnp.pad(of_word, ((0, 0), (j, 0)))[:, :length]
    told = jnp.max(rows, axis=-1, keepdims=True) > 0.5
    return jnp.where(told, rows, 0.0) * total[..., None]
