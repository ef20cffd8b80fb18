"""What was done, as a paragraph for a paper."""

import importlib.metadata
from collections.abc import Sequence

from diffbio_engine.data.quality.automatic import (
    MADS,
    MADS_MITOCHONDRIAL,
    MOST_MITOCHONDRIAL,
)
from diffbio_engine.data.quality.judging import Judged, number_in_words
from diffbio_engine.ports.quality_control import METRICS, Limit, QualityControl

_SCANPY = "Wolf FA, Angerer P, Theis FJ. SCANPY. Genome Biol 19, 15 (2018)"
_BEST = "Heumos L et al. Best practices for single-cell analysis. Nat Rev Genet 24, 550-572 (2023)"
_IN_TEXT = {
    "n_genes_by_counts": "detected genes",
    "total_counts": "total counts",
    "pct_counts_mt": "the share of mitochondrial counts",
    "doublet_score": "the doublet score",
}
_MOST_NAMED = 12


def methods_text(
    control: QualityControl,
    result: Judged,
    automatic: Sequence[Limit] = (),
    *,
    rows: str = "cells",
    n_mitochondrial: int = 0,
    genes: tuple[int, int] | None = None,
) -> str:
    """A paragraph with every number and reference filled in.

    Args:
        control: The limits.
        result: What they keep.
        automatic: The automatic limits, to tell them from those that were set by hand.
        rows: What the rows are.
        n_mitochondrial: How many genes counted as mitochondrial.
        genes: How many genes are kept, of how many; None where that is not known yet.
    """
    version = importlib.metadata.version("diffbio-workbench")
    many = len([name for name, *_ in result.samples if name]) > 1
    text = [
        f"For each of {len(result.kept):,} {rows}"
        + (f" of {len(result.samples):,} samples" if many else "")
        + _computed(control.mitochondrial, n_mitochondrial)
    ]
    text += [told for metric in METRICS if (told := _of_metric(control, metric, automatic, many))]
    automatically = any(one in automatic for one in control.limits)
    if automatically:
        text.append(
            f"Automatic limits are the median ± {MADS:g} median absolute deviations of log(1 + x)"
            f" for genes and counts, and at most the median + {MADS_MITOCHONDRIAL:g} for the"
            f" mitochondrial share, not above {MOST_MITOCHONDRIAL:g} % [2]."
        )
    of_samples = [f"{name}: {after:,} of {before:,}" for name, before, after in result.samples]
    each = f" ({'; '.join(of_samples)})" if many and len(of_samples) <= _MOST_NAMED else ""
    text.append(f"{result.n:,} of {len(result.kept):,} {rows} were kept{each}.")
    if control.least_cells:
        kept = f" ({genes[0]:,} of {genes[1]:,} were kept)" if genes else ""
        text.append(
            f"Genes detected in fewer than {control.least_cells:,} of these {rows} were"
            f" removed{kept}."
        )
    text.append(f"This was done in the DiffBio Workbench, version {version}.")
    return " ".join(text) + f"\n[1] {_SCANPY}." + (f"\n[2] {_BEST}." if automatically else "")


def _computed(mitochondrial: str, n_mitochondrial: int) -> str:
    """What was computed, and how; a share that stood in the file was not."""
    if mitochondrial.startswith("obs/"):
        return (
            ", the number of detected genes and the total counts were computed as by scanpy's"
            " calculate_qc_metrics [1]; the share of mitochondrial counts was taken from the column"
            f" '{mitochondrial.removeprefix('obs/')}' of the data."
        )
    return (
        ", the number of detected genes, the total counts and the share of mitochondrial counts"
        f" ({n_mitochondrial:,} genes) were computed as by scanpy's calculate_qc_metrics [1]."
    )


def _of_metric(control: QualityControl, metric: str, automatic: Sequence[Limit], many: bool) -> str:
    """The limits of one metric, in a sentence; empty where there are none."""
    limits = [one for one in control.limits if one.metric == metric]
    limits = [one for one in limits if one.least is not None or one.most is not None]
    if not limits:
        return ""
    how = "automatic limits" if all(one in automatic for one in limits) else "limits set by hand"
    own = [one for one in limits if one.sample]
    shown = own or limits
    said = [f"{one.sample}: {_between(one)}" if one.sample else _between(one) for one in shown]
    if many and not own:
        how += ", the same for all samples"
    return f"Kept were values of {_IN_TEXT[metric]} {'; '.join(said)} ({how})."


def _between(limit: Limit) -> str:
    least, most = (
        None if end is None else number_in_words(end, limit.metric)
        for end in (limit.least, limit.most)
    )
    if least is None:
        return f"of at most {most}"
    return f"of at least {least}" if most is None else f"from {least} to {most}"
