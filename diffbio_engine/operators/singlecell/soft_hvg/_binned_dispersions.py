"""Dispersions of genes compared with those of genes of about the same mean."""

import jax
import jax.numpy as jnp
import numpy as np

_BINS = 20  # of cell_ranger


def normalized_dispersions(
    mean: jax.Array, variance: jax.Array, flavor: str, n_bins: int = 20
) -> tuple[jax.Array, jax.Array]:
    """Normalised dispersion of each gene (0 where there is none), and whether it has one.

    ``seurat``: the logarithm of variance over mean, less its mean, over its standard deviation,
    among genes in one of ``n_bins`` bins of equal width of ``log(1 + mean)``; a gene alone has 1.
    ``cell_ranger``: variance over mean, less its median, over its median absolute deviation,
    among genes in one of 20 bins of the mean that end at every twentieth percentile from 10 on.

    Hard limit: exact, nothing is softened.
    Gradients: reach mean and variance; the bin of a gene is a choice.

    References:
        Satija et al. (2015), Spatial reconstruction of single-cell gene expression data.
        Zheng et al. (2017), Massively parallel digital transcriptional profiling of single cells.
    """
    ratio = variance / jnp.where(mean > 0, mean, 1e-12)
    if flavor == "seurat":
        known = ratio > 0
        value = jnp.log(jnp.where(known, ratio, 1.0))
        which = _equal_bins(jnp.log1p(mean), n_bins)
        inside = (which == jnp.arange(n_bins)[:, None]) & known
        n = jnp.sum(inside, axis=1)
        centre = jnp.sum(jnp.where(inside, value, 0.0), axis=1) / jnp.maximum(n, 1)
        away = jnp.where(inside, value - centre[:, None], 0.0)
        alone = n < 2
        squares = jnp.sum(away**2, axis=1) / jnp.maximum(n - 1, 1)
        spread = jnp.where(alone, centre, jnp.sqrt(jnp.where(squares > 0, squares, 1.0)))
        # A bin whose genes are all equal has no spread, and no gene of it stands out.
        known &= alone[which] | (squares[which] > 0)
        centre = jnp.where(alone, 0.0, centre)
    else:
        known = jnp.ones(ratio.shape, bool)
        value = ratio
        which = _percentile_bins(mean)
        inside = which == jnp.arange(_BINS)[:, None]
        centre = jnp.nan_to_num(jnp.nanmedian(jnp.where(inside, value, jnp.nan), axis=1))
        away = jnp.where(inside, jnp.abs(value - centre[:, None]), jnp.nan)
        spread = jnp.nan_to_num(jnp.nanmedian(away, axis=1)) / 0.6744897501960817
        known = spread[which] > 0
    spread = jnp.where(spread == 0, 1.0, spread)
    return jnp.where(known, (value - centre[which]) / spread[which], 0.0), known


def _equal_bins(x: jax.Array, n_bins: int) -> jax.Array:
    """Which of the intervals of equal width, closed on the right; the first holds the least."""
    x = jax.lax.stop_gradient(x)
    edges = jnp.linspace(jnp.min(x), jnp.max(x), n_bins + 1)
    return jnp.clip(jnp.searchsorted(edges, x, side="left") - 1, 0, n_bins - 1)


def _percentile_bins(x: jax.Array) -> jax.Array:
    x = jax.lax.stop_gradient(x)
    edges = jnp.percentile(x, np.arange(10, 105, 5))
    return jnp.clip(jnp.searchsorted(edges, x, side="left"), 0, _BINS - 1)
