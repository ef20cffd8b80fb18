"""Two figures over one axis: an operation in all its modes, and its gradient below."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CrosshairTool, HoverTool, Range1d
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from app.help.temperature_curves import Curve
from app.help.temperature_examples import Example

# Mode: colour on white, colour on dark, dashes, width. Told apart without colour, too.
STYLES: dict[str, tuple[str, str, list[int], float]] = {
    "hard": ("#16202c", "#e6ebf2", [], 1.4),
    "smooth": ("#0d9488", "#2dd4bf", [], 2.6),
    "c0": ("#d97706", "#fbbf24", [9, 4], 2.0),
    "c1": ("#2563eb", "#60a5fa", [2, 3], 2.0),
    "c2": ("#be123c", "#fb7185", [9, 3, 2, 3], 2.0),
}
_SOFT = [mode for mode in STYLES if mode != "hard"]
_STILL = {"default": "#8d99a6", "dark": "#6b7989"}
_GRADIENT = "Its gradient: how fast it answers to a change of x"
_HEIGHTS = (250, 216)


class SoftnessPlot:
    """Made once; another softness, operation or theme only changes arrays, ends and colours."""

    def __init__(self, theme: str) -> None:
        self._soft = ColumnDataSource(_columns({}, np.empty(0)))
        self._hard = ColumnDataSource({"x": [], "value": [], "slope": []})
        self._points = ColumnDataSource({"point_x": [], "point": []})
        self._still = ColumnDataSource({"x": []})
        self._x = Range1d(start=-3, end=3)
        self._lines: dict[str, list[Any]] = {mode: [] for mode in STYLES}
        self._still_lines: list[Any] = []
        self._curves: dict[str, Curve] = {}
        self._hard_now: Mapping[str, np.ndarray] = {}
        self._hidden: set[str] = set()
        across = Span(dimension="height", line_dash="solid", line_width=1)
        self._across = across
        self.value, self.slope = (
            self._figure(column, height, across)
            for column, height in zip(("value", "slope"), _HEIGHTS, strict=True)
        )
        self._dots = self.value.scatter("point_x", "point", source=self._points, size=6)
        self._lines["hard"].append(self._dots)
        self.value.xaxis.visible = False
        self.recolor(theme)

    # -- what is drawn -----------------------------------------------------------------------

    def take(self, example: Example, hard: Mapping[str, np.ndarray]) -> None:
        """Another operation: its hard curve at once, its soft ones when they come."""
        self._curves, self._hard_now = {}, hard
        self._hard.data = {key: hard[key] for key in ("x", "value", "slope")}
        self._points.data = {key: hard[key] for key in ("point_x", "point")}
        self._soft.data = _columns({}, np.empty(0))
        self._still.data = {"x": np.array(example.standing)}
        self._x.update(start=example.low, end=example.high)
        self.value.title.text = f"Its answer: {example.drawn}"
        still = ", ".join(f"{x:g}".replace("-", "−") for x in example.standing)
        words = f"x, among {still} (dotted lines), which stand still" if still else "x"
        self.slope.xaxis.axis_label = words
        self._fit()

    def draw(self, curves: Mapping[str, Curve], x: np.ndarray) -> None:
        """Soft curves at a new softness; those that are not given stay as they are."""
        self._curves = {**self._curves, **curves}
        self._soft.data = _columns(self._curves, x)
        self._fit()

    def hide(self, modes: set[str]) -> None:
        """Takes the curves of some modes away."""
        self._hidden = set(modes)
        for mode, lines in self._lines.items():
            for line in lines:
                line.visible = mode not in modes
        self._fit()

    def recolor(self, theme: str) -> None:
        """Colours for light or dark. Axes, titles and grids are dressed in the browser."""
        for mode, (light, dark, _, _) in STYLES.items():
            color = dark if theme == "dark" else light
            for line in self._lines[mode]:
                line.glyph.line_color = color
        self._dots.glyph.fill_color = self._dots.glyph.line_color
        for line in self._still_lines:
            line.glyph.line_color = _STILL[theme]
        self._across.line_color = _STILL[theme]

    # -- how -----------------------------------------------------------------------------------

    def _figure(self, column: str, height: int, across: Span) -> Any:
        fig: Any = figure(
            height=height, sizing_mode="stretch_width", tools="", toolbar_location=None,
            x_range=self._x, y_range=Range1d(start=0, end=1), min_border_left=54,
            min_border_right=12, background_fill_alpha=0, border_fill_alpha=0,
            outline_line_color=None, title=_GRADIENT,
        )  # fmt: skip
        fig.xgrid.grid_line_color = None
        fig.yaxis.ticker.desired_num_ticks = 5
        self._still_lines.append(
            fig.vspan(x="x", source=self._still, line_dash=[1, 4], line_width=1.5)
        )
        prefix = "" if column == "value" else "d_"
        # The hard curve above: thin, it hides none of the others.
        for mode in (*_SOFT, "hard"):
            _, _, dash, width = STYLES[mode]
            source, name = (self._hard, column) if mode == "hard" else (self._soft, prefix + mode)
            self._lines[mode].append(
                fig.line(
                    "x", name, source=source, line_dash=dash, line_width=width, line_join="round"
                )
            )
        rows = [("x", "x"), *((m, prefix + m) for m in _SOFT)]
        fig.add_tools(
            CrosshairTool(overlay=across, dimensions="height"),
            HoverTool(
                renderers=[self._lines["smooth"][-1]], mode="vline", tooltips=_tooltip(rows),
                attachment="horizontal", line_policy="nearest", show_arrow=False,
            ),
        )  # fmt: skip
        return fig

    def _fit(self) -> None:
        """The axes hold all that is drawn. That of the values never gets smaller than hard."""
        shown = [c for mode, c in self._curves.items() if mode not in self._hidden]
        for which, fig in enumerate((self.value, self.slope)):
            keys = ("value", "point") if fig is self.value else ("slope",)
            hard = [self._hard_now[key] for key in keys if key in self._hard_now]
            every = np.concatenate([np.empty(0), *hard, *(c[which] for c in shown)])
            every = every[np.isfinite(every)]
            low, high = (every.min(), every.max()) if len(every) else (0.0, 1.0)
            if which:  # a gradient of zero is seen as zero
                low, high = min(low, 0.0), max(high, 0.0)
            wide = float(high - low) or 1.0
            fig.y_range.update(start=float(low) - 0.07 * wide, end=float(high) + 0.07 * wide)


def _tooltip(rows: list[tuple[str, str]]) -> str:
    """Numbers under the pointer. It covers Bokeh's own box, which is white in the dark, too."""
    cells = "".join(
        f"<span>{name}</span><span>@{{{column}}}{{0.000}}</span>" for name, column in rows
    )
    return (
        "<div style='display: grid; grid-template-columns: auto auto; gap: 1px 12px; margin: -8px;"
        " padding: 7px 10px; font: 11.5px var(--db-mono); color: var(--db-text); background:"
        f" var(--db-raised); border: 1px solid var(--db-line-strong)'>{cells}</div>"
    )


def _columns(curves: Mapping[str, Curve], x: np.ndarray) -> dict[str, np.ndarray]:
    columns = {"x": x}
    nothing = np.full(len(x), np.nan, np.float32)
    for mode in _SOFT:
        value, slope = curves.get(mode, (nothing, nothing))
        columns |= {mode: value, f"d_{mode}": slope}
    return columns
