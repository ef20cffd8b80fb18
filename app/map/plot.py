"""The plot of the map: dots or a picture in axes that hold still, and what a hand does on it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import DoubleTap, PanStart, RangesUpdate, SelectionGeometry
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    LassoSelectTool,
    LinearColorMapper,
    PanTool,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

from app.map.drawing import Drawn
from app.map.shading import View
from app.map.view_state import MapViewState
from app.style.palettes import SET_ASIDE

_COLUMNS = ("x", "y", "value", "alpha")
TOOLS = ("move", "box", "lasso")


class MapPlot:
    """A Bokeh figure that is filled again and again, never made again.

    Args:
        zoomed: Called with the axes after a pan or zoom by hand.
        outlined: Called with what was drawn around cells, and "add", "subtract" or "".
        doubled: Called with the place of a double click.
        resized: Called when the plot has another size.
    """

    def __init__(
        self,
        *,
        zoomed: Callable[[View], None],
        outlined: Callable[[dict[str, Any], str], None],
        doubled: Callable[[tuple[float, float]], None],
        resized: Callable[[], None],
    ):
        self._zoomed, self._outlined, self._tell_resized = zoomed, outlined, resized
        self._usual_size = 5.0
        self._axes: View | None = None
        self._mode = ""
        fig: Any = figure(
            x_range=Range1d(start=-1, end=1), y_range=Range1d(start=-1, end=1), tools="",
            sizing_mode="stretch_both", toolbar_location=None, min_border=0,
            background_fill_alpha=0, border_fill_alpha=0,
            outline_line_color=None, min_height=120, name="map",
        )  # fmt: skip
        self.figure = fig
        fig.axis.visible = False
        fig.grid.visible = False
        self._dots = ColumnDataSource({name: [] for name in _COLUMNS}, name="cells")
        self._picture = ColumnDataSource({name: [] for name in ("url", "x", "y", "w", "h")})
        self._mapper = LinearColorMapper(palette=["#1f77b4"], low=-0.5, high=0.5)
        self._glyph = fig.scatter(
            "x", "y", source=self._dots, size=5, line_color=None, fill_alpha="alpha",
            fill_color={"field": "value", "transform": self._mapper},
        )  # fmt: skip
        self._glyph.selection_glyph = self._glyph.nonselection_glyph = None
        self._image = fig.image_url(
            url="url", x="x", y="y", w="w", h="h", anchor="top_left", source=self._picture
        )
        self._ways = ColumnDataSource({name: [] for name in ("x0", "y0", "x1", "y1", "angle")})
        self._shafts = fig.segment(
            "x0", "y0", "x1", "y1", source=self._ways, line_width=1.6, line_alpha=0.75
        )
        self._heads = fig.scatter(
            "x1", "y1", marker="triangle", angle="angle", size=7, source=self._ways,
            line_color=None, fill_alpha=0.85,
        )  # fmt: skip
        # The lasso needs a glyph; which cells lie inside is found on the server, with all of them.
        nothing = fig.scatter([], [], alpha=0)
        pan, wheel = PanTool(), WheelZoomTool()
        box, lasso = (tool(renderers=[nothing]) for tool in (BoxSelectTool, LassoSelectTool))
        self._tools = dict(zip(TOOLS, (pan, box, lasso), strict=True))
        fig.add_tools(pan, wheel, box, lasso)
        fig.toolbar.active_scroll, fig.toolbar.active_drag = wheel, pan
        fig.on_event(RangesUpdate, self._moved)
        fig.on_event(PanStart, self._began)
        fig.on_event(SelectionGeometry, self._drew)
        fig.on_event(DoubleTap, lambda event: doubled((float(event.x), float(event.y))))
        for side in ("inner_width", "inner_height"):
            fig.on_change(side, lambda attr, old, new: self._resized())

    def take(self, tool: str) -> None:
        """What a drag does: "move", "box" or "lasso"."""
        self.figure.toolbar.active_drag = self._tools[tool]

    @property
    def axes(self) -> View:
        """What the axes show now."""
        x, y = self.figure.x_range, self.figure.y_range
        return float(x.start), float(x.end), float(y.start), float(y.end)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; a usual size until the browser has laid the plot out."""
        try:
            return max(int(self.figure.inner_width), 64), max(int(self.figure.inner_height), 64)
        except UnsetValueError:
            return 640, 300

    def clear(self) -> None:
        """Shows nothing."""
        self._axes = None
        for source in (self._dots, self._picture, self._ways):
            source.data = {name: [] for name in source.data}

    def refit(self) -> None:
        """Takes the axes of the next map, whatever the hand did before."""
        self._axes = None

    def show(self, drawn: Drawn, state: MapViewState, *, follow: bool) -> None:
        """Shows a drawn map; its axes too, unless the person has zoomed."""
        if drawn.dots is None:
            x0, x1, y0, y1 = drawn.view
            self._picture.data = {
                "url": [drawn.url], "x": [x0], "y": [y1], "w": [x1 - x0], "h": [y1 - y0],
            }  # fmt: skip
        else:
            self._show_dots(drawn, state)
        if self._glyph.visible != (drawn.dots is not None):
            self._glyph.visible, self._image.visible = drawn.dots is not None, drawn.dots is None
        self._show_arrows(drawn, state.theme)
        if follow and drawn.view != self._axes:
            self._axes = drawn.view
            x0, x1, y0, y1 = drawn.view
            self.figure.x_range.update(start=x0, end=x1)
            self.figure.y_range.update(start=y0, end=y1)

    def _show_dots(self, drawn: Drawn, state: MapViewState) -> None:
        colouring, palette = drawn.colouring, list(drawn.palette)
        by_value = colouring.values is not None
        self._mapper.update(
            palette=palette,
            low=colouring.low if by_value else -0.5,
            high=colouring.high if by_value else len(palette) - 0.5,
            low_color=SET_ASIDE[state.theme],
        )
        self._usual_size = float(np.interp(len(drawn.frame.xy), (300, 5000), (8, 4.5)))
        self._size_dots()
        self._dots.data = drawn.dots

    def _size_dots(self) -> None:
        """Larger on a larger plot, but less than it: the eye follows the room between them."""
        wide, high = self.size
        size = self._usual_size * float(np.clip((wide * high / 235_000) ** 0.25, 0.7, 1.6))
        if abs(self._glyph.glyph.size - size) > 0.2:
            self._glyph.glyph.size = size

    def _resized(self) -> None:
        self._size_dots()
        self._tell_resized()

    def _show_arrows(self, drawn: Drawn, theme: str) -> None:
        if not len(drawn.arrows) and not len(self._ways.data["x0"]):
            return
        ink = "#16202c" if theme == "default" else "#f2f5f9"
        self._shafts.glyph.line_color = self._heads.glyph.fill_color = ink
        x0, y0, x1, y1 = drawn.arrows.T
        # On the screen, where the axes have scales of their own; a triangle points up at angle 0.
        wide, high = self.size
        left, right, low, top = drawn.view
        rise = (y1 - y0) * high / (top - low)
        angle = np.arctan2(rise, (x1 - x0) * wide / (right - left)) - np.pi / 2
        self._ways.data = {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "angle": angle}

    def _moved(self, event: RangesUpdate) -> None:
        view: Any = (event.x0, event.x1, event.y0, event.y1)
        if None in view or (self._axes is not None and np.allclose(view, self._axes)):
            return
        x0, x1, y0, y1 = (float(v) for v in view)
        self._zoomed((x0, x1, y0, y1))

    def _began(self, event: PanStart) -> None:
        # A plain dict from the browser, whatever the type that Bokeh declares.
        keys: Any = event.modifiers
        held = keys if isinstance(keys, dict) else vars(keys) if keys is not None else {}
        add = held.get("shift") or held.get("ctrl")
        self._mode = "add" if add else "subtract" if held.get("alt") else ""

    def _drew(self, event: SelectionGeometry) -> None:
        drawn: Any = event.geometry
        if event.final and drawn and drawn.get("type") in ("poly", "rect"):
            self._outlined(drawn, self._mode)
