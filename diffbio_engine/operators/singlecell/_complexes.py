"""Ligands and receptors of one gene or of several: a complex counts as its scarcest gene."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.errors import DataError


class Genes(NamedTuple):
    """Positions of the genes of each pair's ligand and receptor, both (pairs, m), -1 for none."""

    ligand: Any
    receptor: Any


def genes_of(pairs: jax.Array | np.ndarray) -> Genes:
    """Takes ``lr_pairs`` apart: its first half names the ligand's genes, its second the receptor's.

    ``(pairs, 2)`` is one gene each; ``(pairs, 4)`` up to two each, -1 where there are fewer.
    """
    half = pairs.shape[1] // 2
    return Genes(pairs[:, :half], pairs[:, half:])


def least_of(levels: jax.Array | np.ndarray, genes: jax.Array | np.ndarray) -> jax.Array:
    """Level of each complex, that of its scarcest gene (CellPhoneDB's rule), (..., complexes).

    Args:
        levels: By gene, (..., genes).
        genes: Positions in ``levels``, (complexes, m); -1 for none, never first.
    """
    levels = jnp.asarray(levels)
    least = levels[..., genes[:, 0]]
    for column in genes.T[1:]:
        least = jnp.where(column >= 0, jnp.minimum(least, levels[..., column]), least)
    return least


def columns_of(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The genes that occur, each once, and ``pairs`` as positions among these."""
    genes, where = np.unique(pairs[pairs >= 0], return_inverse=True)
    among = np.full(pairs.shape, -1, int)
    among[pairs >= 0] = where
    return genes, among


def columns_in_turn(levels: jax.Array, pairs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """As ``columns_of`` for traced pairs: a column for each entry, and its position."""
    where = jnp.arange(pairs.size).reshape(pairs.shape)
    return levels[:, pairs.ravel()], jnp.where(pairs < 0, -1, where)


def require_positions(
    pairs: jax.Array | np.ndarray, n_genes: int, labels: jax.Array | np.ndarray | None, n: int
) -> None:
    """Refuses pairs of genes, or types, that there are not (where the numbers are known).

    Args:
        n: How many types there are; 0: as many as there are labels.
    """
    if pairs.shape[1] % 2 or not pairs.shape[1]:
        raise DataError(
            f"has {pairs.shape[1]} columns, which cannot be halved into ligand and receptor.",
            fix="Use two columns, or as many genes for ligands as for receptors, -1 for none.",
            where="lr_pairs",
        )
    for values, limit, where, what in (
        (pairs, n_genes, "lr_pairs", "genes"),
        (labels, n, "labels", "cell types"),
    ):
        if values is None or isinstance(values, jax.core.Tracer) or not np.size(values):
            continue
        known = np.asarray(values)  # jax.numpy would trace it where something else is traced
        low, high = int(known.min()), int(known.max())
        if where == "lr_pairs":
            # Of a complex the first gene is always there.
            low = min(low if low < -1 else 0, *(int(part[:, 0].min()) for part in genes_of(known)))
        if (limit and high >= limit) or (low < 0 and where == "lr_pairs"):
            raise DataError(
                f"names position {high if high >= limit else low} where there are {limit} {what}.",
                fix=f"Count positions from 0, and give the block the number of {what}.",
                where=where,
            )


def rows_of_types(labels: jax.Array | np.ndarray, n_types: int) -> jax.Array:
    """Labels as rows of types, (cells, types), of zeros for -1; 0 types: as many as are named."""
    return jax.nn.one_hot(labels, n_types or n_different(labels), dtype=float)


def n_different(labels: jax.Array | np.ndarray) -> int:
    """How many types the labels name, counted from 0; traced labels cannot be counted."""
    if isinstance(labels, jax.core.Tracer):
        raise DataError(
            "cannot be counted while the call is compiled.",
            fix="Set n_classes to the number of cell types, or prepare the block first.",
            where="labels",
        )
    return int(np.max(np.asarray(labels), initial=-1)) + 1
