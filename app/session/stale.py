"""What of the picture no longer belongs to the pipeline and the data: said, block by block."""

from collections.abc import Collection
from typing import Any

from app.session.looked_at import with_dials
from app.session.session import Session
from app.style.titles import block_titles, label
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports import DATA_BLOCKS, Address

_MOST = 3


def turned_since(session: Session) -> dict[str, Any]:
    """The dials of the canvas that are not as the shown run had them, ``"block.setting"``."""
    trained, now = session.run.pipeline, session.shown_spec
    if trained is None or not session.is_run_of_canvas:
        return {}
    trained = with_dials(trained, session.run.dials)
    turned = {}
    there = {b.id: b for b in trained.blocks}
    for block in now.blocks:
        before = there.get(block.id)
        if before is None or before.operator != block.operator:
            continue
        for s in find_operator(block.operator).settings:
            value = block.config.get(s.name, s.default)
            if s.live and value != before.config.get(s.name, s.default):
                turned[f"{block.id}.{s.name}"] = value
    return turned


def has_other_cells(session: Session) -> bool:
    """Whether the shown run is of other cells than those in use."""
    shown, used = session.run.dataset, session.data.card
    if not session.run.id or session.run.is_looked_at or session.run.applies:
        return False
    return shown is not None and used is not None and shown.path != used.path


def dials_in_words(spec: PipelineSpec, dials: dict[str, Any]) -> str:
    """Dials with their values: "temperature 0.3 of Soft k-means"."""
    titles, said = block_titles(spec.blocks), []
    for name, value in dials.items():
        block, setting = Address.parse(name).parts
        said.append(f"{label(setting).lower()} {value:.4g} of {titles.get(block, block)}")
    more = f" and {len(said) - _MOST} more" if len(said) > _MOST else ""
    return ", ".join(said[:_MOST]) + more


def changed_since(session: Session, but: Collection[str] = ()) -> tuple[set[str], list[str]]:
    """Blocks that are not as the shown run had them, and in words what was changed.

    Args:
        but: Dials, ``"block.setting"``, that do not count.
    """
    trained, now = session.run.pipeline, session.shown_spec
    if trained is None or not session.is_run_of_canvas:
        return set(), []
    trained = with_dials(trained, session.run.dials)
    titles = block_titles(trained.blocks) | block_titles(now.blocks)
    blocks, said = set[str](), list[str]()
    before, after = ({b.id: b for b in spec.blocks} for spec in (trained, now))
    for block in sorted(before.keys() | after.keys()):
        if block not in after or block not in before:
            said.append(f"{titles[block]} {'added' if block in after else 'removed'}")
            blocks.add(block)
            continue
        names = _differing(trained, now, block, but)
        if before[block].learns != after[block].learns:
            names.append("whether it learns")
        said += [f"{name} of {titles[block]}" for name in names]
        blocks |= {block} if names else set()
    wires = {(w.source, w.target, w.stop_gradient) for w in trained.wires}
    other = wires ^ {(w.source, w.target, w.stop_gradient) for w in now.wires}
    if other and not blocks:
        said.append("wires")
    blocks |= {Address.parse(target).block for _, target, _ in other}
    if trained.weights != now.weights:
        said.append("loss weights")
    keys = trained.training.keys() | now.training.keys()
    changed = [k for k in sorted(keys) if trained.training.get(k) != now.training.get(k)]
    said += [label(k).lower() for k in changed]
    if trained.variable_genes != now.variable_genes:
        said.append("variable genes")
    limits = trained.quality_control, now.quality_control
    if limits[0] != limits[1] and any(control.removes for control in limits):
        said.append("quality control")
        blocks |= set(after)  # each is of other cells
    return blocks & after.keys(), said


def stale_words(session: Session, but: Collection[str] = ()) -> str:
    """One sentence on why map, losses and results are not what is set now; empty if they are."""
    _, said = changed_since(session, but)
    shown, used = session.run.dataset, session.data.card
    told = []
    if shown is not None and used is not None and has_other_cells(session):
        names = shown.name, used.name
        if used.name == shown.name:  # brought twice
            names = f"another {shown.name}", "the one in use"
        told.append("These are the {} of {}, not of {}.".format(shown.rows, *names))
    told += _other_beside(session)
    if said:
        more = f" and {len(said) - _MOST} more" if len(said) > _MOST else ""
        told.append(f"Changed since this run: {', '.join(said[:_MOST])}{more}.")
    looks = session.run.is_looked_at
    onward = "'Open its pipeline' to run it so." if looks else "Run again to see it."
    return " ".join([*told, onward]) if told else ""


def _other_beside(session: Session) -> list[str]:
    """Where the run had another reference than the one in use."""
    if not session.run.id or session.run.is_looked_at or session.run.applies:
        return []
    pairs = ((b, had, session.data.of(b)) for b, had in session.run.beside.items())
    return [
        f"This run had the {DATA_BLOCKS[block].title.lower()} {had.name}, not {used.name}."
        for block, had, used in pairs
        if block in DATA_BLOCKS and used is not None and used.source != had.source
    ]


def preview_words(session: Session, note: str) -> str:
    """That a picture is a preview, or that one is on its way; empty if neither.

    Args:
        note: Of the picture (``Snapshot.note``); empty if it is the run's own.
    """
    known = f"Preview: {note}; weights as trained." if note else ""
    preview = session.run.preview
    message = preview.message if preview is not None else ""
    return f"{known} {message}".strip()


def picture_words(session: Session, note: str) -> str:
    """What is to be known of a picture: that it is a preview, and what is not as it is set now."""
    preview = session.run.preview
    shown = preview.shown if preview is not None and note else ()
    told = (preview_words(session, note), stale_words(session, shown))
    return " ".join(words for words in told if words)


def _differing(
    one: PipelineSpec, other: PipelineSpec, block: str, but: Collection[str]
) -> list[str]:
    if one.block(block).operator != other.block(block).operator:
        return ["operator"]
    a, b = all_settings(one, block), all_settings(other, block)
    names = sorted(n for n in a.keys() | b.keys() if f"{block}.{n}" not in but)
    return [label(n).lower() for n in names if a.get(n) != b.get(n)]


def all_settings(spec: PipelineSpec, block: str) -> dict[str, Any]:
    """All settings in one form: what is not said has its usual value, a list is a list."""
    said = dict(spec.block(block).config)
    try:
        return find_operator(spec.block(block).operator).make.Config.from_dict(said).to_dict()
    except (UserError, ValueError, TypeError):  # it cannot run, and says so itself
        return said
