"""What an ended run would show with other dials: forward only, the weights as they were trained.

A process of its own, which writes into ``preview/`` of the run folder and nowhere else; whatever
becomes of it, the run is as it was. It ends when nobody has asked for a while, when the run is
carried on or deleted, and on SIGTERM.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from diffbio_engine.bundles import (
    cells_for,
    genes_of_bundle,
    load_bundle,
    per_dataset_of_bundle,
    put_weights,
)
from diffbio_engine.data import Records
from diffbio_engine.errors import RunError, SettingError, UserError
from diffbio_engine.pipelines import Pipeline
from diffbio_engine.ports import DATA, Address, start_of
from diffbio_engine.runs.folder.durable_files import read_json
from diffbio_engine.runs.folder.paths import RunFolder
from diffbio_engine.runs.folder.plain_values import whole
from diffbio_engine.runs.folder.preview_folder import PreviewFolder
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.folder.snapshots import Snapshot, load_snapshot
from diffbio_engine.runs.folder.writer import (
    EXIT_DONE,
    EXIT_ERROR,
    EXIT_TAKEN,
    TakenError,
    error_as_dict,
    take_lock,
)
from diffbio_engine.runs.worker.open_run import open_run
from diffbio_engine.runs.worker.snapshot_maker import SnapshotMaker
from diffbio_engine.training import TrainingState

IDLE_SECONDS = 300.0


def preview(path: Path, idle_seconds: float = IDLE_SECONDS) -> int:
    """Draws what is asked for in the folder of a run; the exit code says how it ended."""
    folder = PreviewFolder(RunFolder(path))
    try:
        lock = take_lock(folder.lock_file)  # the kernel frees it with the process
    except TakenError:
        return EXIT_TAKEN  # that one hears what is asked
    with suppress(ValueError):  # not in the main thread: a test
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_DONE))
    try:
        Previewing(folder, idle_seconds).carry_out()
    except Exception as error:
        seq, _ = folder.asked()
        folder.say(state="failed", seq=seq, message="", error=error_as_dict(error))
        print(error_as_dict(error).get("report", error), flush=True)
        return EXIT_ERROR
    finally:
        folder.drop()
        os.close(lock)
    return EXIT_DONE


class Previewing:
    """Waits for wishes, and draws the newest."""

    def __init__(self, folder: PreviewFolder, idle_seconds: float = IDLE_SECONDS) -> None:
        self.folder, self.run, self._idle = folder, folder.run, idle_seconds
        self._drawn: dict[str, Any] = {}

    def carry_out(self) -> None:
        """Draws until nobody wants it any more."""
        self.folder.clear()
        self._open()
        seen, last = 0, time.monotonic()
        while self.folder.is_wanted() and time.monotonic() - last < self._idle:
            seq, dials = self.folder.asked()
            if seq == seen:
                time.sleep(0.05)
                continue
            try:
                self._draw(seq, dials)
            except UserError as error:
                self._say("ready", seq=seq, error=error.as_dict())
            seen, last = seq, time.monotonic()

    def _open(self) -> None:
        """The weights, the cells, and what they show as trained."""
        self.pipeline, cells, self.step = self._trained()
        self.maker = SnapshotMaker(self.pipeline.plan, cells, RunSpec.from_json(self.run.run).seed)
        if not self.maker.drawable:
            raise RunError(f"This pipeline shows nothing of its {cells.record.name}: no preview.")
        n_drawn = cells.n_cells if self.maker.rows is None else len(self.maker.rows)
        shown = load_snapshot(self.run.snapshots)
        if shown is not None and shown.n not in (0, n_drawn):
            rows = cells.record.name
            raise _changed(f"its map shows {shown.n:,} {rows} and the file has {n_drawn:,}")
        self._opening("", f"Placing the {cells.record.name} as trained")
        self.as_trained = {
            f"{block_id}.{name}": float(np.asarray(dial[...]))
            for block_id, block in self.pipeline.blocks.items()
            for name, dial in block.dials.items()
        }
        self._dials = dict(self.as_trained)
        self._base = self._newest = self.maker.whole(self.pipeline)

    def _trained(self) -> tuple[Pipeline, Records, int]:
        """The pipeline with its weights, its cells, and the step that they are of."""
        spec = RunSpec.from_json(self.run.run)
        if spec.bundle:
            self._opening("", "Opening the trained pipeline")
            bundle = load_bundle(self.run.bundle)
            fields = dict(spec.dataset.get("fields") or {})
            found = cells_for(
                bundle, spec.opened_data(), fields=fields, least_overlap=spec.least_overlap
            )
            return bundle.pipeline, found.cells, whole(bundle.training.get("steps"))
        opened = open_run(spec, self._opening)
        of_bundle = whole(read_json(self.run.bundle / "training.json").get("steps"), -1)
        of_checkpoint = self.run.checkpoint_step()
        if of_bundle >= (of_checkpoint or 0):
            known = genes_of_bundle(self.run.bundle)["names"]
            names = opened.cells.var_names
            if known != ([] if names is None else list(map(str, names))):
                raise _changed("it has other genes")
            for field, stored in per_dataset_of_bundle(self.run.bundle).items():
                block, port = start_of(field).parts
                if block != DATA and not _alike(stored, opened.cells.per_dataset.get(field)):
                    raise _changed(f"the {port} of the {block} are others")
            put_weights(self.run.bundle, opened.pipeline)
            return opened.pipeline, opened.cells, of_bundle
        if of_checkpoint is None:
            raise RunError("This run has left no weights to show.", fix="Run it again.")
        # It was left in the midst: made ready as its results would be.
        self._opening("", "Opening the last checkpoint")
        opened.training.restore(TrainingState.load(self.run.checkpoint_files()[-1]))
        pipeline = opened.training.settle()
        pipeline.eval_mode()
        return pipeline, opened.cells, of_checkpoint

    def _draw(self, seq: int, asked: Mapping[str, Any]) -> None:
        wanted = self.as_trained | {name: self._allowed(name, v) for name, v in asked.items()}
        turned = [name for name, value in wanted.items() if value != self._dials[name]]
        self._say("drawing")
        for name in turned:
            block_id, dial = Address.parse(name).parts
            variable = self.pipeline.blocks[block_id].dials[dial]
            variable[...] = jnp.asarray(wanted[name], variable[...].dtype)
        self._dials = wanted
        drawn = self._base if wanted == self.as_trained else self._newest
        for block_id in dict.fromkeys(Address.parse(name).block for name in turned):
            drawn = self.maker.behind(self.pipeline, block_id)
        self._newest = drawn
        self.folder.draw(seq, drawn)
        self._drawn = {
            "seq": seq, "dials": dict(asked), "step": self.step,
            "moved": not _same(drawn, self._base),
        }  # fmt: skip
        self._say("ready")

    def _allowed(self, name: str, value: Any) -> float:
        """The value of a dial in its right type; refused where there is nothing to turn."""
        block_id, dial = Address.parse(name).parts
        planned = self.pipeline.plan.blocks.get(block_id)
        if planned is None:
            raise RunError(f"{name} acts only while a run trains.", fix="Run again to see it.")
        setting = next((s for s in planned.declared.settings if s.name == dial), None)
        if setting is None or not setting.live:
            raise RunError(f"{name} is no dial.", fix="Run again to see it.")
        words = dial.replace("_", " ")
        if name not in self.as_trained:
            raise SettingError(
                f"The {words} of {planned.declared.title} was learned in this run, so it is not"
                " turned.",
                fix="Switch off that it is learned, and run again.",
            )
        return float(setting.check(value))

    # -- what is said ----------------------------------------------------------------------

    def _opening(self, place: str, message: str) -> None:
        self._say("opening", message=message)

    def _say(self, state: str, *, message: str = "", **more: Any) -> None:
        self.folder.say(
            **{"state": state, "message": message, "error": None, **self._drawn, **more}
        )


def _changed(how: str) -> RunError:
    return RunError(
        f"The file of this run is not as it was when it was trained: {how}.",
        fix="Run again to see it.",
    )


def _alike(stored: np.ndarray, now: np.ndarray | None) -> bool:
    """But for the last digits, which another version of a library may add up otherwise."""
    return now is not None and now.shape == stored.shape and np.allclose(stored, now, rtol=1e-4)


def _same(one: Snapshot, other: Snapshot) -> bool:
    here, there = one.arrays(), other.arrays()
    return all(np.array_equal(v, here[p], equal_nan=v.dtype.kind == "f") for p, v in there.items())
