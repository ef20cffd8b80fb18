"""Which cells are kept by limits, and how many each limit removes; no file is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diffbio_engine.ports.quality_control import METRICS, Limit, QualityControl


@dataclass(frozen=True)
class Judged:
    """Which cells are kept.

    Attributes:
        kept: (cells,) of bool.
        removed: Why, in words, and how many cells; a cell can be removed for several reasons.
        samples: Name, cells before and cells after, of each sample.
    """

    kept: np.ndarray
    removed: tuple[tuple[str, int], ...]
    samples: tuple[tuple[str, int, int], ...]

    @property
    def n(self) -> int:
        """How many are kept."""
        return int(self.kept.sum())

    @property
    def sentence(self) -> str:
        """How many of how many, and for which reasons others are not."""
        said = f"Quality control keeps {self.n:,} of {len(self.kept):,} cells"
        if self.n == len(self.kept):
            return f"{said}."
        reasons = [f"{n:,} {'has' if n == 1 else 'have'} {why}" for why, n in self.removed if n]
        several = (
            " (some for several reasons)"
            if sum(n for _, n in self.removed) > (len(self.kept) - self.n)
            else ""
        )
        return f"{said}: {', '.join(reasons)}{several}."


def judged(
    control: QualityControl,
    values: Mapping[str, np.ndarray],
    codes: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> Judged:
    """Holds the limits against the metrics of each cell. Both ends of a limit are kept.

    Limits are compared in the precision of the values, as numpy and pandas do it.
    A cell without a value (a share of no counts) does not pass a limit of that metric, as in a
    comparison of scanpy's columns.

    Args:
        control: The limits.
        values: By metric, (cells,); a limit of a metric that is not there removes nothing.
        codes: The sample of each cell, (cells,); None: all are one sample. -1 is of no sample.
        names: Names of the samples.
    """
    n = len(next(iter(values.values())))
    if codes is None:
        codes, names = np.zeros(n, np.int32), ("",)
    kept, removed = np.ones(n, bool), list[tuple[str, int]]()
    for metric, numbers in values.items():
        limits = [control.limit(metric, name) for name in (*names, "")]
        for end in ("least", "most"):
            given = [getattr(limit, end) for limit in limits]
            if all(value is None for value in given):
                continue
            outside = np.inf if end == "most" else -np.inf
            with np.errstate(invalid="ignore", over="ignore"):
                ends = np.array([outside if v is None else v for v in given])
                if numbers.dtype.kind == "f":  # 12.34 % in 32 bits is above 12.34 in 64
                    ends = ends.astype(numbers.dtype)
                of_sample = ends[codes]
                fails = numbers > of_sample if end == "most" else numbers < of_sample
            kept &= ~fails
            removed.append((_why(metric, end, limits), int(fails.sum())))
        limited = np.array([_is_set(limit) for limit in limits])[codes]
        unknown = limited & np.isnan(numbers.astype(np.float64))
        kept &= ~unknown
        if unknown.any():
            removed.append((f"no {METRICS[metric].title.lower()}", int(unknown.sum())))
    before = np.bincount(codes[codes >= 0], minlength=len(names))
    after = np.bincount(codes[kept & (codes >= 0)], minlength=len(names))
    samples = tuple((str(m), int(a), int(b)) for m, a, b in zip(names, before, after, strict=True))
    return Judged(kept, tuple(removed), samples)


def _is_set(limit: Limit) -> bool:
    return limit.least is not None or limit.most is not None


def _why(metric: str, end: str, limits: Sequence[Limit]) -> str:
    """Why cells are removed at one end: with the limit, where it is one for all samples."""
    said = METRICS[metric].fewer if end == "least" else METRICS[metric].more
    ends = {getattr(limit, end) for limit in limits[:-1] or limits}
    limit = number_in_words(ends.pop(), metric) if len(ends) == 1 else "the limit of their sample"
    return f"{said} than {limit}"


def number_in_words(value: float, metric: str) -> str:
    """A limit as it is written: ``1,200``, ``12.5 %``."""
    said = f"{value:,.0f}" if value == int(value) else f"{value:.6g}"
    return f"{said} %" if METRICS[metric].unit == "%" else said
