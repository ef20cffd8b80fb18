"""Dense layers with layer normalisation: the small networks inside the count models."""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx


class DenseLayers(nnx.Module):
    """Layers of ``relu(norm(x W + b))``, one for each width; with no width, ``x`` itself.

    Layer (not batch) normalisation: a cell's output never depends on the cells beside it.
    """

    def __init__(self, n_in: int, widths: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        sizes = (n_in, *widths)
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(sizes)])
        self.norms = nnx.List([nnx.LayerNorm(b, rngs=rngs) for b in widths])
        self.n_out = sizes[-1]

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = nnx.relu(norm(layer(x)))
        return x


def quiet_linear(n_in: int, n_out: int, *, rngs: nnx.Rngs) -> nnx.Linear:
    """A last layer that adds next to nothing yet, so that the data-driven start holds.

    Not exactly nothing: where all-zero weights are constants of a compiled function (``jax.jit``
    that closes over the module), jaxlib 0.12.0.1 on CPU now and then gave NaN for the whole layer.
    """
    return nnx.Linear(n_in, n_out, kernel_init=nnx.initializers.normal(1e-6), rngs=rngs)


def spread(
    labels: jax.Array | None, n_classes: int, rows: tuple[int, ...], dtype: jnp.dtype
) -> jax.Array:
    """One-hot rows of the labels; without labels, the same share of every class."""
    if labels is None:
        return jnp.full((*rows, n_classes), 1.0 / n_classes, dtype)
    return jax.nn.one_hot(labels, n_classes, dtype=dtype)
