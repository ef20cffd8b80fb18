"""Differential expression within clusters that cells belong to in part."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    Buffer,
    Config,
    Notes,
    Operator,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.operators.statistical._nb_raw_counts import whole_counts
from diffbio_engine.operators.statistical.soft_cluster_expression._mixture import (
    evidence,
    joined,
    responsibilities,
    started,
)
from diffbio_engine.operators.statistical.soft_cluster_expression._ports import INPUTS, OUTPUTS
from diffbio_engine.operators.statistical.soft_cluster_expression._within_clusters import (
    COLUMNS,
    compared,
    of_samples,
)
from diffbio_engine.parts.count_autoencoder import put


class SoftClusterExpressionConfig(Config):
    """Settings of differential expression within soft clusters."""

    n_genes: int = size("genes", default=2000, doc="How many genes there are.")
    n_clusters: int = size("clusters", default=10, doc="How many clusters there are.")
    n_conditions: int = size("conditions", default=2, doc="How many conditions the labels have.")
    evidence: float = dial(
        1.0,
        low=0.0,
        high=1.0,
        doc="How much a cell's counts say of its cluster, beside where it lies. 0: the clusters as"
        " they are wired. 1: the posterior of the mixture.",
    )
    replicates: Literal["samples", "cells"] = setting(
        "samples",
        choices=("samples", "cells"),
        doc="What is compared: sums of cells for each sample (donor), or single cells, which are no"
        " replicates of a condition: their p-values are too small.",
    )
    paired: bool = setting(False, doc="Each donor is under both conditions: compare within donors.")
    fewest_cells: float = setting(
        10.0,
        low=1.0,
        high=1000.0,
        unit="cells",
        doc="A sample with fewer cells in a cluster (sum of shares) is left out there.",
    )
    significance: float = setting(
        0.1,
        low=1e-6,
        high=0.5,
        doc="False discovery rate for which genes of low counts are filtered.",
        advanced=True,
    )


@operator(
    title="Differential expression in soft clusters",
)
class SoftClusterExpression(Operator):
    """Finds, within each cluster, the genes that change between two conditions.

    Cells belong to clusters in part. ``p(counts_i) = sum_k share_ik prod_g NB(counts_ig; mu_igk)``
    with ``log mu_igk = log size_i + base_kg + condition_i change_kg`` and variance
    ``mu + mu^2 / theta_g``; ``responsibilities`` are the posterior of ``k``, with the counts
    weighed by ``evidence``. The loss, ``-log p`` in nats a count, moves levels, changes and
    dispersions, and through the shares the clusters themselves: one joint model.

    The table is of sums: for each sample (a donor under a condition) and cluster the counts of its
    cells, each as much as its responsibility, compared between conditions as DESeq2 does
    (`Differential expression`), with samples as replicates. It is made in ``prepare`` and anew at
    each refresh. NaN: a cluster without two samples a condition, a filtered gene, an outlier.

    Softens: the choice of one cluster for each cell (``argmax``) before counts are summed.
    Hard limit: with ``evidence`` 0 and one-hot shares, sums over the cells of each cluster: the
    two-step way.
    Gradients: reach the shares (and what they come from), levels, changes, dispersions and
    ``evidence``; not the table.
    Cost: O(cells * clusters * genes) a step and a round of the start, in O(clusters * genes) memory
    besides the counts; the table O(samples * clusters * genes).
    Start: eight rounds of expectation-maximisation from the shares.

    References:
        Crowell et al. (2020), muscat detects subpopulation-specific state transitions, Nature
        Communications 11 (sums of cells).
        Love, Huber and Anders (2014), DESeq2, Genome Biology 15.
    """

    Config = SoftClusterExpressionConfig
    inputs = INPUTS
    outputs = OUTPUTS
    example = {"n_clusters": 3, "replicates": "cells"}

    def setup(self, rngs: nnx.Rngs) -> None:
        shape = (self.config.n_clusters, self.config.n_genes)
        self.base = nnx.Param(0.1 * jax.random.normal(rngs.params(), shape) - np.log(shape[1]))
        self.log_fold_change = nnx.Param(jnp.zeros(shape))
        self.log_theta = nnx.Param(jnp.zeros(shape[1]))
        self.found = nnx.Dict({name: Buffer(jnp.ones(shape)) for name in COLUMNS})

    def prepare(
        self,
        counts: np.ndarray,
        cluster_assignments: np.ndarray,
        condition_labels: np.ndarray,
        batch_labels: np.ndarray | None = None,
        total_counts: np.ndarray | None = None,
        *,
        first: bool = True,
    ) -> None:
        config = self.config
        y, said = whole_counts(counts, np.float32)
        conditions, shares = np.asarray(condition_labels), np.asarray(cluster_assignments, float)
        by_samples = config.replicates == "samples"
        samples = of_samples(conditions, batch_labels, config.paired) if by_samples else None
        totals = (
            y.sum(axis=1, dtype=float) if total_counts is None else np.asarray(total_counts, float)
        )
        sizes = np.maximum(totals, 1.0)
        if first:
            start = started(y, sizes, conditions, shares)
            put(self.base, start["base"])
            put(self.log_fold_change, start["change"])
            put(self.log_theta, start["log_theta"])
        own = responsibilities(
            y,
            np.log(sizes),
            conditions,
            shares,
            {
                "base": np.asarray(self.base[...]),
                "change": np.asarray(self.log_fold_change[...]),
                "log_theta": np.asarray(self.log_theta[...]),
            },
            float(self.dial("evidence")),
        )
        found, notes = compared(
            y,
            own,
            samples,
            conditions=conditions,
            sizes=sizes,
            fewest_cells=config.fewest_cells,
            significance=config.significance,
        )
        others = int((conditions > 1).sum())
        of_others = f"{others:,} of {len(y):,} cells are of other conditions than the two compared."
        self.notes = Notes(s for s in (said, of_others if others else "", *notes) if s)
        for name, value in found.items():
            put(self.found[name], value)

    def __call__(
        self,
        counts: jax.Array,
        cluster_assignments: jax.Array,
        condition_labels: jax.Array,
        batch_labels: jax.Array | None = None,
        total_counts: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        sizes = jnp.sum(counts, axis=1) if total_counts is None else jnp.asarray(total_counts)
        own, log_p = self._posterior(
            counts, cluster_assignments, condition_labels, jnp.maximum(sizes, 1.0)
        )
        there = (condition_labels == 0) | (condition_labels == 1)
        n = jnp.maximum(jnp.sum(there), 1) * counts.shape[1]
        found = {name: buffer[...] for name, buffer in self.found.items()}
        padj = found["padj"]
        return found | {
            "responsibilities": own,
            "change": self.log_fold_change[...],
            "compared": jnp.zeros(self.config.n_conditions).at[0].set(-1.0).at[1].set(1.0),
            "smallest_padj": jnp.min(jnp.where(jnp.isnan(padj), 1.0, padj), axis=0),
            "mixture_loss": -jnp.sum(jnp.where(there, log_p, 0.0)) / n,
        }

    def _posterior(
        self, counts: jax.Array, shares: jax.Array, conditions: jax.Array, sizes: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        theta = self.log_theta[...]
        told = evidence(
            jnp.asarray(counts, theta.dtype),
            jnp.log(jnp.asarray(sizes, theta.dtype)),
            jnp.asarray(conditions == 1, theta.dtype),
            self.base[...],
            self.log_fold_change[...],
            theta,
        )
        shares = jnp.asarray(shares, theta.dtype)
        own, _ = joined(shares, self.dial("evidence") * told)
        # Shares sum to one: with a smaller weight of the counts the loss stays that of the mixture.
        return own, joined(shares, told)[1]
