"""A worker without JAX that keeps every promise of one: ``fake_worker.py [--spare] RUN_DIR``.

Its loss at a step is ``temperature / step``. The run document may ask for trouble: ``die_at``
(kill -9 of itself at that step, in every attempt), ``fail_at``, ``exit_at_start``, ``deaf``;
``patience``: after so many seconds in a pause it gives its memory back.
"""

import json
import os
import signal
import sys
import time

import numpy as np

from diffbio_engine.errors import RunError, TrainingError
from diffbio_engine.runs.folder.durable_files import write_json
from diffbio_engine.runs.folder.snapshots import Snapshot
from diffbio_engine.runs.folder.writer import (
    EXIT_ERROR,
    EXIT_PAUSED,
    EXIT_START_AGAIN,
    EXIT_TAKEN,
    RunWriter,
    TakenError,
)
from diffbio_engine.runs.queue.warm_worker import wait_for_run


def main() -> int:
    run_dir = wait_for_run() if sys.argv[1] == "--spare" else sys.argv[1]
    if run_dir is None:
        return 0
    try:
        writer = RunWriter(run_dir)
        if code := writer.run.get("exit_at_start"):
            print("Traceback: the fake worker fell over")
            return code
        with writer:
            return work(writer)
    except TakenError as error:
        print(error)
        return EXIT_TAKEN
    except (RunError, TrainingError) as error:
        print(error)
        return EXIT_ERROR


def work(writer: RunWriter) -> int:
    run, preempted = writer.run, []
    signal.signal(signal.SIGTERM, lambda *_: preempted.append(1))
    if run.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    checkpoint = writer.folder.path / "checkpoint.json"
    step = json.loads(checkpoint.read_text())["step"] if checkpoint.exists() else 0
    writer.begin(["total"], start=step)
    want, to_take, temperature, asked = "run", 0, 1.0, time.monotonic()
    while step < run["steps"]:
        if preempted:
            write_json(checkpoint, {"step": step})
            return EXIT_START_AGAIN
        control = writer.control()
        if control:
            want, to_take = control.want, to_take + control.steps_to_take
            asked = time.monotonic()
            if control.dials.get("temperature", 1.0) != temperature:
                temperature = control.dials.get("temperature", 1.0)
                writer.event("dial", step, name="temperature", value=temperature, seq=control.seq)
        if want == "stop" and not run.get("deaf"):
            write_json(checkpoint, {"step": step})
            writer.finish("stopped", step=step)
            return 0
        if want == "pause" or (want == "step" and to_take == 0):
            writer.heartbeat(state="paused", step=step)
            if time.monotonic() - asked > run.get("patience", 3600):
                write_json(checkpoint, {"step": step})
                writer.heartbeat(state="paused", step=step, message="given back", released=True)
                return EXIT_PAUSED
            time.sleep(0.01)
            continue
        to_take = max(to_take - 1, 0)
        step += 1
        writer.metric(step, {"total": temperature / step})
        writer.heartbeat(state="running", step=step, total_steps=run["steps"])
        if step == run.get("fail_at"):
            raise TrainingError("became infinite at step 5.", where="normalize.loss")
        if step == run.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if step % 20 == 0:
            write_json(checkpoint, {"step": step})
            writer.event("checkpoint", step)
            writer.snapshot(
                Snapshot(
                    step,
                    {"umap.embedding": np.full((4, 2), step), "k.shares": np.arange(4)},
                    {"umap.embedding": "map", "k.shares": "shares"},
                    "umap.embedding",
                    "k.shares",
                )
            )
        time.sleep(run.get("step_seconds", 0.002))
    writer.finish("done", step=step)
    return 0


if __name__ == "__main__":
    sys.exit(main())
