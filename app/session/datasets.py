"""From a file to the card of a data set, and the demo data; work for the pool, never a callback."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.access.reach import whole_within_reach
from app.files.readers import READERS
from app.session.session import DatasetCard, Session
from app.style.titles import block_titles, is_estimated
from diffbio_engine.apart import Stop
from diffbio_engine.axes import axis_of
from diffbio_engine.data import FROM_SYMBOLS, Reading, examples
from diffbio_engine.errors import DataError, UnknownNameError, UserError
from diffbio_engine.pipelines import Preset, presets
from diffbio_engine.pipelines.few_records import for_few_records
from diffbio_engine.pipelines.spec import DATA
from diffbio_engine.ports import offer_of, offered_beside, start_of
from diffbio_engine.runs.folder.durable_files import explain_os_error
from diffbio_engine.workspace import DatasetEntry


def card_of(
    dataset: DatasetEntry,
    reading: Mapping[str, Any] | None = None,
    *,
    person: str = "",
    stop: Stop | None = None,
) -> DatasetCard:
    """Lets a process look at the headers of a file that the store knows.

    Args:
        dataset: The file; a mistake in it is a ``DataError``.
        reading: How the person said the file is to be read, ``{"orientation": ...}``.
        person: Whose turn it is: of one person, few files are looked at at once.
        stop: Ends the look when it is set.
    """
    said = Reading.of(reading).as_dict()
    preview = READERS.inspect(dataset.path, person, stop=stop, **said)
    return DatasetCard(
        id=dataset.id,
        name=f"{dataset.name} ({said['sample']})" if "sample" in said else dataset.name,
        path=str(dataset.path),
        n_cells=preview["n_cells"],
        n_genes=preview["n_genes"],
        fields=dict(preview["suggested"]),
        preview=preview,
        reading=said,
    )


def card_with(
    session: Session, dataset_id: str, stop: Stop | None = None, sample: str = ""
) -> DatasetCard:
    """The card of a data set that the person has, read as they said the last time.

    Args:
        sample: Which of several samples that it holds; empty: all.
    """
    dataset = known_dataset(session, dataset_id)
    reading = session.store.reading(session.owner, dataset_id)
    reading |= {"sample": sample} if sample else {}
    return card_of(dataset, reading, person=session.owner, stop=stop)


def card_read_as(
    session: Session, card: DatasetCard, name: str, value: str, stop: Stop | None = None
) -> DatasetCard:
    """The same file read in another way; kept with the data set once it has been looked at."""
    known = known_dataset(session, card.id)
    reading = Reading.of({**card.reading, name: value})
    found = card_of(known, reading.as_dict(), person=session.owner, stop=stop)
    # Which sample of an archive is looked at is no way of reading the archive.
    kept = {k: v for k, v in reading.as_dict().items() if k != "sample"}
    session.store.set_reading(session.owner, card.id, kept)
    return found


def card_at(
    session: Session, path: str, reading: Mapping[str, Any] | None = None
) -> DatasetCard | None:
    """The card of a data set that the person has, by its file; None if it is gone."""
    of_path = (d for d in session.store.datasets(session.owner) if d.path == Path(path))
    known = next(of_path, None)
    if known is None or not known.path.exists():
        return None
    whole_within_reach(session, known.path)
    return card_of(known, reading, person=session.owner)


def cards_beside(session: Session, told: Mapping[str, Mapping[str, Any]]) -> dict[str, DatasetCard]:
    """The cards of the data sets that a run had beside its data; without those that are gone.

    One that is in use already is not looked at again.
    """
    found: dict[str, DatasetCard] = {}
    for block, one in told.items():
        card = DatasetCard.told(one)
        used = session.data.of(block)
        if used is not None and used.source == card.source:
            known: DatasetCard | None = used
        else:
            known = None
            with suppress(UserError):
                known = card_at(session, card.path, card.reading)
        if known is not None:
            found[block] = replace(known, fields={**known.fields, **card.fields})
    return found


def known_dataset(session: Session, dataset_id: str) -> DatasetEntry:
    """A data set of this person that lies where they may read."""
    dataset = session.store.dataset(session.owner, dataset_id)
    whole_within_reach(session, dataset.path)
    return dataset


def show_cells_of(session: Session, run: dict[str, Any]) -> None:
    """Says of which data set the cells of a run are: the map is coloured by its genes and columns.

    It need not be the one in use: the run may be an old one, or have been applied to other cells.
    """
    told, run_id = run.get("dataset") or {}, session.run.id
    path, fields = str(told.get("path") or ""), dict(told.get("fields") or {})
    reading = dict(told.get("reading") or {})
    used = session.data.card
    if used is not None and (used.path, used.reading) == (path, reading):
        session.run.dataset = replace(used, fields=fields)
        return

    def look() -> DatasetCard | None:
        with suppress(UserError):  # changed since: its map can still be looked at
            card = card_at(session, path, reading)
            return None if card is None else replace(card, fields=fields)
        return None

    def show(card: DatasetCard | None) -> None:
        if session.run.id == run_id:
            session.run.dataset = card

    session.read(look, show)


def demo_card(session: Session, demo: str) -> DatasetCard:
    """Makes a demo data set once, in the data folder, and gives its card."""
    example = next((e for e in examples() if e.id == demo), None)
    if example is None:
        raise UnknownNameError(f"There is no demo '{demo}'.", fix="Choose another one.")
    folder = session.data_dir / "demos"
    with explain_os_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(example.make(folder))
    known = (d for d in session.store.datasets(session.owner) if d.path == path)
    dataset = next(known, None) or session.store.register(session.owner, path, example.title)
    card = card_of(dataset, person=session.owner)
    return DatasetCard(**{**_plain(card), "fields": {**card.fields, **dict(example.fields)}})


def open_demo(session: Session, demo: str, preset: Preset | None = None) -> None:
    """One click: a demo data set, and a pipeline.

    Args:
        preset: The pipeline; None takes the first that is made for the data.
    """

    def made() -> dict[str, DatasetCard]:
        beside = next((e.beside for e in examples() if e.id == demo), {})
        wanted = {DATA: demo, **beside}
        return {block: demo_card(session, name) for block, name in wanted.items()}

    def opened(cards: dict[str, DatasetCard]) -> None:
        card, fields = cards[DATA], dict(cards[DATA].fields)
        for block, other in cards.items():
            fields |= offered_beside(block, other.fields) if block != DATA else {}
        fitting = [p for p in presets().values() if p.demo == demo]
        wanted = preset or (fitting[0] if fitting else None)
        before = session.document.spec
        if wanted is not None:
            _put_on_canvas(session, wanted, fields)
        for block, other in cards.items():
            session.use_dataset(other, block)
        back = f" Undo brings '{before.name}' back." if before.blocks and wanted else ""
        without = f" {left_out(wanted, fields)}".rstrip() if wanted is not None else ""
        session.say(f"{card.name} is ready. Press Run.{without}{back}", "success")

    session.say("Getting the demo data ready…")
    session.read(made, opened)


def open_preset(session: Session, preset: Preset) -> None:
    """Puts a ready pipeline on the canvas, made for the fields that the data set offers.

    Where no data set is in use yet, the pipeline's own demo data comes with it.
    """
    if session.data.card is None and preset.demo:
        session.showing = ""
        return open_demo(session, preset.demo, preset)
    fields = offered_for(session, preset) if session.data.card else None
    if fields is not None and (missing := preset.missing(fields)):
        demo = next(e.title for e in examples() if e.id == preset.demo)
        fix = "Say under Data where it lies"
        if FROM_SYMBOLS.issuperset(missing):
            fix = "They are found by gene symbols, such as SOX2: use a file that has these as names"
        return session.refuse(
            DataError(
                f"'{preset.title}' needs {preset.lacking(fields)}, which this data set lacks.",
                fix=f"{fix}, or take the demo '{demo}' under Data.",
            )
        )
    said = [_put_on_canvas(session, preset, fields)]
    session.showing = ""
    if fields is not None and (without := left_out(preset, fields)):
        said.insert(
            0,
            f"{without} If the file has it, say under Data where it lies, and open the pipeline "
            "again.",
        )
    if told := " ".join(filter(None, said)):
        session.say(told)


def offered_for(session: Session, preset: Preset) -> dict[str, str]:
    """The fields that the data sets in use offer, and of other data sets those that it needs.

    These are chosen once it is on the canvas: its block says so.
    """
    beside = {field: "" for field in preset.needs if start_of(field).block != DATA}
    return beside | session.data.offered


@dataclass(frozen=True)
class Fit:
    """How a ready pipeline fits the data in use.

    Attributes:
        lacking: What it needs and the data lack, in words; empty if it can be opened.
        without: Which of its blocks the data do not allow, and why, in words; empty for none.
    """

    lacking: str = ""
    without: str = ""


def by_fit(session: Session) -> list[tuple[Preset, Fit]]:
    """The ready pipelines, best first: those made for such rows, others, then what lacks something.

    Without data they stand in their own order.
    """
    card = session.data.card
    if card is None:
        return [(preset, Fit()) for preset in presets().values()]
    ranked = []
    for place, preset in enumerate(presets().values()):
        fields = offered_for(session, preset)
        if missing := preset.missing(fields):
            fit, others = Fit(lacking=preset.lacking(fields)), len(missing)
        else:
            fit, others = Fit(without=left_out(preset, fields)), 0
        ranked.append(((others, preset.rows != card.rows, place), preset, fit))
    return [(preset, fit) for _, preset, fit in sorted(ranked, key=lambda found: found[0])]


def left_out(preset: Preset, fields: Mapping[str, str]) -> str:
    """Which blocks of a ready pipeline a data set does not allow, and why; empty if none."""
    whole, made = preset.make(None), {b.id for b in preset.make(fields).blocks}
    gone = [b for b in whole.blocks if b.id not in made]
    # A profile that is only estimated from the cells is none.
    asked = [w.start for w in whole.wires if w.end.block not in made]
    lacks = [start.port for start in asked if start.block == DATA and not _has(fields, start.port)]
    if not gone or not lacks:
        return ""
    titles = block_titles(whole.blocks)
    what = _list_of(offer_of(field).lacking or field for field in dict.fromkeys(lacks))
    without = _list_of(titles[b.id] for b in gone)
    return f"Opened without {without}: this data set lacks {what}."


def _has(fields: Mapping[str, str], field: str) -> bool:
    return field in fields and not is_estimated(fields[field])


def _list_of(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _put_on_canvas(session: Session, preset: Preset, fields: dict[str, str] | None) -> str:
    """Opens a ready pipeline for the data in use; in words, what is other than usual."""
    spec = replace(preset.make(fields), layout={})  # laid out for this canvas
    card = session.data.card
    told = ""
    if card is not None:
        spec, told = for_few_records(spec, card.n_cells, axis_of(card.rows))
    session.document.open_pipeline(spec, f"Open {preset.title}")
    return told


def _plain(card: DatasetCard) -> dict[str, Any]:
    return {name: getattr(card, name) for name in card.__dataclass_fields__}
