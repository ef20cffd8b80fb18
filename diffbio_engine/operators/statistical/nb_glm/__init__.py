"""Differential expression of counts: negative binomial regression of each gene."""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    Buffer,
    Config,
    Notes,
    Operator,
    operator,
    setting,
    size,
)
from diffbio_engine.declare.held_range import held_within
from diffbio_engine.operators.statistical._nb_classical import Estimate, estimated, outliers
from diffbio_engine.operators.statistical._nb_coefficients import spread
from diffbio_engine.operators.statistical._nb_design_basis import (
    RIDGE,
    Basis,
)
from diffbio_engine.operators.statistical._nb_dispersions import LEAST, most
from diffbio_engine.operators.statistical._nb_raw_counts import (
    check_design,
    whole_counts,
)
from diffbio_engine.operators.statistical._nb_significance import (
    LOG2_E,
    adjusted,
    filtered,
    wald,
)
from diffbio_engine.operators.statistical._nb_size_factors import (
    size_factors as found_factors,
)
from diffbio_engine.operators.statistical.nb_glm._contrasts import of_contrast
from diffbio_engine.operators.statistical.nb_glm._joint_objective import joint_loss
from diffbio_engine.operators.statistical.nb_glm._ports import INPUTS, OUTPUTS
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.count_likelihoods import negative_binomial_log_prob

_START = 0.1  # a dispersion, before any data were seen


class NBGLMConfig(Config):
    """Settings of the negative binomial regression."""

    n_features: int = size("genes", default=2000, doc="How many genes there are.")
    n_covariates: int = size("covariates", default=2, doc="Columns of the design.")
    contrast: int = setting(
        -1,
        low=-64,
        high=63,
        doc="Which column of the design is tested, counted from 0; -1: the last. By name: under"
        " Data, or in Results, where any two levels are compared.",
    )
    size_factor_type: Literal["ratio", "poscounts", "none"] = setting(
        "ratio",
        choices=("ratio", "poscounts", "none"),
        doc="How deeply samples were sequenced: median of ratios to the geometric mean of each"
        " gene, the same over counts above zero (many zeros), or all alike.",
    )
    trend: Literal["parametric", "mean"] = setting(
        "parametric",
        choices=("parametric", "mean"),
        doc="Towards what dispersions are shrunk: a0 + a1 / mean, or their mean.",
    )
    significance: float = setting(
        0.1,
        low=1e-6,
        high=0.5,
        doc="False discovery rate for which genes of low counts are filtered.",
    )
    lfc_threshold: float = setting(
        0.0, low=0.0, high=10.0, unit="log2", doc="Change that counts as none.", advanced=True
    )
    alternative: Literal["greaterAbs", "lessAbs", "greater", "less"] = setting(
        "greaterAbs",
        choices=("greaterAbs", "lessAbs", "greater", "less"),
        doc="What is tested: a change beyond the threshold either way, within it, up, or down.",
        advanced=True,
    )
    cooks_cutoff: bool = setting(
        True,
        doc="Give no p-value to genes that a single outlier rules (Cook's distance).",
        advanced=True,
    )
    independent_filtering: bool = setting(
        True, doc="Leave genes of low counts out of the adjustment.", advanced=True
    )
    replicates_to_replace: int = setting(
        7,
        low=0,
        high=1000,
        unit="samples",
        doc="Replicates from which outliers are replaced by what the others say; 0: never.",
        advanced=True,
    )
    estimate_dispersion: bool = setting(
        True, doc="Let training move the dispersions.", advanced=True
    )


@operator(
    title="Differential expression",
)
class DifferentiableNBGLM(Operator):
    """Finds genes whose counts change with a covariate: the model and the estimate of DESeq2.

    ``log mu = X beta + log s``, counts negative binomial with mean ``mu`` and variance
    ``mu + alpha mu^2``. ``prepare`` gives the published estimate from all samples, in 64 bits:
    size factors, each gene's dispersion by the Cox-Reid adjusted profile likelihood, the trend
    ``a0 + a1 / mean``, shrinkage to it (genes two deviations above it keep their own), ``beta`` by
    reweighted least squares, Cook's distances, and outliers replaced from seven replicates on.
    Results are those of the column ``contrast`` (``of_contrast``: of any other), by Wald's test,
    ``padj`` by Benjamini and Hochberg after filtering by mean. NaN: no counts, an outlier
    (``pvalue``), filtered (``padj``).

    ``beta`` (P, G) are natural logarithms. ``log_dispersion`` (G,) is the logarithm of the
    *inverse* dispersion ``theta = 1 / alpha``, as ``NegativeBinomialLoss`` takes it; the output
    ``dispersion`` is ``alpha``, the output ``inverse_dispersion`` ``theta``.

    Loss, nats a count: ``-log p(counts)`` with DESeq2's priors: Cox-Reid term, log-normal prior of
    ``alpha`` around the trend, ridge. Its optimum in both is where the published steps, repeated,
    come to rest. Genes with replaced outliers keep the published estimate.

    Softens: nothing; the likelihood is smooth in coefficients and dispersions.
    Hard limit: prepared and not trained, DESeq2's answer.
    Gradients: reach ``beta``, ``log_dispersion``, the design, size factors and weights that are
    wired, and through the loss the counts.
    Cost: O(samples * genes * P^2) a step; all samples at once.

    References:
        Love, Huber and Anders (2014), Moderated estimation of fold change and dispersion for
        RNA-seq data with DESeq2, Genome Biology 15.
    """

    Config = NBGLMConfig
    inputs = INPUTS
    outputs = OUTPUTS
    reach = "population"
    needs_all_records = True

    def setup(self, rngs: nnx.Rngs) -> None:
        n, p = self.config.n_features, self.config.n_covariates
        self.beta = nnx.Param(jnp.zeros((p, n)))
        self.log_dispersion = nnx.Param(jnp.full(n, -np.log(_START)))
        ones, zeros = jnp.ones(n), jnp.zeros(n)
        # Of each gene, and of the design; see `prepare`.
        self.found = nnx.Dict(
            {
                "log_reference": Buffer(zeros),
                "base_mean": Buffer(zeros),
                "gene_wise": Buffer(jnp.full(n, _START)),
                "trend": Buffer(jnp.full(n, _START)),
                "prior_precision": Buffer(zeros),
                "robust": Buffer(jnp.full(n, _START)),
                "max_cooks": Buffer(zeros),
                "seen": Buffer(ones),
                "learns": Buffer(ones),
                "judged": Buffer(ones),
                "kept": Buffer(ones),
                "r_inverse": Buffer(jnp.eye(p)),
                "largest_weight": Buffer(jnp.ones(())),
            }
        )

    def prepare(
        self,
        counts: np.ndarray,
        design: np.ndarray,
        size_factors: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        control_genes: np.ndarray | None = None,
        *,
        first: bool = True,
    ) -> None:
        config = self.config
        y, said = whole_counts(counts)
        design = np.asarray(design, float)
        check_design(design, config.contrast)
        factors, reference, more = self._sizes(y, size_factors, control_genes)
        estimate = estimated(
            y,
            design,
            factors,
            weights=weights,
            trend_kind=config.trend,
            fewest_to_replace=config.replicates_to_replace,
        )
        self.notes = Notes(s for s in (said, more, *estimate.said) if s)
        self._keep(estimate, y, design, reference)
        if weights is not None:
            put(self.found["largest_weight"], np.max(weights))
        if first:
            seen = np.isfinite(estimate.alpha)
            put(self.beta, np.where(seen, estimate.beta, 0.0))
            put(self.log_dispersion, -np.log(np.where(seen, estimate.alpha, _START)))

    def _sizes(
        self, y: np.ndarray, given: np.ndarray | None, control: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, str]:
        if given is not None or self.config.size_factor_type == "none":
            factors = np.ones(len(y)) if given is None else np.asarray(given, float)
            return factors, np.full(y.shape[1], -np.inf), ""
        return found_factors(y, self.config.size_factor_type, control)

    def _keep(
        self, estimate: Estimate, y: np.ndarray, design: np.ndarray, reference: np.ndarray
    ) -> None:
        config = self.config
        seen = np.isfinite(estimate.alpha)
        change, error = estimate.log2_change(config.contrast)
        _, p = wald(change, error, config.lfc_threshold, config.alternative)
        judged = ~outliers.ruled_by_one(estimate.cooks, estimate.largest_cooks, y, design)
        judged |= not config.cooks_cutoff
        p = np.where(judged, p, np.nan)
        kept = seen
        if config.independent_filtering:
            kept = seen & filtered(estimate.base_mean, p, config.significance)
        # Genes far above the trend keep their own dispersion: no prior holds them.
        precision = np.where(estimate.own, 0.0, 1.0 / estimate.prior_variance)
        values = {
            "log_reference": reference,
            "base_mean": estimate.base_mean,
            "gene_wise": np.where(seen, estimate.gene_wise, _START),
            "trend": np.where(seen, estimate.trend, _START),
            "prior_precision": np.where(seen, precision, 0.0),
            "robust": np.where(seen, estimate.robust, _START),
            "max_cooks": estimate.largest_cooks,
            "seen": seen,
            "learns": seen & ~estimate.replaced,
            "judged": judged,
            "kept": kept,
            "r_inverse": Basis.of(design).r_inverse,
        }
        for name, value in values.items():
            put(self.found[name], value)

    def __call__(
        self,
        counts: jax.Array,
        design: jax.Array,
        size_factors: jax.Array | None = None,
        weights: jax.Array | None = None,
        control_genes: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        found = {name: buffer[...] for name, buffer in self.found.items()}
        dtype = self.beta[...].dtype
        counts, design = jnp.asarray(counts, dtype), jnp.asarray(design, dtype)
        sizes = self._present_sizes(counts) if size_factors is None else size_factors
        # As in the estimate, what counts most counts as one: a weight says no more than that.
        w = jnp.ones(len(counts), dtype) if weights is None else weights / found["largest_weight"]
        w = w[:, None]
        log_theta = self._log_theta(len(counts))
        alpha = jnp.exp(-log_theta)
        rate = jnp.log(sizes)[:, None] + design @ self.beta[...]
        mu = jnp.exp(rate)
        each = negative_binomial_log_prob(counts, rate, log_theta) * w
        q = design @ found["r_inverse"]
        ridge = RIDGE * found["r_inverse"].T @ found["r_inverse"]
        told = spread(mu, alpha, w, q, ridge, found["r_inverse"], whole=True)
        seen = found["seen"] > 0
        result = self._tested(told["variance"], found)
        base_mean = found["base_mean"] if self.fitted else jnp.mean(counts / sizes[:, None], axis=0)
        cooks = outliers.distances(counts, mu, told["leverage"], found["robust"], design.shape[1])
        return result | {
            "base_mean": base_mean,
            "dispersion": jnp.where(seen, alpha, jnp.nan),
            "gene_wise_dispersion": jnp.where(seen, found["gene_wise"], jnp.nan),
            "trend_dispersion": jnp.where(seen, found["trend"], jnp.nan),
            "max_cooks": found["max_cooks"],
            "inverse_dispersion": jnp.exp(log_theta),
            "coefficients": self.beta[...],
            "covariance": told["covariance"],
            "detected": design.T @ (counts > 0.5).astype(dtype),
            "tested": jnp.zeros(design.shape[1]).at[self.config.contrast].set(1.0),
            "normalized_counts": counts / sizes[:, None],
            "predicted_mean": jnp.where(seen, mu, 0.0),
            "cooks": jnp.where(seen, cooks, 0.0),
            "log_likelihood": jnp.sum(jnp.where(seen, each, 0.0), axis=1),
            "used_size_factors": sizes,
            "nb_loss": joint_loss(self.beta[...], each, mu, log_theta, w, q, found),
        }

    @classmethod
    def of_contrast(
        cls, config: Any, found: Mapping[str, np.ndarray], contrast: np.ndarray, members: np.ndarray
    ) -> dict[str, np.ndarray]:
        return of_contrast(config, found, contrast, members)

    def get_coefficients(self) -> jax.Array:
        """``beta``, (P, G), natural logarithms."""
        return self.beta[...]

    def get_dispersion(self) -> jax.Array:
        """``alpha`` of each gene: the variance is ``mu + alpha mu^2``."""
        return jnp.exp(-self.log_dispersion[...])

    def predict_mean(self, design: jax.Array, size_factor: Any = 1.0) -> jax.Array:
        """Expected counts of samples with this design, one (P,) or many (samples, P)."""
        factors = jnp.asarray(size_factor)
        return jnp.exp(design @ self.beta[...]) * (factors[..., None] if factors.ndim else factors)

    def _log_theta(self, n: int) -> jax.Array:
        stored = self.log_dispersion[...]
        if not self.config.estimate_dispersion:
            stored = jax.lax.stop_gradient(stored)
        return held_within(stored, -float(np.log(most(n))), -float(np.log(LEAST)))

    def _present_sizes(self, counts: jax.Array) -> jax.Array:
        """Of the samples that are given, against the reference of those that were prepared."""
        if not self.fitted or self.config.size_factor_type == "none":
            return jnp.ones(len(counts), counts.dtype)
        reference = self.found["log_reference"][...]
        used = jnp.isfinite(reference) & (counts > 0)
        logs = jnp.log(jnp.where(used, counts, 1.0)) - jnp.where(used, reference, 0.0)
        median = jnp.nanmedian(jnp.where(used, logs, jnp.nan), axis=1)
        return jax.lax.stop_gradient(jnp.exp(median))

    def _tested(self, variance: jax.Array, found: dict[str, jax.Array]) -> dict[str, jax.Array]:
        config, seen = self.config, found["seen"] > 0
        change = self.beta[...][config.contrast] * LOG2_E
        error = jnp.sqrt(variance[config.contrast]) * LOG2_E
        stat, p = wald(change, error, config.lfc_threshold, config.alternative, jnp)
        p = jnp.where(seen & (found["judged"] > 0), p, jnp.nan)
        return {
            "log2_fold_change": jnp.where(seen, change, jnp.nan),
            "lfc_se": jnp.where(seen, error, jnp.nan),
            "stat": jnp.where(seen, stat, jnp.nan),
            "pvalue": p,
            "padj": adjusted(p, found["kept"] > 0),
        }
