"""All maps of the shown run side by side, in the same colours: which correction has worked?"""

import base64
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.files.downloads import OFFERS, Fetch, safe_name
from app.map.cells_shown import of_cells_shown
from app.map.components import GROUPED_OPTIONS, colour_groups
from app.map.drawing import Drawn, draw
from app.map.panels import as_panels
from app.map.view_state import MapViewState, with_names
from app.map.words import map_title
from app.session.session import DatasetCard, Session
from app.style.scripts import script
from app.style.titles import disambiguate
from diffbio_engine.ports import Place
from diffbio_engine.runs import RunReader, Snapshot

_HERE = Path(__file__).parent
_SECONDS_BETWEEN_PICTURES = 3.0
_SCREEN_DPI = 110
NONE = "none"


class GalleryDesk(JSComponent):
    """The page's side: two choices of colour, and one picture."""

    picture = param.String(doc="A data URL; empty before there is one.")
    words = param.String()
    colours = param.List()
    rows = param.List(doc="The colouring of each row of maps.")

    _esm = script(GROUPED_OPTIONS, _HERE / "map_gallery.js")
    _stylesheets = [(_HERE / "map_gallery.css").read_text(encoding="utf-8")]


class MapGallery(pn.viewable.Viewer):
    """One figure of all maps; drawn anew while the run trains, as long as it is open."""

    def __init__(self, session: Session):
        super().__init__()
        self.session, self._fetch = session, Fetch()
        self._rows: list[str] = []
        self._run, self._busy, self._again, self._drawn_at = "", False, False, 0.0
        self._desk = GalleryDesk(sizing_mode="stretch_width", margin=0)
        self._desk.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._renew, ["showing", "theme"])
        session.run.param.watch(self._renew, ["id", "dataset", "state"])
        session.run.param.watch(self._moved, ["snapshot"])
        self._renew()

    def _moved(self, *_: Any) -> None:
        if time.monotonic() - self._drawn_at > _SECONDS_BETWEEN_PICTURES:
            self._renew()

    def _renew(self, *_: Any) -> None:
        session = self.session
        if self._run != session.run.id:
            # At once: no picture of one run under the name of another.
            self._run, self._rows = session.run.id, usual_rows(session.cells_shown)
            self._desk.param.update(picture="", words="The maps of this run appear here.")
        if session.showing != "maps":
            return
        snapshot = session.run.snapshot
        if snapshot is None or not snapshot.maps:
            words = "Press Run: the maps appear here."
            words = "This pipeline draws no map." if session.run.draws_no_map else words
            self._desk.param.update(picture="", words=words)
            return
        if self._busy:
            self._again = True
            return
        self._busy, self._again, self._drawn_at = True, False, time.monotonic()

        def work() -> tuple[str, list[dict[str, Any]]] | Exception:
            try:
                drawn, state, titles = self._all_maps(snapshot)
                png = as_panels(drawn, titles, state, "png", _SCREEN_DPI)
                dataset = session.cells_shown
                columns = dataset.preview.get("obs", []) if dataset else []
                picture = f"data:image/png;base64,{base64.b64encode(png).decode()}"
                return picture, colour_groups(columns, drawn[0][0].frame, state)
            except Exception as error:
                return error

        run = self._run
        session.work(work, lambda found: self._put(run, found))

    def _all_maps(self, snapshot: Snapshot) -> tuple[list[list[Drawn]], MapViewState, list[str]]:
        """For each row its maps; how they are drawn; what the maps are called."""
        session, folder = self.session, self.session.run.folder()
        state = of_cells_shown(MapViewState(run=session.run.id), session)
        state = with_names(state, RunReader(folder).findings() if folder else None)
        maps = list(snapshot.maps)
        titles = disambiguate(maps, lambda name: map_title(name, session))
        rows = [
            [draw(snapshot, replace(state, colour=colour, map=name)) for name in maps]
            for colour in self._rows
        ]
        return rows, state, [titles[name] for name in maps]

    def _put(self, run: str, found: Any) -> None:
        self._busy = False
        if run != self._run:
            return self._renew()
        if isinstance(found, Exception):
            usual = usual_rows(self.session.cells_shown)
            if self._rows != usual:
                self._rows, self._again = usual, True
            self.session.refuse(found)
        else:
            self._desk.param.update(
                picture=found[0], words="", colours=found[1], rows=list(self._rows)
            )
        if self._again:
            self._renew()

    def _asked(self, message: dict) -> None:
        do = message.get("do")
        if do == "colour":
            rows = [*self._rows, NONE][:2]
            rows[int(message["row"]) % 2] = str(message["key"])
            self._rows = [key for key in rows if key != NONE] or [""]
            self._renew()
        elif do in ("png", "svg"):
            self._save(str(do))

    def _save(self, kind: str) -> None:
        session, snapshot = self.session, self.session.run.snapshot
        if snapshot is None or not snapshot.maps:
            return

        def make() -> str:
            drawn, state, titles = self._all_maps(snapshot)
            name = safe_name(f"{session.run.document} maps side by side.{kind}")
            return OFFERS.add(session.owner, name, as_panels(drawn, titles, state, kind))

        session.work(make, self._fetch.get)

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(self._desk, self._fetch, sizing_mode="stretch_width", margin=0)


def usual_rows(dataset: DatasetCard | None) -> list[str]:
    """Where there are batches, these and what should stay apart; else what the map shows first."""
    fields = dataset.fields if dataset else {}
    places = [fields.get(name, "") for name in ("batch_labels", "labels")]
    columns = [place for place in places if Place.parse(place).table == "obs"]
    return [columns[0], *(columns[1:] or [""])] if fields.get("batch_labels") else [""]
