"""Automatic limits: so many median absolute deviations from the median, within each sample."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from diffbio_engine.data.quality.metrics import MITOCHONDRIAL
from diffbio_engine.ports.quality_control import Limit

MADS, MADS_MITOCHONDRIAL = 5.0, 3.0
MOST_MITOCHONDRIAL = 20.0
RULE = (
    "Automatic limits: median ± {mads:g} median absolute deviations (MAD) of log(1 + genes) and of"
    " log(1 + counts); at most the median + {mads_mt:g} MADs of the mitochondrial share, and never"
    " more than {cap:g} %. The MAD is not scaled, as in the guide to best practices (Heumos et al."
    " 2023)."
)


def automatic_limits(
    values: Mapping[str, np.ndarray],
    codes: np.ndarray | None = None,
    names: Sequence[str] = (),
    *,
    mads: float = MADS,
    mads_mitochondrial: float = MADS_MITOCHONDRIAL,
    most_mitochondrial: float = MOST_MITOCHONDRIAL,
) -> tuple[Limit, ...]:
    r"""Limits of all cells, and of each sample where there are several.

    With :math:`x = \log(1 + v)` of genes and counts, :math:`v` is kept where
    :math:`|x - \mathrm{med}(x)| \le k\,\mathrm{med}|x - \mathrm{med}(x)|`; of the mitochondrial
    share (no logarithm) only the upper end counts, held to ``most_mitochondrial``. Limits of whole
    numbers are the last whole numbers inside; a share is rounded up to 0.01. No limit is set where
    the deviation is 0 (half of the cells have one value) except that of the share, and none for
    doublet scores, for which there is no such rule.

    Args:
        values: By metric, (cells,).
        codes: The sample of each cell, (cells,); None: all are one.
        names: Names of the samples.

    References:
        Heumos et al. (2023), Best practices for single-cell analysis across modalities, Nature
        Reviews Genetics 24, 550-572; Germain et al. (2020), pipeComp, Genome Biology 21, 227;
        McCarthy et al. (2017), Scater.
    """
    found: list[Limit] = []
    groups: list[tuple[str, np.ndarray | slice]] = [("", slice(None))]
    if codes is not None and len(names) > 1:
        groups += [(str(name), np.flatnonzero(codes == i)) for i, name in enumerate(names)]
    for metric in ("n_genes_by_counts", "total_counts", MITOCHONDRIAL):
        for name, rows in groups:
            those = np.asarray(values[metric], np.float64)[rows]
            those = those[np.isfinite(those)]
            if not len(those):
                continue
            if metric == MITOCHONDRIAL:
                least, most = None, _share(those, mads_mitochondrial, most_mitochondrial)
            else:
                least, most = _whole_numbers(those, mads)
            if least is not None or most is not None:
                found.append(Limit(metric, least, most, name))
    return tuple(found)


def _share(values: np.ndarray, k: float, cap: float) -> float | None:
    median, deviation = _spread(values)
    if not values.any():
        return None
    most = min(median + k * deviation, cap) if deviation > 0 else cap
    return math.ceil(round(most * 100, 6)) / 100


def _whole_numbers(values: np.ndarray, k: float) -> tuple[float | None, float | None]:
    logs = np.log1p(values)
    median, deviation = _spread(logs)
    if deviation == 0:
        return None, None
    low, high = median - k * deviation, median + k * deviation
    # The whole numbers whose logarithms lie inside, to the last digit of the comparison; above
    # 2^53, where one more is the same number, to the last digit of the logarithm.
    least, most = math.ceil(math.expm1(max(low, 0.0))), math.floor(math.expm1(high))
    near = range(max(least - 1, 0), least + 2)
    least = next((n for n in near if np.log1p(float(n)) >= low), least)
    most = next((n for n in (most + 1, most, most - 1) if np.log1p(float(n)) <= high), most)
    return (float(least) if least > 0 else None), float(most)


def _spread(values: np.ndarray) -> tuple[float, float]:
    median = float(np.median(values))
    return median, float(np.median(np.abs(values - median)))
