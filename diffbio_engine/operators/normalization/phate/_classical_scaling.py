"""Multidimensional scaling: few coordinates that keep distances, classical or metric."""

import jax
import jax.numpy as jnp

_EXTRA = 8  # directions carried along, so that near-equal ones do not slow the iteration


def centred_products(points: jax.Array) -> jax.Array:
    """``-1/2 J D^2 J`` of the distances between rows: the products of the centred rows."""
    centred = points - jnp.mean(points, axis=0)
    return centred @ centred.T


def distances_of(products: jax.Array) -> jax.Array:
    """Distances between rows from their products, with finite gradients where they are 0."""
    norms = jnp.diagonal(products)
    square = norms[:, None] + norms - 2.0 * products
    # Rounding of the products: what is smaller than that is no distance.
    smallest = 4.0 * jnp.finfo(products.dtype).eps * jnp.max(norms)
    apart = (square > smallest) & ~jnp.eye(len(products), dtype=bool)
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, square, 1.0)), 0.0)


@jax.custom_vjp
def _leading(products: jax.Array, start: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues and -vectors by subspace iteration, largest first; as many as ``start`` has."""

    def turn(_: int, basis: jax.Array) -> jax.Array:
        return jnp.linalg.qr(products @ basis)[0]

    basis = jax.lax.fori_loop(0, 60, turn, start)
    values, rotation = jnp.linalg.eigh(basis.T @ products @ basis)
    return values[::-1], (basis @ rotation)[:, ::-1]


def _leading_forward(products, start):
    values, vectors = _leading(products, start)
    return (values, vectors), (products, values, vectors)


def _leading_backward(saved, slopes):
    """Slope of the products: within the directions found in closed form, outside by solving.

    A pair of directions with equal eigenvalues may turn freely; it gets no slope instead of an
    infinite one.
    """
    products, values, vectors = saved
    slope_values, slope_vectors = slopes
    gap = values[None, :] - values[:, None]
    tiny = 1e-6 * jnp.max(jnp.abs(values)) + 1e-30
    inverse = jnp.where(jnp.abs(gap) > tiny, 1.0 / jnp.where(jnp.abs(gap) > tiny, gap, 1.0), 0.0)
    inside = inverse * (vectors.T @ slope_vectors) + jnp.diag(slope_values)

    def outside(v: jax.Array) -> jax.Array:
        return v - vectors @ (vectors.T @ v)

    def shifted(v: jax.Array) -> jax.Array:
        return outside(v * values - products @ v) + vectors @ (vectors.T @ v)

    target = outside(slope_vectors)
    solved = outside(jax.scipy.sparse.linalg.cg(shifted, target, tol=1e-8, maxiter=200)[0])
    half = (vectors @ inside + solved) @ vectors.T
    return 0.5 * (half + half.T), jnp.zeros_like(vectors)


_leading.defvjp(_leading_forward, _leading_backward)


def classical(products: jax.Array, n_components: int, start: jax.Array | None = None) -> jax.Array:
    """Classical scaling: leading eigenvectors of the products times the root of their value.

    Each coordinate's sign is that which makes its largest entry positive; with ``start``
    coordinates it is the sign that agrees with them.
    """
    n = len(products)
    width = min(n, n_components + _EXTRA)
    basis = jax.random.normal(jax.random.key(0), (n, width), products.dtype)
    if start is not None:
        basis = basis.at[:, : start.shape[1]].set(start)
    values, vectors = _leading(products, jnp.linalg.qr(jax.lax.stop_gradient(basis))[0])
    values, vectors = values[:n_components], vectors[:, :n_components]
    positive = values > 0
    found = vectors * jnp.sqrt(jnp.where(positive, values, 1.0)) * positive
    if found.shape[1] < n_components:
        found = jnp.pad(found, ((0, 0), (0, n_components - found.shape[1])))
    if start is None:
        largest = jnp.argmax(jnp.abs(found), axis=0)
        side = jnp.take_along_axis(found, largest[None], axis=0)[0]
    else:
        side = jnp.sum(found * start, axis=0)
    return found * jax.lax.stop_gradient(jnp.where(side < 0, -1.0, 1.0))


def metric(distances: jax.Array, start: jax.Array, n_iterations: int) -> jax.Array:
    """Metric scaling by majorisation (SMACOF) from ``start``: a fixed number of relaxed steps.

    Each step moves every cell to where its springs to all others pull it, and as far again, which
    halves the number of steps needed (de Leeuw and Heiser, 1980); the last step is a plain one.
    """
    n = len(distances)

    @jax.checkpoint
    def step(places: jax.Array, stretch: jax.Array) -> tuple[jax.Array, None]:
        reached = distances_of(places @ places.T)
        apart = reached > 0
        pull = jnp.where(apart, distances / jnp.where(apart, reached, 1.0), 0.0)
        moved = (jnp.sum(pull, axis=1, keepdims=True) * places - pull @ places) / n
        return places + stretch * (moved - places), None

    stretches = jnp.full(n_iterations, 2.0, start.dtype).at[-1].set(1.0)
    return jax.lax.scan(step, start, stretches)[0]
