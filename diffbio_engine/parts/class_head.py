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

# As many records the variance of all data counts for beside that found within classes.
_PRIOR_RECORDS = 4


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

    def begin_at_means(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Begins where the known records of each class lie; after `begin`.

        The discriminant of classes with means of their own and one variance a dimension:
        ``W = mean / variance``, ``b = log(share) - mean^2 / (2 variance)``, summed over dimensions.
        From few records both are drawn to the data's own, 0 and 1: means as by a prior of that
        variance, the variance within classes by ``_PRIOR_RECORDS``. A class of which no record is
        known lies in the middle.

        Args:
            x: Vectors of records whose class is known, (records, width).
            labels: Their classes, (records,).

        References:
            Dudoit, Fridlyand, Speed (2002), Comparison of discrimination methods for the
            classification of tumors using gene expression data, J. Am. Stat. Assoc. 97.
        """
        deviations = (x - np.asarray(self.usual[...])) / np.asarray(self.varies[...])
        often = np.bincount(labels, minlength=self.linear.out_features)
        sums = np.zeros((len(often), x.shape[1]))
        np.add.at(sums, labels, deviations)
        within = deviations - (sums / np.maximum(often, 1)[:, None])[labels]
        free = len(labels) - np.count_nonzero(often) + _PRIOR_RECORDS
        variance = ((within**2).sum(axis=0) + _PRIOR_RECORDS) / free
        means = sums / (often[:, None] + variance)
        share = np.log((often + 1.0) / (often + 1.0).sum())
        put(self.linear.kernel, (means / variance).T)
        put(self.linear.bias, share - 0.5 * (means**2 / variance).sum(axis=1))

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
