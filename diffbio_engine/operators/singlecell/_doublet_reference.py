"""What a cell is compared with to see whether it is a doublet: cells, and doublets made of them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell._principal_axes import principal_axes
from diffbio_engine.operators.singlecell._variable_genes import variable_genes

_PAIRS_AT_ONCE = 4096


class DoubletReference(NamedTuple):
    """Places of observed cells and of simulated doublets, and the way there.

    Attributes:
        project, offset: A cell's place is its transformed counts ``@ project - offset``.
        scale: Total to which counts are scaled: the mean of the observed cells.
        observed, simulated: (observed, axes) and (simulated, axes).
    """

    project: jax.Array
    offset: jax.Array
    scale: jax.Array
    observed: jax.Array
    simulated: jax.Array


def cells_with_counts(
    counts: np.ndarray, batches: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Counts and batches without empty droplets; refuses fewer than three cells."""
    counts = np.asarray(counts, np.float32)
    full = counts.sum(axis=1) > 0
    if full.sum() < 3:
        raise DataError(
            f"has {int(full.sum())} cells with counts; doublets of them cannot be simulated.",
            fix="Choose data with more cells, or take this block out.",
            where="counts",
        )
    if full.all():
        return counts, batches
    return counts[full], None if batches is None else np.asarray(batches)[full]


def draw_pairs(key: jax.Array, n_pairs: int, n_cells: int, batches: jax.Array | None) -> jax.Array:
    """Two cells for each doublet, (pairs, 2); of one batch, if batches are given."""
    if batches is None:
        return jax.random.randint(key, (n_pairs, 2), 0, n_cells)
    order = jnp.argsort(batches)
    key_first, key_second = jax.random.split(key)
    first = jax.random.randint(key_first, (n_pairs,), 0, n_cells)
    ranked = batches[order]
    start = jnp.searchsorted(ranked, batches[first], side="left")
    end = jnp.searchsorted(ranked, batches[first], side="right")
    place = start + jnp.floor(jax.random.uniform(key_second, (n_pairs,)) * (end - start))
    second = order[jnp.minimum(place.astype(start.dtype), end - 1)]
    return jnp.stack([first, second], axis=1)


def make_reference(
    counts: jax.Array | np.ndarray,
    pairs: jax.Array,
    *,
    n_axes: int,
    log: bool,
    share: float = 0.15,
) -> DoubletReference:
    """Places of these cells on their principal axes, and of the doublets of these pairs.

    Counts are scaled to one total; of the most variable genes, as logarithms (``log``) or not, each
    with mean 0 and variance 1 in the observed cells. A doublet's counts are the sum of its cells'.

    Gradients: reach ``counts`` in every way but the choice of genes.
    Cost: O(cells * genes + (cells + pairs) * chosen genes * axes + (chosen genes)^3) time.
    """
    genes, weight = _genes(counts, n_axes, share)
    totals = counts.sum(axis=1, keepdims=True)
    sizes = {"n_genes": counts.shape[1], "n_axes": n_axes}
    return _reference(counts[:, genes], totals, pairs, genes, weight, **sizes, log=log)


@partial(jax.jit, static_argnames=("n_genes", "n_axes", "log"))
def _reference(
    counts: jax.Array,
    totals: jax.Array,
    pairs: jax.Array,
    genes: jax.Array,
    weight: jax.Array,
    *,
    n_genes: int,
    n_axes: int,
    log: bool,
) -> DoubletReference:
    """Of the chosen genes' counts and the totals of all; compiled as one."""
    n_cells = len(counts)
    scale = jnp.mean(totals)
    values = _transformed(counts, totals, scale, log)
    mean, variance = jnp.mean(values, axis=0), jnp.var(values, axis=0)
    varies = variance > 1e-12
    each = jnp.where(varies, weight / jnp.sqrt(jnp.where(varies, variance, 1.0)), 0.0)
    standard = (values - mean) * each
    axes = principal_axes(standard.T @ standard / n_cells, min(n_axes, n_cells - 1, len(genes)))
    project = each[:, None] * axes

    observed = standard @ axes
    first, second = pairs[:, 0], pairs[:, 1]
    if log:

        def place(pair: jax.Array) -> jax.Array:
            both = counts[pair[0]] + counts[pair[1]]
            total = totals[pair[0]] + totals[pair[1]]
            return (_transformed(both, total, scale, log) - mean) @ project

        simulated = jax.lax.map(place, pairs, batch_size=min(_PAIRS_AT_ONCE, len(pairs)))
    else:
        # Scaled counts of a sum are the mean of the scaled counts, weighted with the totals; so
        # are the places, and no counts are added up.
        part = totals[first] / jnp.maximum(totals[first] + totals[second], 1e-12)
        simulated = part * observed[first] + (1 - part) * observed[second]
    everywhere = jnp.zeros((n_genes, axes.shape[1]), project.dtype).at[genes].set(project)
    return DoubletReference(everywhere, mean @ project, scale, observed, simulated)


def embed(counts: jax.Array, reference: DoubletReference, *, log: bool) -> jax.Array:
    """Places of any cells in a reference, (cells, axes)."""
    totals = jnp.sum(counts, axis=1, keepdims=True)
    values = _transformed(counts, totals, reference.scale, log)
    return values @ reference.project - reference.offset


def _transformed(counts: jax.Array, totals: jax.Array, scale: jax.Array, log: bool) -> jax.Array:
    scaled = counts * (scale / jnp.maximum(totals, 1e-12))
    return jnp.log1p(scaled) if log else scaled


def _genes(
    counts: jax.Array | np.ndarray, n_axes: int, share: float
) -> tuple[jax.Array, jax.Array]:
    """The most variable genes, always as many, with weight 0 for those that are not."""
    n_genes = counts.shape[1]
    least = min(n_axes, n_genes)
    most = min(n_genes, max(least, int(np.ceil(share * n_genes)) + 1))

    def choose(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(x, np.float32)
        found = variable_genes(x, share=share, at_least=least)[:most]
        others = np.setdiff1d(np.arange(n_genes), found)[: most - len(found)]
        weight = np.arange(most) < len(found)
        return np.concatenate([found, others]).astype(np.int32), weight.astype(np.float32)

    if not isinstance(counts, jax.core.Tracer):
        genes, weight = choose(np.asarray(counts))
        return jnp.asarray(genes), jnp.asarray(weight)
    shapes = (
        jax.ShapeDtypeStruct((most,), jnp.int32),
        jax.ShapeDtypeStruct((most,), jnp.float32),
    )
    # Which genes vary is a choice, made outside the trace; no gradient goes through it.
    return jax.pure_callback(
        choose, shapes, jax.lax.stop_gradient(counts), vmap_method="sequential"
    )
