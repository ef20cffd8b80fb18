"""Data: bring a file, look at it, say where things lie in it, and use it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.access.cookies import MARK, cookie_of
from app.access.reach import in_server_folder
from app.data.apply import offer, trained_pipeline
from app.data.beside import offer_beside, places_beside
from app.data.card_shown import shown
from app.data.joined_fields import joined
from app.data.named_choice import found_of
from app.data.samples_desk import SamplesDesk
from app.data.server_files import can_be_chosen, server_files
from app.files.uploads import DESKS
from app.session.datasets import card_read_as, card_with, open_demo
from app.session.own_things import delete_dataset, empty_trash, own_datasets, room_used, tried
from app.session.session import DatasetCard, Session
from app.style.scripts import script
from diffbio_engine.apart import Stop, StoppedError
from diffbio_engine.data import examples
from diffbio_engine.data.file_names import all_in_words
from diffbio_engine.data.genes.named_genes import MOST_LETTERS, NAMED
from diffbio_engine.data.readers.file_types import hdf5_endings
from diffbio_engine.errors import DataError, UserError
from diffbio_engine.ports import DATA, DATA_BLOCKS

_HERE, _LOOKING = Path(__file__).parent, "Looking at the file"


class DataDesk(JSComponent):
    """The page's side of the panel."""

    desk = param.String(doc="Who may upload; goes into a header of each request.")
    mark = param.String(doc="Name of the cookie that a page of this server sends back.")
    takes = param.String(doc="What can be brought, in words.")
    demos = param.List()
    recent = param.List()
    used = param.Dict({}, doc="How much room the person's things take, in words.")
    folder = param.String()
    listing = param.List()
    preview = param.Dict({})
    samples = param.Dict({}, doc="The table of several samples, where there are any.")
    endings = param.List(doc="How names of files end that hold cells by genes in HDF5.")
    applying = param.Dict({}, doc="Whether the shown run's trained pipeline fits this file.")
    beside = param.List(doc="Other data blocks of the pipeline that this file can be of.")
    problem = param.Dict({})
    busy = param.String()

    _esm = script(
        *(
            _HERE / f"{name}.js"
            for name in (
                "dropped_files",
                "grouped_files",
                "file_words",
                "uploads",
                "preview",
                "samples",
                "data_panel",
            )
        )
    )
    _stylesheets = [
        (_HERE / f"{name}.css").read_text(encoding="utf-8") for name in ("data_panel", "samples")
    ]


class DataPanel(pn.viewable.Viewer):
    """Three ways in, a look before use, and where each port finds its array."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.card: DatasetCard | None = session.data.card
        self._stop, self.wrong = Stop(), dict[str, str]()  # why files cannot be read, by id
        self.samples = SamplesDesk(session, self, lambda t: self._desk.param.update(samples=t))
        session.on_close(lambda: self._stop.set())
        token = DESKS.open(session.owner, session.store, session.room)
        session.on_close(lambda: DESKS.close(token))
        self._desk = DataDesk(
            desk=token,
            mark=cookie_of(MARK, pn.config.cookie_secret),
            takes=f"{all_in_words()}. Any size.",
            endings=list(hdf5_endings()),
            demos=[{"id": e.id, "title": e.title, "sentence": e.sentence} for e in examples()],
            sizing_mode="stretch_width",
            margin=0,
        )
        self._desk.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._opened, ["showing"])
        session.document.param.watch(lambda *_: self._offer_beside(), ["spec"])
        self._list_all("")
        self._show()

    def _offer_beside(self) -> None:
        card, blocks = self.card, places_beside(self.session)
        self._desk.beside = blocks
        if card is None or not blocks or self.session.showing != "data":
            return

        def show(found: list[dict[str, Any]]) -> None:
            if self.card is card:
                self._desk.beside = found

        self.session.read(lambda: offer_beside(self.session, card), show)

    def _opened(self, *_: Any) -> None:
        if self.session.showing == "data":
            chosen = self.session.document.selected_block  # of this block it was opened
            self.card = self.session.data.of(chosen) or self.card
            self._list_all(self._desk.folder)
            self._show()

    def _list_all(self, folder: str) -> None:
        session = self.session

        def look() -> dict[str, Any]:
            listing = server_files(session, folder)
            used = {"recent": own_datasets(session, self.wrong)[:200], "used": room_used(session)}
            return {**used, "listing": listing, "folder": folder}

        session.work(look, lambda found: self._desk.param.update(**found))

    def _rid_of(self, get_rid: Callable[[], str]) -> None:
        def done(found: str | UserError) -> None:
            if isinstance(found, str):
                self.session.say(found)
            else:
                self.session.refuse(found)
            self._list_all(self._desk.folder)

        self.session.work(lambda: tried(get_rid), done)

    # -- what the person asks ----------------------------------------------------------------

    def _asked(self, message: dict) -> None:
        do, session = str(message.get("do")), self.session
        if do == "uploaded":
            self.samples.arrived(message)
        elif do == "look":
            known = str(message["id"])
            self.look(lambda stop: card_with(session, known, stop), of=known)
        elif do.startswith("sample"):
            self.samples.asked(do, message)
        elif do == "brought":
            self._desk.problem = {}  # of the file before: this one has its own line
        elif do == "refused":
            session.say(str(message.get("text", ""))[:300], "warning")
        elif do == "server":
            path = str(message["path"])
            self.samples.look(lambda: self.registered(path), path)
        elif do == "stop":
            self._stop.set()
        elif do == "quality":
            session.showing = "quality"
        elif do == "delete":
            gone = str(message["id"])
            if self.card is not None and self.card.id == gone:
                self.card = None
                self._show()
            self._rid_of(lambda: delete_dataset(session, gone))
        elif do == "empty":
            self._rid_of(lambda: empty_trash(session))
        elif do == "enter":
            self._list_all(str(message["path"]))
        elif do == "demo":
            open_demo(session, str(message["id"]))
            session.showing = ""
        elif do == "field" and self.card is not None:
            # What is longer than any list may be is refused by it, and not cut in silence.
            port, place = str(message["port"]), str(message["place"])[: MOST_LETTERS + 1]
            fields = {k: v for k, v in {**self.card.fields, port: place}.items() if v}
            self.card = replace(self.card, fields=fields)
            self._show()
            self._find_named(self.card, place)
        elif do == "reading" and self.card is not None:
            card, name, value = self.card, str(message["name"]), str(message["value"])
            self.look(lambda stop: card_read_as(session, card, name, value, stop))
        elif do == "use" and self.card is not None:
            block = str(message.get("block") or DATA)
            if block not in session.document.spec.data_blocks:
                return
            session.use_dataset(self.card, block)
            session.showing = ""
            if session.data.of(block) is self.card:
                spec = session.document.spec
                if block == DATA and (wired := joined(spec, self.card.fields)) is not spec:
                    session.document.edit("Wires of the data", wired)
                as_what = "" if block == DATA else f" as {DATA_BLOCKS[block].title.lower()}"
                session.say(f"{self.card.name} is in use{as_what}.", "success")
        elif do == "apply" and self.card is not None and trained_pipeline(session):
            session.run.apply_to(self.card, few_genes=bool(message.get("sure")))
            session.showing = ""

    def _find_named(self, card: DatasetCard, place: str) -> None:
        """Says how many of the genes that were named the file has."""
        if not place.startswith(NAMED):
            return

        def show(told: dict[str, Any]) -> None:
            if self.card is card:
                self.card = replace(card, preview={**card.preview, **told})
                self._show()

        self.session.read(lambda: found_of(card, place), show)

    def say_busy(self, text: str, stop: Stop) -> None:
        """How far the look is that this would stop."""
        if self.waits_for(stop):
            self._desk.busy = text

    def waits_for(self, stop: Stop) -> bool:
        """Whether the look that this would stop is still under way."""
        return stop is self._stop and not stop.is_set and bool(self._desk.busy)

    def show_samples(self) -> None:
        """The table instead of the file that was looked at."""
        self._stop.set()
        self._desk.param.update(busy="", problem={})
        self.card = None
        self._show()
        self._list_all(self._desk.folder)

    def registered(self, path: str) -> str:
        """A file or folder of the server as a data set of the person: its id."""
        file = in_server_folder(self.session, path)
        if not can_be_chosen(file) or file == Path(self.session.data_dir).resolve():
            raise DataError(f"'{path[:200]}' holds no data.", fix="Choose one from the list.")
        return self.session.store.register(self.session.owner, file).id

    def look(self, make: Callable[[Stop], Any], busy: str = _LOOKING, of: str = "") -> Stop:
        """Makes a card in the pool and shows it, or why there is none (in the list too, ``of``).

        Returns:
            What ends it.
        """
        self._stop.set()  # nobody waits for the look before this one any more
        stop = self._stop = Stop()
        self._desk.param.update(busy=busy, problem={})

        def work() -> Any:
            try:
                return make(stop)
            except Exception as error:
                return error

        def show(found: Any) -> None:
            if stop is not self._stop:
                return
            self._desk.busy = ""
            if isinstance(found, StoppedError):
                return
            # Whatever went wrong, the file that was looked at before is not the one asked for.
            self.card = found if isinstance(found, DatasetCard) else None
            self.wrong.pop(of, None)
            if isinstance(found, UserError):
                self.wrong[of] = found.what
                self._desk.problem = {"what": found.what, "fix": found.fix}
            elif isinstance(found, Exception):
                self.session.refuse(found)
                self._desk.problem = {
                    "what": f"This file cannot be looked at ({type(found).__name__}).",
                    "fix": "Tell whoever looks after this server; the log has the details.",
                }
            self._show()
            self._list_all(self._desk.folder)

        self.session.read(work, show)
        return stop

    def _show(self) -> None:
        card = self.card
        self._desk.param.update(
            preview=shown(card, self.session.data.card) if card is not None else {}, applying={}
        )
        self._offer_beside()
        if card is None:
            return

        def show(found: dict[str, Any]) -> None:
            if self.card is card:
                self._desk.applying = found

        self.session.read(lambda: offer(self.session, card), show)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._desk
