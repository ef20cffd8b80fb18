"""Which features of a file are genes: antibodies, guides and probes of control are other kinds.

Sources of the words: the manuals of Cell Ranger (feature types) and Xenium (kinds of probes), and
the open problems data of GEX, ADT and ATAC (NeurIPS 2021).
"""

import re

import numpy as np
import pandas as pd

from diffbio_engine.data.reading import ALL_FEATURES, Choice
from diffbio_engine.errors import DataError, did_you_mean

GENES = "Gene Expression"
_COLUMNS = ("feature_types", "feature_type", "modality")
_GENES = ("gene expression", "gex", "rna")
_OTHERS = {
    "antibody capture", "antibody", "adt", "hto", "protein", "antigen capture",
    "crispr guide capture", "guide capture", "multiplexing capture", "custom", "peaks", "peak",
    "chromatin accessibility", "atac", "vdj", "vdj-t", "vdj-b", "negative control probe",
    "negative control codeword", "genomic control", "genomic control probe", "blank codeword",
    "unassigned codeword", "deprecated codeword",
}  # fmt: skip

PROBES = "Negative probe"
# CosMx, Xenium, MERFISH: probes that bind nothing, and codes that no probe has.
_PROBES = re.compile(
    r"^(neg_?prb|neg_?probe|negative[-_. ]?((control|probe)[-_. ]?\w*|\d+)$|neg_?control|neg_?ctrl|"
    r"system_?control|false_?code|blank[-_. ]?(codeword|\d)|antisense_|intergenic_region|"
    r"(unassigned|deprecated)_?codeword)",
    re.IGNORECASE,
)


def kinds_of_features(var: pd.DataFrame) -> pd.Series | None:
    """The kind of each feature; None where no column tells one in the words that are known.

    Without such a column, the names of negative probes tell. Another column of that name
    (a biotype, a chromosome) is no kind of features.
    """
    for column in _COLUMNS:
        if column not in var.columns or not len(var):
            continue
        kinds = var[column].astype(str).str.strip()
        if kinds.str.lower().isin([*_GENES, *_OTHERS]).mean() >= 0.5:
            return kinds
    probes = var.index.astype(str).str.match(_PROBES)
    if not probes.any() or probes.mean() > 0.5:
        return None
    return pd.Series(np.where(probes, PROBES, GENES), index=var.index)


def kept_features(
    var: pd.DataFrame, wanted: str
) -> tuple[np.ndarray, list[str], tuple[Choice, ...]]:
    """Which features are kept: genes, unless a person says otherwise; and what is said of it.

    Args:
        wanted: A kind of features, ``"all"``, or empty: genes, or the largest kind without any.
    """
    every = np.arange(len(var))
    of_each = kinds_of_features(var)
    if of_each is None:
        return every, [], ()
    counts = of_each.value_counts()
    kinds = [str(k) for k in counts.index]
    if wanted and wanted != ALL_FEATURES and wanted not in kinds:
        raise DataError(
            f"There are no features of type '{wanted}'; there are "
            f"{', '.join(f'{n:,} {k}' for k, n in counts.items())}.",
            fix=did_you_mean(wanted, kinds) or "Choose one of these types.",
            where="features",
        )
    if len(kinds) == 1:
        return every, [], ()
    genes = next((k for word in _GENES for k in kinds if k.lower() == word), "")
    taken = wanted or genes or kinds[0]
    possible = tuple((k, f"{k} ({counts[k]:,})") for k in kinds)
    why = "" if wanted else "genes" if taken == genes else "the largest kind; there are no genes"
    choice = Choice(
        "features", "Kind of features", taken,
        (*possible, (ALL_FEATURES, f"all of them ({len(var):,})")), why,
    )  # fmt: skip
    if taken == ALL_FEATURES:
        return every, [], (choice,)
    said = [
        f"{n:,} of {len(var):,} features are of type {k} and were left out."
        for k, n in counts.items()
        if k != taken
    ]
    return np.flatnonzero(of_each == taken), said, (choice,)


def kept_of_raw(raw_var: pd.DataFrame, var: pd.DataFrame, kept: np.ndarray) -> np.ndarray:
    """The same choice for the genes of ``raw/X``: by their own kinds, else without those left out.

    Args:
        var, kept: All features of the data set, and which of them are kept.
    """
    chosen, of_raw = kinds_of_features(var), kinds_of_features(raw_var)
    if len(kept) == len(var):
        return np.arange(len(raw_var))
    if chosen is not None and of_raw is not None:
        return np.flatnonzero(of_raw.isin(set(chosen.iloc[kept])))
    left = np.setdiff1d(np.arange(len(var)), kept)
    return np.flatnonzero(~raw_var.index.astype(str).isin(var.index.astype(str)[left]))
