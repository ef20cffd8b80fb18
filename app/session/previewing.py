"""After a run has ended: what a turned dial would do to its map, the weights as trained.

The document says which dials are turned: a preview follows it, also through undo, in the tab that
edits. In a run that is looked at, those that the person tries out (``session.run.tried``). A
process of its own draws it (``diffbio_engine/runs/worker/preview.py``), begun at the first turn;
the run, its map and its results stay as they are.
"""

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.access.reach import whole_within_reach
from app.session.looked_at import with_dials
from app.session.preview import Preview
from app.session.protocols import Runs
from app.session.session import Session
from app.session.stale import dials_in_words, has_other_cells, turned_since
from app.style.messages import error_from, sentence
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports import Address
from diffbio_engine.runs import Snapshot
from diffbio_engine.runs.folder.paths import ENDED
from diffbio_engine.runs.folder.preview_folder import PreviewFolder
from diffbio_engine.runs.folder.reader import JsonFile
from diffbio_engine.runs.folder.run_spec import paths_of_data

_LOG = logging.getLogger("diffbio.app")
_OF_RUN = ["tried", "id", "state", "dataset", "is_looked_at"]
_SECONDS_BETWEEN_QUESTIONS = 1.0
_NOTHING = "Nothing on the map depends on it while the weights stay; run again to see it."
_ENDED = "The preview ended by itself. Turn the dial again to see it."


def as_trained(session: Session) -> None:
    """Turns every dial back to where the shown run had it, in one step of undo."""
    if session.run.preview is None or session.run.pipeline is None:
        return
    if session.run.is_looked_at:
        session.run.tried = {}
        return
    spec, before = session.document.spec, with_dials(session.run.pipeline, session.run.dials)
    for name in session.run.preview.dials:
        block_id, setting = Address.parse(name).parts
        block = before.block(block_id)
        usual = {s.name: s.default for s in find_operator(block.operator).settings}
        value = block.config.get(setting, usual[setting])
        spec = spec.with_config(block_id, **{setting: value})
    session.document.edit("Turn dials back as trained", spec)


@dataclass
class _Request:
    """What was asked last, and what has been heard of it."""

    run_id: str
    folder: PreviewFolder
    spec: PipelineSpec
    status: JsonFile
    seq: int = 0
    heard: int = 0
    next_question: float = 0.0


class Previewing:
    """The preview of one tab."""

    def __init__(self, session: Session, engine: Runs):
        self.session, self.engine = session, engine
        self._me = f"{id(self):x}"
        self._seen: dict[str, Any] | None = None
        self._request: _Request | None = None
        self._asks = self._again = False
        session.document.param.watch(self._follow, ["spec", "read_only"])
        session.data.param.watch(self._follow, ["card"])
        session.run.param.watch(self._follow, _OF_RUN)

    # -- in the tab --------------------------------------------------------------------------

    def _follow(self, *events: Any) -> None:
        session = self.session
        left = self._request is not None and self._request.run_id != session.run.id
        left |= any(event.name == "is_looked_at" for event in events)  # another pipeline is shown
        if left or not self._can_be():
            self._leave()
            self._seen = None
        if not self._can_be():
            return
        dials = turned_since(session)
        if self._seen is None:  # what was turned before anybody looked: the picture is as trained
            self._seen = dials
        if dials == self._seen:
            return
        self._seen = dials
        if not dials:
            session.run.preview = None
            return
        words = f"Preview of {dials_in_words(session.run.spec, dials)}: begins."
        before = session.run.preview
        if before is not None:
            session.run.preview = replace(before, dials=dials)
        else:
            session.run.preview = Preview(dials, message=words)
        self._ask()

    def _can_be(self) -> bool:
        session = self.session
        return (
            bool(session.run.id)
            and session.run.state in ENDED
            and session.is_run_of_canvas
            and not (session.document.read_only and not session.run.is_looked_at)
            and not has_other_cells(session)
        )

    def _ask(self) -> None:
        """Of many turns in a moment only the last is asked for."""
        if self._asks:
            self._again = True
            return
        session, preview = self.session, self.session.run.preview
        if preview is None:
            return
        self._asks, self._again = True, False
        run_id, owner, dials = session.run.id, session.owner, dict(preview.dials)

        def ask() -> tuple[PreviewFolder, int] | UserError:
            try:
                run = self.engine.folder(run_id, owner)
                for path in paths_of_data(run.run):
                    whole_within_reach(session, path)
                return PreviewFolder(run), self.engine.previews.ask(run, dials, self._me)
            except UserError as error:
                return error
            except Exception as error:
                _LOG.exception("While asking for a preview")
                return error_from({"what": f"{type(error).__name__}: {error}"})

        session.work(ask, partial(self._asked, run_id))

    def _asked(self, run_id: str, found: tuple[PreviewFolder, int] | UserError) -> None:
        self._asks, session = False, self.session
        if isinstance(found, UserError):
            if run_id == session.run.id:
                self._refused(f"No preview: {sentence(found)}")
            return
        folder, seq = found
        if run_id != session.run.id or not self._can_be():
            return self._end(folder)
        request, spec = self._request, session.run.spec
        if request is None:
            request = _Request(run_id, folder, spec, JsonFile(folder.status_file), heard=seq - 1)
        request.seq, request.spec = seq, spec
        request.next_question = time.monotonic() + _SECONDS_BETWEEN_QUESTIONS
        self._request = request
        if self._again:
            self._ask()

    def close(self) -> None:
        """The tab is closed, or shows something else."""
        self._leave()

    def _leave(self) -> None:
        request, self._request, self._again = self._request, None, False
        if self.session.run.preview is not None:
            self.session.run.preview = None
        if request is not None:
            self._end(request.folder)

    def _end(self, folder: PreviewFolder) -> None:
        self.engine.previews.end(folder.run, self._me)

    def _tell(self, message: str) -> None:
        preview = self.session.run.preview
        if preview is not None and preview.message != message:
            self.session.run.preview = replace(preview, message=message)

    # -- in the looking thread ---------------------------------------------------------------

    def look(self, now: float) -> None:
        """Brings what the process has drawn or said."""
        request = self._request
        if request is None or request.heard >= request.seq:
            return
        if request.status.has_news():
            self._hear(request, request.status.content)
        elif now >= request.next_question:
            request.next_question = now + _SECONDS_BETWEEN_QUESTIONS
            if not self.engine.previews.is_at_work(request.folder.run):
                if request.status.has_news():  # its last words
                    return self._hear(request, request.status.content)
                request.heard = request.seq
                if request.status.content.get("state") != "failed":  # that has been said
                    self._later(request, lambda: self._tell(_ENDED))

    def _hear(self, request: _Request, status: dict[str, Any]) -> None:
        seq, error = int(status.get("seq") or 0), status.get("error")
        if seq <= request.heard:
            if words := str(status.get("message") or ""):
                self._later(request, lambda: self._tell(f"The preview begins: {words.lower()}."))
            return
        if error:
            request.heard = seq
            told = f"No preview: {sentence(error_from(error))}"
            return self._later(request, lambda: self._refused(told))
        drawn = request.folder.drawn(seq)
        if drawn is None:
            return
        request.heard = seq
        dials, step = dict(status.get("dials") or {}), int(status.get("step") or 0)
        note = dials_in_words(request.spec, dials)
        told = "" if status.get("moved") or not dials else _NOTHING
        shown = replace(drawn, step=step, note=note)
        self._later(request, lambda: self._put(dials, shown, told))

    def _put(self, dials: dict[str, Any], shown: Snapshot, told: str) -> None:
        preview = self.session.run.preview
        if preview is not None:
            self.session.run.preview = replace(preview, shown=dials, snapshot=shown, message=told)

    def _refused(self, words: str) -> None:
        """What could not be drawn is not shown under the words of something else."""
        preview = self.session.run.preview
        if preview is not None:
            self.session.run.preview = replace(preview, shown={}, snapshot=None, message=words)

    def _later(self, request: _Request, function: Any) -> None:
        def still() -> None:
            if self._request is request:
                function()

        self.session.later(still)
