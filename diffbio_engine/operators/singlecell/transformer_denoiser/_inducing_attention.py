"""Attention over genes through a few latent tokens: linear in the number of genes."""

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.parts.transformer_layer import TransformerLayer, split_heads

_BUMPS = 8  # curves of a value that its embedding is made of
_HIDDEN = -1e9  # logit of a gene that must not be read


class GeneReader(nnx.Module):
    """Latent tokens read genes: cross-attention with genes as keys and values, (cells, m, width).

    A gene's token is an embedding of its identity plus one of its value, ``E_g + V f(x_g)`` with
    ``f`` some curves ``tanh(a x + c)`` and ``x`` itself. As this is a sum, keys and values of the
    identities are the same for all cells and are made once, not per cell.

    Cost: O(cells * m * genes * width) time, O(cells * heads * m * genes) memory.
    """

    def __init__(
        self, n_genes: int, width: int, heads: int, n_latents: int, *, rngs: nnx.Rngs
    ) -> None:
        small = nnx.initializers.normal(width**-0.5)
        self.heads = heads
        self.identity = nnx.Param(small(rngs.params(), (n_genes, width)))
        self.latents = nnx.Param(nnx.initializers.normal(1.0)(rngs.params(), (n_latents, width)))
        self.value = nnx.Linear(_BUMPS + 1, width, use_bias=False, rngs=rngs)
        self.slopes = nnx.Param(nnx.initializers.normal(1.0)(rngs.params(), (_BUMPS,)))
        self.shifts = nnx.Param(nnx.initializers.normal(1.0)(rngs.params(), (_BUMPS,)))
        self.query = nnx.Linear(width, width, rngs=rngs)
        self.key = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.worth = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, values: jax.Array, visible: jax.Array, identity: jax.Array) -> jax.Array:
        """Latents of cells.

        Args:
            values: (cells, genes), of logarithmic size.
            visible: 1 where a gene may be read.
            identity: The genes' embeddings, (genes, width).
        """
        curves = jnp.tanh(values[..., None] * self.slopes[...] + self.shifts[...])
        curves = jnp.concatenate([curves, values[..., None]], axis=-1)
        queries = split_heads(self.query(self.latents[...]), self.heads)  # (m, heads, part)
        keys, worths = (split_heads(f(identity), self.heads) for f in (self.key, self.worth))
        part = keys.shape[-1]
        of_values = self.value.kernel[...]
        value_keys = split_heads(self.key(of_values), self.heads)
        value_worths = split_heads(self.worth(of_values), self.heads)
        logits = jnp.einsum("mhd,ghd->hmg", queries, keys)
        by_value = jnp.einsum("mhd,bhd->bhm", queries, value_keys)
        logits = logits + jnp.einsum("cgb,bhm->chmg", curves, by_value)
        logits = jnp.where(visible[:, None, None, :] > 0, logits * part**-0.5, _HIDDEN)
        shares = jax.nn.softmax(logits, axis=-1)
        read = jnp.einsum("chmg,ghd->cmhd", shares, worths)
        seen = jnp.einsum("chmg,cgb->cmhb", shares, curves)
        read = read + jnp.einsum("cmhb,bhd->cmhd", seen, value_worths)
        return self.latents[...] + self.out(read.reshape(*read.shape[:2], -1))


def latent_layer(width: int, heads: int, *, rngs: nnx.Rngs) -> TransformerLayer:
    """A transformer layer among the latents of each cell; O(cells * m * (m + width) * width)."""
    return TransformerLayer(width, heads, 2 * width, rngs=rngs, epsilon=1e-6, exact=False)


class GeneWriter(nnx.Module):
    """Genes ask the latents and answer with one number each, (cells, genes); 0 until trained.

    Cross-attention with genes as queries; what a gene hears is weighed by a vector of its own.
    Cost: O(cells * m * genes * width) time, O(cells * heads * m * genes) memory.
    """

    def __init__(self, n_genes: int, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.query = nnx.Linear(width, width, rngs=rngs)
        self.key = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.worth = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        # Next to nothing, so that the start of the model holds (see ``quiet_linear``).
        self.readout = nnx.Param(nnx.initializers.normal(1e-6)(rngs.params(), (n_genes, width)))

    def __call__(self, latents: jax.Array, identity: jax.Array, readout: jax.Array) -> jax.Array:
        latents = self.norm(latents)
        queries = split_heads(self.query(identity), self.heads)
        keys, worths = (split_heads(f(latents), self.heads) for f in (self.key, self.worth))
        part = queries.shape[-1]
        logits = jnp.einsum("ghd,cmhd->chgm", queries, keys) * part**-0.5
        said = jnp.einsum("ghd,cmhd->chgm", split_heads(readout, self.heads), worths)
        return jnp.sum(jax.nn.softmax(logits, axis=-1) * said, axis=(1, 3))
