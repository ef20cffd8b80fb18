"""Critics of the Wasserstein distance: one for each batch, against the reference batch."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

PENALTY = 10.0
_GOLDEN, _ROOT = 0.6180339887, 0.4142135624


class BatchCritics(nnx.Module):
    """Smooth functions of the latent coordinates, one for each batch, with shared layers."""

    def __init__(self, n_in: int, hidden_dim: int, n_batches: int, *, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(n_in, hidden_dim, rngs=rngs)
        self.second = nnx.Linear(hidden_dim, hidden_dim, rngs=rngs)
        self.heads = nnx.Linear(hidden_dim, n_batches, use_bias=False, rngs=rngs)

    def __call__(self, points: jax.Array) -> jax.Array:
        """Score of each point by each critic, (points, batches)."""
        return self.heads(jax.nn.silu(self.second(jax.nn.silu(self.first(points)))))


def without_learning[M: nnx.Module](module: M) -> M:
    """The same functions; no gradient reaches their weights."""
    graph, state = nnx.split(module)
    return nnx.merge(graph, jax.tree.map(jax.lax.stop_gradient, state))


def critic_gap(scores: jax.Array, member: jax.Array, reference: jax.Array) -> jax.Array:
    """``E f_b(reference) - E f_b(b)``, mean over the other batches that have cells.

    Args:
        scores: Of each cell by each batch's critic, (cells, batches).
        member: One-hot batch of each cell; all zero: of no batch.
        reference: One-hot, (batches,).
    """
    size = jnp.sum(member, axis=0)
    means = (member.T @ scores) / jnp.maximum(size, 1.0)[:, None]  # of batch a by critic b
    gaps = reference @ means - jnp.diagonal(means)
    meant = (size > 0) & (reference == 0) & (jnp.sum(size * reference) > 0)
    return jnp.sum(jnp.where(meant, gaps, 0.0)) / jnp.maximum(jnp.sum(meant), 1)


def gradient_penalty(
    critics: BatchCritics,
    points: jax.Array,
    member: jax.Array,
    reference: jax.Array,
    key: jax.Array | None = None,
) -> jax.Array:
    """``(|grad f_b| - 1)^2`` between a cell of ``b`` and one of the reference, batches alike.

    Partners and places are drawn with ``key``; without it, they are spread evenly.
    """
    n = points.shape[0]
    if key is None:
        numbers = jnp.arange(1, n + 1, dtype=points.dtype)
        drawn = jnp.stack([numbers * _GOLDEN, numbers * _ROOT]) % 1.0
    else:
        drawn = jax.random.uniform(key, (2, n), points.dtype)
    in_reference = member @ reference > 0
    n_reference = jnp.sum(in_reference)
    first_reference = jnp.argsort(~in_reference, stable=True)
    place = jnp.floor(drawn[0] * n_reference).astype(jnp.int32)
    partner = points[first_reference[jnp.minimum(place, jnp.maximum(n_reference - 1, 0))]]
    between = partner + drawn[1][:, None] * (points - partner)
    slopes = jax.grad(lambda z: jnp.sum(critics(z) * member))(between)
    lengths = jnp.sqrt(jnp.sum(slopes**2, axis=1) + 1e-12)
    size = jnp.sum(member, axis=0)
    of_batch = (member.T @ (lengths - 1) ** 2) / jnp.maximum(size, 1.0)
    meant = (size > 0) & (reference == 0) & (n_reference > 0)
    return jnp.sum(jnp.where(meant, of_batch, 0.0)) / jnp.maximum(jnp.sum(meant), 1)


def fit_critics(
    critics: BatchCritics,
    points: jax.Array,
    member: jax.Array,
    reference: jax.Array,
    key: jax.Array,
    *,
    n_steps: int = 300,
    batch_size: int = 512,
    learning_rate: float = 3e-3,
) -> None:
    """Trains the critics alone, the points held fixed."""
    graph, params = nnx.split(critics)
    adam = optax.adam(learning_rate, b1=0.5, b2=0.9)

    @jax.jit
    def fitted(params: nnx.State, points: jax.Array, member: jax.Array) -> nnx.State:
        def step(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
            params, moments = carry
            choose, draw = jax.random.split(key)
            rows = jax.random.randint(choose, (batch_size,), 0, len(points))
            some, of_some = points[rows], member[rows]

            def loss(params: nnx.State) -> jax.Array:
                model = nnx.merge(graph, params)
                penalty = gradient_penalty(model, some, of_some, reference, draw)
                return PENALTY * penalty - critic_gap(model(some), of_some, reference)

            moves, moments = adam.update(jax.grad(loss)(params), moments)
            return (optax.apply_updates(params, moves), moments), None

        keys = jax.random.split(key, n_steps)
        return jax.lax.scan(step, (params, adam.init(params)), keys)[0][0]

    nnx.update(critics, fitted(params, points, member))
