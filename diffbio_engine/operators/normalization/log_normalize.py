"""Log-normalised counts: every cell brought to one sequencing depth, then the logarithm."""

import jax

from diffbio_engine.declare import (
    COUNTS,
    TOTAL_COUNTS,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    operator,
)
from diffbio_engine.parts.log_normalized_counts import log_normalized


class LogNormalizeConfig(Config):
    """Settings of log-normalisation."""

    target_sum: float = dial(
        1e4,
        low=1.0,
        high=1e6,
        log=True,
        unit="counts",
        doc="Total that the counts of every cell are scaled to. High: rare genes weigh more.",
    )


@operator(title="Log-normalise counts")
class LogNormalize(Operator):
    """Brings every cell to the same total count and takes the logarithm.

    ``expression[i, g] = log(1 + target_sum counts[i, g] / T[i])`` with ``T`` the ``total_counts``
    of a cell, or the sum of the genes given where these are not wired. A cell without counts is 0.

    Softens: nothing; scaling and the logarithm are smooth.
    Hard limit: none; with ``target_sum`` 10 000 these are the values of scanpy and Seurat.
    Gradients: reach ``counts``, also through their total, and ``total_counts``.
    Cost: O(cells * genes) time and memory.

    References:
        Wolf, Angerer, Theis (2018), SCANPY: large-scale single-cell gene expression data analysis,
        Genome Biology 19.
    """

    Config = LogNormalizeConfig
    inputs = (COUNTS, TOTAL_COUNTS)
    outputs = (
        Port(
            "expression",
            "cells genes",
            Kind.EXPRESSION,
            "Log-normalised expression of each gene.",
            result="layers/log_normalized_diffbio",
            role=Role.NORMALIZED,
        ),
    )

    def __call__(
        self, counts: jax.Array, total_counts: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        return {"expression": log_normalized(counts, total_counts, self.dial("target_sum"))}
