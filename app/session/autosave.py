"""What a tab finds again when it is opened anew: its document, its data, its run. Autosave."""

import logging
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from app.access.reach import within_reach
from app.session.session import DatasetCard, Session
from diffbio_engine.errors import UserError
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.ports import DATA, blocks_beside
from diffbio_engine.runs.folder.durable_files import (
    explain_os_error,
    make_inside,
    read_json,
    write_json,
)
from diffbio_engine.workspace import Store
from diffbio_engine.workspace.store import folder_name

_LOG = logging.getLogger("diffbio.app")
_HAND_RESTS_SECONDS = 0.3
_LIVE = ("queued", "starting", "running", "paused", "stopping")


class Autosave:
    """Saves a session on the server, shortly after each change, and brings it back."""

    def __init__(self, session: Session, store: Store, data_dir: Path):
        self.session, self.store = session, store
        self.file = data_dir / "tabs" / f"{folder_name(session.owner)}.json"
        self.looked_at_run = False
        self._due: float | None = None
        self._saved: PipelineSpec | None = None

    def save_soon(self) -> None:
        """Called at each change, in the tab."""
        session = self.session
        if session.document.read_only:
            return  # the tab that edits it saves it
        if session.document.spec.blocks or session.data.card is not None or self._saved is not None:
            self.session.document.saved = "saving"
            self._due = time.monotonic() + _HAND_RESTS_SECONDS

    def look(self, now: float) -> None:
        """Called often, in the looking thread."""
        if self.session.document.rights is not None:
            self.session.document.rights.look(now)
        if self._due is not None and now >= self._due:
            self.save_now()

    def save_now(self) -> None:
        """Writes what is not yet written."""
        if self._due is None:
            return
        self._due = None
        session, spec, card = self.session, self.session.document.spec, self.session.data.card
        if not session.document.may_edit:
            return  # given up meanwhile: the tab that edits it saves what was done here, too
        spec, odd = without_odd_settings(spec, self._saved)
        try:
            document = None
            if spec.blocks or self._saved is not None:
                document = spec.to_json()
                self.store.save_pipeline(
                    session.owner, spec.name, document, session.document.change
                )
                self._saved = spec
            with explain_os_error(self.file):
                make_inside(self.file.parents[1], self.file.parent)
            kept = {
                **read_json(self.file),  # with what a newer version keeps there besides
                "pipeline": document,
                "dataset": asdict(card) if card else None,
                "beside": {b: asdict(other) for b, other in session.data.beside.items()},
                "run_id": session.run.id,
                "looks_at_run": session.run.is_looked_at,
            }
            write_json(self.file, kept, durable=False)
            said = f"Saved without one setting: {odd}" if odd else "saved"
        except UserError as error:
            said = f"Not saved: {error}"
        except Exception as error:
            _LOG.exception("While saving a pipeline")
            said = f"Not saved: {error}"

        def tell() -> None:
            if self._due is None:
                session.document.saved = said

        session.later(tell)

    def bring_back(self) -> str:
        """The last document and data into the session; gives the run to be shown, if any."""
        kept = read_json(self.file)
        try:
            if kept.get("pipeline"):
                spec = PipelineSpec.from_json(kept["pipeline"])
                self._saved = spec
                # Until it is known whether another tab edits it; also of one that was emptied.
                document = self.session.document
                document.read_only = document.rights is not None
                document.restore(spec)
        except UserError as error:
            self.session.refuse(error)
        self.looked_at_run = bool(kept.get("looks_at_run"))
        beside = kept.get("beside")
        others = {b: beside.get(b) for b in blocks_beside()} if isinstance(beside, dict) else {}
        for block, card in {DATA: kept.get("dataset"), **others}.items():
            if not isinstance(card, dict):
                continue
            with suppress(UserError, TypeError):  # deleted since, or written by another version
                within_reach(self.session, str(card.get("path")))
                known = {k: v for k, v in card.items() if k in DatasetCard.__dataclass_fields__}
                self.session.data.put(block, DatasetCard(**known))
        return self._run(str(kept.get("run_id") or ""))

    def _run(self, shown_last: str) -> str:
        runs = self.session.engine.runs(self.session.owner)
        live = [run.id for run in runs if run.state in _LIVE]
        known = {run.id for run in runs}
        return shown_last if shown_last in known else (live[0] if live else "")


def without_odd_settings(
    spec: PipelineSpec, before: PipelineSpec | None
) -> tuple[PipelineSpec, UserError | None]:
    """The document with blocks whose settings contradict each other as they were saved before.

    A slider may pass through such values; the rest of the document is saved all the same.
    """
    earlier = {b.id: b for b in before.blocks} if before else {}
    blocks, odd = [], None
    for block in spec.blocks:
        try:
            PipelineSpec(spec.name, blocks=(block,)).to_json()
        except UserError as error:
            odd = error
            block = replace(block, config=earlier[block.id].config if block.id in earlier else {})
        blocks.append(block)
    return (replace(spec, blocks=tuple(blocks)) if odd else spec), odd
