"""What goes into the regression of counts, and what comes out of it."""

from dataclasses import replace

from diffbio_engine.declare import COUNTS, Kind, Port

DESIGN = Port(
    "design",
    "cells covariates",
    Kind.FEATURES,
    "Covariates of each sample; column 0 is the intercept (1 everywhere).",
)
INPUTS = (
    replace(COUNTS, doc="Raw counts of each sample and gene."),
    DESIGN,
    Port(
        "size_factors",
        "cells",
        Kind.SCORE,
        "How deeply each sample was sequenced; not wired: found from the counts.",
        also=("size_factor",),
        optional=True,
    ),
    Port("weights", "cells", Kind.SCORE, "How much each sample counts; 1 if none.", optional=True),
    Port(
        "control_genes",
        "genes",
        Kind.PROFILE,
        "Genes that size factors are taken from: those above 0.",
        optional=True,
    ),
)
OUTPUTS = (
    Port(
        "log2_fold_change",
        "genes",
        Kind.PROFILE,
        "Change with the tested covariate, log2.",
        also=("log2FoldChange", "log_fold_change"),
        result="var/log2FoldChange_diffbio",
        ranks="far",
    ),
    Port(
        "lfc_se",
        "genes",
        Kind.PROFILE,
        "Its standard error.",
        also=("lfcSE", "standard_error"),
        result="var/lfcSE_diffbio",
    ),
    Port(
        "stat",
        "genes",
        Kind.PROFILE,
        "Change in standard errors (Wald statistic).",
        also=("wald_statistic",),
        result="var/stat_diffbio",
    ),
    Port(
        "pvalue",
        "genes",
        Kind.PROFILE,
        "How likely so large a change is by chance; NaN for an outlier.",
        also=("p_values",),
        result="var/pvalue_diffbio",
    ),
    Port(
        "padj",
        "genes",
        Kind.PROFILE,
        "Rate of false discoveries at which the gene is one; NaN where it was filtered.",
        result="var/padj_diffbio",
        ranks="small",
    ),
    Port(
        "base_mean",
        "genes",
        Kind.PROFILE,
        "Mean of the normalised counts.",
        also=("baseMean",),
        result="var/baseMean_diffbio",
    ),
    Port(
        "dispersion",
        "genes",
        Kind.PROFILE,
        "alpha: the variance is mu + alpha mu^2.",
        result="var/dispersion_diffbio",
    ),
    Port(
        "gene_wise_dispersion",
        "genes",
        Kind.PROFILE,
        "alpha of each gene by itself, before shrinkage.",
        also=("dispGeneEst",),
        result="var/dispGeneEst_diffbio",
    ),
    Port(
        "trend_dispersion",
        "genes",
        Kind.PROFILE,
        "alpha that the trend says for the gene's mean.",
        also=("dispFit",),
        result="var/dispFit_diffbio",
    ),
    Port(
        "max_cooks",
        "genes",
        Kind.PROFILE,
        "Largest Cook's distance of a sample with replicates.",
        also=("maxCooks",),
        result="var/maxCooks_diffbio",
    ),
    Port("inverse_dispersion", "genes", Kind.PARAMETER, "theta = 1 / alpha.", also=("theta",)),
    Port("coefficients", "covariates genes", Kind.PARAMETER, "beta, natural logarithms."),
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
    ),
    Port("nb_loss", "", Kind.LOSS, "-log p with the priors, nats a count."),
)
