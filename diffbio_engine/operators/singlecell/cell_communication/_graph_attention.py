"""Attention along the edges of a graph, whose ranking of neighbours depends on who asks (GATv2)."""

import jax
import jax.numpy as jnp
from flax import nnx


class GraphAttention(nnx.Module):
    """Each target hears its sources, by shares that depend on source, target and their edge.

    ``share_ij = softmax_j(a . leaky_relu(U x_j + V y_i + W e_ij))``,
    ``out_i = sum_j share_ij (U x_j [+ M e_ij]) + b`` for each head, heads side by side. Sources
    and targets may be different sets. With ``edges_speak`` what is on the edge reaches the message
    too (the term in brackets, which the published layer leaves out). A target without any edge
    gets the bias alone.

    Cost: O(edges * (heads * width + edge features)) time and memory.

    References:
        Brody, Alon, Yahav (2022), How attentive are graph attention networks?, ICLR.
    """

    def __init__(
        self,
        n_source: int,
        n_target: int,
        width: int,
        *,
        heads: int = 1,
        n_edge: int = 0,
        edges_speak: bool = False,
        negative_slope: float = 0.2,
        rngs: nnx.Rngs,
    ) -> None:
        self.heads, self.width, self.negative_slope = heads, width, negative_slope
        whole = heads * width
        self.source = nnx.Linear(n_source, whole, rngs=rngs)
        self.target = nnx.Linear(n_target, whole, rngs=rngs)
        self.edge = nnx.Linear(n_edge, whole, use_bias=False, rngs=rngs) if n_edge else None
        self.speech = (
            nnx.Linear(n_edge, whole, use_bias=False, rngs=rngs) if n_edge and edges_speak else None
        )
        start = nnx.initializers.glorot_uniform()
        self.attention = nnx.Param(start(rngs.params(), (heads, width)))
        self.bias = nnx.Param(jnp.zeros(whole))

    def __call__(
        self,
        sources: jax.Array,
        targets: jax.Array,
        edges: jax.Array,
        edge_features: jax.Array | None = None,
        *,
        keep: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """What the targets hear, (targets, heads * width), and the shares, (edges, heads).

        Args:
            sources: (sources, features).
            targets: (targets, features).
            edges: Row of the source and row of the target of each edge, (2, edges).
            edge_features: (edges, features).
            keep: Factor of each share, (edges, heads): dropout of attention.
        """
        sent = self._by_head(self.source(sources))[edges[0]]
        joint = sent + self._by_head(self.target(targets))[edges[1]]
        if self.edge is not None and edge_features is not None:
            joint = joint + self._by_head(self.edge(edge_features))
        heat = nnx.leaky_relu(joint, self.negative_slope)
        logits = jnp.sum(heat * self.attention[...], axis=-1)
        shares = softmax_by_target(logits, edges[1], len(targets))
        if self.speech is not None and edge_features is not None:
            sent = sent + self._by_head(self.speech(edge_features))
        weights = shares if keep is None else shares * keep
        heard = jax.ops.segment_sum(sent * weights[..., None], edges[1], len(targets))
        return heard.reshape(len(targets), -1) + self.bias[...], shares

    def _by_head(self, x: jax.Array) -> jax.Array:
        return x.reshape(len(x), self.heads, self.width)


def softmax_by_target(logits: jax.Array, target: jax.Array, n_targets: int) -> jax.Array:
    """Shares of the edges that end in the same target, (edges, heads)."""
    top = jax.ops.segment_max(jax.lax.stop_gradient(logits), target, n_targets)
    weights = jnp.exp(logits - top[target])
    total = jax.ops.segment_sum(weights, target, n_targets)
    return weights / total[target]
