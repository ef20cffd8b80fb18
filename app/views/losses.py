"""The losses: every term and the total, live, with marks where something was turned."""

from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import param
from bokeh.models import ColumnDataSource, DataRange1d, HoverTool, NumeralTickFormatter
from bokeh.plotting import figure
from panel.custom import JSComponent

from app.loss_history import LossHistory
from app.palettes import category_colors, for_theme
from app.session import Session

_HERE = Path(__file__).parent
_CSS = (_HERE / "losses.css").read_text(encoding="utf-8")
_NOTHING = (
    "<div class='words'><b>No losses yet</b>Each term is drawn here while a run trains.</div>"
)
_INK = {"default": "#16202c", "dark": "#e6ebf2"}
_DIM = {"default": "#5b6876", "dark": "#95a3b4"}
_LINE = {"default": "#e2e6eb", "dark": "#2a323d"}


class LossBar(JSComponent):
    """Terms with their present values; which axis."""

    terms = param.List()
    log = param.Boolean(True)

    _esm = (_HERE / "losses.js").read_text(encoding="utf-8")
    _stylesheets = [_CSS]


class Losses(pn.viewable.Viewer):
    """Curves of the shown run; new points are streamed, one message for each batch of steps."""

    def __init__(self, session: Session):
        super().__init__()
        self.session, self.history = session, LossHistory()
        self._hidden: set[str] = set()
        self._source = ColumnDataSource({"step": []})
        self._marks = ColumnDataSource({"step": [], "words": [], "color": []})
        self._bar = LossBar(sizing_mode="stretch_width", margin=0)
        self._bar.on_msg(lambda event: self._asked(event.data))
        self._pane = pn.pane.Bokeh(None, sizing_mode="stretch_both", margin=0)
        self._words = pn.pane.HTML(
            _NOTHING,
            stylesheets=[_CSS],
            sizing_mode="stretch_both",
            margin=0,
            styles={"position": "absolute", "inset": "0", "pointer-events": "none"},
        )
        self._lines: dict[str, Any] = {}
        self._build()
        session.param.watch(self._new_run, ["run_id"])
        session.param.watch(self._new_records, ["run_records"])
        session.param.watch(self._new_events, ["run_events"])
        session.param.watch(lambda *_: self._build(), ["theme"])
        if session.run_id:
            self._take(session.records())

    # -- what the session tells --------------------------------------------------------------

    def _new_run(self, *_: Any) -> None:
        self.history = LossHistory()
        self._marks.data = {"step": [], "words": [], "color": []}
        self._build()

    def _new_records(self, *_: Any) -> None:
        self._take(self.session.run_records)

    def _take(self, records: dict[str, Any]) -> None:
        if not records:
            return
        points = self.history.add(records)
        if points is None:
            if set(self._lines) == set(self.history.terms):
                self._source.data = dict(self.history.columns)
            else:
                self._build()
        elif len(points.get("step", ())):
            self._source.stream(points, rollover=4000)
        self._tell()

    def _new_events(self, *_: Any) -> None:
        marks = [mark for e in self.session.run_events if (mark := mark_of(e)) is not None]
        if not marks:
            return
        colors = {"dial": "#d97706", "stage": "#7c3aed", "error": "#dc2626", "resumed": "#0d9488"}
        self._marks.stream(
            {
                "step": [m[1] for m in marks],
                "words": [m[2] for m in marks],
                "color": [colors.get(m[0], "#8d99a6") for m in marks],
            },
            rollover=400,
        )

    # -- what the person asks ----------------------------------------------------------------

    def _asked(self, message: dict) -> None:
        if message.get("do") == "axis":
            self._bar.log = bool(message["log"])
            self._build()
        elif message.get("do") == "toggle" and message.get("name") in self._lines:
            name = message["name"]
            self._hidden ^= {name}
            self._lines[name].visible = name not in self._hidden
            self._tell()

    # -- drawing -----------------------------------------------------------------------------

    def _colors(self) -> dict[str, str]:
        rest = [t for t in self.history.terms if t != "total"]
        named = for_theme(category_colors(len(rest)), self.session.theme)
        return dict(zip(rest, named, strict=True)) | {"total": _INK[self.session.theme]}

    def _tell(self) -> None:
        colors, terms = self._colors(), self.history.terms
        self._bar.terms = [
            {
                "name": name,
                "title": title_of(name),
                "color": colors[name],
                "value": f"{self.history.last.get(name, np.nan):.4g}",
                "on": name not in self._hidden,
            }
            for name in terms
        ]
        self._words.object = "" if terms else _NOTHING

    def _build(self) -> None:
        """Makes the figure anew: for another axis, another theme or new terms."""
        theme, terms, colors = self.session.theme, self.history.terms, self._colors()
        self._source.data = dict(self.history.columns)
        fig = figure(
            y_axis_type="log" if self._bar.log else "linear", sizing_mode="stretch_both",
            tools="xpan,xwheel_zoom,xbox_zoom,reset", toolbar_location="right", min_height=120,
            background_fill_alpha=0, border_fill_alpha=0, outline_line_color=None,
            x_range=DataRange1d(range_padding=0.01), output_backend="webgl",
        )  # fmt: skip
        fig.toolbar.logo, fig.toolbar.autohide = None, True
        marks = fig.vspan(
            x="step", source=self._marks, line_color="color", line_dash="4 3", line_width=1.5
        )
        fig.x_range.renderers = []
        self._lines = {}
        for name in reversed(terms):
            line = fig.line(
                "step", name, source=self._source, line_color=colors[name],
                line_width=2.2 if name == "total" else 1.6, visible=name not in self._hidden,
            )  # fmt: skip
            self._lines[name] = line
        fig.x_range.renderers = list(self._lines.values()) or "auto"
        fig.y_range.renderers = list(self._lines.values()) or "auto"
        fig.y_range.only_visible = True
        if terms:
            rows = [("step", "@step{0,0}")] + [(title_of(n), f"@{{{n}}}{{0.0000a}}") for n in terms]
            fig.add_tools(
                HoverTool(
                    renderers=[self._lines["total" if "total" in terms else terms[0]]],
                    mode="vline", tooltips=rows, attachment="horizontal",
                ),
                HoverTool(renderers=[marks], tooltips=[("", "@words"), ("step", "@step{0,0}")]),
            )  # fmt: skip
        fig.xaxis.formatter = NumeralTickFormatter(format="0,0")
        for axis in fig.axis:
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
            axis.major_label_text_color, axis.major_label_text_font_size = _DIM[theme], "11px"
        fig.grid.grid_line_color = _LINE[theme]
        fig.xgrid.grid_line_color = None
        self.figure = fig
        self._pane.object = fig
        self._tell()

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(
            self._bar,
            pn.Column(
                self._pane, self._words, sizing_mode="stretch_both", margin=0,
                styles={"position": "relative"},
            ),
            sizing_mode="stretch_both", margin=0,
            styles={"background": "var(--db-surface)", "border-left": "1px solid var(--db-line)"},
        )  # fmt: skip


def title_of(name: str) -> str:
    """``vae.kl_loss`` as a person reads it: ``vae kl``."""
    return name.replace(".", " ").replace("_loss", "").replace("_", " ")


def mark_of(event: dict[str, Any]) -> tuple[str, int, str] | None:
    """A mark on the axis of steps for what somebody did, or what happened; None for the rest."""
    kind, step = str(event.get("kind", "")), int(event.get("step") or 0)
    if kind == "dial":
        name = str(event.get("name", "")).replace("weight:", "weight of ").replace("_", " ")
        value = event.get("value")
        words = (
            f"{name.replace('.', ' ')} to {value:.4g}"
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
