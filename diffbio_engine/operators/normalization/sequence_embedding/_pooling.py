"""From a vector at each position to one for the sequence; all forms begin as the mean."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.errors import DataError
from diffbio_engine.parts.transformer_layer import split_heads
from diffbio_engine.parts.transformer_stack import sinusoids
from diffbio_engine.ports.alphabets import width_for

_PLACE = 32  # numbers that tell attention a position, counted from the start and from the end
_NOTHING = nnx.initializers.normal(1e-6)


class MeanPooling(nnx.Module):
    """The mean over positions: blind to where a thing stands."""

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        total = jnp.sum(x * mask[..., None], axis=1)
        return total / jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1.0)


class AttentionPooling(nnx.Module):
    """Each head takes its channels where it looks: by what stands there, and by the position.

    ``share[l] = softmax_l(x[l] @ q / sqrt(part) + place(l) @ u)`` over the positions that there
    are; ``place`` are sinusoids of the distances from the start and from the end. ``q`` and ``u``
    begin at nothing: the mean.
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.query = nnx.Param(_NOTHING(rngs.params(), (heads, width // heads)))
        self.place = nnx.Param(_NOTHING(rngs.params(), (2 * _PLACE, heads)))

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        parts = split_heads(x, self.heads)
        at = jnp.arange(mask.shape[1], dtype=x.dtype)
        length = jnp.max(jnp.where(mask > 0, at + 1, 0), axis=1, keepdims=True)
        from_end = sinusoids(length - 1 - at, _PLACE)
        from_start = jnp.broadcast_to(sinusoids(at, _PLACE), from_end.shape)
        place = jnp.concatenate([from_start, from_end], axis=-1)
        logits = jnp.einsum("nlhd,hd->nlh", parts, self.query[...]) * parts.shape[-1] ** -0.5
        logits = jnp.where(mask[..., None] > 0, logits + place @ self.place[...], -1e9)
        shares = jax.nn.softmax(logits, axis=1)
        return jnp.einsum("nlh,nlhd->nhd", shares, parts).reshape(len(x), -1)


class PositionPooling(nnx.Module):
    """The mean, and each channel weighted by position: ``sum_l w[l] x[l] / sqrt(length)``.

    Raises:
        DataError: Batches are longer than there are weights for.
    """

    def __init__(self, width: int, max_length: int, *, rngs: nnx.Rngs) -> None:
        self.weights = nnx.Param(_NOTHING(rngs.params(), (width_for(max_length), width)))
        self.mean = MeanPooling()

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        length, most = x.shape[1], self.weights.shape[0]
        if length > most:
            raise DataError(
                f"These sequences have up to {length} positions, and only {most} have weights.",
                fix=f"Raise max_length to {length}, or choose the pooling 'attention'.",
                where="max_length",
            )
        weighted = jnp.einsum("nlc,lc->nc", x * mask[..., None], self.weights[:length])
        n = jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1.0)
        return self.mean(x, mask) + weighted * n**-0.5


def pooling_of(config: Any, rngs: nnx.Rngs) -> Any:
    """As the settings say."""
    if config.pooling == "attention":
        return AttentionPooling(config.embedding_dim, config.num_heads, rngs=rngs)
    if config.pooling == "position":
        return PositionPooling(config.embedding_dim, config.max_length, rngs=rngs)
    return MeanPooling()
