"""A transformer: positions as sinusoids, layers of self-attention, and a last normalisation."""

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.parts.transformer_layer import TransformerLayer


def sinusoids(positions: jax.Array, width: int) -> jax.Array:
    """``sin`` and ``cos`` of positions at wavelengths from 2 pi to 20,000 pi, (..., width)."""
    rates = 10_000.0 ** (-2.0 * jnp.arange((width + 1) // 2) / width)
    angles = positions[..., None] * rates
    both = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return both.reshape(*positions.shape, -1)[..., :width]


class TransformerStack(nnx.Module):
    """Pre-norm layers of masked self-attention, then a normalisation: ``nn.TransformerEncoder``.

    Cost: see ``TransformerLayer``; memory grows with the square of the number of tokens.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, n_layers: int, *, rngs: nnx.Rngs
    ) -> None:
        self.layers = nnx.List(
            [TransformerLayer(width, heads, hidden, rngs=rngs) for _ in range(n_layers)]
        )
        self.norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)

    def heard(self, x: jax.Array, mask: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
        """Tokens (N, L, width) that have heard each other; zeros where ``mask`` (N, L) is 0."""
        for i, layer in enumerate(self.layers):
            x = layer(x, rate, None if key is None else jax.random.fold_in(key, i), mask)
        return self.norm(x) * mask[..., None]
