"""Gene regulatory network: which transcription factors explain the expression of which genes."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    TF_INDICES,
    TOTAL_COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    contract,
    dial,
    normalize_setting,
    operator,
    setting,
    size,
    warn_untrained,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.grn._expression_moments import moments_of, standardized
from diffbio_engine.operators.singlecell.grn._sparse_regression import (
    Penalty,
    chance_strength,
    soft_threshold,
    sparse_weights,
    traced_weights,
)
from diffbio_engine.parts.log_normalized_counts import log_expression


class GRNInferenceConfig(Config):
    """Settings of the regulatory network."""

    n_tfs: int = size("regulators", default=50, doc="How many transcription factors there are.")
    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    sparsity_temperature: float = dial(
        0.1,
        low=0.001,
        high=10.0,
        log=True,
        unit="times the threshold",
        doc="Low: an edge is there or not. High: weak edges fade out gradually.",
    )
    sparsity_lambda: float = setting(
        0.01,
        low=1e-5,
        high=1.0,
        log=True,
        unit="of a correlation",
        doc="L1 penalty: a correlation weaker than this makes no edge.",
    )
    l1_ratio: float = setting(
        1.0,
        low=0.01,
        high=1.0,
        doc="Elastic-net mixing. 1 (lasso): of correlated regulators one is chosen. Lower: "
        "they share the edge.",
        advanced=True,
    )
    chance_edges: float | None = setting(
        1.0,
        low=0.001,
        high=1e6,
        log=True,
        doc="Weak edges are cut until chance alone would leave so many in the whole network; empty:"
        " none is cut.",
    )
    normalize: bool = normalize_setting()
    hidden_dim: int = contract(
        64, doc="Without effect, accepted for older callers: the model has no hidden layer."
    )
    num_heads: int = contract(
        4, doc="Without effect, accepted for older callers: the model has no attention heads."
    )


@operator(title="Regulatory network")
class DifferentiableGRN(Operator):
    """Finds which transcription factors explain the expression of each gene across cells.

    For each gene ``g``, with all genes ``z`` standardised across cells, the elastic net

    ``min over w of mean_i (z_ig - sum_f z_if w_fg)^2 / 2 + lambda (r |w|_1 + (1 - r) |w|_2^2 / 2)``

    over the transcription factors ``f``, a gene never among its own regulators. ``grn_matrix`` is
    ``w``: by how many standard deviations the gene rises when its regulator rises by one and the
    others stay; below 0 is repression. Cells say what varies together, not which causes which.
    ``tf_activity[i, f] = sum_g w_fg z_ig / sum_g |w_fg|``, the weighted mean of a regulon.

    What is stored and trained are free strengths ``v = w + covariance of f with what w leaves
    unexplained``; ``w = sign(v) max(|v| - lambda r, 0)`` with a rounded edge. So an edge that is
    absent is still known by how far it is from being there. Not prepared: the network of the
    cells given, no edge cut. Prepared: that of all cells; activities of new cells are read with it.

    The prepared network is sparse: an edge with ``|v|`` below ``edge_threshold`` is exactly 0. Of
    ``n`` cells chance makes strengths of about ``1 / sqrt(n)``, so the threshold is
    ``Phi^-1(1 - chance_edges / (2 edges)) / sqrt(n)`` for the number of possible edges (2000 cells,
    50 regulators and 500 genes: 0.09). The loss still sees the edges that are cut.

    Softens: whether a strength is above the threshold (``sign(v) max(|v| - lambda r, 0)``).
    Hard limit: as ``sparsity_temperature`` goes to 0, exact soft thresholding: the converged lasso
    (elastic net), with strengths that are exactly 0.
    Gradients: reach ``counts``, through the solution of the elastic net where not prepared, and
    the strengths; an edge far below the threshold has almost none at a low temperature.
    Cost: preparing O(cells * regulators * genes) time once and O(regulators^2 * genes) a step,
    O(regulators * genes + regulators^2) memory; then O(cells * regulators * genes) time.
    Start: the converged elastic net, nothing to train.

    References:
        Huynh-Thu et al. (2010), Inferring regulatory networks from expression data using
        tree-based methods, PLoS ONE 5 (a regression for each gene).
        Tibshirani (1996), Regression shrinkage and selection via the lasso, J. R. Stat. Soc. B 58.
        Beck, Teboulle (2009), A fast iterative shrinkage-thresholding algorithm.
        Aibar et al. (2017), SCENIC, Nature Methods 14 (regulons and their activity).
    """

    Config = GRNInferenceConfig
    inputs = (COUNTS, TF_INDICES, TOTAL_COUNTS)
    outputs = (
        Port(
            "grn_matrix",
            "regulators genes",
            Kind.NETWORK,
            "How strongly each regulator drives each gene; below 0: represses it. Edges no stronger"
            " than chance makes (edge_threshold, under Numbers) are 0.",
        ),
        Port(
            "tf_activity",
            "cells regulators",
            Kind.FEATURES,
            "Mean standardised expression of each regulator's targets, by strength and sign.",
            result="obsm/tf_activity_diffbio",
        ),
        Port(
            "regulated_share",
            "genes",
            Kind.PROFILE,
            "Share of the gene's variance that its regulators explain.",
            result="var/regulated_share_diffbio",
        ),
        Port(
            "edge_threshold",
            "",
            Kind.PARAMETER,
            "Strength below which an edge is cut: how many standard deviations a gene must follow"
            " its regulator to be more than chance makes from so many cells. 0: none is cut.",
        ),
        Port("grn_loss", "", Kind.LOSS, "What the network leaves unexplained, and its edges."),
    )
    reach = "population"

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        self.penalty = Penalty(config.sparsity_lambda, config.l1_ratio)
        shape = (config.n_tfs, config.n_genes)
        self.strengths = nnx.Param(jnp.zeros(shape))
        self.mean = Buffer(jnp.zeros(config.n_genes))
        self.spread = Buffer(jnp.ones(config.n_genes))
        self.explained = Buffer(jnp.zeros(config.n_genes))
        self.edge_threshold = Buffer(jnp.asarray(0.0))

    def prepare(
        self,
        counts: np.ndarray,
        tf_indices: np.ndarray,
        total_counts: np.ndarray | None = None,
        *,
        first: bool,
    ) -> None:
        regulators = self._checked(tf_indices)
        found = moments_of(counts, regulators, jax.jit(self._expression), total_counts)
        among = found.across[:, regulators]
        if first:
            allowed = np.asarray(self._allowed(jnp.asarray(regulators)))
            weights = sparse_weights(among, found.across, allowed, self.penalty)
            free = _free(among, found.across, weights, self.penalty)
            self.strengths[...] = jnp.asarray(free, self.strengths.dtype)
        self.mean[...] = jnp.asarray(found.mean, self.mean.dtype)
        self.spread[...] = jnp.asarray(found.spread, self.spread.dtype)
        chance = chance_strength(len(counts), found.across.shape, self.config.chance_edges)
        self.edge_threshold[...] = jnp.asarray(chance, self.edge_threshold.dtype)
        network = self._kept(self._network(self.strengths[...], jnp.asarray(regulators)))
        self.explained[...] = _explained(jnp.asarray(among), jnp.asarray(found.across), network)

    def __call__(
        self, counts: jax.Array, tf_indices: jax.Array, total_counts: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        expression = self._expression(counts, total_counts)
        if self.fitted:
            cells = (expression - self.mean[...]) / self.spread[...]
            weights = self._network(self.strengths[...], tf_indices)
            shown, explained = self._kept(weights), self.explained[...]
        else:
            if len(expression) < 2:
                warn_untrained(type(self).__name__)
            cells = standardized(expression)
            across = cells[:, tf_indices].T @ cells / len(cells)
            among = across[:, tf_indices]
            exact = traced_weights(among, across, self._allowed(tf_indices), self.penalty)
            weights = self._network(_free(among, across, exact, self.penalty), tf_indices)
            shown, explained = weights, _explained(among, across, weights)
        left = cells - cells[:, tf_indices] @ weights
        cost = self.penalty.absolute * jnp.sum(jnp.abs(weights))
        cost += 0.5 * self.penalty.squared * jnp.sum(weights**2)
        return {
            "grn_matrix": shown,
            "tf_activity": soft_ops.div(cells @ shown.T, jnp.sum(jnp.abs(shown), axis=1)),
            "regulated_share": explained,
            "edge_threshold": self.edge_threshold[...],
            "grn_loss": 0.5 * jnp.mean(left**2) + cost / weights.shape[1],
        }

    def _expression(self, counts: jax.Array, total_counts: jax.Array | None = None) -> jax.Array:
        return log_expression(counts, self.config.normalize, total_counts)

    def _allowed(self, tf_indices: jax.Array) -> jax.Array:
        """Every regulator on every gene but itself, (regulators, genes)."""
        return tf_indices[:, None] != jnp.arange(self.config.n_genes)

    def _network(self, free: jax.Array, tf_indices: jax.Array) -> jax.Array:
        edge = self.penalty.absolute
        kept = soft_threshold(free, edge, self.dial("sparsity_temperature") * edge)
        return jnp.where(self._allowed(tf_indices), kept, 0.0)

    def _kept(self, weights: jax.Array) -> jax.Array:
        """The edges that are more than chance."""
        return jnp.where(jnp.abs(self.strengths[...]) >= self.edge_threshold[...], weights, 0.0)

    def _checked(self, regulators: np.ndarray) -> np.ndarray:
        n_genes = self.config.n_genes
        whole = np.issubdtype(regulators.dtype, np.integer) or np.all(regulators % 1 == 0)
        if not whole or np.any(regulators < 0) or np.any(regulators >= n_genes):
            raise DataError(
                f"holds numbers that are not positions among the {n_genes} genes.",
                fix="Give the column of each transcription factor, counted from 0.",
                where="tf_indices",
            )
        if len(np.unique(regulators)) < len(regulators):
            raise DataError(
                "names a gene twice.",
                fix="Give each transcription factor once.",
                where="tf_indices",
            )
        return regulators.astype(np.int64)


def _free[Array: (np.ndarray, jax.Array)](
    among: Array, across: Array, weights: Array, penalty: Penalty
) -> Array:
    """Strengths before the threshold, of which it makes these weights where they are optimal."""
    return weights + across - among @ weights - penalty.squared * weights


def _explained(among: jax.Array, across: jax.Array, weights: jax.Array) -> jax.Array:
    """Share of the variance of each gene that the regulators explain, at least 0."""
    both = 2 * jnp.sum(weights * across, axis=0) - jnp.sum(weights * (among @ weights), axis=0)
    return jnp.clip(both, 0.0, 1.0)
