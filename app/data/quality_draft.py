"""Limits of quality control that a person moves before they apply, and what they would keep."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from diffbio_engine.data.quality import Judged, Measured, automatic_limits, judged, methods_text
from diffbio_engine.data.quality.metrics import DOUBLET_SCORE, MITOCHONDRIAL
from diffbio_engine.ports.quality_control import METRICS, Limit, QualityControl

_BINS = 64
ENDS = ("least", "most")


@dataclass
class Draft:
    """What is measured of a data set, the limits in the document, and those being moved.

    Attributes:
        measured: The metrics of each cell.
        names, codes: The samples, and the sample of each cell.
        applied: What the document says.
        control: What the person sees.
        rows: What the rows are: ``"cells"``.
        automatic: The automatic limits, of all and of each sample.
        columns: Columns of the genes that can mark the mitochondrial ones.
        histograms: What the page draws of each metric, see `drawn`.
        genes: How many genes are kept, of how many, by the limits ``genes_by``; None: not known.
    """

    measured: Measured
    names: list[str]
    codes: np.ndarray
    applied: QualityControl = field(default_factory=QualityControl)
    control: QualityControl = field(default_factory=QualityControl)
    rows: str = "cells"
    automatic: tuple[Limit, ...] = ()
    columns: list[str] = field(default_factory=list)
    histograms: list[dict[str, Any]] = field(default_factory=list)
    genes: tuple[int, int] | None = None
    genes_by: QualityControl | None = None

    def __post_init__(self) -> None:
        known = self.names if self.is_of_several else ()
        self.automatic = automatic_limits(self.measured.values, self.codes, known)

    @property
    def is_of_several(self) -> bool:
        """Whether there is more than one sample."""
        return len(self.names) > 1

    @property
    def metrics(self) -> list[str]:
        """What can be limited: without what says nothing of these cells."""
        there = [m for m in METRICS if m in self.measured.values]
        return [m for m in there if m != MITOCHONDRIAL or self.measured.has_mitochondrial]

    @property
    def is_applied(self) -> bool:
        """Whether the document says what is shown."""
        return self.control == self.applied or not (self.control.removes or self.applied.removes)

    @property
    def is_proposed(self) -> bool:
        """Whether all limits are automatic ones."""
        limits = self.control.limits
        return bool(limits) and all(one in self.automatic for one in limits)

    def result(self, control: QualityControl | None = None) -> Judged:
        """What limits keep; None: the shown ones."""
        values = {m: self.measured.values[m] for m in self.metrics}
        return judged(control or self.control, values, self.codes, self.names)

    def follow(self, applied: QualityControl) -> None:
        """Shows what the document says now."""
        self.applied = self.control = applied

    def propose(self) -> None:
        """Puts the automatic limits in the place of all limits of these metrics."""
        own = any(self.control.has_own(m) for m in METRICS)
        limits = [one for one in self.automatic if own or not one.sample]
        kept = [one for one in self.control.limits if one.metric == DOUBLET_SCORE]
        self.control = replace(self.control, limits=_in_order([*limits, *kept]))

    def clear(self) -> None:
        """Takes all limits away."""
        self.control = replace(self.control, limits=(), least_cells=0)

    def set_end(self, metric: str, end: str, value: float | None, sample: str = "") -> None:
        """Moves one end of a limit; None takes it away. The other end gives way."""
        if metric not in self.metrics or end not in ENDS or sample not in ("", *self.names):
            return
        if sample and not self.control.has_own(metric):
            sample = ""
        before = self.control.limit(metric, sample)
        least = value if end == "least" else before.least
        limit = Limit(metric, least, value if end == "most" else before.most, sample)
        if limit.least is not None and limit.most is not None and limit.least > limit.most:
            limit = replace(limit, least=value, most=value)
        rest = [o for o in self.control.limits if (o.metric, o.sample) != (metric, sample)]
        self.control = replace(self.control, limits=_in_order([*rest, limit]))

    def set_same(self, same: bool) -> None:
        """One limit for all samples, or one for each: automatic ones, where those of all are."""
        limits = [one for one in self.control.limits if not one.sample]
        if not same and self.is_of_several:
            for of_all in tuple(limits):
                for name in self.names:
                    own = replace(of_all, sample=name)
                    if of_all in self.automatic:
                        found = QualityControl(self.automatic)
                        own = replace(found.limit(of_all.metric, name), sample=name)
                    limits.append(own)
        self.control = replace(self.control, limits=_in_order(limits))

    def set_least_cells(self, n: int) -> None:
        """In how many cells a gene has to be seen."""
        self.control = replace(self.control, least_cells=n)

    # -- what the page draws -----------------------------------------------------------------

    def drawn(self) -> list[dict[str, Any]]:
        """Of each metric its histogram by sample; plain data that limits do not change."""
        return [self._drawn(metric) for metric in self.metrics]

    def _drawn(self, metric: str) -> dict[str, Any]:
        told, values = METRICS[metric], np.asarray(self.measured.values[metric], np.float64)
        seen = np.log1p(values) if told.whole else values
        fine = np.isfinite(seen)
        low, high = 0.0, float(seen[fine].max(initial=0.0))
        if told.whole and fine.any():
            # What is drawn by its logarithm begins where there is something, or a limit.
            of_this = [one for one in self.automatic if one.metric == metric]
            ends = [e for one in of_this for e in (one.least, one.most) if e is not None]
            there = [float(seen[fine].min()), *np.log1p(ends).tolist()]
            low, high = min(there), max(high, *there)
            low = max(0.0, low - 0.06 * (high - low))
        if high <= low:
            high = low + 1.0
        edges = np.linspace(low, high, _BINS + 1)
        heights = [
            np.histogram(seen[fine & (self.codes == i)], edges)[0].tolist()
            for i in range(len(self.names))
        ]
        return {
            "name": metric,
            "title": told.title,
            "unit": told.unit,
            "whole": told.whole,
            "names": self.names,
            "low": low,
            "high": high,
            "heights": heights,
        }

    def limits(self) -> dict[str, dict[str, list[float | None]]]:
        """By metric and sample (``""``: all) both ends of the shown limits."""
        found: dict[str, dict[str, list[float | None]]] = {}
        for metric in self.metrics:
            own = self.names if self.control.has_own(metric) else []
            each = {name: self.control.limit(metric, name) for name in ("", *own)}
            found[metric] = {name: [one.least, one.most] for name, one in each.items()}
        return found

    def counted(self, control: QualityControl) -> dict[str, Any]:
        """How many cells limits keep, of all and of each sample; and the paragraph for a paper."""
        result = self.result(control)
        genes = self.genes if self.genes_by == control else None
        return {
            "kept": result.n,
            "of": len(result.kept),
            "samples": [list(one) for one in result.samples],
            "removed": [[why, n] for why, n in result.removed],
            "passing": result.kept,
            "methods": methods_text(
                control,
                result,
                self.automatic,
                rows=self.rows,
                n_mitochondrial=self.measured.n_mitochondrial,
                genes=genes,
            ),
            "genes": list(genes or ()),
        }


def _in_order(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    """Limits that say something, by metric and sample: the same ones are equal."""
    order = {metric: i for i, metric in enumerate(METRICS)}
    given = [one for one in limits if one.sample or one.least is not None or one.most is not None]
    return tuple(sorted(given, key=lambda one: (order[one.metric], one.sample)))


def draft_of(
    told: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    applied: QualityControl,
    wanted: QualityControl,
    rows: str = "cells",
) -> Draft:
    """From what a reader answers; where no limits are wanted yet, automatic ones are proposed.

    Args:
        told, arrays: The answer.
        applied: What the document says.
        wanted: The limits to begin with, and by which columns the cells were measured.
        rows: What the rows are.
    """
    values = {m: arrays[m] for m in METRICS if m in arrays}
    names = [str(name) for name in told.get("samples", ())] or ["all"]
    codes = np.clip(arrays["samples"].astype(np.int32), -1, len(names) - 1)
    measured = Measured(
        values, int(told.get("n_mitochondrial", 0)), str(told.get("mitochondrial", ""))
    )
    draft = Draft(measured, names, codes, applied, wanted, rows)
    if not wanted.removes:
        draft.propose()
    return draft
