"""What goes into the comparison within soft clusters, and what comes out of it."""

from typing import Any

from diffbio_engine.declare import (
    BATCH_LABELS,
    CONDITION_LABELS,
    COUNTS,
    TOTAL_COUNTS,
    Kind,
    Port,
    Role,
)


def _of_clusters(name: str, column: str, doc: str, **more: Any) -> Port:
    """What is said of each gene in each cluster, and as which table it goes home."""
    result = f"varm/{column}_diffbio"
    return Port(name, "clusters genes", Kind.PROFILE, doc, result=result, **more)


INPUTS = (
    COUNTS,
    Port(
        "cluster_assignments",
        "cells clusters",
        Kind.SHARES,
        "Share of each cell in each cluster.",
        after=(Role.CLUSTERS,),
    ),
    CONDITION_LABELS,
    Port(
        "batch_labels",
        "cells",
        Kind.LABELS,
        "Which sample or donor each cell is from, counted from 0.",
        classes=BATCH_LABELS.classes,
        optional=True,
    ),
    TOTAL_COUNTS,
)
OUTPUTS = (
    Port(
        "responsibilities",
        "cells clusters",
        Kind.SHARES,
        "Share of each cell in each cluster, by where it lies and by its counts.",
        result="obsm/responsibilities_diffbio",
    ),
    _of_clusters(
        "log2_fold_change",
        "log2FoldChange",
        "Second condition against the first, log2.",
        ranks="far",
        role=Role.CHANGE,
    ),
    _of_clusters("lfc_se", "lfcSE", "Its standard error.", role=Role.UNSURE),
    _of_clusters(
        "stat",
        "stat",
        "Change in standard errors (Wald statistic).",
        ranks="far",
        role=Role.STATISTIC,
    ),
    _of_clusters(
        "pvalue",
        "pvalue",
        "How likely so large a change is by chance.",
        ranks="small",
        role=Role.CHANCE,
    ),
    _of_clusters(
        "padj",
        "padj",
        "Rate of false discoveries, within the cluster.",
        ranks="small",
        role=Role.DISCOVERY,
    ),
    _of_clusters("base_mean", "baseMean", "Mean of the normalised sums.", role=Role.MEAN),
    _of_clusters(
        "dispersion", "dispersion", "alpha: the variance is mu + alpha mu^2.", role=Role.SPREAD
    ),
    Port(
        "change",
        "clusters genes",
        Kind.PARAMETER,
        "Change as the mixture says it, natural logarithms.",
        ranks="far",
    ),
    Port(
        "compared",
        "conditions",
        Kind.PARAMETER,
        "1 for the condition whose change it is, -1 for the one that it is compared with.",
        role=Role.TESTED,
    ),
    Port(
        "smallest_padj",
        "genes",
        Kind.PROFILE,
        "Smallest rate of false discoveries over clusters; 1 where there is none.",
        result="var/smallest_padj_diffbio",
        ranks="small",
    ),
    Port("mixture_loss", "", Kind.LOSS, "-log p of the cells' counts, nats a count."),
)
