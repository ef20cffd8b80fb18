"""Files that are dropped anywhere on the page: the data panel opens and takes them."""

from pathlib import Path
from typing import Any

from panel.custom import JSComponent

from app.session.session import Session
from app.style.scripts import script

_HERE = Path(__file__).parent


class PageDrop(JSComponent):
    """Hears drags over the whole page, says that files can be let go, and keeps them."""

    _esm = script(_HERE / "dropped_files.js", _HERE / "page_drop.js")

    def __init__(self, session: Session, **params: Any):
        super().__init__(width=0, height=0, margin=0, **params)
        self.session = session
        self.on_msg(lambda event: self._take(event.data))

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("do") == "refused":
            self.session.say(str(message.get("text", ""))[:300], "warning")
        else:
            self.session.showing = "data"
