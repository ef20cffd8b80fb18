"""The header: pipeline, data set, whether it is saved; the doors to all else; the theme."""

from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.session.data_in_use import CARDS
from app.session.session import Session
from app.shell.layout import LAYOUTS
from app.style.scripts import script
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports import DATA_BLOCKS

_HERE = Path(__file__).parent


class HeaderStrip(JSComponent):
    pipeline = param.String()
    dataset = param.String()
    saved = param.String("saved")
    device = param.String("CPU")
    where = param.String("Where runs compute")
    theme = param.String("default")
    owner = param.String()
    notice = param.Dict({})
    read_only = param.Boolean(False)
    looks = param.Boolean(False, doc="A run is looked at, with its own pipeline.")
    layout = param.String("build")

    _esm = script(_HERE / "header.js")
    _stylesheets = [(_HERE / "header.css").read_text(encoding="utf-8")]


class Header(pn.viewable.Viewer):
    """What the tab works on, and the doors to everything else."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self._header = HeaderStrip(
            owner="" if session.owner == "local" else session.owner,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._header.on_msg(lambda event: self._take(event.data))
        session.param.watch(self._draw, ["theme", "notice", "layout"])
        session.document.param.watch(self._draw, ["spec", "saved", "read_only"])
        session.data.param.watch(self._draw, CARDS)
        session.run.param.watch(self._draw, ["device", "is_looked_at", "dataset"])
        session.run.param.watch(self._tell_where, ["id"])
        self._draw()
        self._tell_where()

    def _tell_where(self, *_: Any) -> None:
        """Where runs compute; asked in the background, because a cluster is asked for it."""
        if self.session.is_attached:
            self.session.work(
                self.session.engine.where,
                lambda words: self._header.param.update(where=f"Runs on: {words}"),
            )

    def _draw(self, *_: Any) -> None:
        s, card = self.session, self.session.shown_dataset
        size = card.size_in_short if card else ""
        for block, other in s.shown_beside.items():
            if block in s.shown_spec.data_blocks and card:
                size += f" · {DATA_BLOCKS[block].title.lower()}: {other.name}"
        self._header.param.update(
            pipeline=s.shown_spec.name,
            dataset=f"{card.name}\n{size}" if card else "",
            saved=s.document.saved,
            theme=s.theme,
            device=s.run.device.upper() or "CPU",
            notice=s.notice,
            read_only=s.document.read_only,
            looks=s.run.is_looked_at,
            layout=s.layout,
        )

    def _take(self, message: dict[str, Any]) -> None:
        session, do = self.session, message.get("do")
        if do == "theme":
            wanted = message.get("theme")
            session.theme = "dark" if wanted == "dark" else "default"
        elif do == "layout" and message.get("layout") in LAYOUTS:
            session.layout = message["layout"]
        elif do == "rename":
            session.document.rename(str(message.get("name", "")))
        elif do == "take_over":
            session.document.take_over()
        elif do == "new":
            session.document.open_pipeline(PipelineSpec("Untitled pipeline"), "New pipeline")
        elif do == "import":
            session.document.import_json(str(message.get("text", "")))
        elif do == "export":
            self._export()
        elif do == "show":
            what = str(message.get("what", ""))
            session.showing = "" if session.showing == what else what

    def _export(self) -> None:
        try:
            text = self.session.export_json()
        except UserError as error:
            self.session.refuse(error)
        else:
            name = _file_name(self.session.shown_spec.name)
            self._header._send_msg({"do": "download", "name": name, "text": text})

    def __panel__(self) -> pn.viewable.Viewable:
        return self._header


def _file_name(name: str) -> str:
    kept = "".join(c if c.isalnum() else "_" for c in name).strip("_")
    return f"{kept or 'pipeline'}.json"
