"""The way back to a run whose pipeline is no longer on the canvas."""

from contextlib import suppress

from app.session.datasets import card_at, cards_beside
from app.session.looked_at import does_the_same, with_dials
from app.session.session import DatasetCard, Session
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports import DATA
from diffbio_engine.runs.folder.run_spec import data_beside


def go_back_to(session: Session, run_id: str) -> None:
    """Shows a run with what it trains: its pipeline as last saved, and its data set."""
    in_use = session.data.card

    def found() -> tuple[PipelineSpec, dict[str, DatasetCard]]:
        run = session.engine.folder(run_id, session.owner).run
        document, data = run.get("pipeline") or {}, run.get("dataset") or {}
        with suppress(UserError):  # not saved any more: as the run was given it
            document = session.store.load_pipeline(session.owner, str(document.get("name") or ""))
        spec, path = PipelineSpec.from_json(document), str(data.get("path") or "")
        reading = dict(data.get("reading") or {})
        same = in_use is not None and (in_use.path, in_use.reading) == (path, reading)
        cards = cards_beside(session, data_beside(run))
        if path and not same and (card := card_at(session, path, reading)):
            cards[DATA] = card
        return spec, cards

    def put(there: tuple[PipelineSpec, dict[str, DatasetCard]]) -> None:
        spec, cards = there
        for block, card in cards.items():
            session.use_dataset(card, block)
        session.document.put_back(spec)
        if session.run.id != run_id:
            session.run.watch(run_id)

    session.read(found, put)


def open_its_pipeline(session: Session) -> None:
    """Puts the pipeline of the run that is looked at on the canvas, as the run had it.

    One step of undo brings back what was saved under its name since; dials that were tried out are
    a step of their own.
    """
    trained, run_id, card = session.run.pipeline, session.run.id, session.run.dataset
    tried = session.run.tried
    if trained is None:
        return

    told = {block: other.for_a_run for block, other in session.run.beside.items()}

    def saved() -> tuple[PipelineSpec | None, dict[str, DatasetCard]]:
        cards = cards_beside(session, told)
        with suppress(UserError):
            found = session.store.load_pipeline(session.owner, trained.name)
            return PipelineSpec.from_json(found), cards
        return None, cards

    def put(there: tuple[PipelineSpec | None, dict[str, DatasetCard]]) -> None:
        newest, cards = there
        session.leave_run()
        if session.document.spec.name != trained.name:
            session.document.put_back(newest or trained)
        if not does_the_same(session.document.spec, trained):
            session.document.edit("Take the pipeline of a run", trained)
        if card is not None and not session.document.read_only:
            session.use_dataset(card)
        for block, other in cards.items() if not session.document.read_only else ():
            session.use_dataset(other, block)
        if session.run.id != run_id:
            session.run.watch(run_id)
        if tried:
            session.document.edit("Turn dials as tried", with_dials(session.document.spec, tried))

    session.read(saved, put)
