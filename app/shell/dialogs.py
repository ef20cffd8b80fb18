"""The dialogs of the page: one is open at a time, as ``session.showing`` says."""

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from app.session.session import Session

# In the dark, Material's paper is a grey that belongs to nothing else here.
_PAPER = {
    "& .MuiDialog-paper": {"backgroundColor": "var(--db-raised)", "backgroundImage": "none"},
    "& .MuiDialogTitle-root": {"color": "var(--db-text)"},
    "& .MuiIconButton-root": {"color": "var(--db-dim)"},
}


class Dialogs(pn.viewable.Viewer):
    """Opens and closes dialogs; what is in one is made when it is first opened."""

    def __init__(
        self,
        session: Session,
        contents: dict[str, tuple[str, str, Callable[[], Any]]],
    ):
        """``contents``: name -> title, width, what makes the view."""
        super().__init__()
        self.session, self._contents = session, contents
        self._dialogs = {
            name: pmui.Dialog(
                title=title, width_option=width, close_on_click=True, show_close_button=True,
                title_variant="h6", open=False, sx=_PAPER,
            )
            for name, (title, width, _) in contents.items()
        }  # fmt: skip
        for name, dialog in self._dialogs.items():
            dialog.param.watch(lambda event, name=name: self._closed(name, event.new), "open")
        session.param.watch(self._show, ["showing"])

    def _show(self, *_: Any) -> None:
        for name, dialog in self._dialogs.items():
            wanted = name == self.session.showing
            if wanted and not dialog.objects:
                dialog.objects = [self._contents[name][2]()]
            if dialog.open != wanted:
                dialog.open = wanted

    def _closed(self, name: str, is_open: bool) -> None:
        if not is_open and self.session.showing == name:
            self.session.showing = ""

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Row(*self._dialogs.values(), width=0, height=0, margin=0, sizing_mode="fixed")
