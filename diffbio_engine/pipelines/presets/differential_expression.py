"""Differential expression of bulk samples: which genes differ between groups, as DESeq2 tells."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from diffbio_engine.pipelines.presets.preset import Preset, assembled
from diffbio_engine.pipelines.spec import PipelineSpec

# The published estimate is made from all samples before the first step. Training goes on from it to
# the joint optimum, where answers are no longer DESeq2's: that is for pipelines which learn more.
_TRAINING: dict[str, Any] = {
    "stages": [{"name": "estimate", "steps": 1, "learning_rate": 0.0}],
}


def differential_expression_spec(fields: Mapping[str, str] | None = None) -> PipelineSpec:
    """One regression of all genes on the design of the samples."""
    spec = assembled(
        "Differential expression (bulk)",
        {"compare": ("statistical.nb_glm", {})},
        {
            "compare.counts": "data.counts",
            "compare.design": "data.design",
            "compare.control_genes": "data.control_genes",
        },
        fields,
        outputs={
            "log2_fold_change": "compare.log2_fold_change",
            "padj": "compare.padj",
            "dispersion": "compare.dispersion",
        },
        training=_TRAINING,
    )
    return replace(spec, variable_genes=0)


PRESET = Preset(
    id="differential_expression",
    title="Differential expression (bulk)",
    summary="Genes that differ between groups of samples: DESeq2's estimate, plots and table.",
    make=differential_expression_spec,
    demo="treated_samples",
    place=13,
    rows="samples",
    needs=("counts", "design"),
)
