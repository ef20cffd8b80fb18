"""How well soft clusters agree with known classes: Rand index, information, majority."""

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops


def contingency(
    labels: jax.Array, shares: jax.Array, n_classes: int
) -> tuple[jax.Array, jax.Array]:
    """Cells of each class in each cluster, (classes, clusters), and ``sum_i |share_i|^2``.

    Cells without a class (a label below 0 or beyond the last class) do not count.
    """
    one_hot = jax.nn.one_hot(labels, n_classes, dtype=shares.dtype)
    known = jnp.sum(one_hot, axis=1)
    return one_hot.T @ shares, jnp.sum(known * jnp.sum(shares**2, axis=1))


def adjusted_rand_index(table: jax.Array, own: jax.Array) -> jax.Array:
    """Agreement over pairs of cells, 0 as by chance, 1 if equal.

    A pair is together to the degree of the product of its shares, and pairs of a cell with itself
    (``own``) are left out, so that whole cells give the classical index.

    References:
        Hubert and Arabie (1985), Comparing partitions, Journal of Classification 2.
    """
    n = jnp.sum(table)
    both = jnp.sum(table**2) - own
    in_class = jnp.sum(jnp.sum(table, axis=1) ** 2) - n
    in_cluster = jnp.sum(jnp.sum(table, axis=0) ** 2) - own
    by_chance = soft_ops.div(in_class * in_cluster, n * (n - 1))
    most = 0.5 * (in_class + in_cluster)
    # Nothing to tell apart (one class and one cluster, or every cell alone): equal.
    same = jnp.abs(most - by_chance) <= 1e-12 * jnp.maximum(n * n, 1.0)
    ratio = soft_ops.div(both - by_chance, jnp.where(same, 1.0, most - by_chance))
    return jnp.where(same, 1.0, ratio)


def normalized_mutual_information(table: jax.Array) -> jax.Array:
    """Information that clusters and classes share, over the mean of their entropies; nats.

    References:
        Strehl and Ghosh (2002), Cluster ensembles, Journal of Machine Learning Research 3.
    """
    joint = soft_ops.div(table, jnp.sum(table))
    in_class, in_cluster = jnp.sum(joint, axis=1), jnp.sum(joint, axis=0)
    shared = jnp.sum(joint * soft_ops.log(joint))
    class_entropy = -jnp.sum(in_class * soft_ops.log(in_class))
    cluster_entropy = -jnp.sum(in_cluster * soft_ops.log(in_cluster))
    most = 0.5 * (class_entropy + cluster_entropy)
    ratio = soft_ops.div(shared + class_entropy + cluster_entropy, most)
    return jnp.where(most > 0, ratio, 1.0)


def majority_accuracy(table: jax.Array) -> jax.Array:
    """Share of cells that have the commonest class of their cluster."""
    return soft_ops.div(jnp.sum(jnp.max(table, axis=0)), jnp.sum(table))
