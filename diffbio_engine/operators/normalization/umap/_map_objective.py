"""What UMAP makes small: the cross-entropy between a fuzzy graph and nearness in a map."""

import jax
import jax.numpy as jnp

# Bounds the push between cells that coincide; part of the published descent too.
_SOFTENING = 1e-3
# Pairs are formed by rolling the batch; beyond this many, more hardly lower the variance.
_ROLLS = 16


def sq_distances(points: jax.Array) -> jax.Array:
    """All squared distances, (cells, cells), from products: no array of differences is made."""
    # Centred, since the expanded square loses digits far from the origin.
    points = points - jax.lax.stop_gradient(jnp.mean(points, axis=0))
    norms = jnp.sum(points**2, axis=1)
    squares = norms[:, None] + norms - 2 * points @ points.T
    return jnp.where(jnp.eye(len(points), dtype=bool), 0.0, jnp.maximum(squares, 0.0))


def unit_rows(points: jax.Array) -> jax.Array:
    """Rows divided by their length; a row of zeros stays, with a finite gradient."""
    points = jnp.asarray(points)
    squares = jnp.sum(points**2, axis=1, keepdims=True)
    return points * jax.lax.rsqrt(jnp.maximum(squares, jnp.finfo(points.dtype).tiny))


def nearness(squares: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    """``q = 1 / (1 + a d^(2 b))`` from squared distances; finite gradients at distance 0."""
    return 1 / (1 + _scaled(squares, a, b))


def _scaled(squares: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    apart = squares > 0
    return jnp.where(apart, a * jnp.where(apart, squares, 1.0) ** b, 0.0)


def cross_entropy(p: jax.Array, q: jax.Array) -> jax.Array:
    """``-sum_ij [p log q + (1 - p) log(1 - q)]`` over pairs of different cells."""
    tiny = jnp.finfo(q.dtype).eps
    pairs = ~jnp.eye(q.shape[0], dtype=bool)
    together = p * jnp.log(jnp.maximum(q, tiny))
    apart = (1 - p) * jnp.log(jnp.maximum(1 - q, tiny))
    return -jnp.sum(jnp.where(pairs, together + apart, 0.0))


def pull(squares: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    """``-log q``, what a pair of neighbours costs."""
    return jnp.log1p(_scaled(squares, a, b))


def push(squares: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    """``-log(1 - q)``, what a pair of strangers costs, bounded where they coincide."""
    scaled = _scaled(squares, a, b)
    return jnp.log1p(scaled) - jnp.log(scaled + _SOFTENING)


def objective_of_graph(
    p: jax.Array, squares: jax.Array, a: jax.Array, b: jax.Array, negatives: float
) -> jax.Array:
    """What the descent of UMAP makes small on average, per edge, from all pairs.

    ``sum_ij p pull / sum_ij p + negatives * mean_ij push``: an edge is drawn by its weight, with
    ``negatives`` cells drawn evenly, neighbours or not. It is the cross-entropy with the weight of
    the second term that the sampling gives it; the missing ``1 - p`` is published practice.

    References:
        Damrich, Hamprecht (2021), On UMAP's true loss function, NeurIPS.
    """
    n = p.shape[0]
    pairs = ~jnp.eye(n, dtype=bool)
    pulls = jnp.sum(p * pull(squares, a, b)) / jnp.maximum(jnp.sum(p), 1e-12)
    pushes = jnp.sum(jnp.where(pairs, push(squares, a, b), 0.0)) / max(n * (n - 1), 1)
    return pulls + negatives * pushes


def objective_of_batch(
    places: jax.Array, neighbour: jax.Array, a: jax.Array, b: jax.Array, negatives: float
) -> jax.Array:
    """An estimate of the same from cells and a drawn neighbour of each, (cells,) positions.

    If the pairs were drawn by their weight and the order of the batch is random, the expectation
    is that of ``objective_of_graph``, but for the drawn pair itself, which is not pushed. The
    strangers of a cell are those 1, 2, ... 16 places further on, so that no random numbers are
    needed and memory grows with the cells.
    """
    n = places.shape[0]
    drawn = jnp.sum((places - places[neighbour]) ** 2, axis=1)
    pulls = jnp.mean(pull(drawn, a, b))
    here = jnp.arange(n)
    total, count = jnp.zeros((), places.dtype), jnp.zeros((), places.dtype)
    for shift in range(1, min(_ROLLS, n - 1) + 1):
        other = jnp.roll(here, -shift)
        stranger = (other != neighbour) & (jnp.roll(neighbour, -shift) != here)
        squares = jnp.sum((places - jnp.roll(places, -shift, axis=0)) ** 2, axis=1)
        total += jnp.sum(jnp.where(stranger, push(squares, a, b), 0.0))
        count += jnp.sum(stranger)
    return pulls + negatives * total / jnp.maximum(count, 1.0)
