"""Which letters of a sequence a score stands on: gradient times input."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def letter_saliency(
    score: Callable[[jax.Array, jax.Array], jax.Array],
    rows: jax.Array,
    mask: jax.Array,
    at_once: int,
) -> jax.Array:
    """``(g - mean of g over the letters) * row``, ``g`` the gradient of the score, (N, L, A).

    To first order it is by how much the score would fall, were a letter any other with the same
    chance. A gradient also says what would happen off the rows that add up to one, where no
    sequence lies; the mean over the letters takes that part away (Majdandzic et al. 2023,
    Genome Biology 24). Letters that are not told have none.

    Cost: about twice that of the score; memory of ``at_once`` sequences.

    Args:
        score: Of rows (1, L, A) and mask (1, L) of one sequence, a number.
    """

    def of_one(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
        row, there = pair
        return jax.grad(lambda x: jnp.sum(score(x[None], there[None])))(row)

    gradient = jax.lax.map(of_one, (rows, mask), batch_size=max(1, min(at_once, len(rows))))
    told = (mask > 0) & (jnp.max(rows, axis=-1) > 0.5)
    centred = gradient - jnp.mean(gradient, axis=-1, keepdims=True)
    return jnp.where(told[..., None], centred * rows, 0.0)


def class_margin(log_shares: jax.Array) -> jax.Array:
    """How far the likeliest class is ahead: its log-probability less the mean of the others, (N,).

    Unlike the probability it does not level off where the model is sure. Of one class, 0.
    """
    n_classes = log_shares.shape[1]
    best = jnp.argmax(jax.lax.stop_gradient(log_shares), axis=1)
    of_best = jnp.take_along_axis(log_shares, best[:, None], axis=1)[:, 0]
    others = (jnp.sum(log_shares, axis=1) - of_best) / max(1, n_classes - 1)
    return of_best - others
