"""Where one begins: demo, upload, ready pipeline; shown while the canvas is empty."""

from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.session import datasets
from app.session.data_in_use import CARDS
from app.session.session import Session
from diffbio_engine.pipelines import presets

_HERE = Path(__file__).parent
# Over the canvas; only the cards take the pointer, beside them a block can be dropped.
_OVER = {"position": "absolute", "inset": "0", "pointer-events": "none"}


class StartCards(JSComponent):
    """Cards to begin with; as a list of ready pipelines it also fills a dialog."""

    pipelines = param.List()
    mode: Any = param.Selector(default="hidden", objects=["hidden", "welcome", "hint", "pipelines"])

    _esm = (_HERE / "welcome.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "welcome.css").read_text(encoding="utf-8")]


class Welcome(pn.viewable.Viewer):
    """The empty canvas says how to begin."""

    def __init__(self, session: Session, *, pipelines_only: bool = False):
        super().__init__()
        self.session, self._pipelines_only = session, pipelines_only
        self._cards = StartCards(
            mode="pipelines" if pipelines_only else "hidden",
            sizing_mode="stretch_width" if pipelines_only else "stretch_both",
            css_classes=[] if pipelines_only else ["over"],
            margin=0,
            styles={} if pipelines_only else _OVER,
        )
        self._cards.on_msg(lambda event: self._take(event.data))
        session.data.param.watch(self._offer, CARDS)
        self._offer()
        if not pipelines_only:
            session.document.param.watch(self._draw, ["spec"])
            session.data.param.watch(self._draw, ["card"])
            session.run.param.watch(self._draw, ["is_looked_at"])
            self._draw()

    def _draw(self, *_: Any) -> None:
        if self.session.shown_spec.blocks:
            self._cards.mode = "hidden"
        else:
            self._cards.mode = "welcome" if self.session.data.card is None else "hint"

    def _offer(self, *_: Any) -> None:
        """The ready pipelines, those first that fit the data best, and what these lack for each."""
        self._cards.pipelines = [
            {
                "id": p.id,
                "title": p.title,
                "text": p.summary,
                "lacking": fit.lacking,
                "without": fit.without,
            }
            for p, fit in datasets.by_fit(self.session)
        ]

    def _take(self, message: dict[str, Any]) -> None:
        session, do = self.session, message.get("do")
        if do == "data":
            session.showing = "data"
        elif do == "ready":
            session.showing = "presets"
        elif do == "preset" and message.get("id") in presets():
            datasets.open_preset(session, presets()[message["id"]])

    def __panel__(self) -> pn.viewable.Viewable:
        return self._cards
