"""Stored cells with their types, and what they say to cells that are placed among them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.operators.singlecell._ligand_receptor import column_shares
from diffbio_engine.operators.singlecell._sending_neighbours import Senders
from diffbio_engine.operators.singlecell._stored_senders import StoredSenders
from diffbio_engine.operators.singlecell.cell_communication._niche_network import (
    Signals,
    as_edges,
    equal_shares,
    heard,
)


class StoredNiches(StoredSenders):
    """Stored senders of known types, each type with the receptors that it has on average.

    The signals of a type are standardised: ``(signal - centre of type) * unit``.
    """

    def __init__(
        self, kind: type[nnx.Variable], n_pairs: int, n_types: int, *, n_axes: int
    ) -> None:
        super().__init__(kind, n_pairs, n_axes=n_axes)
        self.n_types = n_types
        self.sender_types = kind(jnp.zeros(2, jnp.int32))
        self.type_shares = kind(jnp.ones(n_types) / n_types)
        self.type_receptors = kind(jnp.ones((n_types, n_pairs)))
        self.signal_centre = kind(jnp.zeros((n_types, n_pairs)))
        self.signal_unit = kind(jnp.ones(n_pairs))

    def store_types(self, codes: np.ndarray, receptor: np.ndarray) -> np.ndarray:
        """Keeps the types of the stored cells; how many cells each has, never quite 0."""
        self.sender_types = self.kind(jnp.asarray(codes))
        sizes = np.bincount(codes[codes >= 0], minlength=self.n_types) + 1e-6
        self.type_shares[...] = jnp.asarray(sizes / sizes.sum(), self.type_shares.dtype)
        weights = column_shares(self.types(jnp.asarray(codes)))
        self.type_receptors[...] = weights.T @ jnp.asarray(receptor)
        return sizes

    def types(self, codes: jax.Array) -> jax.Array:
        """Rows of types, (cells, types); unknown cells are of all types as these are common."""
        rows = jax.nn.one_hot(codes, self.n_types, dtype=float)
        return jnp.where((codes >= 0)[:, None], rows, self.type_shares[...])

    def signals(self, near: Senders, codes: jax.Array) -> Signals:
        """What stored neighbours send to cells of these types."""
        n, k = near.rows.shape
        edges, nearness = as_edges(near)
        rows, types = near.rows.reshape(-1), self.types(codes)
        return Signals(
            edges.at[0].set(jnp.arange(n * k)),
            self.ligands[...][rows],
            self.types(self.sender_types[...][rows]),
            types @ self.type_receptors[...],
            types,
            nearness,
        )

    def mean_signal(self, near: Senders, codes: jax.Array) -> jax.Array:
        """What cells of these types hear if they listen to all alike, (cells, pairs)."""
        signals = self.signals(near, codes)
        return heard(signals, equal_shares(signals), signals.competence)

    def standardised(self, signal: jax.Array, types: jax.Array) -> jax.Array:
        """Signals by how they differ within a type; 0 for one that is the same in all cells."""
        return (signal - types @ self.signal_centre[...]) * self.signal_unit[...]
