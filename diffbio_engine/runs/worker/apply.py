"""A run that trains nothing: a trained pipeline places new cells, and the page shows them."""

import shutil
from dataclasses import replace
from pathlib import Path

from diffbio_engine.axes import axis_of, said_of
from diffbio_engine.bundles import Bundle, cells_for, load_bundle, placed_by
from diffbio_engine.data import Records, write_result
from diffbio_engine.errors import RunError
from diffbio_engine.runs.device import backend
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.folder.writer import EXIT_DONE, RunWriter
from diffbio_engine.runs.worker.marker_genes import Marked
from diffbio_engine.runs.worker.preemption import Preemption
from diffbio_engine.runs.worker.snapshot_maker import SnapshotMaker


class _StoppedError(Exception):
    """The person does not want it any more."""


class Application:
    """Places the cells of a run by its bundle; leaves a map, findings and ``result.h5ad``.

    Nothing is kept between attempts: one that was interrupted begins anew. A run that is stopped
    leaves no result.
    """

    def __init__(self, writer: RunWriter, preemption: Preemption) -> None:
        self.writer, self.preemption = writer, preemption
        self.folder, self.spec = writer.folder, RunSpec.from_json(writer.run)
        self.record = self.spec.rows()

    def carry_out(self) -> int:
        """Places all cells; the exit code says how it ended."""
        try:
            notes = self._placed()
        except _StoppedError:
            self.writer.finish("stopped")
        else:
            self.writer.finish("done", message=" ".join(notes))
        return EXIT_DONE

    def _placed(self) -> list[str]:
        self.writer.begin(("total",))
        self._say("Opening the trained pipeline")
        bundle = load_bundle(self._own_bundle())
        self._say("Reading the data")
        dataset = self.spec.opened_data()
        self.record = axis_of(dataset.rows)
        fields = dict(self.spec.dataset.get("fields") or {})
        found = cells_for(bundle, dataset, fields=fields, least_overlap=self.spec.least_overlap)
        marked = self._show(bundle, found.cells)
        placed = placed_by(bundle, found, layers=self.spec.layers, tick=self._tick)
        placed.provenance["dataset"] = self.spec.dataset
        self._say("Writing the results")
        written = write_result(
            found.dataset,
            self.folder.result,
            placed.arrays,
            placed.provenance,
            layers=placed.layers,
            marker_genes=marked.for_scanpy() if marked else {},
            main_map=placed.main_map,
        )
        told = [said_of(self.record, note) for note in placed.notes]
        notes = [*dataset.warnings, *told, *written.notes]
        self.writer.event("results", 0, keys=written.keys, notes=notes)
        return notes

    def _own_bundle(self) -> Path:
        """A copy in the run's folder: whoever deletes the run that trained takes nothing away."""
        own, trained = self.folder.bundle, Path(self.spec.bundle)
        if own.exists():
            return own
        part = own.with_name("bundle.part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(trained, part)
            part.rename(own)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise RunError(
                f"The trained pipeline cannot be copied ({error.strerror or error}).",
                fix="Choose a run that is still under Runs, or free some disk space.",
            ) from None
        return own

    def _show(self, bundle: Bundle, cells: Records) -> Marked | None:
        """The map, and what was found of these cells; what was found of genes is the training's."""
        self._say("Placing the cells on the map")
        plan = bundle.pipeline.plan
        maker = SnapshotMaker(plan, cells, self.spec.seed)
        if not maker.drawable:
            return None
        # The step at which its weights were taken: a map of step 0 would count as untrained.
        step = int(bundle.training.get("steps") or 0)
        drawn = maker.whole(bundle.pipeline)
        self.writer.snapshot(replace(drawn, step=step))
        marked = maker.marked(bundle.pipeline)
        findings = maker.findings(step, bundle.pipeline)
        of_cells = tuple(f for f in findings.found if plan.port(f.port).per_record)
        told = replace(findings, found=of_cells)
        self.writer.findings(marked.added_to(told) if marked else told)
        return marked

    def _tick(self, share: float) -> None:
        control = self.writer.control()
        if control is not None and control.want == "stop":
            raise _StoppedError
        self._say(f"{share:.0%} of the cells are placed")

    def _say(self, message: str) -> None:
        message = said_of(self.record, message)
        self.writer.heartbeat(state="starting", message=message, device=backend())
