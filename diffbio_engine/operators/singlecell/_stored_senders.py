"""Stored cells among which others are placed, and the ligands that these send."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell._complexes import genes_of, least_of
from diffbio_engine.operators.singlecell._sending_neighbours import (
    Senders,
    expression_axes,
    senders_among,
    senders_of,
    unit_rows,
)
from diffbio_engine.parts.log_normalized_counts import log_expression

_CHUNK = 1024


class StoredSenders(nnx.Module):
    """Where prepared cells lie, in the tissue or in expression, and how much ligand each has.

    Of the expression of a stored cell only its ligands are kept, (cells, pairs), and its place.
    """

    def __init__(
        self, kind: type[nnx.Variable], n_pairs: int, *, n_axes: int, metric: str = "euclidean"
    ) -> None:
        self.kind, self.n_axes, self.metric = kind, n_axes, metric
        self.genes = kind(jnp.zeros(1, jnp.int32))
        self.centre = kind(jnp.zeros(1))
        self.axes = kind(jnp.zeros((1, 1)))
        self.places = kind(jnp.zeros((2, 1)))
        self.ligands = kind(jnp.zeros((2, n_pairs)))
        self.highest = kind(jnp.asarray(1.0))

    def store(self, x: np.ndarray, pairs: np.ndarray, coords: np.ndarray | None) -> None:
        """Keeps these cells, ``x`` being their log expression."""
        self.highest[...] = jnp.asarray(max(float(x.max()), 1e-6), self.highest.dtype)
        self.ligands = self.kind(least_of(x, genes_of(pairs).ligand))
        if coords is not None:
            self.places = self.kind(jnp.asarray(coords, float))
            return
        found = expression_axes(x, self.n_axes)
        self.genes, self.centre = self.kind(jnp.asarray(found.genes)), self.kind(found.centre)
        self.axes = self.kind(jnp.asarray(found.axes))
        self.places = self.kind(self._in_axes(jnp.asarray(x[:, found.genes])))

    def senders(self, x: jax.Array, coords: jax.Array | None, k: int) -> Senders:
        """The stored cells nearest to each cell, by its coordinates or its expression."""
        if coords is None:
            return self.around(self._in_axes(x[:, self.genes[...]]), k)
        return self.around(jnp.asarray(coords, float), k)

    def around(self, places: jax.Array, k: int) -> Senders:
        """The stored cells nearest to each of these places."""
        return senders_of(places, self.places[...], k)

    def among(self, x: jax.Array, coords: jax.Array | None, k: int) -> Senders:
        """The nearest of these cells themselves, nothing being stored: in all their genes."""
        if coords is not None:
            return senders_among(jnp.asarray(coords, float), k)
        return senders_among(unit_rows(x) if self.metric == "cosine" else x, k)

    def _in_axes(self, x: jax.Array) -> jax.Array:
        places = (x - self.centre[...]) @ self.axes[...]
        return unit_rows(places) if self.metric == "cosine" else places


def log_of_all(
    counts: np.ndarray, normalize: bool, total_counts: np.ndarray | None = None
) -> np.ndarray:
    """``log_expression`` of all cells, float32, made a chunk at a time."""
    if len(counts) < 3:
        raise DataError(
            f"has {len(counts)} cells; signals go between some more.",
            fix="Use more cells.",
            where="counts",
        )
    x = np.empty(counts.shape, np.float32)
    for start in range(0, len(x), _CHUNK):
        rows = slice(start, start + _CHUNK)
        totals = None if total_counts is None else jnp.asarray(total_counts[rows])
        x[rows] = log_expression(jnp.asarray(counts[rows]), normalize, totals)
    return x
