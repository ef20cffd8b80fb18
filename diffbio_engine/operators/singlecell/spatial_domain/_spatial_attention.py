"""A graph-attention autoencoder of spots and their neighbours in the tissue."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Around(NamedTuple):
    """Spots with their neighbours.

    Attributes:
        own: Features of each spot, (..., features).
        others: Features of its neighbours, (..., neighbours, features).
        beside: Whether a neighbour counts, (..., neighbours).
        alike: Whether it is also of the same kind of expression, (..., neighbours).
    """

    own: jax.Array
    others: jax.Array
    beside: jax.Array
    alike: jax.Array


class SpatialAttention(nnx.Module):
    """Encoder with attention over neighbours, one line to the embedding, and back by the same.

    ``h_i = elu(sum_j a_ij x_j W)``, ``z_i = h_i V``; back ``g_i = elu(sum_j a_ij z_j V')``,
    ``y_i = g_i W'``: weights and attention of the way back are those of the way there.
    ``a_ij`` over a spot and its neighbours is ``softmax_j sigmoid(s . (x_i W) + r . (x_j W))``,
    each head with its own share of the columns of ``W``. Of the neighbours alike there is a second
    attention; the two are mixed.

    References:
        Dong, Zhang (2022), Deciphering spatial domains from spatially resolved transcriptomics
        with an adaptive graph attention auto-encoder, Nature Communications 13.
    """

    def __init__(
        self, n_features: int, n_inner: int, n_latent: int, n_heads: int, *, rngs: nnx.Rngs
    ) -> None:
        draw = jax.nn.initializers.glorot_normal()
        self.n_heads, self.n_inner = n_heads, n_inner
        self.inner = nnx.Param(draw(rngs.params(), (n_features, n_inner)))
        self.latent = nnx.Param(draw(rngs.params(), (n_inner, n_latent)))
        per_head = n_inner // n_heads
        # Of: all neighbours, those alike; who looks, who is looked at.
        shape = (2, 2, n_heads, per_head)
        self.looks = nnx.Param(jax.random.normal(rngs.params(), shape) * per_head**-0.5)

    def attention(self, around: Around, alpha: jax.Array) -> jax.Array:
        """Weights of a spot itself, first, and of its neighbours: (..., 1 + neighbours, heads)."""
        w = self.inner[...].reshape(-1, self.n_heads, self.n_inner // self.n_heads)
        # One number a spot and head: no array of neighbours by inner units is made.
        scores = jnp.einsum("fhu,gshu->fgsh", w, self.looks[...])
        own = jnp.einsum("...f,fgsh->...gsh", around.own, scores)
        others = jnp.einsum("...kf,fgh->...kgh", around.others, scores[:, :, 1])
        seen = jnp.concatenate([own[..., None, :, 1, :], others], axis=-3)
        logits = jax.nn.sigmoid(own[..., None, :, 0, :] + seen)
        counts = jnp.stack([around.beside, around.beside & around.alike], axis=-1)
        itself = jnp.ones((*counts.shape[:-2], 1, 2), bool)
        counts = jnp.concatenate([itself, counts], axis=-2)[..., None]
        weights = jax.nn.softmax(jnp.where(counts, logits, -jnp.inf), axis=-3)
        return (1.0 - alpha) * weights[..., 0, :] + alpha * weights[..., 1, :]

    def encode(self, around: Around, alpha: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Embedding (..., latent), and the attention that led to it."""
        weights = self.attention(around, alpha)
        everyone = jnp.concatenate([around.own[..., None, :], around.others], axis=-2)
        # Summed before the product with W: it does not matter to the sum.
        summed = jnp.einsum("...kh,...kf->...hf", weights, everyone)
        w = self.inner[...].reshape(-1, self.n_heads, self.n_inner // self.n_heads)
        hidden = jnp.einsum("...hf,fhu->...hu", summed, w)
        hidden = jax.nn.elu(hidden.reshape(*hidden.shape[:-2], self.n_inner))
        return hidden @ self.latent[...], weights

    def decode(self, own: jax.Array, others: jax.Array, weights: jax.Array) -> jax.Array:
        """Features of spots from their embedding and that of their neighbours."""
        everyone = jnp.concatenate([own[..., None, :], others], axis=-2)
        summed = jnp.einsum("...kh,...kz->...hz", weights, everyone)
        v = self.latent[...].reshape(self.n_heads, -1, own.shape[-1])
        hidden = jnp.einsum("...hz,huz->...hu", summed, v)
        hidden = jax.nn.elu(hidden.reshape(*hidden.shape[:-2], self.n_inner))
        return hidden @ self.inner[...].T

    def begin(self, n_components: int, gain: float) -> None:
        """Starts as the mean over a spot and its neighbours, for features that are components.

        Each component of the features goes through two units, once with either sign:
        ``elu(x) - elu(-x)`` bends only slowly, and without a kink.
        """
        # Units without a component begin near 0, where their slope is not.
        inner, latent = (1e-3 * np.tanh(np.asarray(v[...])) for v in (self.inner, self.latent))
        for c in range(min(n_components, latent.shape[1], inner.shape[0], inner.shape[1] // 2)):
            for sign, unit in ((1.0, 2 * c), (-1.0, 2 * c + 1)):
                inner[c, unit], latent[unit, c] = sign, sign * gain
        self.inner[...], self.latent[...] = jnp.asarray(inner), jnp.asarray(latent)
        # Level at first, and alike for all; not exactly, so that heads can part.
        self.looks[...] = 0.01 * jnp.tanh(self.looks[...])
