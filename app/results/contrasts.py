"""What else a comparison can be asked: a level of a factor against another, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.plots import Sheet
from app.plots.comparison import tested
from app.session.dataset_card import DatasetCard
from diffbio_engine.data.design import Comparisons, formula_at, table_of
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines import PipelineSpec
from diffbio_engine.ports import Address, Role
from diffbio_engine.runs import Finding, Findings

_TOO_LARGE = (
    "Other comparisons of so many columns of the design and genes are too large to be kept: choose"
    " what is compared under Data, and run again."
)


@dataclass(frozen=True)
class Asked:
    """Which comparison: a factor and two of its levels, or a single column of the design."""

    factor: str
    level: str = ""
    against: str = ""


class Contrasts:
    """The comparisons that one run's design and estimate allow.

    Args:
        spec: The pipeline of the run.
        card: The samples that it was made with.
        findings: What it found.
    """

    def __init__(self, spec: PipelineSpec, card: DatasetCard | None, findings: Findings):
        self._spec, self._findings = spec, findings
        self._all: Comparisons | None = None
        try:
            formula = formula_at(card.fields.get("design", "")) if card else None
            if card and formula:
                self._all = Comparisons(table_of(card.preview), formula)
        except UserError:
            pass

    def offered(self, sheet: Sheet, asked: Asked | None) -> dict[str, Any]:
        """What the page offers, and which it is now; nothing where there is no choice, or words
        where it was too large."""
        known = self._known(sheet)
        if known is None:
            return {"words": _TOO_LARGE} if self._is_left_out(sheet) else {}
        if asked is None:
            asked = Asked(*(known.named(tested(self._findings, sheet.block)) or ("",)))
        factors = [{"name": f.name, "levels": list(f.levels)} for f in known.factors]
        return {"factors": factors, "now": [asked.factor, asked.level, asked.against]}

    def of(self, sheet: Sheet, asked: Asked) -> Sheet | None:
        """The sheet of this comparison; None where there is none such."""
        known = self._known(sheet)
        found = known.of(asked.factor, asked.level, asked.against) if known else None
        if found is None or sheet.other is None:
            return None
        block = self._spec.block(sheet.block)
        make = find_operator(block.operator).make
        values = make.of_contrast(
            make.Config.from_dict(block.config), self._values(sheet), found.contrast, found.members
        )
        return sheet.other(found.title, values) if values else None

    def _values(self, sheet: Sheet) -> Mapping[str, np.ndarray]:
        own = self._findings.of(sheet.block)
        return {Address.parse(f.port).port: f.values for f in own}

    def _known(self, sheet: Sheet) -> Comparisons | None:
        """Where the block's columns are those of the samples' design, and it says how they vary."""
        f = self._said(sheet, Role.COVARIANCE)
        if f is None or self._all is None:
            return None
        return self._all if tuple(self._findings.along(f, f.axes[0])) == self._all.names else None

    def _is_left_out(self, sheet: Sheet) -> bool:
        """Whether the block said how its columns vary, and that was not kept."""
        covariance, detected = (self._said(sheet, r) for r in (Role.COVARIANCE, Role.DETECTED))
        return covariance is None and detected is not None

    def _said(self, sheet: Sheet, role: str) -> Finding | None:
        """What the block of a sheet says of its columns; nothing where no other can be asked."""
        if self._all is None or sheet.other is None:
            return None
        return next(iter(self._findings.of(sheet.block, role)), None)
