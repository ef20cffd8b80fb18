"""A cell's genes as tokens that hear each other, and a token of the whole cell that hears them."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.transformer_layer import TransformerLayer

_WAVES = 8  # sines and cosines of the logarithm of a rank


class GeneSentences(nnx.Module):
    """A transformer of tokens ``identity[gene] + W (value, rank value, waves of the soft rank)``.

    The token of the cell begins as a weighted sum of all genes that can be seen, tokens or not,
    and of its depth.
    """

    def __init__(
        self, n_genes: int, width: int, layers: int, heads: int, *, rngs: nnx.Rngs
    ) -> None:
        draw = nnx.initializers.normal
        self.identity = nnx.Param(draw(0.5 * width**-0.5)(rngs.params(), (n_genes, width)))
        self.whole = nnx.Param(draw(n_genes**-0.5)(rngs.params(), (n_genes, width)))
        self.facts = nnx.Linear(2 + 2 * _WAVES, width, rngs=rngs)
        self.depth = nnx.Linear(1, width, rngs=rngs)
        self.layers = nnx.List(
            [TransformerLayer(width, heads, 2 * width, rngs=rngs) for _ in range(layers)]
        )
        self.norm = nnx.LayerNorm(width, rngs=rngs)

    def begin(self, loadings: np.ndarray) -> None:
        """Genes that vary together begin as neighbours: by their loadings, (genes, components)."""
        identity = np.array(self.identity[...])
        n = min(loadings.shape[1], identity.shape[1])
        scale = identity.std() / max(float(loadings[:, :n].std()), 1e-6)
        identity[:, :n] = scale * loadings[:, :n]
        put(self.identity, identity)

    def __call__(
        self,
        columns: jax.Array,
        facts: tuple[jax.Array, jax.Array, jax.Array],
        away: jax.Array,
        log_depth: jax.Array,
        ids: jax.Array | None,
        rate: float = 0.0,
        key: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """What is said of the cell (cells, width), and tokens (cells, k, width).

        Args:
            columns: Genes of the tokens, (cells, k).
            facts: Of these: log-normalised value, rank value (0: no token), soft rank.
            away: All visible genes, in deviations from their mean; 0 where hidden.
            log_depth: (cells, 1), 0 for a typical cell.
        """
        values, rank_values, ranks = facts
        known = (rank_values > 0).astype(away.dtype)
        where = columns if ids is None else ids[columns]
        waves = jnp.log(jnp.maximum(ranks, 0.5))[..., None] * 2.0 ** jnp.arange(-2, _WAVES - 2)
        logs = jnp.log(jnp.where(rank_values > 0, rank_values, 1.0))
        told = jnp.concatenate(
            [values[..., None], logs[..., None], jnp.sin(waves), jnp.cos(waves)], axis=-1
        )
        tokens = self.identity[...][where] + self.facts(told)
        whole = self.whole[...] if ids is None else self.whole[...][ids]
        cell = away @ whole + self.depth(log_depth)
        x = jnp.concatenate([cell[:, None], tokens], axis=1)
        heard = jnp.concatenate([jnp.ones_like(known[:, :1]), known], axis=1)
        for i, layer in enumerate(self.layers):
            drop = None if key is None else jax.random.fold_in(key, i)
            if key is None:
                x = layer(x, rate, None, heard)
                continue
            # Attention weights are computed again rather than kept for the way back.
            x = _again(*nnx.split(layer), x, rate, drop, heard)
        x = self.norm(x)
        return x[:, 0], x[:, 1:] * known[..., None]


@partial(jax.checkpoint, static_argnums=(0, 3))
def _again(
    graph: Any, state: Any, x: jax.Array, rate: float, drop: jax.Array, heard: jax.Array
) -> jax.Array:
    said: jax.Array = nnx.merge(graph, state)(x, rate, drop, heard)
    return said
