"""How what a run found is shown: a file for each form, found by walking.

Each says for which kinds and axes of ports it is, and makes its content; the script with the name
of its ``form`` draws that. The page asks these, never an operator.

| file | what it draws |
|---|---|
| ``comparison`` | a comparison gene by gene: volcano, MA and dispersions with one table |
| ``lists`` | numbers of genes, of pairs: one table of a block for what lies along one axis |
| ``numbers`` | single numbers of a block |
| ``ordered`` | several things of groups and genes: the best genes of each group |
| ``abundances`` | shares of a whole along one axis (transcripts): one bar |
| ``shares`` | how each group of records is shared among classes: bars |
| ``directions`` | who acts on whom by which pair: dots, with how sure each is |
| ``network`` | who acts on which gene: a table of edges, the strongest first |
| ``by_gene`` | something of each gene: a table with a column for each |
| ``states`` | shares of states along positions of some records: strips |
| ``logo`` | something of each letter at each place of one or of several motifs: a logo |
| ``curve`` | numbers along positions, of the data set or of some records |
| ``matrix`` | anything between few things (plans, networks): a heat map, slice by slice |
| ``map`` | what is drawn as a map, and what colours it (``app/map`` draws) |

A new one is such a file, with a script and a style where no form that is there fits
(``tests/browser/test_a_new_domain.py`` adds one).
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.axes import axis_of
from diffbio_engine.data.writers import spreadsheet
from diffbio_engine.ports import Address, Role
from diffbio_engine.runs import Finding, Findings

Content = tuple[dict[str, Any], pd.DataFrame]
_HERE = Path(__file__).parent
# What other sheets are made of: the title of a comparison, and what else can be compared; what was
# seen along positions.
_BEHIND = (Role.TESTED, Role.COVARIANCE, Role.DETECTED, Role.SEEN)
# What the scripts of forms share, first.
_SHARED = ("values", "forms")


@dataclass(frozen=True)
class Sheet:
    """One thing to look at.

    Attributes:
        form: The script that draws it: "table", "bars", "heat", "dots", "numbers", "curve",
            "comparison".
        block: Id of the block that found it.
        make: The content as plain data, and as a table for a file; costs nothing before it is
            called.
        of_the_model: It tells of the model (dispersions), not of the records.
        usual: Every run has it: what else it found is seen first.
        asked: It is the answer that the block is there for: it is seen before all others.
        other: The same of another contrast, from its title and what is said of it by port; ``None``
            where there is one only.
        missing: What its file says where nothing can be said.
    """

    id: str
    title: str
    block: str
    form: str
    doc: str
    make: Callable[[], Content]
    of_the_model: bool = False
    usual: bool = False
    asked: bool = False
    other: Callable[[str, Mapping[str, np.ndarray]], "Sheet"] | None = None
    missing: str = ""


def alone(found: list[Finding]) -> list[list[Finding]]:
    """Each on a sheet of its own."""
    return [[finding] for finding in found]


@dataclass(frozen=True)
class Plot:
    """One way to show findings.

    Attributes:
        axes: What it is for, outermost axis first: ``"regulators genes"``; ``*`` is any axis and
            the empty text a single number.
        sheet: From all findings, the id of a block, and findings of it that stand together.
        kinds: Kinds of ports; none for all of them.
        place: The one of several that fit with the least place has it.
        leads: Its sheets stand before the others of their block.
        together: Which of a block's findings it shows on one sheet; what it leaves is another's.
    """

    axes: tuple[str, ...]
    sheet: Callable[[Findings, str, list[Finding]], Sheet]
    kinds: frozenset[str] = frozenset()
    place: int = 50
    leads: bool = False
    together: Callable[[list[Finding]], list[list[Finding]]] = alone

    def fits(self, finding: Finding) -> bool:
        """Whether it can show this."""
        of_its_kind = not self.kinds or finding.kind in self.kinds
        return of_its_kind and any(_fits(pattern, finding.axes) for pattern in self.axes)


def _fits(pattern: str, axes: tuple[str, ...]) -> bool:
    names = pattern.split()
    pairs = zip(names, axes, strict=False)
    return len(names) == len(axes) and all(name in ("*", axis) for name, axis in pairs)


@cache
def plots() -> tuple[Plot, ...]:
    """Every ``PLOT`` of a file here, in the order in which they are asked."""
    found = [
        plot
        for info in pkgutil.iter_modules(__path__, __name__ + ".")
        if isinstance(plot := getattr(importlib.import_module(info.name), "PLOT", None), Plot)
    ]
    return tuple(sorted(found, key=lambda plot: plot.place))


def scripts() -> list[Path]:
    """The scripts of all forms, what they share first."""
    found = sorted({file for folder in __path__ for file in Path(folder).glob("*.js")})
    first = [_HERE / f"{name}.js" for name in _SHARED]
    return [*first, *(file for file in found if file not in first)]


def styles() -> str:
    """The styles of all forms."""
    found = sorted({file for folder in __path__ for file in Path(folder).glob("*.css")})
    return "\n".join(file.read_text(encoding="utf-8") for file in found)


def sheets_of(findings: Findings) -> list[Sheet]:
    """Everything that can be shown of a run, block by block."""
    of_block: dict[str, list[Finding]] = {}
    for finding in findings.found:
        of_block.setdefault(Address.parse(finding.port).block, []).append(finding)
    return [s for block, found in of_block.items() for s in _of_block(findings, block, found)]


def _of_block(findings: Findings, block: str, found: list[Finding]) -> list[Sheet]:
    left = [f for f in found if f.values.size and f.role not in _BEHIND]
    order = {f.port: i for i, f in enumerate(found)}
    sheets: list[tuple[tuple[bool, int, int], Sheet]] = []
    for plot in plots():
        groups = plot.together([f for f in left if plot.fits(f)])
        taken = {f.port for group in groups for f in group}
        left = [f for f in left if f.port not in taken]
        for group in groups:
            at = (not plot.leads, plot.place if plot.leads else 0, order[group[0].port])
            sheets.append((at, plot.sheet(findings, block, group)))
    return [sheet for _, sheet in sorted(sheets, key=lambda pair: pair[0])]


def first_to_see(sheets: dict[str, Sheet]) -> str:
    """What blocks found last, but for what every run has: markers, compositions, parameters."""
    asked = [s.id for s in sheets.values() if s.asked]
    if asked:  # of the last block, the first of its sheets
        return next(name for name in asked if sheets[name].block == sheets[asked[-1]].block)
    telling = [s.id for s in sheets.values() if not s.usual and not s.of_the_model]
    usual = [s for s in sheets.values() if s.usual]
    lists = [s.id for s in usual if s.form != "bars"]
    shares = [s.id for s in usual if s.form == "bars"]
    return (telling or lists or shares or list(sheets) or [""])[-1]


def one(axis: str) -> str:
    """What a single thing along an axis is called: the title of a column."""
    return axis_of(axis).one


def as_csv(sheet: Sheet) -> bytes:
    """All of a sheet, as a file for a spreadsheet."""
    return spreadsheet.as_csv(sheet.make()[1], missing=sheet.missing)
