"""What a cell's neighbours say to it, and what of its expression that explains."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.operators.singlecell._ligand_receptor import column_shares
from diffbio_engine.operators.singlecell._sending_neighbours import Senders
from diffbio_engine.operators.singlecell.cell_communication._graph_attention import GraphAttention
from diffbio_engine.parts.dense_networks import quiet_linear

_PENALTIES = np.logspace(-2, 4, 13)  # of the ridge, in units of the mean eigenvalue


class Signals(NamedTuple):
    """Edges with what runs along them; sources may be stored cells, targets are those asked for.

    Attributes:
        edges: Row of the source, row of the target, (2, edges).
        ligands: Of each source, (sources, pairs).
        sender_types: Of each source, (sources, types).
        competence: Receptors that the target's type has on average, (targets, pairs).
        types: Of each target, (targets, types).
        nearness: Of each edge, 0 or below, (edges,).
    """

    edges: jax.Array
    ligands: jax.Array
    sender_types: jax.Array
    competence: jax.Array
    types: jax.Array
    nearness: jax.Array


def heard(signals: Signals, shares: jax.Array, receptor: jax.Array) -> jax.Array:
    """``sum_j share_ij ligand_jp receptor_ip``, (targets, pairs); shares are (edges,)."""
    sent = shares[:, None] * signals.ligands[signals.edges[0]]
    return jax.ops.segment_sum(sent, signals.edges[1], len(receptor)) * receptor


def equal_shares(signals: Signals) -> jax.Array:
    """Every source of a target alike, (edges,)."""
    ones = jnp.ones(signals.edges.shape[1], signals.ligands.dtype)
    return ones / jax.ops.segment_sum(ones, signals.edges[1], len(signals.types))[signals.edges[1]]


def heard_between(signals: Signals, shares: jax.Array, receptor: jax.Array) -> jax.Array:
    """What cells of each type hear in all from each type, (types, types, pairs)."""
    source, target = signals.edges
    weights = shares[:, None] * signals.sender_types[source]
    n = len(receptor)
    by_sender = [
        jax.ops.segment_sum(w[:, None] * signals.ligands[source], target, n) for w in weights.T
    ]
    return jnp.stack([signals.types.T @ (sent * receptor) for sent in by_sender])


def as_edges(near: Senders) -> tuple[jax.Array, jax.Array]:
    """Neighbours as edges (2, cells * k), and how near they are: minus square over its mean."""
    n, k = near.rows.shape
    target = jnp.repeat(jnp.arange(n), k)
    scale = jnp.mean(near.squares, axis=1, keepdims=True) if k else near.squares
    nearness = -near.squares / jnp.where(scale > 0, scale, 1.0)
    return jnp.stack([near.rows.reshape(-1), target]), nearness.reshape(-1)


def nearness_on(graph: jax.Array, coords: jax.Array | None, n: int) -> jax.Array:
    """How near the ends of each edge are, beside the other edges of its target; 0 if not known."""
    if coords is None:
        return jnp.zeros(graph.shape[1])
    square = jnp.sum((coords[graph[0]] - coords[graph[1]]) ** 2, axis=1)
    total = jax.ops.segment_sum(square, graph[1], n)[graph[1]]
    number = jax.ops.segment_sum(jnp.ones_like(square), graph[1], n)[graph[1]]
    return -square * number / jnp.where(total > 0, total, 1.0)


class NicheNetwork(nnx.Module):
    """Layers of attention that read a cell's neighbours, and the expression that follows.

    ``h = (z - centre of type) / scale @ axes`` of the mean signal ``z`` of the neighbours, then
    for each layer ``h = h + linear(relu(attention(sources, norm(h), edges)))``. Each layer reads
    the same neighbours again with a better informed question, so that a cell needs only them.
    ``expression = type mean + standardised signal @ effects + linear(h)``; the cell's own
    expression enters by its type alone.
    """

    def __init__(
        self,
        n_pairs: int,
        n_types: int,
        n_genes: int,
        *,
        hidden: int,
        heads: int,
        n_layers: int,
        n_edge: int,
        rngs: nnx.Rngs,
    ) -> None:
        self.axes = nnx.Param(jax.random.normal(rngs.params(), (n_pairs, hidden)) / n_pairs**0.5)
        self.edge_features = nnx.Linear(n_pairs + 1, n_edge, rngs=rngs)
        self.layers = nnx.List(
            [
                GraphAttention(
                    n_pairs + n_types,
                    hidden + n_types,
                    max(1, hidden // heads),
                    heads=heads,
                    n_edge=n_edge,
                    edges_speak=True,
                    rngs=rngs,
                )
                for _ in range(n_layers)
            ]
        )
        for layer in self.layers:
            # Nearly equal shares to begin with: the mean over neighbours.
            layer.attention[...] = 0.01 * layer.attention[...]
        self.norms = nnx.List([nnx.LayerNorm(hidden, rngs=rngs) for _ in self.layers])
        width = heads * max(1, hidden // heads)
        self.outs = nnx.List([quiet_linear(width, hidden, rngs=rngs) for _ in self.layers])
        self.type_expression = nnx.Param(jnp.zeros((n_types, n_genes)))
        self.effects = nnx.Param(jnp.zeros((n_pairs, n_genes)))
        self.decoder = quiet_linear(hidden, n_genes, rngs=rngs)

    def listen(
        self,
        signals: Signals,
        standardise: Callable[[jax.Array, jax.Array], jax.Array],
        *,
        key: jax.Array | None = None,
        dropout: float = 0.0,
    ) -> tuple[jax.Array, jax.Array]:
        """The state of each target, (targets, hidden), and the mean share of each edge, (edges,).

        Args:
            standardise: Takes signals (rows, pairs) and the types of the rows.
            key: For dropout of attention; None for none.
        """
        source, target = signals.edges
        mean = heard(signals, equal_shares(signals), signals.competence)
        h = standardise(mean, signals.types) @ self.axes[...]
        along = standardise(
            signals.ligands[source] * signals.competence[target], signals.types[target]
        )
        edge_features = self.edge_features(
            jnp.concatenate([jnp.tanh(along / 4), signals.nearness[:, None]], axis=1)
        )
        sent = jnp.concatenate([signals.ligands, signals.sender_types], axis=1)
        total = jnp.zeros(len(source), h.dtype)
        for i, (layer, norm, out) in enumerate(
            zip(self.layers, self.norms, self.outs, strict=True)
        ):
            keep = None
            if key is not None and dropout > 0:
                here = (len(source), layer.heads)
                keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - dropout, here)
                keep = keep / (1 - dropout)
            asked = jnp.concatenate([norm(h), signals.types], axis=1)
            said, shares = layer(sent, asked, signals.edges, edge_features, keep=keep)
            h = h + out(nnx.relu(said))
            total = total + jnp.mean(shares, axis=1)
        return h, total / len(self.layers)

    def expected(self, h: jax.Array, signal: jax.Array, types: jax.Array) -> jax.Array:
        """Expression of each target, (targets, genes), its standardised signal given."""
        return types @ self.type_expression[...] + signal @ self.effects[...] + self.decoder(h)

    def pathways(self, groups: jax.Array, noise: jax.Array, n: int) -> jax.Array:
        """Weights of pairs in pathways, (pairs, n), by their effects; columns add up to 1, or 0.

        Args:
            groups: Pathway of each pair.
            noise: Variance of each gene within types.
        """
        power = jnp.mean(self.effects[...] ** 2 / noise, axis=1)
        weights = jnp.sqrt(power + 1e-6)[:, None]
        return column_shares(jax.nn.one_hot(groups, n) * weights)


class RidgeStart(NamedTuple):
    """Effects (pairs, genes), axes (pairs, hidden), share of variance explained (genes,)."""

    effects: np.ndarray
    axes: np.ndarray
    explained: np.ndarray


def ridge_start(signal: np.ndarray, residual: np.ndarray, hidden: int) -> RidgeStart:
    """Linear effects of the neighbours' signals on what the type does not explain.

    Ridge regression, the penalty by generalised cross-validation over all genes in units of each
    gene's noise; the explained share is corrected for it (that of left-out cells).

    Args:
        signal: Standardised within types, (cells, pairs).
        residual: (cells, genes).
    """
    n, n_pairs = signal.shape
    gram = signal.T.astype(np.float64) @ signal
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 0.0)
    total = np.einsum("ij,ij->j", residual, residual, dtype=np.float64)
    unit = 1.0 / np.maximum(total, 1e-12)
    turned = vectors.T @ (signal.T @ residual)
    squares = (turned**2 * unit).sum(axis=1)
    n_seen = max(int((total > 1e-12).sum()), 1)
    scale = max(values.mean(), 1e-12)

    def judged(penalty: float) -> float:
        shrunk = 1.0 / (values + penalty * scale)
        fit = (squares * (2 * shrunk - values * shrunk**2)).sum()
        freedom = (values * shrunk).sum()
        return (n_seen - fit) / max(1 - freedom / n, 1e-3) ** 2

    best = min(_PENALTIES, key=judged)
    shrunk = 1.0 / (values + best * scale)
    left = total - (turned**2 * (2 * shrunk - values * shrunk**2)[:, None]).sum(axis=0)
    freedom = min((values * shrunk).sum() / n, 0.9)
    explained = np.where(total > 1e-12, 1 - left * unit / (1 - freedom) ** 2, 0.0)
    order = np.argsort(-values)[: min(hidden, n_pairs)]
    axes = np.zeros((n_pairs, hidden))
    axes[:, : len(order)] = vectors[:, order]
    return RidgeStart(
        (vectors @ (shrunk[:, None] * turned)).astype(np.float32),
        axes.astype(np.float32),
        np.clip(explained, 0.0, 1.0).astype(np.float32),
    )


def pathways_of_pairs(pairs: jax.Array, n_pathways: int) -> jax.Array:
    """Pairs that share a gene, directly or through others, belong together, (pairs,) from 0.

    The largest group is 0; what is beyond the number of pathways goes into the last.
    """
    n = len(pairs)
    same = pairs[:, None, :, None] == pairs[None, :, None, :]
    shared = (same & (pairs >= 0)[:, None, :, None]).any(axis=(2, 3))
    reach = shared.astype(float)
    for _ in range(max(1, int(np.ceil(np.log2(max(n, 2)))))):
        reach = (reach @ reach > 0).astype(float)
    first = jnp.argmax(reach, axis=1)
    size = jnp.zeros(n).at[first].add(1.0)
    rank = jnp.zeros(n, int).at[jnp.argsort(-size, stable=True)].set(jnp.arange(n))
    return jnp.minimum(rank[first], n_pathways - 1)
