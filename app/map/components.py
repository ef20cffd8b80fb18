"""What surrounds the map: the line above it, legend, timeline, and words where no map is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.map.cells_shown import kept_rows, rows_of
from app.map.colouring import MOST_CATEGORIES
from app.map.drawing import Drawn, MapViewState, has_own_names
from app.map.frames import MapFrame
from app.map.selection import selection_card
from app.plots.map import PLACES, title_of
from app.session.session import DatasetCard, Session
from app.session.stale import preview_words, stale_words
from app.style import theme
from app.style.colour_key import CLUSTER, ColourKey
from app.style.scripts import script
from app.style.titles import disambiguate, port_title
from app.style.waiting_words import why_it_takes
from diffbio_engine.axes import axis_of
from diffbio_engine.data.kinds import USUAL
from diffbio_engine.declare import DATA_PORTS, Kind, find_operator, operators
from diffbio_engine.pipelines.spec import DATA, PipelineSpec
from diffbio_engine.ports import Address, port_of_field
from diffbio_engine.runs import GROUPS, Findings

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


def of_another_run(state: MapViewState, run: str) -> MapViewState:
    """The state for a run that has just been chosen: its own map, classes and scores."""
    own = ColourKey.parse(state.colour).is_of_one_run
    return replace(
        state, run=run, map="", view=None, only=None, chosen=None, counted_by="", class_names={},
        kinds={}, first="", colour="" if own else state.colour,
    )  # fmt: skip


def of_cells_shown(state: MapViewState, session: Session) -> MapViewState:
    """The same state, of the cells that are on the map and in the theme of the page."""
    dataset = session.cells_shown
    path, fields = (dataset.source, dataset.fields) if dataset else ("", {})
    return replace(
        state, path=path, kept=kept_rows(session), counts=fields.get("counts", "X"),
        theme=session.theme, gene_sets=session.gene_sets, record=axis_of(rows_of(session)).one,
    )  # fmt: skip


def with_picked(state: MapViewState, n: int, index: int, *, alone: bool) -> MapViewState:
    """The same state with one of n categories switched on or off, or alone; again: all of them."""
    every = frozenset(range(n))
    only = state.only if state.only is not None else every
    if alone:
        only = every if only == {index} else frozenset({index})
    else:
        only = only ^ {index}
    return replace(state, only=None if only == every or not only else only)


def with_names(state: MapViewState, findings: Findings | None) -> MapViewState:
    """The same state, knowing what the run calls its classes and what its ports mean."""
    if findings is None:
        return state
    names = {
        f.port: tuple(findings.along(f, f.axes[1]))
        for f in findings.found
        if f.axes[:1] == (GROUPS,)
    }
    return replace(state, class_names=names, kinds=findings.kinds, first=findings.first)


def knowing(state: MapViewState, seen: MapViewState) -> MapViewState:
    """The same state with the names that another one of the same run has learned."""
    return replace(state, class_names=seen.class_names, kinds=seen.kinds, first=seen.first)


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


NO_MAP = (
    "This pipeline draws no map",
    "For one, add UMAP or PHATE and wire coordinates into it, such as a latent space. What else is"
    " found stands under Results.",
)


def words_without_map(session: Session) -> tuple[str, str]:
    """What is said where there is no map yet."""
    if session.run.state == "failed" and not session.run.opens:
        return "The run ended before its first map", session.run.message
    snapshot = session.run.snapshot
    if session.run.id and snapshot is not None and not snapshot.maps:
        return NO_MAP
    if session.run.id and session.run.is_running:
        return "The map comes with the first step", session.run.message or "Getting ready"
    if session.run.id and session.run.opens:
        return "The run is being opened", "Its map and its losses come in a moment."
    if session.run.id:
        return "This run has no map", NO_MAP[1]
    if session.data.card is None:
        return (
            "No run yet",
            "Choose data, drop blocks and wire them, then press Run: the map appears here.",
        )
    card = session.data.card
    spec = session.document.spec
    cells = f"the {card.n_cells:,} {card.rows} appear here and move while they train."
    if not can_draw_a_map(spec):
        cells = f"what is found of the {card.n_cells:,} {card.rows} appears here."
    if not spec.blocks:
        return "No run yet", f"Put blocks on the canvas, then press Run: {cells}"
    return "No run yet", f"Press Run: {cells}"


def can_draw_a_map(spec: PipelineSpec) -> bool:
    """Whether a block lays records out, or the data say where they lie, or no block is there."""
    outputs = (p.kind for b in spec.blocks for p in find_operator(b.operator).outputs)
    given = (port.kind for port in map(port_of_field, spec.fields) if port is not None)
    return not spec.blocks or not {Kind.MAP, Kind.COORDINATES}.isdisjoint({*outputs, *given})


# What of the run `stage_words` depends on, besides its preview.
TOLD_BY_RUN = ("state", "message", "opens", "dataset", "is_looked_at", "tried")


def stage_words(session: Session, drawn: Drawn | None) -> dict[str, Any]:
    """What lies over the map: words where there is none, with why it may take while somebody waits.

    Over a map that is not trained, or no longer what is set, it says so.
    """
    if drawn is not None:
        start = "Starting point: not trained yet" if drawn.frame.step == 0 else ""
        # Short over the cells; what else is to be known stands in the bar.
        badge = preview_words(session, drawn.frame.note) or stale_words(session) or start
        back = "As trained" if session.run.preview is not None else ""
        return {"title": "", "sentence": "", "waits": False, "badge": badge, "back": back,
                "tools": True}  # fmt: skip
    title, sentence = words_without_map(session)
    why = why_it_takes(sentence, rows_of(session))
    waits = session.run.is_running or session.run.opens
    words = {"title": title, "sentence": sentence, "why": why, "waits": waits}
    return {**words, "badge": "", "back": "", "tools": False}


def map_title(name: str, session: Session) -> str:
    """What a map is called: after the block that gives it, or the tissue that it lies in."""
    block, port = Address.parse(name).parts
    if block == DATA and port in DATA_PORTS:
        return title_of(DATA_PORTS[port], "")
    blocks = {b.id: find_operator(b.operator) for b in session.run.spec.blocks}
    # Snapshots of before did not always say which block; blocks are called after their operators.
    asked = [blocks[b] for b in blocks if b == block or not port]
    if port and not asked:
        known = operators().items()
        asked = [d for name, d in known if block.startswith(Address.parse(name).port)]
    made = ((p, d.title) for d in asked for p in d.outputs if p.name == port or not port)
    found = next((title_of(p, title) for p, title in made if p.kind in PLACES), "")
    return found or port_title(name)


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
