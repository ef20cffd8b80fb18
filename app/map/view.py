"""The live map: the cells of the shown run, moving while it trains."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn

from app.files.downloads import Fetch
from app.map.cells_shown import cells_in_words, of_cells_shown
from app.map.colouring import genes_like, look_into
from app.map.components import (
    KEY_SIZE,
    MapBar,
    MapKey,
    MapStage,
    MapTimeline,
    colour_groups,
    legend_of,
    map_page,
)
from app.map.drawing import Drawn, draw
from app.map.plot import TOOLS, MapPlot
from app.map.pointing import Pointing
from app.map.saving import save
from app.map.selection import combined, nearest, not_grey, outlined
from app.map.shading import View
from app.map.view_state import MapViewState, knowing, of_another_run, with_names, with_picked
from app.map.words import TOLD_BY_RUN, can_draw_a_map, map_title, stage_words
from app.session.data_in_use import CARDS
from app.session.gene_sets import read_kept
from app.session.picked_cells import pickable_here, take_as
from app.session.previewing import as_trained
from app.session.session import Session
from app.style.colour_key import CLUSTER, ColourKey
from app.style.titles import disambiguate
from diffbio_engine.runs import RunReader


class LiveMap(pn.viewable.Viewer):
    """The map of the shown run; what is on it is worked out in ``app/map/drawing.py``."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.drawn: Drawn | None = None
        self.state = MapViewState()
        self._snapshot: Any = None
        self._busy = self._again = False
        self._steps_read = 0.0
        # Fixed heights: a plot that was laid out before they are filled keeps its first size.
        self._bar = MapBar(sizing_mode="stretch_width", height=38, margin=0)
        self._legend = MapKey(sizing_mode="stretch_height", margin=0, stylesheets=[KEY_SIZE])
        self._timeline = MapTimeline(sizing_mode="stretch_width", height=30, margin=0)
        over = {"position": "absolute", "inset": "0", "pointer-events": "none"}
        self._stage = MapStage(sizing_mode="stretch_both", margin=0, styles=over)
        self._fetch = Fetch()
        self._plot = MapPlot(
            zoomed=self._zoomed, outlined=self._outlined, doubled=self._doubled,
            resized=self._resized,
        )  # fmt: skip
        self._pointing = Pointing(session, self._stage)
        for part in (self._bar, self._legend, self._timeline, self._stage):
            part.on_msg(lambda event: self._asked(event.data))
        self._box = map_page(
            self._bar, self._plot.figure, self._stage, self._legend, self._timeline, self._fetch
        )
        session.run.param.watch(self._new_run, ["id"])
        session.run.param.watch(self._new_snapshot, ["snapshot"])
        session.run.param.watch(self._new_preview, ["preview"])
        session.document.param.watch(self._new_words, ["spec"])
        session.data.param.watch(self._new_words, [*CARDS, "passing"])
        session.run.param.watch(self._new_words, list(TOLD_BY_RUN))
        session.param.watch(self._new_theme, ["theme"])
        session.param.watch(self._new_words, ["gene_sets"])
        session.read(lambda: read_kept(session), lambda kept: setattr(session, "gene_sets", kept))
        session.param.watch(lambda e: self._recolour(e.new["key"]), ["asked_colour"])
        self._new_run()

    # -- what the session tells --------------------------------------------------------------

    def _new_run(self, *_: Any) -> None:
        self.drawn, self._snapshot = None, self.session.run.map_snapshot
        self.state = of_another_run(self.state, self.session.run.id)
        self._timeline.param.update(steps=[], step=-1, live=True, cells="")
        self._legend.param.update(title="", items=[], ramp=[], card={}, visible=False)
        self._bar.maps = []
        self._steps_read = 0.0
        self._plot.clear()
        self._new_words()
        self._redraw()

    def _new_snapshot(self, *_: Any) -> None:
        if self._timeline.live and self.session.run.map_snapshot is not None:
            first, self._snapshot = self._snapshot is None, self.session.run.map_snapshot
            if first and not self._snapshot.maps:  # nothing comes any more: said where it would be
                self._stage.param.update(**stage_words(self.session, None))
            self._redraw()

    def _new_preview(self, event: Any) -> None:
        self._stage.param.update(**stage_words(self.session, self.drawn))
        before, now = (p and p.snapshot for p in (event.old, event.new))
        if now is not before:
            self._timeline.live |= now is not None
            self._new_snapshot()

    def _new_theme(self, *_: Any) -> None:
        self.state = replace(self.state, theme=self.session.theme)
        self._redraw()

    def _new_words(self, *_: Any) -> None:
        session, before, kept = self.session, self.state.path, self.state.kept
        self.state = of_cells_shown(self.state, session)
        if (path := self.state.path) and path != before:
            session.read(lambda: look_into(path))  # the first gene need not wait for it
        # What has no genes is not coloured by them.
        known = getattr(session.cells_shown, "n_genes", 0)
        tools = self.drawn is not None or can_draw_a_map(session.shown_spec)
        self._bar.param.update(colours=self._colours(), genes=bool(path and known), tools=tools)
        self._stage.param.update(**stage_words(session, self.drawn))
        if self.drawn is not None:
            self._timeline.cells = cells_in_words(self.drawn.frame, session)
        if kept is not self.state.kept:
            self._redraw()

    def _colours(self) -> list[dict[str, Any]]:
        preview = getattr(self.session.cells_shown, "preview", {})
        frame = self.drawn.frame if self.drawn else None
        return colour_groups(preview.get("obs", []), frame, self.state)

    # -- drawing -----------------------------------------------------------------------------

    def _redraw(self) -> None:
        """Draws the present snapshot in a thread; of several requests meanwhile only the last."""
        if self._snapshot is None or not self._snapshot.maps:
            return
        if self._busy:
            self._again = True
            return
        self._busy, self._again = True, False
        state = self.state = replace(self.state, size=self._plot.size)
        snapshot, folder = self._snapshot, self.session.run.folder()
        look_at_steps = folder is not None and time.monotonic() - self._steps_read > 1.0
        self._steps_read = time.monotonic() if look_at_steps else self._steps_read

        def work() -> Any:
            try:
                steps, seen = None, state
                if folder and look_at_steps:
                    reader = RunReader(folder)
                    steps, seen = reader.snapshot_steps(), with_names(state, reader.findings())
                return draw(snapshot, seen), steps, seen
            except Exception as error:
                return error, None, state

        self.session.work(work, lambda result: self._put(state, *result))

    def _put(
        self, state: MapViewState, drawn: Any, steps: list[int] | None, seen: MapViewState
    ) -> None:
        self._busy = False
        if state.run != self.state.run:
            return self._redraw()
        self.state = knowing(self.state, seen)
        if isinstance(drawn, Exception):
            if state.colour == self.state.colour and state.colour != CLUSTER:
                self._recolour(CLUSTER)
            return self.session.refuse(drawn)
        with pn.io.hold():
            self._show(drawn, steps)
        if self._again:
            self._redraw()

    def _show(self, drawn: Drawn, steps: list[int] | None) -> None:
        frame, before = drawn.frame, self.drawn
        self.drawn = drawn
        by = ColourKey.parse(drawn.colouring.key)
        if self.state.colour == CLUSTER and by.kind == "score":
            # No block makes clusters: the map begins with what one says of each cell.
            self.state = replace(self.state, colour=by)
        titles = disambiguate(drawn.maps, lambda name: map_title(name, self.session))
        self._plot.show(drawn, self.state, follow=self.state.view is None)
        self._bar.param.update(
            maps=[{"name": name, "title": title} for name, title in titles.items()],
            map=frame.name,
            colours=self._colours(),
            colour=self.state.colour or drawn.colouring.key,
            fade=self.state.fade,
            zoomed=self.state.view is not None,
            tools=True,  # also over a run of another pipeline than the canvas holds
        )
        said = legend_of(drawn, self.state, pickable_here(self.session), self.session.cells_shown)
        self._legend.param.update(**said, columns=self._colours(), visible=True)
        self._timeline.param.update(cells=cells_in_words(frame, self.session), step=frame.step)
        if steps is not None:
            self._timeline.steps = steps
        self._stage.param.update(**stage_words(self.session, drawn))
        if self.state.chosen is not None and before and len(before.frame.xy) != len(frame.xy):
            self._select(None)

    # -- what the person asks ----------------------------------------------------------------

    def _asked(self, message: dict) -> None:
        do = message.get("do")
        if do == "colour":
            self._recolour(ColourKey.parse(str(message["key"])))
        elif do == "gene":
            self._recolour(ColourKey("gene", str(message["name"])))
        elif do == "suggest":
            path, place = self.state.path, self.state.counts
            text = str(message.get("text", ""))[:60]
            self.session.work(
                lambda: genes_like(path, text, place),
                lambda names: self._bar.param.update(suggestions=names),
            )
        elif do == "map":
            self.state = replace(self.state, map=str(message["name"]), view=None)
            self._plot.refit()
            self._redraw()
        elif do in ("isolate", "toggle"):
            self._pick(int(message["index"]), alone=do == "isolate")
        elif do == "fade":
            self.state = replace(self.state, fade=not self.state.fade)
            self._redraw()
        elif do in ("maps", "gene_sets"):
            self.session.showing = do
        elif do == "clip":
            percent = min(max(float(message["percent"]), 0.0), 45.0)
            self.state = replace(self.state, clip=percent)
            self._redraw()
        elif do == "fit":
            self._fit()
        elif do == "full":
            self._fill(bool(message.get("on")))
        elif do == "clear":
            self._select(None)
        elif do == "back":
            as_trained(self.session)
        elif do == "tool" and message.get("tool") in TOOLS:
            self._stage.tool = message["tool"]
            self._plot.take(message["tool"])
        elif do == "hover" and self.drawn is not None:
            x, y = int(message["x"]), int(message["y"])
            self._pointing.at(self.drawn, self.state, self._plot.axes, self._plot.size, x, y)
        elif do == "leave":
            self._pointing.leave()
        elif do == "count_by":
            self.state = replace(self.state, counted_by=str(message.get("key", "")))
            self._redraw()
        elif do == "pick" and self.drawn is not None and self.state.chosen is not None:
            frame = self.drawn.frame
            block = str(message["block"])
            take_as(self.session, block, frame.xy, frame.cells, self.state.chosen)
        elif do == "live":
            self._timeline.live = True
            self._new_snapshot()
        elif do == "scrub":
            self._go_to(int(message["step"]))
        elif do in ("png", "svg", "csv"):
            save(self.session, self._fetch, self.drawn, self.state, do)

    def _recolour(self, colour: ColourKey) -> None:
        self.state = replace(self.state, colour=colour, only=None)
        self._bar.param.update(colour=colour, suggestions=[])
        self._redraw()

    def _pick(self, index: int, alone: bool) -> None:
        if self.drawn is None:
            return
        self.state = with_picked(self.state, len(self.drawn.colouring.names), index, alone=alone)
        self._redraw()

    def _go_to(self, step: int) -> None:
        folder = self.session.run.folder()
        if folder is None:
            return
        self._timeline.live = False

        def found(snapshot: Any) -> None:
            if snapshot is not None and not self._timeline.live:
                self._snapshot = snapshot
                self._redraw()

        self.session.work(lambda: RunReader(folder).snapshot(step), found)

    def _select(self, chosen: np.ndarray | None) -> None:
        self.state = replace(self.state, chosen=chosen)
        self._redraw()

    def _zoomed(self, view: View) -> None:
        if self.drawn is None:
            return
        self.state = replace(self.state, view=view)
        self._bar.zoomed = True
        if self.drawn.dots is None:
            self._redraw()

    def _fill(self, full: bool) -> None:
        """The map in the whole window, or back in its place."""
        self._bar.full = full
        self._box.css_classes = ["fills-the-window"] if full else []

    def _fit(self) -> None:
        self._plot.refit()
        self.state = replace(self.state, view=None)
        self._redraw()

    def _resized(self) -> None:
        if self.drawn is not None and self.drawn.dots is None:
            self._redraw()

    def _outlined(self, shape: dict[str, Any], mode: str) -> None:
        if self.drawn is None:
            return
        drawn, state = self.drawn, self.state
        self.session.work(
            lambda: not_grey(outlined(drawn.frame, shape), drawn, state),
            lambda chosen: self._select(combined(state.chosen, chosen, mode)),
        )

    def _doubled(self, at: tuple[float, float]) -> None:
        """A double click on a cell selects its whole category; beside them all, shows the map."""
        if self.drawn is None:
            return
        codes = self.drawn.colouring.codes
        found = nearest(self.drawn.frame.xy, at, self._plot.axes, self._plot.size)
        if found < 0 or codes is None or codes[found] < 0:
            return self._fit()
        same = not_grey(codes == codes[found], self.drawn, self.state)
        self._select(combined(None, same, ""))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._box
