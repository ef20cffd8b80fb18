"""Genes and cells of the Splat model, drawn from its parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops
from diffbio_engine.operators.singlecell.simulator._splat_draws import (
    PER_GAMMA,
    log_gamma_draw,
    normal_of,
    poisson_draw,
    uniform_rows,
)
from diffbio_engine.operators.singlecell.simulator._splat_moments import Variation

# The kinds of draws, each with a key of its own.
KEYS = (
    "gene_means_key",
    "lib_sizes_key",
    "group_key",
    "de_mask_key",
    "de_fold_key",
    "poisson_key",
)
_GENES = 2**30  # draws of genes lie apart from those of cells


class Genes(NamedTuple):
    """Means, log factors of groups and of batches, scale of the biological variation."""

    means: jax.Array
    changes: jax.Array
    shifts: jax.Array
    scale: jax.Array


class Softening(NamedTuple):
    """How draws are softened."""

    sampling: str
    softness: jax.Array

    @property
    def mode(self) -> Any:
        return "hard" if self.sampling == "hard" else "smooth"

    @property
    def straight_through(self) -> bool:
        return self.sampling == "straight_through"


def draw_genes(config: Any, keys: jax.Array) -> Genes:
    """Genes from the settings of the simulator and the six keys."""
    n_genes, n_groups, n_batches = config.n_genes, config.n_groups, config.n_batches
    own = jax.vmap(lambda key: jax.random.fold_in(key, _GENES))(keys[jnp.array([0, 3, 4])])
    width = max(2 * PER_GAMMA + 2 + 2 * n_batches, 2 * n_groups)
    for_means, for_mask, for_factors = uniform_rows(own, width * n_genes).reshape(3, width, n_genes)
    gammas = for_means[: 2 * PER_GAMMA].reshape(2, PER_GAMMA * n_genes)
    half = 0.5 * config.bcv_df
    shape = jnp.array([config.mean_shape, half])[:, None] * jnp.ones(n_genes)
    mean, chi = jnp.exp(log_gamma_draw(shape, gammas))
    mean = mean / config.mean_rate
    outlier, far = for_means[2 * PER_GAMMA : 2 * PER_GAMMA + 2]
    factor = jnp.exp(config.outlier_loc + config.outlier_scale * normal_of(far))
    mean = jnp.where(outlier < config.outlier_prob, jnp.median(mean) * factor, mean)
    by_batch = for_means[2 * PER_GAMMA + 2 : 2 * PER_GAMMA + 2 + 2 * n_batches]
    shifts = _log_factors(by_batch, config.batch_fac_loc, config.batch_fac_scale)
    changes = _log_factors(for_factors[: 2 * n_groups], config.de_fac_loc, config.de_fac_scale)
    return Genes(
        jnp.maximum(mean, 1e-8),
        jnp.where(for_mask[:n_groups] < config.de_prob, changes, 0.0),
        shifts if n_batches > 1 else jnp.zeros_like(shifts),
        jnp.sqrt(half / chi),
    )


def _log_factors(uniform: jax.Array, loc: float, scale: float) -> jax.Array:
    """Half up and half down, as in splatter: a factor below 1 counts as its inverse."""
    sign, far = jnp.split(uniform, 2)
    return jnp.where(sign < 0.5, 1.0, -1.0) * jnp.abs(loc + scale * normal_of(far))


class CellDraws(NamedTuple):
    """Uniform numbers for each cell.

    Attributes:
        library, batch: (cells,).
        groups: (cells, groups).
        gamma, poisson, dropout: (cells, genes), the first of them ``PER_GAMMA`` times as wide.
    """

    library: jax.Array
    batch: jax.Array
    groups: jax.Array
    gamma: jax.Array
    poisson: jax.Array
    dropout: jax.Array


def draw_uniform(keys: jax.Array, n_groups: int, n_genes: int) -> CellDraws:
    """All that chance decides, from the keys of the cells, (6, cells)."""
    n_cells = keys.shape[1]
    few = uniform_rows(keys[1:3].reshape(-1), n_groups + 1).reshape(2, n_cells, n_groups + 1)
    poisson, dropout = jnp.split(uniform_rows(keys[5], 2 * n_genes), 2, axis=1)
    gamma = uniform_rows(keys[4], PER_GAMMA * n_genes)
    return CellDraws(few[0, :, 0], few[0, :, 1], few[1, :, :n_groups], gamma, poisson, dropout)


def groups_of(
    logits: jax.Array, given: jax.Array | None, uniform: jax.Array, soften: Softening
) -> tuple[jax.Array, jax.Array]:
    """Group of each cell and its shares of the groups; drawn where it is not known."""
    n_groups = len(logits)
    scores = jax.nn.log_softmax(logits) - jnp.log(-jnp.log(uniform))
    choose = soft_ops.argmax_st if soften.straight_through else soft_ops.argmax
    shares = choose(scores, axis=1, softness=soften.softness, mode=soften.mode, standardize=False)
    group = jnp.argmax(scores, axis=1).astype(jnp.int32)
    if given is None:
        return group, shares
    known, there = jnp.asarray(given), jnp.asarray(given) >= 0
    one_hot = jax.nn.one_hot(known, n_groups, dtype=shares.dtype)
    group = jnp.where(there, known, group).astype(jnp.int32)
    return group, jnp.where(there[:, None], one_hot, shares)


def batches_of(
    n_batches: int, given: jax.Array | None, uniform: jax.Array, *, in_order: bool
) -> jax.Array:
    """Batch of each cell: as given, one after the other, or drawn."""
    if given is not None:
        return jnp.asarray(given).astype(jnp.int32)
    n_cells = len(uniform)
    if in_order:
        return (jnp.arange(n_cells) * n_batches // n_cells).astype(jnp.int32)
    return jnp.minimum((uniform * n_batches).astype(jnp.int32), n_batches - 1)


def draw_cells(
    profiles: jax.Array,
    shares: jax.Array,
    batch: jax.Array,
    log_library: jax.Array,
    variation: Variation,
    draws: CellDraws,
    soften: Softening,
) -> dict[str, jax.Array]:
    """Counts of cells, with their means and what was lost.

    Args:
        profiles: Share of each gene, (batches, groups, genes).
        shares: Of the groups, (cells, groups).
        log_library: Of each cell.
    """
    n_batches, n_groups, n_genes = profiles.shape
    in_batch = jax.nn.one_hot(batch, n_batches, dtype=profiles.dtype)
    mixed = (in_batch[:, :, None] * shares[:, None]).reshape(len(batch), n_batches * n_groups)
    library = jnp.exp(log_library)
    mean = library[:, None] * (mixed @ profiles.reshape(n_batches * n_groups, n_genes))
    mean = jnp.maximum(mean, 1e-8)
    squared = variation.squared(mean)
    log_level = log_gamma_draw(1 / squared, draws.gamma) + jnp.log(mean * squared)
    level = jnp.exp(log_level)
    counts = poisson_draw(jnp.maximum(level, 1e-8), draws.poisson, soften.softness, soften.sampling)
    chance = jnp.log(draws.dropout) - jnp.log1p(-draws.dropout)
    over = variation.dropout_logit(jnp.maximum(log_level, -60.0)) - chance
    step = soft_ops.heaviside_st if soften.straight_through else soft_ops.heaviside
    lost = step(over, softness=soften.softness, mode=soften.mode)
    return {
        "simulated_counts": counts * (1 - lost),
        "true_means": level,
        "dropout_mask": lost,
        "library_size": library,
    }
