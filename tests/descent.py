"""A block trained on one of its losses, on rows drawn at random: what `training` does, in short."""

from typing import Any

import jax
import numpy as np
import optax
from flax import nnx


def descended(
    block: Any,
    rows: np.ndarray,
    loss: str,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    batch: int,
    seed: int = 0,
) -> Any:
    """The block after ``steps`` from where it stands, which it is left at; one compilation."""
    graph, weights, rest = nnx.split(block, nnx.Param, ...)

    @jax.jit
    def step(weights: Any, moments: Any, some: jax.Array, key: jax.Array) -> tuple[Any, Any]:
        slopes = jax.grad(lambda w: nnx.merge(graph, w, rest)(some, key=key)[loss])(weights)
        move, moments = optimizer.update(slopes, moments)
        return optax.apply_updates(weights, move), moments

    moments, random = optimizer.init(weights), np.random.default_rng(seed)
    for i in range(steps):
        some = rows[random.integers(0, len(rows), batch)]
        weights, moments = step(weights, moments, some, jax.random.key(i))
    return nnx.merge(graph, weights, rest)
