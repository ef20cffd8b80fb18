"""Quality control as a pipeline's document says it: which rows and genes of its data are kept."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffbio_engine.errors import PipelineError, did_you_mean

_MOST_LIMITS, _LONGEST, _DATA = 4_000, 200, "data"


@dataclass(frozen=True)
class Metric:
    """What is measured of each row, by the name that scanpy gives it.

    Attributes:
        title: What a person calls it.
        unit: What is counted; ``"%"`` for shares.
        fewer, more: What a row has that is removed, before "than" and the limit.
        whole: Whether its values are whole numbers.
    """

    name: str
    title: str
    unit: str
    fewer: str
    more: str
    whole: bool = False


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "n_genes_by_counts", "Genes detected", "genes", "fewer genes", "more genes", whole=True
        ),
        Metric("total_counts", "Total counts", "counts", "fewer counts", "more counts", whole=True),
        Metric(
            "pct_counts_mt", "Mitochondrial counts", "%", "a smaller share of mitochondrial counts",
            "a larger share of mitochondrial counts",
        ),
        Metric(
            "doublet_score", "Doublet score", "", "a lower doublet score", "a higher doublet score"
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """The values of one metric with which a row is kept, both ends included.

    Attributes:
        metric: A name of ``METRICS``.
        least, most: None where there is no such end.
        sample: Of which sample; empty for all samples that have no limit of their own.
    """

    metric: str
    least: float | None = None
    most: float | None = None
    sample: str = ""


@dataclass(frozen=True)
class QualityControl:
    """Which rows and genes are kept; nothing is removed where nothing is said.

    Attributes:
        limits: At most one for each metric and sample.
        samples: The column that names the sample of each row, ``"obs/sample"``; empty: all are one.
        mitochondrial: Which genes are mitochondrial: empty for those whose names begin with
            ``MT-`` or ``mt-``; else the column that marks them, ``"var/mt"``, or that holds the
            share of their counts in percent, ``"obs/percent_mt"``.
        least_cells: In how many of the kept rows a gene has to be seen to be kept.
    """

    limits: tuple[Limit, ...] = ()
    samples: str = ""
    mitochondrial: str = ""
    least_cells: int = 0

    @property
    def removes(self) -> bool:
        """Whether it says anything of what is removed."""
        return bool(self.least_cells) or any(
            limit.least is not None or limit.most is not None for limit in self.limits
        )

    def limit(self, metric: str, sample: str = "") -> Limit:
        """The limit of a metric for a sample: its own, else that of all."""
        of = {one.sample: one for one in self.limits if one.metric == metric}
        return of.get(sample) or of.get("") or Limit(metric)

    def has_own(self, metric: str) -> bool:
        """Whether samples have limits of their own."""
        return any(one.metric == metric and one.sample for one in self.limits)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as a document keeps it."""
        if self == QualityControl():
            return {}
        return {
            "limits": [
                {"metric": one.metric, "least": one.least, "most": one.most, "sample": one.sample}
                for one in self.limits
            ],
            "samples": self.samples,
            "mitochondrial": self.mitochondrial,
            "least_cells": self.least_cells,
        }

    @classmethod
    def from_json(cls, told: Any) -> "QualityControl":
        """What a document says; a ``PipelineError`` says what is wrong with it."""
        if not isinstance(told, Mapping):
            raise _refused(f"{told!r} is no quality control")
        limits = told.get("limits", ())
        if not isinstance(limits, Sequence) or len(limits) > _MOST_LIMITS:
            raise _refused(f"it has no list of at most {_MOST_LIMITS:,} limits")
        made = cls(
            tuple(_limit(one) for one in limits),
            _place(told.get("samples", ""), "obs"),
            _place(told.get("mitochondrial", ""), "var", "obs"),
            _least_cells(told.get("least_cells", 0)),
        )
        for (metric, sample), n in Counter((o.metric, o.sample) for o in made.limits).items():
            if n > 1:
                raise _refused(f"{metric}{sample and f' of {sample}'} has {n} limits")
        if not made.samples and any(one.sample for one in made.limits):
            raise _refused("samples have limits of their own, and no column names the samples")
        return made


def _limit(told: Any) -> Limit:
    if not isinstance(told, Mapping):
        raise _refused(f"{told!r} is no limit")
    metric, sample = told.get("metric"), told.get("sample", "")
    if metric not in METRICS:
        raise _refused(
            f"there is no metric {metric!r}",
            did_you_mean(str(metric), METRICS) or f"There are {', '.join(METRICS)}.",
        )
    if not isinstance(sample, str) or len(sample) > _LONGEST:
        raise _refused(f"{str(sample)[:_LONGEST]!r} is no name of a sample")
    least, most = (_number(told.get(end), f"{metric}, {end}") for end in ("least", "most"))
    if least is not None and most is not None and least > most:
        raise _refused(f"{metric} cannot be at least {least:g} and at most {most:g}")
    return Limit(str(metric), least, most, sample)


def _number(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(f"{what} is {value!r} and no number")
    return float(value)


def _least_cells(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise _refused(f"{value!r} is no number of cells in which a gene is seen")
    return value


def _place(place: Any, *tables: str) -> str:
    fits = isinstance(place, str) and len(place) <= _LONGEST
    if not fits or (place and not place.startswith(tuple(f"{table}/" for table in tables))):
        raise _refused(f"{str(place)[:_LONGEST]!r} is no column of {' or '.join(tables)}")
    return place


def _refused(what: str, fix: str = "") -> PipelineError:
    return PipelineError(
        f"The quality control of the pipeline cannot be understood: {what}.",
        fix=fix or "Set it again on the page 'Quality control', or remove it from the file.",
        where=_DATA,
    )
