"""The network of Solo that tells simulated doublets from observed cells, and its first weights."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from diffbio_engine.parts.count_autoencoder import put

_EPOCHS = 60
_BATCH = 256
_RATE = 3e-3
_DECAY = 1e-3


class DoubletClassifier(nnx.Module):
    """Features to log odds: a straight line plus two hidden layers that bend it."""

    def __init__(self, n_latent: int, width: int, *, rngs: nnx.Rngs) -> None:
        n_in = n_latent + 1
        self.line = nnx.Linear(n_in, 1, rngs=rngs)
        self.first = nnx.Linear(n_in, width, rngs=rngs)
        self.second = nnx.Linear(width, width, rngs=rngs)
        self.last = nnx.Linear(width, 1, rngs=rngs)

    def __call__(self, features: jax.Array) -> jax.Array:
        """Log odds of a doublet, (cells,)."""
        hidden = nnx.gelu(self.second(nnx.gelu(self.first(features))))
        return (self.line(features) + self.last(hidden))[..., 0]

    def begin(self, single: np.ndarray, double: np.ndarray, *, key: jax.Array) -> None:
        """Adam on the cross-entropy of these cells and doublets, with a rate that falls to zero."""
        x = jnp.concatenate([jnp.asarray(single), jnp.asarray(double)])
        truth = jnp.concatenate([jnp.zeros(len(single)), jnp.ones(len(double))])
        put(self.line.bias, np.log([len(double) / len(single)]))
        graph, *states = nnx.split(self, nnx.Param, ...)
        weights, rest = states
        n_batch = min(_BATCH, len(x))
        n_steps = _EPOCHS * (len(x) // n_batch)
        adam = optax.adamw(optax.cosine_decay_schedule(_RATE, n_steps), weight_decay=_DECAY)

        def step(carry: tuple[Any, Any], key: jax.Array) -> tuple[tuple[Any, Any], None]:
            weights, memory = carry
            rows = jax.random.randint(key, (n_batch,), 0, len(x))

            def loss(weights: nnx.State) -> jax.Array:
                odds = nnx.merge(graph, weights, rest)(x[rows])
                return jnp.mean(optax.sigmoid_binary_cross_entropy(odds, truth[rows]))

            updates, memory = adam.update(jax.grad(loss)(weights), memory, weights)
            return (optax.apply_updates(weights, updates), memory), None

        @jax.jit
        def trained(weights: nnx.State) -> nnx.State:
            keys = jax.random.split(key, n_steps)
            return jax.lax.scan(step, (weights, adam.init(weights)), keys)[0][0]

        nnx.update(self, trained(weights))


def doublet_loss(of_cells: jax.Array, of_doublets: jax.Array) -> jax.Array:
    """Cross-entropy, mean over both, of the log odds of observed cells and simulated doublets."""
    total = jnp.sum(jax.nn.softplus(of_cells)) + jnp.sum(jax.nn.softplus(-of_doublets))
    return total / (len(of_cells) + len(of_doublets))
