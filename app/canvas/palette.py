"""The palette: every operator by domain; search, drag onto the canvas, or double-click."""

from pathlib import Path

import panel as pn
import param
from panel.custom import JSComponent

from app.canvas.nodes import BLOCK_MIME
from app.session.session import Session
from app.style import theme
from diffbio_engine.declare import domains, operators
from diffbio_engine.ports import DATA, DATA_BLOCKS, DataBlock, blocks_beside

_HERE = Path(__file__).parent


class BlockList(JSComponent):
    blocks = param.List(doc="What is offered, in order; plain data.")
    mime = param.String(BLOCK_MIME)

    _esm = (_HERE / "palette.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "palette.css").read_text(encoding="utf-8")]


class Palette(pn.viewable.Viewer):
    """What can be put on the canvas."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        headings = domains()
        self._list = BlockList(
            blocks=[
                {
                    "id": d.id,
                    "title": d.title,
                    "summary": d.summary,
                    "heading": theme.heading(d.domain, headings[d.domain]),
                    "icon": theme.icon(d.domain),
                    "color": theme.color_of(d),
                    "words": f"{d.id} {d.title} {d.summary} {' '.join(p.name for p in d.outputs)}",
                }
                for d in sorted(operators().values(), key=lambda d: d.domain == "losses")
            ]
            + [_data_block(DATA_BLOCKS[block]) for block in blocks_beside()],
            sizing_mode="stretch_both",
        )
        self._list.on_msg(lambda event: self._take(event.data))

    def _take(self, message: dict) -> None:
        if message.get("do") == "add":
            self.session.document.add_block(str(message.get("operator")))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._list


def _data_block(block: DataBlock) -> dict[str, str]:
    """A second data set, as it is offered beside the operators."""
    return {
        "id": block.id,
        "title": block.title,
        "summary": block.help,
        "heading": "Data",
        "icon": theme.icon(DATA),
        "color": "var(--db-accent)",
        "words": f"{block.id} {block.title} {block.help} data set {' '.join(block.ports)}",
    }
