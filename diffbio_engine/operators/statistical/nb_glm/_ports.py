"""What goes into the regression of counts, and what comes out of it."""

from dataclasses import replace
from typing import Any

from diffbio_engine.declare import CONTROL_GENES, COUNTS, DESIGN, Kind, Port, Role


def _of_genes(name: str, column: str, doc: str, **more: Any) -> Port:
    """What is said of each gene, and as which column of the table it goes home."""
    return Port(name, "genes", Kind.PROFILE, doc, result=f"var/{column}_diffbio", **more)


INPUTS = (
    replace(COUNTS, doc="Raw counts of each sample and gene."),
    replace(DESIGN, doc="Covariates of each sample; column 0 is the intercept (1 everywhere)."),
    Port(
        "size_factors",
        "cells",
        Kind.SCORE,
        "How deeply each sample was sequenced; not wired: found from the counts.",
        also=("size_factor",),
        optional=True,
    ),
    Port(
        "weights",
        "cells",
        Kind.SCORE,
        "How much each sample counts beside the one that counts most; all alike if none.",
        optional=True,
    ),
    CONTROL_GENES,
)
OUTPUTS = (
    _of_genes(
        "log2_fold_change",
        "log2FoldChange",
        "Change with the tested covariate, log2.",
        also=("log2FoldChange", "log_fold_change"),
        ranks="far",
        role=Role.CHANGE,
    ),
    _of_genes(
        "lfc_se", "lfcSE", "Its standard error.", also=("lfcSE", "standard_error"), role=Role.UNSURE
    ),
    _of_genes(
        "stat",
        "stat",
        "Change in standard errors (Wald statistic).",
        also=("wald_statistic",),
        role=Role.STATISTIC,
    ),
    _of_genes(
        "pvalue",
        "pvalue",
        "How likely so large a change is by chance; NaN for an outlier.",
        also=("p_values",),
        role=Role.CHANCE,
    ),
    _of_genes(
        "padj",
        "padj",
        "Rate of false discoveries at which the gene is one; NaN where it was filtered.",
        ranks="small",
        role=Role.DISCOVERY,
    ),
    _of_genes(
        "base_mean",
        "baseMean",
        "Mean of the normalised counts.",
        also=("baseMean",),
        role=Role.MEAN,
    ),
    _of_genes(
        "dispersion", "dispersion", "alpha: the variance is mu + alpha mu^2.", role=Role.SPREAD
    ),
    _of_genes(
        "gene_wise_dispersion",
        "dispGeneEst",
        "alpha of each gene by itself, before shrinkage.",
        also=("dispGeneEst",),
        role=Role.OWN_SPREAD,
    ),
    _of_genes(
        "trend_dispersion",
        "dispFit",
        "alpha that the trend says for the gene's mean.",
        also=("dispFit",),
        role=Role.USUAL_SPREAD,
    ),
    _of_genes(
        "max_cooks",
        "maxCooks",
        "Largest Cook's distance of a sample with replicates.",
        also=("maxCooks",),
        role=Role.OUTLIER,
    ),
    Port("inverse_dispersion", "genes", Kind.PARAMETER, "theta = 1 / alpha.", also=("theta",)),
    Port("coefficients", "covariates genes", Kind.PARAMETER, "beta, natural logarithms."),
    Port(
        "covariance",
        "covariates covariates genes",
        Kind.PARAMETER,
        "Covariance of the coefficients of each gene, by which other contrasts are tested.",
        role=Role.COVARIANCE,
    ),
    Port(
        "detected",
        "covariates genes",
        Kind.PARAMETER,
        "How many samples of each column of the design have counts of the gene.",
        role=Role.DETECTED,
    ),
    Port(
        "tested",
        "covariates",
        Kind.PARAMETER,
        "1 for the covariate that results are of, else 0.",
        role=Role.TESTED,
    ),
    Port(
        "normalized_counts",
        "cells genes",
        Kind.EXPRESSION,
        "Counts divided by size factors.",
        result="layers/normalized_counts_diffbio",
    ),
    Port("predicted_mean", "cells genes", Kind.EXPRESSION, "Expected counts."),
    Port("cooks", "cells genes", Kind.EXPRESSION, "Cook's distance of each count."),
    Port(
        "log_likelihood",
        "cells",
        Kind.SCORE,
        "Log-likelihood of each sample's counts, nats.",
    ),
    Port(
        "used_size_factors",
        "cells",
        Kind.SCORE,
        "How deeply each sample was sequenced.",
        result="obs/size_factor_diffbio",
        role=Role.DEPTH,
    ),
    Port("nb_loss", "", Kind.LOSS, "-log p with the priors, nats a count."),
)
