"""Ligand-receptor statistics between types and between neighbours, each with its own null."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.operators.singlecell._complexes import genes_of, least_of

Statistic = Literal["mean", "hill"]
Average = Literal["mean", "trimean"]

_NUMBERS = 4_000_000  # of the shares of one round of permutations: 16 MB


def hill(signal: jax.Array, half: jax.Array, power: jax.Array) -> jax.Array:
    """``signal^power / (half^power + signal^power)``; 0 where there is no signal."""
    there = signal > 0
    log = jnp.log(jnp.where(there, signal, 1.0)) - jnp.log(half)
    return jnp.where(there, jax.nn.sigmoid(power * log), 0.0)


def upper_tail(z: jax.Array) -> jax.Array:
    """``1 - Phi(z)``, right also far out."""
    return 0.5 * jax.scipy.special.erfc(z / jnp.sqrt(2.0))


class TypeLevels(NamedTuple):
    """Mean level of each pair's ligand and receptor in each type, both (types, pairs)."""

    ligand: jax.Array
    receptor: jax.Array


def column_shares(types: jax.Array) -> jax.Array:
    """Rows of types (0/1 or soft) as weights of a mean: each column adds up to 1, or to 0."""
    total = jnp.sum(types, axis=0)
    return types / jnp.where(total > 0, total, 1.0)


def trimeans(levels: jax.Array, types: jax.Array) -> jax.Array:
    """(first quartile + 2 median + third quartile) / 4 in each type, (types, columns).

    Quartiles by linear interpolation; a cell belongs to a type if most of it does.
    """

    def of_type(inside: jax.Array) -> jax.Array:
        ordered = jnp.sort(jnp.where(inside[:, None], levels, jnp.inf), axis=0)
        n = jnp.sum(inside)
        at = jnp.array([0.25, 0.5, 0.5, 0.75]) * jnp.maximum(n - 1, 0)
        low = jnp.floor(at).astype(int)
        first = ordered[low]
        second = ordered[jnp.minimum(low + 1, jnp.maximum(n - 1, 0))]
        share = (at - low)[:, None].astype(levels.dtype)
        quartiles = jnp.where(n > 0, first + share * (second - first), 0.0)
        return jnp.mean(quartiles, axis=0)

    return jax.lax.map(of_type, (types > 0.5).T)


def pair_statistic(levels: TypeLevels, statistic: Statistic) -> jax.Array:
    """For each sending and receiving type and pair, (types, types, pairs).

    ``mean``: the mean of the two levels (CellPhoneDB). ``hill``: their product, of which the
    Hill curve (CellChat) is a rising function, so that both have the same p-values.
    """
    ligand, receptor = levels.ligand[:, None], levels.receptor[None, :]
    if statistic == "hill":
        return ligand * receptor
    return 0.5 * (ligand + receptor)


def both_speak(levels: TypeLevels) -> jax.Array:
    """Whether neither the ligand nor the receptor is 0, (types, types, pairs)."""
    return (levels.ligand[:, None] > 0) & (levels.receptor[None, :] > 0)


def type_levels(
    levels: jax.Array, pairs: jax.Array | np.ndarray, types: jax.Array, average: Average
) -> TypeLevels:
    """Average of each pair's ligand and receptor in each type; of a complex the least average.

    Args:
        levels: Expression, (cells, genes).
        pairs: Columns of ``levels``, see ``genes_of``.
    """
    if average == "trimean":
        return levels_of(trimeans(levels, types), pairs)
    return levels_of(column_shares(types).T @ levels, pairs)


def levels_of(means: jax.Array, pairs: jax.Array | np.ndarray) -> TypeLevels:
    """Levels of the pairs, from those of genes in each type (..., types, genes)."""
    return TypeLevels(*(least_of(means, genes) for genes in genes_of(pairs)))


def scarcest_columns(
    levels: jax.Array, pairs: jax.Array | np.ndarray, types: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Ligand and receptor as one gene each, (cells, pairs): the scarcest over all known cells.

    The least of several averages is high more rarely than any one of them, so the null of one
    gene is on the safe side.
    """
    mean = column_shares((jnp.sum(types, axis=1) > 0).astype(levels.dtype)[:, None])[:, 0] @ levels

    def scarcest(genes: jax.Array | np.ndarray) -> jax.Array:
        level = jnp.where(genes >= 0, mean[genes], jnp.inf)
        least = jnp.argmin(level, axis=1)[:, None]
        return levels[:, jnp.take_along_axis(jnp.asarray(genes), least, axis=1)[:, 0]]

    ligand, receptor = genes_of(pairs)
    return scarcest(ligand), scarcest(receptor)


class Null(NamedTuple):
    """Mean and standard deviation of a statistic where cells swap their types at random."""

    mean: jax.Array
    spread: jax.Array


def permutation_null(
    ligand: jax.Array, receptor: jax.Array, types: jax.Array, statistic: Statistic
) -> Null:
    """Exact moments of ``mean`` under all permutations; of ``hill`` to first order.

    With weights ``w`` of a type's mean, ``cov(sum_i w_i x_pi(i), sum_i v_i y_pi(i)) =
    cov(x, y) n / (n - 1) (sum_i w_i v_i - 1 / n)``. Cells of no type (rows of 0) are left out.

    Args:
        ligand, receptor: (cells, pairs).
        types: (cells, types), 0/1 or soft.
    """
    known = (jnp.sum(types, axis=1) > 0).astype(ligand.dtype)[:, None]
    n = jnp.maximum(jnp.sum(known), 2.0)
    mean_l, mean_r = jnp.sum(known * ligand, axis=0) / n, jnp.sum(known * receptor, axis=0) / n
    off_l, off_r = known * (ligand - mean_l), known * (receptor - mean_r)
    var_l, var_r = jnp.sum(off_l**2, axis=0) / n, jnp.sum(off_r**2, axis=0) / n
    both = jnp.sum(off_l * off_r, axis=0) / n
    weights = column_shares(types)
    joint = (n / (n - 1) * (weights.T @ weights - 1 / n))[:, :, None]
    own = jnp.einsum("aap->ap", joint)
    if statistic == "hill":
        mean, by_l, by_r = mean_l * mean_r, mean_r, mean_l
    else:
        mean, by_l = 0.5 * (mean_l + mean_r), jnp.asarray(0.5)
        by_r = by_l
    variance = (
        by_l**2 * var_l * own[:, None]
        + by_r**2 * var_r * own[None, :]
        + 2 * by_l * by_r * both * joint
    )
    safe = variance > 1e-12
    spread = jnp.where(safe, jnp.sqrt(jnp.where(safe, variance, 1.0)), 0.0)
    return Null(jnp.broadcast_to(mean, spread.shape), spread)


def standardised(values: jax.Array, null: Null) -> jax.Array:
    """How many standard deviations above the null's mean; 0 where nothing varies."""
    varies = null.spread > 0
    return jnp.where(varies, (values - null.mean) / jnp.where(varies, null.spread, 1.0), 0.0)


def formula_p_values(
    levels: jax.Array,
    pairs: jax.Array | np.ndarray,
    types: jax.Array,
    statistic: Statistic,
    average: Average,
) -> tuple[jax.Array, jax.Array]:
    """By the normal distribution: of pairs of types, and of their strongest, corrected for all.

    A trimean has no known moments: its values are 1. Of a complex, an upper bound.
    """
    here = type_levels(levels, pairs, types, average)
    found = pair_statistic(here, statistic)
    if average == "trimean":
        return jnp.ones_like(found), jnp.ones(found.shape[-1])
    null = permutation_null(*scarcest_columns(levels, pairs, types), types, statistic)
    p = jnp.where(both_speak(here), upper_tail(standardised(found, null)), 1.0)
    return p, jnp.minimum(jnp.min(p, axis=(0, 1)) * p.shape[0] ** 2, 1.0)


def neighbour_p_values(incoming: jax.Array, receptor: jax.Array) -> jax.Array:
    """Of ``mean_i incoming_i receptor_i`` if cells swapped their receptors at random, (pairs,).

    Mean and variance over all permutations are known (Hoeffding 1951), so that
    ``z = sqrt(n - 1) correlation(incoming, receptor)`` for this very statistic.

    Args:
        incoming: Ligand that reaches each cell, (cells, pairs).
        receptor: (cells, pairs).
    """
    n = len(incoming)
    off_i, off_r = incoming - jnp.mean(incoming, axis=0), receptor - jnp.mean(receptor, axis=0)
    power = jnp.sum(off_i**2, axis=0) * jnp.sum(off_r**2, axis=0)
    varies = power > 1e-20
    z = jnp.sum(off_i * off_r, axis=0) / jnp.sqrt(jnp.where(varies, power, 1.0))
    return jnp.where(varies, upper_tail(jnp.sqrt(max(n - 1.0, 0.0)) * z), 1.0)


class Permuted(NamedTuple):
    """P-values by permutation, (types, types, pairs) and, of the strongest types, (pairs,)."""

    by_type: np.ndarray
    strongest: np.ndarray


def permuted_p_values(
    levels: np.ndarray,
    pairs: np.ndarray,
    types: np.ndarray,
    *,
    statistic: Statistic,
    average: Average,
    n_permutations: int,
    seed: int,
) -> Permuted:
    """Shares of permutations in which a statistic is at least as high as it is, ``(b+1)/(m+1)``.

    The strongest of a pair over all types is that of the largest standardised statistic (of the
    largest statistic, for trimeans), compared with the largest of each permutation.

    Cost: O(permutations * types * cells * genes) time for means; a trimean sorts the cells anew.

    Args:
        levels: Expression of the genes in question, (cells, genes).
        pairs: Columns of ``levels``, see ``genes_of``; a complex is the least of its averages.
        types: (cells, types), 0/1 or soft; rows of 0 are left out.
    """
    known = types.sum(axis=1) > 0
    levels, types = levels[known].astype(np.float32), types[known].astype(np.float32)
    if average == "mean":
        columns = scarcest_columns(jnp.asarray(levels), pairs, jnp.asarray(types))
        null = permutation_null(*columns, jnp.asarray(types), statistic)
    else:
        null = Null(jnp.zeros(()), jnp.ones(()))

    def judged(group: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = pair_statistic(levels_of(group, pairs), statistic)
        return found, jnp.max(standardised(found, null), axis=(0, 1))

    def of_order(order: jax.Array) -> jax.Array:
        return trimeans(jnp.asarray(levels), jnp.asarray(types)[order])

    each = jax.jit(jax.vmap(judged))
    compare = jax.jit(lambda g, o, b: _count(each(g), o, b))
    shares = np.asarray(column_shares(jnp.asarray(types)))
    rng, n = np.random.default_rng(seed), len(levels)
    if average == "mean":
        means = jnp.asarray(shares.T @ levels)
    else:
        of_order = jax.jit(of_order)
        means = of_order(jnp.arange(n))
    observed = jax.jit(judged)(means)
    per_round = int(np.clip(_NUMBERS // (n * types.shape[1]), 1, 50))
    counts = (jnp.zeros(observed[0].shape, int), jnp.zeros(len(pairs), int))
    for start in range(0, n_permutations, per_round):
        n_here = min(per_round, n_permutations - start)
        orders = [rng.permutation(n) for _ in range(n_here)]
        if average == "mean":
            stacked = np.concatenate([shares[order] for order in orders], axis=1)
            groups = (stacked.T @ levels).reshape(n_here, -1, levels.shape[1])
        else:
            groups = jnp.stack([of_order(jnp.asarray(order)) for order in orders])
        counts = compare(jnp.asarray(groups), observed, counts)
    by_type, strongest = ((np.asarray(c) + 1.0) / (n_permutations + 1) for c in counts)
    speak = np.asarray(both_speak(levels_of(means, pairs)))
    return Permuted(np.where(speak, by_type, 1.0), strongest)


def _count(found, observed, counts):  # type: ignore[no-untyped-def]
    """Adds how often what was found is at least what was observed (but for rounding)."""
    return tuple(
        c + jnp.sum(f >= o - 1e-6 * jnp.abs(o), axis=0)
        for f, o, c in zip(found, observed, counts, strict=True)
    )
