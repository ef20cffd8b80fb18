"""What a training step hides of a cell: some genes, and some molecules of all others."""

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri


def thinned(counts: jax.Array, share: jax.Array, key: jax.Array) -> jax.Array:
    """About ``share`` of the molecules, drawn one by one: binomial, (cells, genes).

    Of one or two molecules exactly. Of more, the number has the mean and the variance of the
    binomial and is rounded: a tenth of the time of drawing it exactly.
    """
    share = jnp.broadcast_to(share, counts.shape)
    u = jax.random.uniform(key, counts.shape, counts.dtype, 1e-6, 1 - 1e-6)
    spread = jnp.sqrt(counts * share * (1 - share))
    several = jnp.clip(jnp.round(counts * share + spread * ndtri(u)), 0, counts)
    of_two = (u > (1 - share) ** 2) * 1.0 + (u > 1 - share**2)
    few = jnp.where(counts == 2, of_two, counts * (u < share))
    return jnp.where(counts <= 2, few, several)
