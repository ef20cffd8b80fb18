"""Means and covariances of expression from cells that are streamed."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

_ROWS = 2048  # cells at a time


@dataclass(frozen=True)
class Moments:
    """Means and standard deviations of genes, and correlations of some with all.

    Attributes:
        mean, spread: Of each gene, (genes,); the spread of a gene that does not vary is 1.
        across: Correlation of the chosen genes with all, (chosen, genes).
    """

    mean: np.ndarray
    spread: np.ndarray
    across: np.ndarray


def moments_of(
    cells: np.ndarray,
    chosen: np.ndarray,
    expression: Callable[[jax.Array, jax.Array | None], jax.Array],
    total_counts: np.ndarray | None = None,
) -> Moments:
    """Moments of ``expression(cells, totals)``, 2048 cells at a time, in double precision."""
    n_genes = cells.shape[1]
    first, second = np.zeros(n_genes), np.zeros(n_genes)
    cross = np.zeros((len(chosen), n_genes))
    for start in range(0, len(cells), _ROWS):
        rows = slice(start, start + _ROWS)
        totals = None if total_counts is None else jnp.asarray(total_counts[rows])
        some = np.asarray(expression(jnp.asarray(cells[rows]), totals), np.float64)
        first += some.sum(axis=0)
        second += np.einsum("ij,ij->j", some, some)
        cross += some[:, chosen].T @ some
    mean = first / len(cells)
    variance = np.maximum(second / len(cells) - mean**2, 0.0)
    varies = variance > 1e-10
    spread = np.where(varies, np.sqrt(variance), 1.0)
    covariance = cross / len(cells) - np.outer(mean[chosen], mean)
    across = covariance / np.outer(spread[chosen], spread)
    # Of a gene that does not vary only rounding is left.
    return Moments(mean, spread, across * varies * varies[chosen][:, None])


def standardized(cells: jax.Array) -> jax.Array:
    """Genes (columns) with mean 0 and variance 1; one that does not vary is 0 throughout."""
    centred = cells - jnp.mean(cells, axis=0)
    variance = jnp.mean(centred**2, axis=0)
    varies = variance > 1e-10
    return jnp.where(varies, centred / jnp.sqrt(jnp.where(varies, variance, 1.0)), 0.0)
