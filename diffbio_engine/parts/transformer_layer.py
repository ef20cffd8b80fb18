"""One layer of a transformer: self-attention and two dense layers, normalised before each."""

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.errors import SettingError

_HIDDEN = -1e9  # logit of a token that must not be heard


def dropped(x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Each number 0 with chance ``rate``, the others grown so that the mean stays."""
    if key is None or rate == 0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0.0)


def split_heads(x: jax.Array, heads: int) -> jax.Array:
    """(..., width) as (..., heads, width / heads)."""
    return x.reshape(*x.shape[:-1], heads, -1)


def check_heads(width: int, heads: int, where: str) -> None:
    """Refuses a width that is no multiple of the heads; ``where`` is the setting of the width."""
    if width % heads:
        raise SettingError(
            f"{width} cannot be shared among {heads} heads.",
            fix="Choose a multiple of num_heads.",
            where=where,
        )


class TransformerLayer(nnx.Module):
    """``x + attention(norm(x))``, then ``x + dense(gelu(dense(norm(x))))`` (pre-norm).

    With ``epsilon=1e-5`` and the exact GELU it is ``torch.nn.TransformerEncoderLayer`` with
    ``norm_first=True`` and ``activation="gelu"``, for equal weights to 1e-5.

    Cost: O(records * tokens * (tokens + hidden) * width) time and
    O(records * heads * tokens^2) memory: four heads of 128 records with 512 tokens are 0.5 GB.

    Args:
        hidden: Units between the two dense layers.
        epsilon: Added to variances by the normalisation.
        exact: The GELU by the error function; else its approximation by tanh.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        rngs: nnx.Rngs,
        epsilon: float = 1e-5,
        exact: bool = True,
    ) -> None:
        self.heads, self.exact = heads, exact
        self.norms = nnx.List([nnx.LayerNorm(width, epsilon=epsilon, rngs=rngs) for _ in range(2)])
        self.inner = nnx.Linear(width, 3 * width, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)
        self.up = nnx.Linear(width, hidden, rngs=rngs)
        self.down = nnx.Linear(hidden, width, rngs=rngs)

    def __call__(
        self,
        x: jax.Array,
        rate: float = 0.0,
        key: jax.Array | None = None,
        mask: jax.Array | None = None,
    ) -> jax.Array:
        """Tokens of records, (records, tokens, width).

        Args:
            rate: Dropout rate; acts with a ``key`` only.
            mask: (records, tokens), above 0 where a token may be heard; None for all.
        """
        keys = (None, None) if key is None else jax.random.split(key)
        parts = jnp.split(self.inner(self.norms[0](x)), 3, axis=-1)
        q, k, v = (split_heads(part, self.heads) for part in parts)
        logits = jnp.einsum("cmhd,cnhd->chmn", q, k) * q.shape[-1] ** -0.5
        if mask is not None:
            logits = jnp.where(mask[:, None, None, :] > 0, logits, _HIDDEN)
        heard = jnp.einsum("chmn,cnhd->cmhd", jax.nn.softmax(logits, axis=-1), v)
        x = x + dropped(self.out(heard.reshape(x.shape)), rate, keys[0])
        more = self.down(nnx.gelu(self.up(self.norms[1](x)), approximate=not self.exact))
        return x + dropped(more, rate, keys[1])
