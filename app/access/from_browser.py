"""What a page sends back: it may set any property of its own models, and none may name a file.

Two libraries take text that names a picture for the place of one, and send its content to the page:
Bokeh wherever a property is an image, Panel-Material-UI for the logo. On a server that is a way to
read, and to have parsed, what lies there.
"""

import functools
from pathlib import Path
from typing import Any

import panel_material_ui as pmui
from bokeh.core.property.visual import Image
from panel_material_ui._utils import _read_icon


def names_no_files() -> None:
    """From now on text in a property of Bokeh's is text; our own code may still give a `Path`."""
    whole = Image.transform
    if hasattr(whole, "__wrapped__"):
        return

    @functools.wraps(whole)
    def transform(self: Any, value: Any) -> Any:
        return value if isinstance(value, str) else whole(self, value)

    Image.transform = transform  # type: ignore


class Page(pmui.Page):
    """A page whose logo is what it was made with, whatever a browser says."""

    def __init__(self, *, logo: dict[str, Path], **params: Any):
        self._pictures = {theme: _read_icon(path) for theme, path in logo.items()}
        super().__init__(logo=self._pictures, **params)

    def _process_param_change(self, params: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in params.items() if name != "logo"}
        shown = super()._process_param_change(shown)
        return {**shown, "logo": self._pictures} if "logo" in params else shown
