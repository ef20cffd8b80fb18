"""The bar above the canvas: run, pause, step, stop; undo, redo, tidy, fit; state and progress."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.session.data_in_use import CARDS
from app.session.return_to_run import go_back_to, open_its_pipeline
from app.session.session import Session
from app.session.stale import picture_words
from app.style.messages import at_block, block_of
from app.style.titles import block_titles
from app.style.waiting_words import why_it_takes
from diffbio_engine.ports import Ends

_HERE = Path(__file__).parent
_STATE_WORDS = {
    "": "Ready",
    "queued": "Waiting in the queue",
    "starting": "Preparing",
    "preparing": "Preparing",
    "running": "Training",
    "pausing": "Pausing",
    "paused": "Paused",
    "stopping": "Stopping",
    "done": "Done",
    "stopped": "Stopped",
    "failed": "Failed",
    "lost": "Interrupted",
}


class RunStrip(JSComponent):
    state = param.String()
    words = param.String()
    of = param.String(doc="How the words begin where they name another pipeline's run.")
    message = param.String()
    why = param.String(doc="Why what the message tells may take a while.")
    step = param.Integer(0)
    total = param.Integer(0)
    eta = param.Number(None, allow_None=True)
    undo = param.String()
    redo = param.String()
    wire = param.Dict({})
    length = param.String(doc="How long a run will take, in words.")
    ready = param.String(doc="Why it cannot run now; empty if it can.")
    other = param.Boolean(False, doc="Whether the shown run trains another pipeline.")
    problem = param.String(doc="Why the shown run has failed, and what to do; empty if not.")
    place = param.String(doc="The block that the failure is about; empty if none.")
    onward = param.String(doc="From where an ended run can go on, in words; empty if it cannot.")
    takes = param.Boolean(False, doc="Whether its results as of then can be taken.")
    leave = param.List(doc="Of the button from a run to the document: words, and few of them.")
    back = param.List(doc="Of the button that leads back to a run, likewise; empty: no button.")

    _esm = (_HERE / "run_bar.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "run_bar.css").read_text(encoding="utf-8")]


class RunBar(pn.viewable.Viewer):
    """Controls of the run and of the canvas."""

    def __init__(self, session: Session, fit: Callable[[], None]):
        super().__init__()
        self.session, self._fit = session, fit
        self._bar = RunStrip(height=48, sizing_mode="stretch_width", margin=0)
        self._bar.on_msg(lambda event: self._take(event.data))
        session.document.param.watch(
            self._draw,
            ["run_length", "can_undo", "can_redo", "undo_label", "redo_label", "selected_wire",
             "spec", "problems"],
        )  # fmt: skip
        session.data.param.watch(self._draw, CARDS)
        session.run.param.watch(
            self._draw,
            ["id", "state", "step", "total", "eta", "message", "document", "applies", "left",
             "errors", "checkpoint", "is_looked_at", "tried", "preview"],
        )  # fmt: skip
        self._draw()

    def _draw(self, *_: Any) -> None:
        s = self.session
        chosen = s.document.selected_wire
        wire = next((w for w in s.shown_spec.wires if Ends(w.source, w.target) == chosen), None)
        looks = s.run.is_looked_at
        other = s.is_of_another_document and not looks
        self._bar.param.update(
            state=s.run.state,
            words=state_in_words(s),
            of=_run_of(s),
            message=message_of(s),
            why=why_it_takes(s.run.message, _rows_of(s)) if s.run.is_running else "",
            problem=failure_of(s),
            place=_failed_block(s),
            other=other,
            back=["Open its pipeline", "Its pipeline"]
            if (other or looks) and s.run.id
            else ["Back to the run", "Last run"]
            if _left(s)
            else [],
            leave=[f"Back to '{s.document.spec.name}'", "Back"] if looks else [],
            onward=_onward(s),
            takes=s.run.goes_on_from is not None and s.run.state != "stopped",
            step=s.run.step,
            total=s.run.total,
            eta=s.run.eta,
            undo=s.document.undo_label,
            redo=s.document.redo_label,
            wire={"stopped": wire.stop_gradient} if wire else {},
            ready=s.hindrance,
            length=s.document.run_length,
        )

    def _take(self, message: dict[str, Any]) -> None:
        session, do = self.session, message.get("do")
        if do == "fit":
            self._fit()
        elif do == "block" and self._bar.place:
            session.layout = "build"
            session.document.selected_block = self._bar.place
            self._fit()
        elif do == "onward":
            session.run.resume()
        elif do == "takes":
            session.run.take_results()
        elif do == "leave":
            session.leave_run()
        elif do == "back" and session.run.is_looked_at:
            open_its_pipeline(session)
        elif do == "back":
            go_back_to(session, session.run.id or session.run.left.get("run", ""))
        elif do == "scissors" and session.document.selected_wire:
            source, target = Ends.parse(session.document.selected_wire).parts
            session.document.stop_gradient(source, target, not self._bar.wire.get("stopped"))
        elif do == "run" and message.get("narrow"):
            session.press_run()
            if session.run.state and session.layout == "build":
                session.layout = "train"  # where there is no room for both, the map comes first
        elif do == "run":
            session.press_run()
        elif do == "step":
            session.run.one_step()
        elif do in ("pause", "resume", "stop"):
            getattr(session.run, do)()
        elif do in ("undo", "redo", "tidy"):
            getattr(session.document, do)()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._bar


def state_in_words(session: Session) -> str:
    """State of the shown run, with the name of its pipeline if that is not on the canvas."""
    state = session.run.state
    words = _STATE_WORDS.get(state, state.capitalize())
    if session.run.applies:
        words = {"starting": "Applying", "done": f"Applied to {session.run.applies}"}.get(
            state, words
        )
    if session.hindrance and not state:
        words = "Not ready"
    if state == "paused" and session.run.message:
        words = "Paused, memory freed"  # in the narrowest bar, too; the message says the rest
    if state == "stopping" and 0 < session.run.total <= session.run.step:
        words = "Finishing"  # nobody has stopped it: results are being written
    of = _run_of(session)
    return f"{of}: {words.lower()}" if of else words


def _rows_of(session: Session) -> str:
    card = session.cells_shown
    return card.rows if card else "cells"


def _run_of(session: Session) -> str:
    """Whose run is shown, where that is not the pipeline on the canvas."""
    named = session.run.is_looked_at or session.is_of_another_document
    return f"Run of {session.run.document}" if named else ""


def message_of(session: Session) -> str:
    """What stands beside the state."""
    if session.run.is_looked_at and session.run.is_running:
        return session.run.message
    if session.run.is_looked_at:
        note = getattr(session.run.map_snapshot, "note", "")
        return picture_words(session, note) or "Pipeline, settings and data as then."
    if session.is_of_another_document:
        return "Map and losses below are of this run, not of the pipeline on the canvas."
    if not session.run.state:
        return session.hindrance or f"{session.document.run_length} {_left(session)}".strip()
    if session.hindrance and not session.run.is_running:
        return f"Not ready for another run: {session.hindrance}"
    if session.run.is_running:
        return session.run.message
    note = getattr(session.run.map_snapshot, "note", "")
    return picture_words(session, note) or session.run.message


def failure_of(session: Session) -> str:
    """What went wrong in the shown run and how to mend it; empty if it has not failed."""
    if session.run.state != "failed":
        return ""
    titles = block_titles(session.run.spec.blocks)
    said = " ".join(at_block(error, titles) for error in session.run.errors[:2])
    said = said or session.run.message
    return said or "The run failed without a word; its worker.log says more."


def _onward(session: Session) -> str:
    """From where the shown run can go on; empty if it cannot."""
    step = session.run.goes_on_from
    return "" if step is None else f"step {step:,}".replace(",", "\u202f")


def _failed_block(session: Session) -> str:
    """The block on the canvas that the failure is about."""
    where = block_of(session.run.errors[0]) if session.run.errors else ""
    here = session.run.state == "failed" and session.is_run_of_canvas
    return where if here and where in {b.id for b in session.shown_spec.blocks} else ""


def _left(session: Session) -> str:
    """That a run was left when this pipeline was opened, while no run is shown."""
    gone = session.run.left and not session.run.is_shown
    return f"The run of '{session.run.left['pipeline']}' is under Runs." if gone else ""
