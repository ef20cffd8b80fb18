"""The place of the map: the map, or, where a pipeline draws none, what else it found."""

from typing import Any

import panel as pn

from app.map.view import LiveMap
from app.results.view import FindingsView
from app.session.session import Session
from diffbio_engine.declare import Kind, find_operator

_SAYS = "This pipeline draws no map: what it found stands here."
_ADVICE = (
    " For a map, add UMAP or PHATE and wire coordinates into it, such as a latent space; then run"
    " again."
)
_NOTE = {"color": "var(--db-dim)", "font-size": "12.5px"}
_PAPER = {"background": "var(--db-surface)", "overflow": "auto", "padding": "10px 16px"}


def _has_coordinates(session: Session) -> bool:
    """Whether the shown run has coordinates of its records, which a map could be drawn of."""
    outputs = (p for b in session.run.spec.blocks for p in find_operator(b.operator).outputs)
    return any(port.kind == Kind.FEATURES and port.per_record for port in outputs)


class MapPlace(pn.viewable.Viewer):
    """Shows the map of the shown run, or its other views where there can be no map."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        run = session.run
        self._map = pn.Column(LiveMap(session), sizing_mode="stretch_both", margin=0)
        self._says = pn.pane.HTML(_SAYS, margin=(0, 0, 8, 0), styles=_NOTE, css_classes=["no-map"])
        self._results = pn.Column(
            self._says,
            FindingsView(session, in_sight=lambda: run.draws_no_map),
            sizing_mode="stretch_both", margin=0, styles=_PAPER, visible=False,
        )  # fmt: skip
        run.param.watch(self._choose, ["id", "snapshot"])
        self._choose()

    def _choose(self, *_: Any) -> None:
        without = self.session.run.draws_no_map
        if self._results.visible != without:
            self._results.visible, self._map.visible = without, not without
        if without:
            self._says.object = _SAYS + (_ADVICE if _has_coordinates(self.session) else "")

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(self._map, self._results, sizing_mode="stretch_both", margin=0)
