"""From letters to a vector at each position: convolutions, or a transformer."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.parts.transformer_layer import dropped
from diffbio_engine.parts.transformer_stack import TransformerStack, sinusoids


class Convolutions(nnx.Module):
    """Layers of ``relu(conv(x))``, same-padded, zero past the ends before and after each.

    Cost: O(records * L * kernel_size * width^2) time, O(records * L * width) memory a layer.
    """

    def __init__(
        self, n_letters: int, width: int, kernel_size: int, n_layers: int, *, rngs: nnx.Rngs
    ) -> None:
        start = nnx.initializers.he_normal()
        self.layers = nnx.List(
            [
                nnx.Conv(
                    width if i else n_letters, width, (kernel_size,), kernel_init=start, rngs=rngs
                )
                for i in range(n_layers)
            ]
        )

    def excited(self, rows: jax.Array, mask: jax.Array) -> jax.Array:
        """The filters of the first layer at each position, (N, L, width)."""
        return nnx.relu(self.layers[0](rows)) * mask[..., None]

    def __call__(
        self, rows: jax.Array, mask: jax.Array, rate: float, key: jax.Array | None
    ) -> jax.Array:
        x, there = rows, mask[..., None]
        for i, layer in enumerate(self.layers):
            x = nnx.relu(layer(x)) * there
            x = dropped(x, rate, None if key is None else jax.random.fold_in(key, i))
        return x


class Transformer(TransformerStack):
    """``W letter + sinusoids(position)``, then pre-norm layers of masked self-attention.

    Cost: see ``TransformerLayer``; memory grows with the square of the length.
    """

    def __init__(
        self, n_letters: int, width: int, heads: int, n_layers: int, *, rngs: nnx.Rngs
    ) -> None:
        self.project = nnx.Linear(n_letters, width, rngs=rngs)
        super().__init__(width, heads, 4 * width, n_layers, rngs=rngs)

    def __call__(
        self, rows: jax.Array, mask: jax.Array, rate: float, key: jax.Array | None
    ) -> jax.Array:
        x = self.project(rows)
        x = x + sinusoids(jnp.arange(rows.shape[1], dtype=rows.dtype), x.shape[-1])
        return self.heard(x, mask, rate, key)


def encoder_of(config: Any, rngs: nnx.Rngs) -> Any:
    """As the settings say."""
    letters, width = config.alphabet_size, config.embedding_dim
    if config.method == "transformer":
        return Transformer(letters, width, config.num_heads, config.n_layers, rngs=rngs)
    n_layers = config.num_conv_layers or config.n_layers
    return Convolutions(letters, width, config.kernel_size, n_layers, rngs=rngs)
