"""Letters of sequences as rows of numbers, made inside the compiled step."""

import jax
import jax.numpy as jnp

from diffbio_engine.ports.alphabets import end_of


def one_hot_letters(codes: jax.Array, n_letters: int) -> tuple[jax.Array, jax.Array]:
    """Rows of letters (..., L, A), and where there is a letter, 1.0 or 0.0 (..., L).

    A letter that is not told (code A) is a uniform row; past the end (code 255; of 255 letters and
    more, -1) rows are zeros.
    """
    codes = codes.astype(jnp.int32)
    rows = jax.nn.one_hot(codes, n_letters, dtype=float)
    there = codes != end_of(n_letters)
    not_told = there & ((codes < 0) | (codes >= n_letters))
    rows = jnp.where(not_told[..., None], 1.0 / n_letters, rows)
    return rows, there.astype(rows.dtype)


def letters_of(sequences: jax.Array, n_letters: int) -> tuple[jax.Array, jax.Array]:
    """The same from codes (N, L) or from rows of letters (N, L, A), where zeros are no letter."""
    if sequences.ndim == 2:
        return one_hot_letters(sequences, n_letters)
    rows = jnp.asarray(sequences, float)
    return rows, jnp.any(rows != 0, axis=-1).astype(rows.dtype)
