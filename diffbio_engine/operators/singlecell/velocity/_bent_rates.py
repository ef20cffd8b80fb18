"""Rates that differ from cell to cell: a network bends splicing and degradation by place."""

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.parts.dense_networks import DenseLayers, quiet_linear


class BentRates(nnx.Module):
    """Factors of splicing and of degradation, from where a cell lies; 1 until trained.

    ``exp(network(places))``: one hidden layer, two heads, so a factor is never below 0.
    """

    def __init__(self, n_axes: int, width: int, n_genes: int, *, rngs: nnx.Rngs) -> None:
        self.bend = DenseLayers(n_axes, (width,), rngs=rngs)
        self.head = quiet_linear(width, 2 * n_genes, rngs=rngs)

    def __call__(self, places: jax.Array) -> tuple[jax.Array, jax.Array]:
        splicing, degradation = jnp.split(jnp.exp(self.head(self.bend(places))), 2, axis=1)
        return splicing, degradation
