"""Who is beside whom in a tissue, where a spot belongs among held ones, and how domains start."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.utils.extmath import randomized_svd

from diffbio_engine.operators.singlecell.spatial_domain._spatial_attention import Around
from diffbio_engine.parts.neighbours import nearest_neighbours

_PLACED_AT_ONCE = 128  # spots, so that (spots, held spots) stays small
_SAMPLE = 20_000  # spots for a mixture
_LEAST = 1e-4  # of the variance of all: the least inside a domain


class Held(NamedTuple):
    """Spots that are kept for others to look at.

    Attributes:
        features: (held, features).
        places: (held, 2).
        slices: (held,).
        neighbours: Nearest of the same slice, nearest first, (held, k); a slice of fewer spots
            repeats the spot itself.
        kinds: Centres of the clusters of expression, (kinds, features).
        kind_of: The cluster of each, (held,).
        by_surroundings: Clusters are of the mean over a spot and its neighbours.
        radius: Furthest that a neighbour may be.
    """

    features: jax.Array
    places: jax.Array
    slices: jax.Array
    neighbours: jax.Array
    kinds: jax.Array
    kind_of: jax.Array
    by_surroundings: bool
    radius: float | None


def neighbours_in_slices(places: np.ndarray, slices: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` nearest spots of the same slice, (spots, k); itself where there are too few."""
    found = np.tile(np.arange(len(places), dtype=np.int32)[:, None], (1, k))
    for which in np.unique(slices):
        rows = np.flatnonzero(slices == which)
        n = min(k, len(rows) - 1)
        if n:
            found[rows, :n] = rows[nearest_neighbours(places[rows], n)[0]]
    return found


def around_these(
    features: jax.Array, places: jax.Array, slices: jax.Array | None, k: int, radius: float | None
) -> tuple[Around, Around]:
    """The surroundings of spots among themselves, and those of their neighbours."""
    n = len(features)
    slices = jnp.zeros(n, jnp.int32) if slices is None else slices
    square = _squares(places, slices, places, slices) + jnp.diag(jnp.full(n, jnp.inf))
    _, neighbours = jax.lax.top_k(-square, min(k, n - 1))
    kinds = jnp.zeros((1, features.shape[1]))
    held = Held(features, places, slices, neighbours, kinds, jnp.zeros(n, int), False, radius)
    return _around(features, places, slices, neighbours, held)


def around_held(
    features: jax.Array, places: jax.Array, slices: jax.Array | None, held: Held
) -> tuple[Around, Around]:
    """The surroundings of spots among held ones, and those of these neighbours.

    A spot where a held one lies has that one's neighbours; another has the nearest held one and
    that one's neighbours but the last.
    """
    slices = jnp.zeros(len(features), jnp.int32) if slices is None else slices

    def find(spot: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        square = _squares(spot[0][None], spot[1][None], held.places, held.slices)[0]
        nearest = jnp.argmin(square)
        return nearest, square[nearest]

    nearest, square = jax.lax.map(find, (places, slices), batch_size=_PLACED_AT_ONCE)
    theirs = held.neighbours[nearest]
    # A ten-thousandth of the way to the next: the same place, written in another file.
    first = held.places[theirs[:, 0]] - held.places[nearest]
    same = square <= 1e-8 * jnp.sum(first**2, axis=1)
    as_new = jnp.concatenate([nearest[:, None], theirs[:, :-1]], axis=1)
    neighbours = jnp.where(same[:, None], theirs, as_new)
    return _around(features, places, slices, neighbours, held)


def _squares(a: jax.Array, in_a: jax.Array, b: jax.Array, in_b: jax.Array) -> jax.Array:
    """Squared distances, infinite between slices."""
    square = (a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2
    square = jax.lax.stop_gradient(square)
    return jnp.where(in_a[:, None] == in_b, square, jnp.inf)


def _around(
    features: jax.Array, places: jax.Array, slices: jax.Array, neighbours: jax.Array, held: Held
) -> tuple[Around, Around]:
    further = held.neighbours[neighbours]

    def beside(place: jax.Array, which: jax.Array, who: jax.Array) -> jax.Array:
        square = jnp.sum((place[..., None, :] - held.places[who]) ** 2, axis=-1)
        # A repeated spot stands for none; a twin at the same place does not count either.
        counts = (square > 0) & (held.slices[who] == which[..., None])
        return counts if held.radius is None else counts & (square <= held.radius**2)

    counts, others = beside(places, slices, neighbours), held.features[neighbours]
    typical = surroundings(features, others, counts) if held.by_surroundings else features
    kind, kinds = nearest_kind(typical, held.kinds), held.kind_of
    near = Around(features, others, counts, kind[:, None] == kinds[neighbours])
    far = Around(
        near.others,
        held.features[further],
        beside(held.places[neighbours], held.slices[neighbours], further),
        kinds[neighbours][..., None] == kinds[further],
    )
    return near, far


def surroundings(own: jax.Array, others: jax.Array, beside: jax.Array) -> jax.Array:
    """Mean over spots and those neighbours that count, (spots, features)."""
    weight = beside[..., None].astype(own.dtype)
    return (own + jnp.sum(others * weight, axis=1)) / (1.0 + jnp.sum(weight, axis=1))


def nearest_kind(features: jax.Array, kinds: jax.Array) -> jax.Array:
    """The cluster of each spot, (spots,)."""
    norms = 0.5 * jnp.sum(kinds**2, axis=1)
    return jnp.argmax(jax.lax.stop_gradient(features @ kinds.T - norms), axis=1)


def start_of_features(
    expression: np.ndarray, n_components: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Principal axes (genes, components), centre (genes,), their scale and the whole variance.

    Divided by the scale, the first component has variance 1. With fewer spots than components the
    last axes are 0.
    """
    centre = expression.mean(axis=0)
    centred = expression - centre
    n = min(n_components, *expression.shape)
    _, sizes, axes = randomized_svd(centred, n, n_iter=4, random_state=seed)
    basis = np.zeros((expression.shape[1], n_components), np.float32)
    basis[:, :n] = axes.T
    variance = float(np.einsum("ij,ij->", centred, centred, dtype=np.float64)) / len(expression)
    scale = float(sizes[0]) / np.sqrt(len(expression))
    return basis, centre, max(scale, 1e-6), max(variance, 1e-12)


def start_of_domains(embedded: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """Means of a Gaussian mixture with one shape for all, from the better of two k-means starts.

    Spots beyond 20 000 are left out, evenly.
    """
    rows = np.random.default_rng(seed).permutation(len(embedded))[:_SAMPLE]
    sample = np.asarray(embedded, np.float64)[rows]
    size = max(float(sample.std()), 1e-12)
    found = GaussianMixture(
        n_domains, covariance_type="tied", reg_covar=_LEAST, n_init=2, random_state=seed
    ).fit(sample / size)
    return found.means_ * size


def shape_inside(embedded: np.ndarray, centres: np.ndarray, shape: np.ndarray | None) -> np.ndarray:
    """``M`` with ``|x M|^2`` the squared distance in units of the spread inside domains.

    Args:
        shape: By which spots go to the nearest of the centres; None for as many rounds as it takes
            to find one, from plain distances.
    """
    embedded = np.asarray(embedded, np.float64)
    size = max(float(embedded.std()), 1e-12)
    now = np.eye(embedded.shape[1]) if shape is None else np.asarray(shape, np.float64)
    for _ in range(10 if shape is None else 1):
        square = ((embedded @ now)[:, None, :] - centres @ now) ** 2
        apart = embedded - centres[np.argmin(square.sum(axis=2), axis=1)]
        covariance = apart.T @ apart / len(apart) + _LEAST * size**2 * np.eye(len(now))
        now = np.linalg.cholesky(np.linalg.inv(covariance))
    return now
