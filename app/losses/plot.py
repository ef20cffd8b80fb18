"""The curves of the losses: each term in a lane of its own, or all on one axis.

What is drawn strongly is the curve under the noise of the mini-batches; what was measured is faint.
"""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from app.losses.smoothing import noise, smoothed

SCALES = ("each", "log", "linear")
_INK = {"default": "#16202c", "dark": "#e6ebf2"}
_DIM = {"default": "#5b6876", "dark": "#95a3b4"}
_LINE = {"default": "#e2e6eb", "dark": "#2a323d"}
_COLUMNS = ("step", "words", "color")
# Of a lane, this share lies free above the curve and below it.
_ABOVE, _BELOW = 0.14, 0.1
# Room to the left of the lanes for what they are called.
_NAMES = 104
# Smoothing takes a few milliseconds of the server; the eye does not miss more of them.
_SECONDS_BETWEEN_CURVES = 0.4
_FAINT = 0.16
# Up to so many lanes there is room for the values below the names.
_TWO_LINES = 7


class LossPlot:
    """One figure; made anew for other terms, another theme or scale, else only added to.

    Its sources are its own: one that two figures share is no longer fed once the first is gone.
    Its ranges are set from here. One that fits itself in the browser sends what it found to the
    server, and where that comes back late it counts as a person's wish: the curve stands still.

    Args:
        columns: Points by column, ``step`` and the terms.
        titles: Terms that are shown, with what a person calls them.
        floors: Of terms that simpler methods would have, beside which they are drawn, dashed.
        marks: Step, words and colour of each mark on the axis of steps.
    """

    def __init__(
        self, columns: Mapping[str, np.ndarray], titles: dict[str, str], colors: dict[str, str],
        marks: dict[str, list], *, scale: str, theme: str,
        floors: Mapping[str, str] | None = None,
    ):  # fmt: skip
        self._titles, self._scale = titles, scale
        self._floors = {
            name: of for name, of in (floors or {}).items() if name in titles and of in titles
        }
        own = [name for name in titles if name not in self._floors]
        self._limits: dict[str, tuple[float, float]] = {}
        self._next_curve = 0.0
        self._source = ColumnDataSource(self._raw(columns))
        self._smooth = {name: ColumnDataSource({"step": [], "value": []}) for name in titles}
        self._marks = ColumnDataSource({name: list(marks[name]) for name in _COLUMNS})
        self._lanes: dict[str, Any] = {}
        self._said = {name: _short(title) for name, title in titles.items()}
        lanes = scale == "each"
        fig: Any = figure(
            y_axis_type="log" if scale == "log" else "linear", sizing_mode="stretch_both",
            tools="xpan,xwheel_zoom,xbox_zoom,reset", toolbar_location="right", min_height=120,
            background_fill_alpha=0, border_fill_alpha=0, outline_line_color=None,
            x_range=Range1d(start=0, end=1), min_border_left=_NAMES if lanes else 5,
            y_range=Range1d(start=0.1, end=max(len(own), 1)),
        )  # fmt: skip
        self.figure = fig
        fig.toolbar.logo, fig.toolbar.autohide = None, True
        drawn = fig.vspan(
            x="step", source=self._marks, line_color="color", line_dash="4 3", line_width=1.5
        )
        lines = {}
        for i, name in enumerate(reversed(own)):
            if lanes:
                self._lay_lane(name, i, colors[name], theme)
        for name in reversed(titles):
            look: dict[str, Any] = {"line_color": colors[name], "line_join": "round"}
            look |= {"y_range_name": self._lane_of(name)} if lanes else {}
            if name not in self._floors:
                fig.line(
                    "step", _in_lane(name) if lanes else name, source=self._source, line_width=1,
                    line_alpha=_FAINT, **look,
                )  # fmt: skip
            # Under the mouse lies what was measured; its own line is not seen.
            lines[name] = fig.line("step", name, source=self._source, line_alpha=0, **look)
            look |= {"line_width": 2.2 if name == "total" else 1.8}
            look |= {"line_dash": "5 4", "line_width": 1.4} if name in self._floors else {}
            fig.line("step", "value", source=self._smooth[name], **look)
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
        self._source.stream(dict[str, Any](self._raw(points)))
        self._fit(columns, time.monotonic() >= self._next_curve)

    def draw_again(self, columns: Mapping[str, np.ndarray]) -> None:
        """Takes other points for the same terms."""
        self._source.data = self._raw(columns)
        self._fit(columns)

    def _raw(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What was measured; in lanes also cut at the edges of each, so that none runs into one."""
        raw = dict(columns)
        if self._scale == "each":
            for name in self._titles:
                values = np.asarray(columns.get(name, ()), float)
                limits = self._limits.get(self._lane_of(name))
                raw[_in_lane(name)] = values if limits is None else np.clip(values, *limits)
        return raw

    def mark(self, marks: dict[str, list]) -> None:
        """Adds marks on the axis of steps."""
        self._marks.stream(dict[str, Any](marks), rollover=400)

    def _lay_lane(self, name: str, i: int, color: str, theme: str) -> None:
        self._lanes[name] = self.figure.extra_y_ranges[name] = Range1d(start=0, end=1)
        if i:
            self.figure.add_layout(Span(location=i, dimension="width", line_color=_LINE[theme]))

    def _fit(self, columns: Mapping[str, np.ndarray], curves_too: bool = True) -> None:
        """Sets the axes so that every point is seen, except those that a person has zoomed."""
        steps = columns["step"]
        if not self._titles or not len(steps):
            return
        self._move(self.figure.x_range, 0.0, 1.01 * max(float(steps[-1]), 1.0))
        if not curves_too:
            return
        self._next_curve = time.monotonic() + _SECONDS_BETWEEN_CURVES
        curves = smoothed(steps, {n: columns[n] for n in self._titles if n in columns})
        if self._scale == "each":
            self._fit_lanes(columns, curves)
        else:
            self._fit_axis(columns)
        for name, (at, values) in curves.items():
            self._smooth[name].data = {"step": at, "value": self._cut(name, values)}

    def _fit_axis(self, columns: Mapping[str, np.ndarray]) -> None:
        """Sets the one axis of all terms so that all that was measured is seen."""
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

    def _lane_of(self, name: str) -> str:
        return self._floors.get(name, name)

    def _cut(self, name: str, values: np.ndarray) -> np.ndarray:
        limits = self._limits.get(self._lane_of(name)) if self._scale == "each" else None
        return values if limits is None else np.clip(values, *limits)

    def _fit_lanes(
        self, columns: Mapping[str, np.ndarray], curves: dict[str, tuple[np.ndarray, np.ndarray]]
    ) -> None:
        """Sets the axis of each lane so that its smoothed curve fills it and no other."""
        n, moved = len(self._lanes), False
        for i, (name, lane) in enumerate(self._lanes.items()):
            _, curve = curves.get(name, (None, np.empty(0)))
            if not len(curve):
                continue
            # The first fall from an untrained start does not flatten what comes after it.
            low, high = (float(v) for v in np.percentile(curve, (0, 97)))
            beside = (curves[f][1] for f, of in self._floors.items() if of == name and f in curves)
            seen = [low, high, *(float(np.median(floor)) for floor in beside if len(floor))]
            low, high = min(seen), max(seen)
            # Where nothing is learned, noise is not blown up to look like it.
            least = 0.3 * noise(columns[name])
            span = max(high - low, least, 1e-3 * max(abs(high), abs(low)), 1e-9)
            middle, whole = (low + high) / 2, span * n / (1 - _ABOVE - _BELOW)
            start = middle - whole * (i + 0.5 + (_BELOW - _ABOVE) / 2) / n
            if abs(start - lane.start) + abs(start + whole - lane.end) > 0.02 * whole:
                self._move(lane, start, start + whole)
                self._limits[name] = (
                    start + whole * (i + 0.02) / n,
                    start + whole * (i + 0.98) / n,
                )
                moved = True
            told = f"{curve[0]:.4g} → {curve[-1]:.4g}" if n <= _TWO_LINES else ""
            self._said[name] = "\n".join([_short(self._titles[name]), told]).strip()
        self._name_lanes()
        if moved:
            self._source.data = self._raw(columns)

    def _name_lanes(self) -> None:
        """What each lane is called, and from where to where it went, beside it and not on it."""
        said = {i + 0.5: self._said[name] for i, name in enumerate(self._lanes)}
        axis = self.figure.yaxis[0]
        if axis.major_label_overrides != said:
            axis.major_label_overrides = dict[Any, Any](said)

    def _dress(self, theme: str, *, empty: bool) -> None:
        fig = self.figure
        fig.xaxis.formatter = NumeralTickFormatter(format="0,0")
        # More would touch in a small window, and there are no steps between steps.
        fig.xaxis.ticker = BasicTicker(desired_num_ticks=4, min_interval=1)
        for axis in fig.axis:
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
            axis.major_label_text_color, axis.major_label_text_font_size = _DIM[theme], "11px"
        fig.grid.grid_line_color = _LINE[theme]
        fig.xgrid.grid_line_color = None
        if self._scale == "each":
            fig.ygrid.visible = False
            axis = fig.yaxis[0]
            axis.ticker = FixedTicker(ticks=[i + 0.5 for i in range(len(self._lanes))])
            axis.major_label_text_color = _INK[theme]
            self._name_lanes()
        if empty:  # words stand there instead
            fig.axis.visible = fig.grid.visible = False
            fig.y_range = Range1d(start=1, end=2)


def _in_lane(name: str) -> str:
    return f"{name} in its lane"


def _short(title: str) -> str:
    return title if len(title) <= 17 else f"{title[:16]}…"
