"""The runs of a person: look at one again, or delete it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import param
from panel.custom import JSComponent

from app.session.own_things import delete_run, empty_trash, go_on, room_used, tried
from app.session.run_shown import ENDED_EARLY
from app.session.session import Session
from app.style.scripts import script
from diffbio_engine.errors import UserError
from diffbio_engine.runs import RunReader

_HERE = Path(__file__).parent
_PAGE = 40
_POINTS = 48


class RunTable(JSComponent):
    """The page's side of the list."""

    runs = param.List()
    more = param.Integer(0)
    shown = param.String()
    used = param.Dict({}, doc="How much room the person's things take, in words.")

    _esm = script(_HERE / "run_list.js")
    _stylesheets = [(_HERE.parent / "style" / "list.css").read_text(encoding="utf-8")]


class RunList(pn.viewable.Viewer):
    """Newest first; losses are read only for the rows that are shown."""

    def __init__(self, session: Session):
        super().__init__()
        self.session, self._most = session, _PAGE
        self._curves: dict[tuple[str, int], list[float]] = {}
        self._table = RunTable(shown=session.run.id, sizing_mode="stretch_width", margin=0)
        self._table.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._renew, ["showing"])
        session.run.param.watch(self._renew, ["id", "state"])
        self._renew()

    def _renew(self, *_: Any) -> None:
        session = self.session
        self._table.shown = session.run.id
        if session.showing != "runs" or not session.is_attached:
            return
        session.work(self._rows, lambda found: self._table.param.update(**found))
        session.work(lambda: room_used(session), lambda used: self._table.param.update(used=used))

    def _rows(self) -> dict[str, Any]:
        session = self.session
        every = session.engine.runs(session.owner)
        rows = [self._row(summary) for summary in every[: self._most]]
        return {"runs": rows, "more": max(len(every) - self._most, 0)}

    def _row(self, run: Any) -> dict[str, Any]:
        curve = self._curve(run)
        return {
            "id": run.id,
            "title": run.title,
            "state": run.state,
            "step": run.step,
            "total": run.total_steps or 0,
            "position": run.position or 0,
            "message": (run.error or {}).get("what", "") or run.message,
            "dataset": run.dataset,
            "age": max(time.time() - run.created, 0),
            "onward": self._goes_on(run),
            "losses": curve,
            "loss": f"{curve[-1]:.4g}" if curve else "",
        }

    def _goes_on(self, run: Any) -> str:
        """From where a run that ended early can go on; empty if it cannot."""
        if run.state not in ENDED_EARLY:
            return ""
        try:
            step = self.session.engine.folder(run.id, self.session.owner).checkpoint_step()
        except (OSError, UserError):
            return ""
        return "" if step is None else f"step {step:,}".replace(",", "\u202f")

    def _curve(self, run: Any) -> list[float]:
        key = (run.id, run.step)
        if key not in self._curves:
            try:
                path = self.session.engine.folder(run.id, self.session.owner).path
                total = np.asarray(RunReader(path).metrics().get("total", ()), float)
            except (OSError, UserError):
                total = np.empty(0)
            total = total[np.isfinite(total)]
            at = np.unique(np.linspace(0, max(len(total) - 1, 0), _POINTS).astype(int))
            self._curves[key] = [float(total[i]) for i in at] if len(total) else []
        return self._curves[key]

    def _asked(self, message: dict) -> None:
        session, do, run = self.session, message.get("do"), str(message.get("id", ""))
        if do == "open":
            session.showing = ""
            session.watch_run(run)
        elif do == "onward":
            self._carried_out(lambda: go_on(session, run))
        elif do == "more":
            self._most += 200
            self._renew()
        elif do == "delete":
            self._carried_out(lambda: delete_run(session, run), gone=run)
        elif do == "empty":
            self._carried_out(lambda: empty_trash(session))

    def _carried_out(self, act: Callable[[], str], gone: str = "") -> None:
        def done(found: str | UserError) -> None:
            if isinstance(found, str):
                if gone and gone == self.session.run.id:
                    self.session.run.forget()  # other tabs find out when they next look
                self.session.say(found)
            else:
                self.session.refuse(found)
            self._renew()

        self.session.work(lambda: tried(act), done)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._table
