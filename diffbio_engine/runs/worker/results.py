"""What a run leaves: its result, its bundle, and the facts that say where they come from."""

from typing import Any

from diffbio_engine.axes import said_of
from diffbio_engine.bundles import result_arrays, save_bundle
from diffbio_engine.data import write_result
from diffbio_engine.pipelines import Pipeline
from diffbio_engine.runs.device import backend
from diffbio_engine.runs.folder.writer import RunWriter
from diffbio_engine.runs.worker.held_out_classes import right_of_held_out
from diffbio_engine.runs.worker.marker_genes import Marked
from diffbio_engine.runs.worker.open_run import Opened
from diffbio_engine.training import StepReport


def leave_results(
    writer: RunWriter,
    opened: Opened,
    pipeline: Pipeline,
    marked: Marked | None,
    facts: dict[str, Any],
) -> None:
    """Writes ``bundle/`` and ``result.h5ad``, and says what was written.

    Args:
        writer: Of the run.
        opened: The run.
        pipeline: Trained, and switched to evaluation.
        marked: The genes that mark its groups.
        facts: Where this comes from, see `facts_of`.
    """
    spec, folder, training = opened.spec, writer.folder, opened.training
    save_bundle(folder.bundle, pipeline, opened.cells, opened.fields.as_dict(), facts)
    placed = result_arrays(pipeline, opened.cells, layers=spec.layers)
    written = write_result(
        opened.dataset,
        folder.result,
        placed.arrays,
        facts | placed.provenance,
        layers=placed.layers,
        marker_genes=marked.for_scanpy() if marked else {},
        main_map=placed.main_map,
    )
    classes = right_of_held_out(pipeline, opened.cells, training.held_out)
    of_blocks = [note for name in pipeline.plan.blocks for note in pipeline.blocks[name].notes]
    found = (*training.how_it_ended(), *classes, *of_blocks, *placed.notes)
    notes = [*(said_of(opened.cells.record, note) for note in found), *written.notes]
    if facts["as_of"]:
        notes.insert(0, f"Results {facts['as_of']}.")
    writer.event("results", training.step, keys=written.keys, notes=notes)


def facts_of(
    writer: RunWriter,
    opened: Opened,
    report: StepReport | None,
    seconds: float,
    *,
    of_checkpoint: bool,
) -> dict[str, Any]:
    """All that a result and a bundle say of the run that made them."""
    spec, training = opened.spec, opened.training
    as_of = f"as of step {training.step} of {training.total_steps}"
    return {
        "title": writer.run.get("title", ""),
        "pipeline": spec.pipeline,
        "run": spec.to_json(),
        "seed": spec.seed,
        "steps": training.step,
        "as_of": f"{as_of}, from the last checkpoint" if of_checkpoint else "",
        "epochs": training.epoch,
        "cells_held_out": len(training.held_out),
        "weights_of_step": dict(training.looks.kept.steps),  # by part; none: of the last
        "device": backend(),
        "seconds_of_training": round(seconds, 3),
        "dials": training.dials_at(training.step),
        "turned": training.turned,
        "losses": {"total": report.total, **report.losses} if report else {},
        "dataset": spec.dataset,
        **({"beside": spec.beside} if spec.beside else {}),
        **({"quality_control": opened.quality_control} if opened.quality_control else {}),
        "attempt": writer.attempt,
    }
