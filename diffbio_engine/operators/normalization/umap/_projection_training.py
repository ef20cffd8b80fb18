"""Trains a block that places cells, on edges drawn from its neighbour graph."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx


def train_on_graph(
    block: nnx.Module,
    features: np.ndarray,
    graph: tuple[np.ndarray, np.ndarray],
    *,
    epochs: int,
    batch_size: int = 512,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> np.ndarray:
    """Adam, with a step that falls to 0, on the loss of ``block(features, neighbour=...)``.

    All steps are one compiled loop: edges are drawn by their weight on the device. A batch is
    ``batch_size / 2`` edges: their first cells, then their second.

    Returns:
        The loss at every step.
    """
    indices, weights = graph
    half = max(1, min(batch_size // 2, len(features)))
    n_steps = max(1, epochs * len(features) // (2 * half))
    # In float64: the sum over millions of edges would lose the small ones.
    heights = np.cumsum(weights.ravel(), dtype=np.float64)
    edges = np.searchsorted(
        heights, np.random.default_rng(seed).random((n_steps, half)) * heights[-1]
    )
    edges = np.minimum(edges, weights.size - 1)
    pairs = np.stack([edges // indices.shape[1], indices.ravel()[edges]], axis=1)
    definition, *states = nnx.split(block, nnx.Param, ...)
    weights_of_block, rest = states
    learned, losses = _descend(
        definition,
        learning_rate,
        weights_of_block,
        rest,
        jnp.asarray(features),
        jnp.asarray(pairs.astype(np.int32)),
    )
    nnx.update(block, learned)
    return np.asarray(losses)


@partial(jax.jit, static_argnums=(0, 1))
def _descend(
    definition: Any, learning_rate: float, start: Any, rest: Any, features: Any, pairs: Any
) -> Any:
    n_steps, _, half = pairs.shape
    schedule = optax.cosine_decay_schedule(learning_rate, n_steps)
    optimiser = optax.adam(schedule)
    partner = jnp.concatenate([jnp.arange(half, 2 * half), jnp.arange(half)])

    def loss_of(weights: Any, cells: jax.Array) -> jax.Array:
        block = nnx.merge(definition, weights, rest)
        return block(features[cells], neighbour=partner)["umap_loss"]

    def step(carry: Any, pair: jax.Array) -> Any:
        weights, memory = carry
        loss, slope = jax.value_and_grad(loss_of)(weights, pair.reshape(-1))
        change, memory = optimiser.update(slope, memory)
        return (optax.apply_updates(weights, change), memory), loss

    (learned, _), losses = jax.lax.scan(step, (start, optimiser.init(start)), pairs)
    return learned, losses
