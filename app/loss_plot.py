"""The curves of the losses: each term in a lane of its own, or all on one axis."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import Label, Span
from bokeh.plotting import figure

SCALES = ("each", "log", "linear")
_DIM = {"default": "#5b6876", "dark": "#95a3b4"}
_LINE = {"default": "#e2e6eb", "dark": "#2a323d"}
_PAPER = {"default": "#ffffff", "dark": "#151a21"}
_COLUMNS = ("step", "words", "color")
# Of a lane, this share lies free above the curve (its name stands there) and below it.
_ABOVE, _BELOW = 0.34, 0.08


class LossPlot:
    """One figure; made anew for other terms, another theme or scale, else only added to.

    Its sources are its own: one that two figures share is no longer fed once the first is gone.
    Its ranges are set from here. One that fits itself in the browser sends what it found to the
    server, and where that comes back late it counts as a person's wish: the curve stands still.

    Args:
        columns: Points by column, ``step`` and the terms.
        titles: Terms that are shown, with what a person calls them.
        marks: Step, words and colour of each mark on the axis of steps.
    """

    def __init__(
        self, columns: Mapping[str, np.ndarray], titles: dict[str, str], colors: dict[str, str],
        marks: dict[str, list], *, scale: str, theme: str,
    ):  # fmt: skip
        self._titles, self._scale = titles, scale
        self._source = ColumnDataSource(dict(columns))
        self._marks = ColumnDataSource({name: list(marks[name]) for name in _COLUMNS})
        self._lanes: dict[str, Any] = {}
        self._labels: dict[str, Label] = {}
        lanes = scale == "each"
        fig: Any = figure(
            y_axis_type="log" if scale == "log" else "linear", sizing_mode="stretch_both",
            tools="xpan,xwheel_zoom,xbox_zoom,reset", toolbar_location="right", min_height=120,
            background_fill_alpha=0, border_fill_alpha=0, outline_line_color=None,
            x_range=Range1d(start=0, end=1), min_border_left=10 if lanes else 5,
            y_range=Range1d(start=0.1, end=max(len(titles), 1)),
        )  # fmt: skip
        self.figure = fig
        fig.toolbar.logo, fig.toolbar.autohide = None, True
        drawn = fig.vspan(
            x="step", source=self._marks, line_color="color", line_dash="4 3", line_width=1.5
        )
        lines = {}
        for i, name in enumerate(reversed(titles)):
            if lanes:
                self._lay_lane(name, i, colors[name], theme)
            lines[name] = fig.line(
                "step", name, source=self._source, line_color=colors[name], line_join="round",
                line_width=2.0 if name == "total" else 1.5,
                **({"y_range_name": name} if lanes else {}),
            )  # fmt: skip
        if lanes:
            fig.y_range.start = 0
        # What was last set of each axis; where another value stands, a person has zoomed.
        self._set: dict[Any, tuple[float, float]] = {}
        for axis in (fig.x_range, fig.y_range, *self._lanes.values()):
            self._set[axis] = (axis.start, axis.end)
        if lines:
            rows = [("step", "@step{0,0}")]
            rows += [(title, f"@{{{name}}}{{0.0000a}}") for name, title in titles.items()]
            fig.add_tools(
                HoverTool(
                    renderers=[lines[next(iter(titles))]], mode="vline", tooltips=rows,
                    attachment="horizontal",
                ),
                HoverTool(renderers=[drawn], tooltips=[("", "@words"), ("step", "@step{0,0}")]),
            )  # fmt: skip
        self._dress(theme, empty=not lines)
        self._fit(columns)

    def append(self, points: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray]) -> None:
        """Adds points at the end; `columns` are all there are now."""
        self._source.stream(dict(points))
        self._fit(columns)

    def draw_again(self, columns: Mapping[str, np.ndarray]) -> None:
        """Takes other points for the same terms."""
        self._source.data = dict(columns)
        self._fit(columns)

    def mark(self, marks: dict[str, list]) -> None:
        """Adds marks on the axis of steps."""
        self._marks.stream(dict[str, Any](marks), rollover=400)

    def _lay_lane(self, name: str, i: int, color: str, theme: str) -> None:
        self._lanes[name] = self.figure.extra_y_ranges[name] = Range1d(start=0, end=1)
        self._labels[name] = Label(
            x=6, y=i + 1, x_units="screen", y_offset=-5, text_baseline="top", text_color=color,
            text_font_size="11.5px", text_font="Inter, system-ui", text=self._titles[name],
            background_fill_color=_PAPER[theme],
            background_fill_alpha=0.7 if len(self._titles) < 8 else 0.9,  # thin lanes
        )  # fmt: skip
        self.figure.add_layout(self._labels[name])
        if i:
            self.figure.add_layout(Span(location=i, dimension="width", line_color=_LINE[theme]))

    def _fit(self, columns: Mapping[str, np.ndarray]) -> None:
        """Sets the axes so that every point is seen, except those that a person has zoomed."""
        steps = columns["step"]
        if not self._titles or not len(steps):
            return
        self._move(self.figure.x_range, 0.0, 1.01 * max(float(steps[-1]), 1.0))
        if self._scale == "each":
            self._fit_lanes(columns)
            return
        drawn = np.concatenate([columns[name] for name in self._titles if name in columns])
        drawn = drawn[np.isfinite(drawn) & ((drawn > 0) | (self._scale == "linear"))]
        if not len(drawn):
            return
        low, high = float(drawn.min()), float(drawn.max())
        if self._scale == "log":
            wide = max(high / low, 1.01) ** 0.05
            self._move(self.figure.y_range, low / wide, high * wide)
        else:
            wide = 0.05 * max(high - low, 1e-3 * abs(high), 1e-9)
            self._move(self.figure.y_range, low - wide, high + wide)

    def _move(self, axis: Any, start: float, end: float) -> None:
        if (axis.start, axis.end) != self._set[axis]:
            return
        self._set[axis] = start, end
        axis.update(start=start, end=end, reset_start=start, reset_end=end)

    def _fit_lanes(self, columns: Mapping[str, np.ndarray]) -> None:
        """Sets the axis of each lane so that its curve fills it and no other."""
        n = len(self._lanes)
        for i, (name, lane) in enumerate(self._lanes.items()):
            values = columns.get(name, np.empty(0))
            values = values[np.isfinite(values)]
            if not len(values):
                continue
            # One wild step does not flatten the rest.
            low, high = (float(v) for v in np.percentile(values, (0.5, 99.5)))
            span = max(high - low, 1e-3 * max(abs(high), abs(low)), 1e-9)
            whole = span * n / (1 - _ABOVE - _BELOW)
            start = low - whole * (i + _BELOW) / n
            if abs(start - lane.start) + abs(start + whole - lane.end) > 0.02 * whole:
                self._move(lane, start, start + whole)
            few = max(len(values) // 20, 1)
            first, last = values[:few].mean(), values[-few:].mean()
            self._labels[name].text = f"{self._titles[name]}   {first:.4g} → {last:.4g}"

    def _dress(self, theme: str, *, empty: bool) -> None:
        fig = self.figure
        fig.xaxis.formatter = NumeralTickFormatter(format="0,0")
        for axis in fig.axis:
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
            axis.major_label_text_color, axis.major_label_text_font_size = _DIM[theme], "11px"
        fig.grid.grid_line_color = _LINE[theme]
        fig.xgrid.grid_line_color = None
        if self._scale == "each":
            fig.yaxis.visible = fig.ygrid.visible = False
        if empty:  # words stand there instead
            fig.axis.visible = fig.grid.visible = False
            fig.y_range = Range1d(start=1, end=2)
