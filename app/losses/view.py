"""The losses: every term and the total, live, with marks where something was turned."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import param
from panel.custom import JSComponent

from app.losses.history import LossHistory
from app.losses.plot import SCALES, LossPlot
from app.session.session import Session
from app.style import theme
from app.style.palettes import category_colors, for_theme
from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines import PipelineSpec
from diffbio_engine.ports import Address, DialName

_HERE = Path(__file__).parent
_CSS = (_HERE / "losses.css").read_text(encoding="utf-8")
_NOTHING = (
    "<div class='words'><b>No losses yet</b>Each term is drawn here while a run trains.</div>"
)
_APPLIED = (
    "<div class='words'><b>Nothing is trained here</b>The losses are with the run that learned."
    "</div>"
)
_ESTIMATED = (
    "<div class='words'><b>Estimated in one pass: nothing to train</b>What the blocks say was found"
    " from all {rows} at once.</div>"
)
_INK = {"default": "#16202c", "dark": "#e6ebf2"}
_MARK_COLORS = {"dial": "#d97706", "stage": "#7c3aed", "error": "#dc2626", "resumed": "#0d9488"}
_MOST_MARKS = 400
_BAR_HEIGHT, _LINE_HEIGHT, _MOST_LINES = 38, 28, 4


class LossBar(JSComponent):
    """Terms with their present values; on which axes."""

    terms = param.List()
    scale: Any = param.Selector(default="each", objects=list(SCALES))

    _esm = (_HERE / "losses.js").read_text(encoding="utf-8")
    _stylesheets = [_CSS]


class Losses(pn.viewable.Viewer):
    """Curves of the shown run; new points are streamed, one message for each batch of steps."""

    def __init__(self, session: Session):
        super().__init__()
        self.session, self.history = session, LossHistory()
        self._hidden: set[str] = set()
        self._marks: dict[str, list] = {"step": [], "words": [], "color": []}
        # A fixed height: a plot that was laid out before it is filled keeps its first size.
        self._bar = LossBar(sizing_mode="stretch_width", height=_height(1), margin=0)
        self._bar.on_msg(lambda event: self._asked(event.data))
        self._pane = pn.pane.Bokeh(None, sizing_mode="stretch_both", margin=0, styles=theme.FILLS)
        self._words = pn.pane.HTML(
            _NOTHING,
            stylesheets=[_CSS],
            sizing_mode="stretch_both",
            margin=0,
            styles={"position": "absolute", "inset": "0", "pointer-events": "none"},
        )
        self._plot: LossPlot
        self._build()
        session.run.param.watch(self._new_run, ["id"])
        session.run.param.watch(self._new_records, ["records"])
        session.run.param.watch(self._new_events, ["events"])
        session.run.param.watch(self._new_state, ["state"])
        session.param.watch(lambda *_: self._build(), ["theme"])
        if session.run.id:
            self._take(session.run.all_records())

    # -- what the session tells --------------------------------------------------------------

    def _new_run(self, *_: Any) -> None:
        self.history = LossHistory()
        self._hidden.clear()
        self._marks = {name: [] for name in self._marks}
        self._build()

    def _new_records(self, *_: Any) -> None:
        self._take(self.session.run.records)

    def _take(self, records: dict[str, Any]) -> None:
        if not records:
            return
        before = self.history.terms, self.history.silent
        points = self.history.add(records)
        if (self.history.terms, self.history.silent) != before:
            return self._build()
        if points is None:
            self._plot.draw_again(self.history.columns)
        elif len(points.get("step", ())):
            self._plot.append(points, self.history.columns)
        self._tell()

    def _new_state(self, *_: Any) -> None:
        if not self.session.run.is_running and len(self.history.columns["step"]):
            self._plot.draw_again(self.history.columns)  # up to the last step

    def _new_events(self, *_: Any) -> None:
        marks = [mark for e in self.session.run.events if (mark := mark_of(e)) is not None]
        if not marks:
            return
        new: dict[str, list] = {
            "step": [m[1] for m in marks],
            "words": [m[2] for m in marks],
            "color": [_MARK_COLORS.get(m[0], "#8d99a6") for m in marks],
        }
        self._marks = {name: (self._marks[name] + new[name])[-_MOST_MARKS:] for name in new}
        self._plot.mark(new)

    # -- what the person asks ----------------------------------------------------------------

    def _asked(self, message: dict) -> None:
        if message.get("do") == "scale" and message.get("scale") in SCALES:
            self._bar.scale = message["scale"]
            self._build()
        elif message.get("do") == "toggle" and message.get("name") in self.history.terms:
            self._hidden ^= {message["name"]}
            self._build()

        elif message.get("do") == "lines" and isinstance(message.get("n"), int):
            self._bar.height = _height(message["n"])

    # -- drawing -----------------------------------------------------------------------------

    def _colors(self) -> dict[str, str]:
        rest = [t for t in self.history.terms if t != "total"]
        named = for_theme(category_colors(len(rest)), self.session.theme)
        return dict(zip(rest, named, strict=True)) | {"total": _INK[self.session.theme]}

    def _floors(self) -> dict[str, str]:
        """Of the terms that simpler methods would have, which they are lines to stay below of."""
        declared = {
            Address(block.id, port.name): Address(block.id, port.floor_of)
            for block in self.session.run.spec.blocks
            for port in find_operator(block.operator).terms
            if port.floor_of
        }
        return {str(name): str(of) for name, of in declared.items()}

    def _tell(self) -> None:
        colors, terms, floors = self._colors(), self.history.terms, self._floors()
        titles = titles_of(terms)
        self._bar.terms = [
            {
                "name": name,
                "title": titles[name],
                "color": colors[name],
                # In lanes of their own the values stand beside the curves.
                "value": ""
                if self._bar.scale == "each"
                and not self._estimated
                and name not in {*floors, *self.history.silent}
                else f"{self.history.last.get(name, np.nan):.4g}",
                "on": name not in self._hidden,
            }
            for name in terms
        ]
        nothing = _APPLIED if self.session.run.applies else _NOTHING
        if terms and self._estimated:
            cells = self.session.cells_shown
            self._words.object = _ESTIMATED.format(rows=cells.rows if cells else "rows")
        else:
            self._words.object = "" if terms else nothing

    @property
    def _estimated(self) -> bool:
        return estimates_only(self.session.run.spec)

    def _build(self) -> None:
        """Makes the figure anew: for another scale, another theme or other terms."""
        titles = titles_of(self.history.terms)
        floors = self._floors()
        unseen = self._hidden | self.history.silent
        shown = {n: titles[n] for n in titles if not unseen & {n, floors.get(n, n)}}
        marks = self._marks
        if self._estimated:  # one step that moves nothing is no curve
            shown, marks = {}, {name: [] for name in marks}
        self._plot = LossPlot(
            self.history.columns, shown, self._colors(), marks,
            scale=self._bar.scale, theme=self.session.theme, floors=floors,
        )  # fmt: skip
        self._pane.object = self._plot.figure
        self._tell()

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            self._bar,
            pn.Column(
                self._pane, self._words, sizing_mode="stretch_both", margin=0, styles=theme.REST
            ),
            sizing_mode="stretch_both", margin=0, css_classes=["losses-beside"],
            styles={"background": "var(--db-surface)", "min-width": "220px"},
        )  # fmt: skip


def estimates_only(spec: PipelineSpec) -> bool:
    """Whether no stage of its training moves a weight: all is found in one look at the data."""
    stages = spec.training.get("stages") or ()
    return bool(stages) and all(stage.get("learning_rate") == 0 for stage in stages)


def _height(lines: int) -> int:
    """Of the bar above the curves, with so many lines of names."""
    return _BAR_HEIGHT + _LINE_HEIGHT * min(max(lines, 1), _MOST_LINES)


def title_of(name: str) -> str:
    """``vae.kl_loss`` as a person reads it: ``vae kl``; ``umap.umap_loss``: ``umap``."""
    block, term = Address.parse(name.removesuffix("_loss")).parts
    return (term if term == block else f"{block} {term}").strip().replace("_", " ")


def titles_of(names: Iterable[str]) -> dict[str, str]:
    """Terms by the shortest words that tell them apart: ``vae.kl_loss`` is "kl" if alone."""
    whole = {name: title_of(name) for name in names}
    terms = {name: Address.parse(name.removesuffix("_loss")) for name in whole}
    short = {name: (term.port or term).replace("_", " ") for name, term in terms.items()}
    said = list(short.values())
    return {n: short[n] if said.count(short[n]) == 1 else whole[n] for n in whole}


def mark_of(event: dict[str, Any]) -> tuple[str, int, str] | None:
    """A mark on the axis of steps for what somebody did, or what happened; None for the rest."""
    kind, step = str(event.get("kind", "")), int(event.get("step") or 0)
    if kind == "dial":
        dial = DialName(event.get("name") or "")
        of = "weight of " if dial.is_weight else ""
        name = f"{of}{dial.address}".replace(".", " ").replace("_", " ")
        value = event.get("value")
        words = (
            f"{name} to {value:.4g}"
            if isinstance(value, int | float)
            else (f"{name} follows its schedule again")
        )
        return kind, step, words
    if kind == "stage":
        return kind, step, f"Stage: {event.get('name') or event.get('stage') or 'next'}"
    if kind == "error":
        return kind, step, str(event.get("what") or "The run failed")
    if kind == "resumed":
        return kind, step, "Carried on from a checkpoint"
    return None
