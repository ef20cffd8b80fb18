"""Counts and a design to a table of genes that differ: the pipeline of notebooks."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.declare import Config, Operator, setting, size
from diffbio_engine.pipelines.pipeline import Pipeline
from diffbio_engine.pipelines.plan import plan
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.pipelines.wiring import DataPort

_BLOCK, _OPERATOR = "compare", "statistical.nb_glm"
_OUTPUTS = {
    "size_factors": "used_size_factors",
    "predicted_mean": "predicted_mean",
    "log_likelihood": "log_likelihood",
    "dispersion": "dispersion",
    "coefficients": "coefficients",
    "base_mean": "base_mean",
    "log_fold_change": "log2_fold_change",
    "standard_error": "lfc_se",
    "wald_statistic": "stat",
    "p_values": "pvalue",
    "p_adjusted": "padj",
    "nb_loss": "nb_loss",
}


class DEPipelineConfig(Config):
    """Settings of the differential expression pipeline."""

    n_genes: int = size("genes", default=1000, doc="Number of genes.")
    n_conditions: int = size("covariates", default=2, doc="Columns of the design.")
    alpha: float = setting(
        0.05, low=1e-6, high=0.5, doc="False discovery rate at which a gene is significant."
    )
    use_size_factors: bool = setting(True, doc="Correct for how deeply samples were sequenced.")


class DifferentialExpressionPipeline(Pipeline):
    """Counts (samples, genes) and a design (samples, covariates) to genes that differ.

    Size factors, negative binomial regression, Wald's test of column 1 of the design, adjusted
    p-values: DESeq2's once ``estimate(data)`` was called, or ``diffbio_engine.training.fit``,
    which goes on from there by gradients. ``nb_glm`` is the regression.

    ``apply`` adds ``size_factors``, ``predicted_mean``, ``log_fold_change`` (log2),
    ``standard_error``, ``wald_statistic``, ``p_values``, ``p_adjusted`` and ``significant`` (1
    where ``p_adjusted < alpha``); the first axis of ``predicted_mean`` is samples. Genes without
    counts and genes that an outlier rules have NaN, and are not significant.

    References:
        Love, Huber and Anders (2014), Genome Biology 15.
    """

    def __init__(
        self, config: DEPipelineConfig, *, rngs: nnx.Rngs | None = None, seed: int = 0
    ) -> None:
        self.config = config
        data = {
            "counts": DataPort.named("counts", config.n_genes),
            "design": DataPort.named("design", config.n_conditions),
        }
        super().__init__(plan(_document(config), data), rngs=rngs, seed=seed)

    @property
    def nb_glm(self) -> Operator:
        return self.blocks[_BLOCK]

    def estimate(self, data: Mapping[str, Any]) -> "DifferentialExpressionPipeline":
        """Finds the published estimate from all samples of ``data``; returns the pipeline."""
        self.nb_glm.prepare_from(data, jax.random.key(self.seed))
        return self

    def _completed(self, result: dict[str, Any]) -> dict[str, Any]:
        called = result["p_adjusted"] < self.config.alpha  # NaN is not
        return result | {"significant": called.astype(jnp.asarray(result["p_adjusted"]).dtype)}


def _document(config: DEPipelineConfig) -> PipelineSpec:
    settings = {
        "contrast": min(1, config.n_conditions - 1),
        "significance": config.alpha,
        "size_factor_type": "ratio" if config.use_size_factors else "none",
    }
    return PipelineSpec(
        name="Differential expression",
        blocks=(Block(_BLOCK, _OPERATOR, settings),),
        wires=(
            Wire("data.counts", f"{_BLOCK}.counts"),
            Wire("data.design", f"{_BLOCK}.design"),
        ),
        outputs={name: f"{_BLOCK}.{port}" for name, port in _OUTPUTS.items()},
        training={"stages": [{"name": "joint", "steps": 1, "learning_rate": 0.0}]},
    )
