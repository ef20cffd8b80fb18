"""How large the parts of the page are: three layouts, and what a person has made of each.

A size is a CSS variable of the page, ``--db-canvas`` and so on, which the script sets: a bar that
is dragged moves its parts without a word to the server. What a person has set is kept by the
browser, for each of them: a size belongs to a screen.
"""

from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.session.session import Session
from app.style.scripts import script

_HERE = Path(__file__).parent
_CSS = (_HERE / "splitter.css").read_text(encoding="utf-8")

# What each layout gives to each part; "" leaves the canvas what the map below does not need.
LAYOUTS = {
    "build": {"palette": "264px", "canvas": "", "losses": "24vw", "inspector": "324px"},
    "explore": {"palette": "0px", "canvas": "0px", "losses": "0px", "inspector": "0px"},
    "train": {"palette": "0px", "canvas": "0px", "losses": "30vw", "inspector": "324px"},
}
# Until the script has set what the person had.
FIRST_CSS = f":root {{ {' '.join(f'--db-{p}: {s};' for p, s in LAYOUTS['build'].items() if s)} }}"
# What is said where a part is folded away, and how small and how large it may be made.
_PARTS = {
    "palette": ("Blocks", 160, 460),
    "canvas": ("Canvas", 120, 2000),
    "losses": ("Losses", 220, 1400),
    "inspector": ("Inspector", 260, 640),
}

# Header, run bar and the bar between canvas and map; the canvas never takes all of the map.
_REST = "100vh - 107px"
_SIZES = {
    "palette": """:host { width: min(var(--db-palette), 34vw) !important; flex: none !important;
        min-width: 0 !important; overflow: hidden; }""",
    "inspector": """:host { width: min(var(--db-inspector), 40vw) !important; overflow: hidden;
        min-width: 0 !important; flex: none !important; background: var(--db-surface); }""",
    "losses": """:host { width: min(var(--db-losses), 60vw) !important; flex: none !important;
        min-width: 0 !important; overflow: hidden; }
        @media (max-width: 900px) { :host { display: none !important; } }""",
    # Once there is a run, the map has most of the window.
    "canvas": f""":host {{ --own-share: calc({_REST} - clamp(240px, 40vh, 480px));
        height: clamp(0px, var(--db-canvas, var(--own-share)), {_REST} - 150px) !important;
        flex: none !important; min-height: 0 !important; overflow: hidden; }}
        :host(.of-a-run) {{ --own-share: max(300px, {_REST} - 64vh); }}""",
}


class LayoutDesk(JSComponent):
    """Sets the sizes, keeps them for the person, and hears the keys."""

    layout = param.String("build")
    layouts = param.Dict(LAYOUTS, doc="By layout and part, a size of CSS; empty: its own share.")
    person = param.String(doc="Whose sizes these are.")

    _esm = script(_HERE / "sent_by_id.js", _HERE / "layout.js")

    def __init__(self, session: Session, **params: Any):
        super().__init__(
            layout=session.layout, person=session.owner, width=0, height=0, margin=0, **params
        )
        self.session = session
        self.on_msg(lambda event: self._take(event.data))
        session.param.watch(lambda _: self.param.update(layout=session.layout), ["layout"])
        session.document.param.watch(self._show_canvas, ["spec"])

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("layout") not in LAYOUTS:
            return
        if message.get("kept") and not self.session.shown_spec.blocks:
            self._send_msg({"layout": "build"})  # an empty page says how to begin, on the canvas
        else:
            self.session.layout = message["layout"]

    def _show_canvas(self, event: Any) -> None:
        """Who opens a pipeline that has no run yet, or empties it, looks at the canvas."""
        old, new = event.old, event.new
        opened = old.name != new.name and old.blocks != new.blocks  # not only another name
        if (opened and not self.session.run.is_shown) or not self.session.shown_spec.blocks:
            self.session.layout = "build"


class Splitter(JSComponent):
    """A bar between two parts: dragged, moved by keys, reset by a double click, folded."""

    part = param.String(doc="The part whose size it sets.")
    title = param.String(doc="What the part is called.")
    after = param.Boolean(False, doc="Whether that part lies behind the bar, not before it.")
    lies = param.Boolean(False, doc="Whether the bar lies: parts above and below it.")
    low = param.Integer(0, doc="Pixels; less than half of it folds the part away.")
    high = param.Integer(0)

    _esm = script(_HERE / "splitter.js")
    _stylesheets = [_CSS]


def splitter(part: str, *, after: bool = False, lies: bool = False) -> Splitter:
    """The bar that sets the size of a part which stands beside it."""
    title, low, high = _PARTS[part]
    return Splitter(
        part=part, title=title, low=low, high=high, after=after, lies=lies, margin=0,
        css_classes=[f"beside-{part}"],
        sizing_mode="stretch_width" if lies else "stretch_height",
    )  # fmt: skip


def sized(part: str, *inside: Any) -> pn.Column:
    """A part whose size is that of the layout, or the person's own."""
    return pn.Column(
        *inside, sizing_mode="stretch_both", margin=0, stylesheets=[_SIZES[part]],
        styles={"position": "relative"},
    )  # fmt: skip
