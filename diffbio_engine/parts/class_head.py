"""From the vector of a record to the probabilities of its classes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.dense_networks import quiet_linear
from diffbio_engine.parts.label_cross_entropy import known_cross_entropy
from diffbio_engine.parts.transformer_layer import dropped


class ClassHead(nnx.Module):
    """``softmax(W (x - usual) / varies + b)``, ``usual`` and ``varies`` of the data at the start.

    A mean over many letters hardly varies from sequence to sequence, however much letters do: in
    its own deviations it is learned from at once.

    Args:
        buffer: The kind of variable that holds what was found in the data.
    """

    def __init__(
        self, width: int, n_classes: int, *, buffer: Callable[[jax.Array], Any], rngs: nnx.Rngs
    ) -> None:
        self.linear = quiet_linear(width, n_classes, rngs=rngs)
        self.usual, self.varies = buffer(jnp.zeros(width)), buffer(jnp.ones(width))

    def begin(self, x: np.ndarray, labels: np.ndarray | None) -> None:
        """Looks at vectors of the data: classes begin as frequent as among the known labels."""
        deviation = x.std(axis=0)
        put(self.usual, x.mean(axis=0))
        put(self.varies, np.where(deviation > 1e-6, deviation, 1.0))
        if labels is not None:
            often = np.bincount(labels[labels >= 0], minlength=self.linear.out_features) + 1.0
            put(self.linear.bias, np.log(often / often.sum()))

    def __call__(self, x: jax.Array, rate: float = 0.0, key: jax.Array | None = None) -> jax.Array:
        """Logarithms of the probabilities, (N, classes); dropout with a key."""
        seen = dropped((x - self.usual[...]) / self.varies[...], rate, key)
        return jax.nn.log_softmax(self.linear(seen), axis=-1)


def told_classes(log_shares: jax.Array, labels: jax.Array | None) -> dict[str, jax.Array]:
    """What an operator says of classes, by the names of its ports, and the loss of its labels."""
    return {
        "class_probabilities": jnp.exp(log_shares),
        "class_labels": jnp.argmax(log_shares, axis=-1).astype(jnp.int32),
        "confidence": jnp.exp(jnp.max(log_shares, axis=-1)),
        "label_loss": known_cross_entropy(log_shares, labels),
    }
