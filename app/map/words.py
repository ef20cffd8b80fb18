"""What is said of a map: where there is none yet, over it, and what it is called."""

from typing import Any

from app.map.cells_shown import rows_of
from app.map.drawing import Drawn
from app.plots.map import PLACES, title_of
from app.session.session import Session
from app.session.stale import preview_words, stale_words
from app.style.titles import port_title
from app.style.waiting_words import why_it_takes
from diffbio_engine.declare import DATA_PORTS, Kind, find_operator, operators
from diffbio_engine.pipelines.spec import DATA, PipelineSpec
from diffbio_engine.ports import Address, port_of_field

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
