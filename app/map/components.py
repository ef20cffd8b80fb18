"""What surrounds the map: the line above it, legend, timeline, and words where no map is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.map.colouring import MOST_CATEGORIES
from app.map.drawing import Drawn, has_own_names
from app.map.frames import MapFrame
from app.map.selection import selection_card
from app.map.view_state import MapViewState
from app.session.session import DatasetCard
from app.style import theme
from app.style.colour_key import CLUSTER, ColourKey
from app.style.scripts import script
from app.style.titles import disambiguate, port_title
from diffbio_engine.data.kinds import USUAL

_HERE = Path(__file__).parent
GROUPED_OPTIONS = _HERE / "grouped_options.js"
# Over everything but dialogs and notices.
_FULL = """:host(.fills-the-window) { position: fixed !important; inset: 0; z-index: 1250;
    width: 100vw !important; height: 100vh !important; }"""
# Beside the map, more of a wide one.
KEY_SIZE = ":host { width: clamp(188px, 20%, 250px) !important; flex: none !important; }"
_CSS = (_HERE / "live_map.css").read_text(encoding="utf-8")


class MapBar(JSComponent):
    """Which map, what colours it, what can be done with it."""

    maps = param.List()
    map = param.String()
    colours = param.List()
    colour = param.String("cluster")
    genes = param.Boolean(False)
    suggestions = param.List()
    fade = param.Boolean(True)
    zoomed = param.Boolean(False)
    full = param.Boolean(False, doc="Whether the map fills the window.")
    tools = param.Boolean(True, doc="Whether there can be a map to use them on.")

    _esm = script(GROUPED_OPTIONS, _HERE / "map_bar.js")
    _stylesheets = [_CSS]


# Not named "...Legend": the theme of the page takes that for a legend of Bokeh and fails.
class MapKey(JSComponent):
    """Categories with their counts or the colour bar; who is selected."""

    title = param.String()
    items = param.List()
    ramp = param.List()
    low = param.String()
    high = param.String()
    ends = param.String(doc="What the ends of the colour bar are; empty: they cannot be moved.")
    clip = param.Number(1.0, doc="Percent of the cells beyond either end.")
    note = param.String(doc="What else is to be known of the colouring.")
    card = param.Dict({})
    rows = param.String(USUAL)
    columns = param.List(doc="By what the selected can be counted: groups, as in `MapBar.colours`.")
    counted_by = param.String(doc="Which of them; empty: what the map shows.")

    _esm = script(GROUPED_OPTIONS, _HERE / "map_card.js", _HERE / "map_legend.js")
    _stylesheets = [_CSS]


class MapTimeline(JSComponent):
    """How many cells, which step, and the way back."""

    cells = param.String()
    steps = param.List()
    step = param.Integer(-1)
    live = param.Boolean(True)

    _esm = script(_HERE / "map_timeline.js")
    _stylesheets = [_CSS]


class MapStage(JSComponent):
    """Over the map: words where there is none yet, the tools, what lies under the pointer."""

    title = param.String()
    sentence = param.String()
    badge = param.String()
    why = param.String(doc="Why this may take; said once it does.")
    waits = param.Boolean(False, doc="Whether somebody waits: then it says for how long.")
    back = param.String(doc="Words of the button beside the badge; empty: no button.")
    tools = param.Boolean(False, doc="Whether there is a map to use tools on.")
    tool = param.String("move", doc="What a drag does: move, box or lasso.")
    told = param.Dict({}, doc='Of the cell under the pointer: {"x", "y", "lines"}.')

    _esm = script(_HERE / "map_stage.js")
    _stylesheets = [_CSS]


def colour_groups(
    columns: list[dict[str, Any]], frame: MapFrame | None = None, state: MapViewState | None = None
) -> list[dict[str, Any]]:
    """What may colour the cells: what the run says of them, and the columns of the data."""
    ours: list[tuple[str, str]] = [(CLUSTER, "Cluster"), ("certainty", "Certainty")]
    if frame is not None and state is not None:
        if has_own_names(state.class_names.get(frame.main, ())):
            ours[0] = (CLUSTER, port_title(frame.main))
        others = [p for p in frame.likeliest if p != frame.main]
        ours = ours if frame.labels is not None else []
        ours += [(ColourKey("class", p), title) for p, title in disambiguate(others).items()]
        ours += [(ColourKey("score", p), title) for p, title in disambiguate(frame.scores).items()]
    groups = [{"title": "", "items": [{"key": key, "title": title} for key, title in ours]}]
    if state is not None and state.gene_sets and state.path:
        sets = [{"key": ColourKey("set", name), "title": name} for name in state.gene_sets]
        groups.append({"title": "Gene sets", "items": sets})
    few = (c for c in columns if c["kind"] != "text" or c.get("n_values", 0) <= MOST_CATEGORIES)
    named = [c["name"] for c in few]
    items = [{"key": ColourKey("obs", name), "title": name} for name in named]
    return [*groups, {"title": "Columns of the data", "items": items}] if items else groups


def legend_of(
    drawn: Drawn, state: MapViewState, picks: Sequence[Any] = (), dataset: DatasetCard | None = None
) -> dict[str, Any]:
    """What stands beside a drawn map: categories or the colour bar, and who is selected.

    Args:
        picks: What a selected cell can be made, as ``picked_cells.pickable`` gives it.
        dataset: Whose rows are drawn; it says what they are called.
    """
    colouring, only = drawn.colouring, state.only
    items, ramp, card = [], [], {}
    if colouring.values is not None:
        ramp = list(drawn.palette[::16])
    else:
        for i, n in enumerate(drawn.counts):
            if n or colouring.key != CLUSTER:
                on = only is None or i in only
                items.append(
                    {"index": i, "name": colouring.names[i], "color": drawn.palette[i], "n": n,
                     "on": on}
                )  # fmt: skip
    if state.chosen is not None and len(state.chosen) == len(drawn.frame.xy):
        who = selection_card(drawn.frame, colouring, state.chosen, drawn.counted)
        card = {**who, "picks": list(picks)}
    return {
        "title": colouring.title, "items": items, "ramp": ramp, "card": card,
        "low": f"{colouring.low:.3g}", "high": f"{colouring.high:.3g}",
        "rows": dataset.rows if dataset else f"{state.record}s",
        "counted_by": state.counted_by, "ends": colouring.ends, "clip": state.clip,
        "note": colouring.note,
    }  # fmt: skip


def map_page(
    bar: MapBar, figure: Any, stage: MapStage, legend: MapKey, timeline: MapTimeline, *rest: Any
) -> pn.Column:
    """The map with what surrounds it; as ``fills-the-window`` it lies over the whole page."""
    plot = pn.pane.Bokeh(figure, sizing_mode="stretch_both", margin=0, styles=theme.FILLS)
    hidden = {"position": "relative", "overflow": "hidden"}
    middle = pn.Row(
        pn.Column(plot, stage, sizing_mode="stretch_both", margin=0, styles=hidden), legend,
        sizing_mode="stretch_both", margin=0, styles=theme.REST,
    )  # fmt: skip
    return pn.Column(
        bar, middle, timeline, *rest, sizing_mode="stretch_both", margin=0,
        styles={"background": "var(--db-surface)"}, stylesheets=[_FULL],
    )  # fmt: skip
