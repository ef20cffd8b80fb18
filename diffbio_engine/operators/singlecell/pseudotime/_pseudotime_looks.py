"""Three looks at how far a cell has come, and what two of them agree on.

1. The way through neighbouring cells, measured in the first three slow waves, each as wide as the
   others: follows a main course closely, but folds many branches onto each other.
2. The same, measured in all waves: keeps branches apart, but noise lengthens the way.
3. The diffusion distance (DPT): robust to noise, but sensitive to a root that is an odd cell.

Each is divided by its mean over the cells. They err for different reasons, so their median errs
only where two do.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.operators.singlecell._diffusion_maps import (
    as_graph,
    diffusion_distances,
    from_0_to_1,
    links,
    neighbour_lists,
)
from diffbio_engine.operators.singlecell.pseudotime._soft_paths import (
    distances_along,
    prepared_distances_along,
    soft_ways,
)
from diffbio_engine.parts.neighbours import nearest_neighbours

N_LOOKS = 3
_FIRST = 3  # waves of the first look


class Looks(NamedTuple):
    """What placing a cell by the looks needs.

    Attributes:
        far: (cells, 3) how far each cell is by each look, with mean 1.
        units: (2, waves) in what units the first two measure each wave.
        steps: (2,) their mean step.
    """

    far: np.ndarray
    units: np.ndarray
    steps: np.ndarray


def prepared_looks(
    cells: np.ndarray,
    values: np.ndarray,
    waves: np.ndarray,
    roots: np.ndarray,
    k: int,
    temperature: float,
    root: int,
) -> Looks:
    """The three looks at many cells.

    Args:
        values, waves, roots: As ``sparse_diffusion_map`` found them.
        k: Neighbours of a cell.
        temperature: Of the ways, in mean steps.
    """
    nearest, distances = nearest_neighbours(cells, k)
    joined = links(as_graph(nearest, np.maximum(distances, 1e-12)), cells)
    span = np.ptp(waves, axis=0)
    span = np.where(span > 0, span, 1.0)
    far, units, steps = [], [], []
    for n in (_FIRST, waves.shape[1]):
        unit = np.where(np.arange(len(span)) < n, 1.0 / span, 0.0)
        way, step = prepared_distances_along(waves * unit, nearest, joined, temperature, root)
        mean = max(float(way.mean()), 1e-12)
        far.append(way / mean)
        units.append(unit / mean)
        steps.append(step / mean)
    of = (jnp.asarray(values), jnp.asarray(waves), jnp.asarray(roots), root)
    diffused = np.asarray(diffusion_distances(*of))
    far.append(diffused / max(float(diffused.mean()), 1e-12))
    return Looks(np.stack(far, axis=1), np.array(units), np.array(steps))


def looks_among(
    cells: jax.Array,
    values: jax.Array,
    waves: jax.Array,
    roots: jax.Array,
    k: int,
    temperature: jax.Array,
    root: jax.Array | int,
) -> jax.Array:
    """The median of the three looks at a few cells, traced."""
    nearest, _ = neighbour_lists(cells, k)
    places = from_0_to_1(waves)
    far = [
        distances_along(places[:, :_FIRST], nearest, temperature, root),
        distances_along(places, nearest, temperature, root),
        diffusion_distances(values, waves, roots, root),
    ]
    return agreed(jnp.stack([x / jnp.maximum(jnp.mean(x), 1e-12) for x in far], axis=1))


def agreed(far: jax.Array) -> jax.Array:
    """The median of the looks, (cells,)."""
    return jnp.median(far, axis=1)


def furthest(far: np.ndarray) -> float:
    """How far the last cell is, by one look (cells,) or by all (cells, 3)."""
    return float(np.max(np.median(far, axis=1) if far.ndim > 1 else far))


def looks_between(
    wave: jax.Array,
    near_waves: jax.Array,
    near_far: jax.Array,
    shares: jax.Array,
    units: jax.Array,
    heats: jax.Array,
) -> jax.Array:
    """The median of the looks at cells that are placed between their nearest prepared ones.

    Args:
        wave: (cells, waves) of the cells to place.
        near_waves: (cells, k, waves) of the prepared ones, and how far these are, (cells, k, 3).
        shares: (cells, k) of the prepared ones.
    """
    found = []
    for look, (unit, heat) in enumerate(zip(units, heats, strict=True)):
        apart = (wave[:, None] - near_waves) * unit
        found.append(soft_ways(apart, near_far[..., look], heat))
    found.append(jnp.sum(shares * near_far[..., N_LOOKS - 1], axis=1))
    return agreed(jnp.stack(found, axis=1))
