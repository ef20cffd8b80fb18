"""The person's saved pipelines: open one again, or go back to one of its versions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.session.session import Session
from app.style.scripts import script
from diffbio_engine.pipelines.spec import PipelineSpec

_HERE = Path(__file__).parent
_MOST = 60


class PipelineList(JSComponent):
    """The page's side of the list."""

    pipelines = param.List(doc="Name, when it was saved, and how many versions there are.")
    more = param.Integer(0)
    shown = param.String(doc="The pipeline on the canvas.")
    opened = param.String(doc="The one whose versions are listed.")
    versions = param.List(doc="Of that one: version, when, blocks, what was done.")

    _esm = script(_HERE / "saved_pipelines.js")
    _stylesheets = [
        path.read_text(encoding="utf-8")
        for path in (_HERE.parent / "style" / "list.css", _HERE / "saved.css")
    ]


class SavedPipelines(pn.viewable.Viewer):
    """Newest first; versions are read of the one that is looked at."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self._list = PipelineList(sizing_mode="stretch_width", margin=0)
        self._list.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._renew, ["showing"])
        session.document.param.watch(self._renew, ["saved"])
        self._list.opened = session.document.spec.name
        self._renew()

    def _renew(self, *_: Any) -> None:
        session, opened = self.session, self._list.opened
        if session.showing != "saved" or session.document.saved == "saving":
            return

        def look() -> tuple[list[Any], list[Any]]:
            store, owner = session.store, session.owner
            return store.pipelines(owner), store.pipeline_history(owner, opened) if opened else []

        def show(found: tuple[list[Any], list[Any]]) -> None:
            every, versions = found
            self._list.param.update(
                pipelines=[
                    {"name": p.name, "saved": p.saved, "n": p.n_versions} for p in every[:_MOST]
                ],
                more=max(len(every) - _MOST, 0),
                shown=session.document.spec.name,
                versions=[vars(v) for v in versions],
            )

        session.work(look, show)

    def _asked(self, message: dict[str, Any]) -> None:
        do, name = message.get("do"), str(message.get("name", ""))
        if do == "look":
            self._list.opened = "" if self._list.opened == name else name
            self._renew()
        elif do in ("open", "restore"):
            version = int(message["version"]) if do == "restore" else None
            self._open(name, version, str(message.get("words", ""))[:40])

    def _open(self, name: str, version: int | None, words: str) -> None:
        session = self.session

        def load() -> PipelineSpec:
            document = session.store.load_pipeline(session.owner, name, version)
            return replace(PipelineSpec.from_json(document), name=name)

        def put(spec: PipelineSpec) -> None:
            session.showing = ""
            if name == session.document.spec.name:
                if version is not None:
                    session.document.edit(f"Go back to the version of {words}", spec)
                return
            session.document.put_back(spec)
            if session.document.read_only:
                session.say(f"'{name}' is open in another tab, which edits it.")

        session.work(load, put)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._list
