"""Attention over genes through a few latent tokens: linear in the number of genes."""

import jax
import jax.numpy as jnp
from flax import nnx

_BUMPS = 8  # curves of a value that its embedding is made of
_HIDDEN = -1e9  # logit of a gene that must not be read


def dropped(x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Each number 0 with chance ``rate``, the others grown so that the mean stays."""
    if key is None or rate == 0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0.0)


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
        queries = _split(self.query(self.latents[...]), self.heads)  # (m, heads, part)
        keys, worths = (_split(f(identity), self.heads) for f in (self.key, self.worth))
        part = keys.shape[-1]
        of_values = self.value.kernel[...]
        value_keys = _split(self.key(of_values), self.heads)
        value_worths = _split(self.worth(of_values), self.heads)
        logits = jnp.einsum("mhd,ghd->hmg", queries, keys)
        by_value = jnp.einsum("mhd,bhd->bhm", queries, value_keys)
        logits = logits + jnp.einsum("cgb,bhm->chmg", curves, by_value)
        logits = jnp.where(visible[:, None, None, :] > 0, logits * part**-0.5, _HIDDEN)
        shares = jax.nn.softmax(logits, axis=-1)
        read = jnp.einsum("chmg,ghd->cmhd", shares, worths)
        seen = jnp.einsum("chmg,cgb->cmhb", shares, curves)
        read = read + jnp.einsum("cmhb,bhd->cmhd", seen, value_worths)
        return self.latents[...] + self.out(read.reshape(*read.shape[:2], -1))


class LatentLayer(nnx.Module):
    """A transformer layer among the latents of each cell: attention, then two dense layers.

    Normalised before each (pre-norm). Cost: O(cells * m * (m + width) * width).
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=rngs) for _ in range(2)])
        self.inner = nnx.Linear(width, 3 * width, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)
        self.up = nnx.Linear(width, 2 * width, rngs=rngs)
        self.down = nnx.Linear(2 * width, width, rngs=rngs)

    def __call__(self, x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
        keys = (None, None) if key is None else jax.random.split(key)
        parts = jnp.split(self.inner(self.norms[0](x)), 3, axis=-1)
        q, k, v = (_split(part, self.heads) for part in parts)
        logits = jnp.einsum("cmhd,cnhd->chmn", q, k) * q.shape[-1] ** -0.5
        heard = jnp.einsum("chmn,cnhd->cmhd", jax.nn.softmax(logits, axis=-1), v)
        x = x + dropped(self.out(heard.reshape(x.shape)), rate, keys[0])
        more = self.down(nnx.gelu(self.up(self.norms[1](x))))
        return x + dropped(more, rate, keys[1])


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
        queries = _split(self.query(identity), self.heads)
        keys, worths = (_split(f(latents), self.heads) for f in (self.key, self.worth))
        part = queries.shape[-1]
        logits = jnp.einsum("ghd,cmhd->chgm", queries, keys) * part**-0.5
        said = jnp.einsum("ghd,cmhd->chgm", _split(readout, self.heads), worths)
        return jnp.sum(jax.nn.softmax(logits, axis=-1) * said, axis=(1, 3))


def _split(x: jax.Array, heads: int) -> jax.Array:
    """(..., width) as (..., heads, width / heads)."""
    return x.reshape(*x.shape[:-1], heads, -1)
