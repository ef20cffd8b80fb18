"""`run`: makes a run folder, starts its worker (again, if it is killed), shows its progress."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffbio_engine.command_line.looking import looked_at
from diffbio_engine.command_line.second_data import check_used, told_beside, with_said
from diffbio_engine.data import FROM_SYMBOLS, Fields, examples
from diffbio_engine.declare import DATA_PORTS
from diffbio_engine.errors import DataError, RunError, SettingError, did_you_mean
from diffbio_engine.pipelines import PipelineSpec, find_preset, load_pipeline
from diffbio_engine.ports import DATA, DATA_BLOCKS, Address, offered_beside, start_of
from diffbio_engine.runs.device import with_kept_memory
from diffbio_engine.runs.folder.paths import RunFolder
from diffbio_engine.runs.folder.reader import RunReader
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.folder.writer import EXIT_START_AGAIN
from diffbio_engine.runs.queue.why_lost import CRASHES, why_lost
from diffbio_engine.runs.worker.open_run import check_run, title_of

_MOST_RESTARTS = 3


def run(asked: argparse.Namespace, worker_env: Mapping[str, str], reading: dict[str, str]) -> int:
    """Trains a pipeline; leaves `result.h5ad` and `bundle/` in the run's folder.

    Args:
        asked: What stood on the command line.
        worker_env: The environment of the worker.
        reading: How the file is read, where that was said.
    """
    _refuse_a_folder_in_use(asked.out)
    spec = _spec(asked, reading)
    check_run(spec)
    folder = RunFolder.create(asked.out, {**spec.to_json(), "title": title_of(spec)})
    code = _watched(folder, worker_env, quiet=asked.quiet)
    if code == 0:
        print(f"Result:  {folder.result}\nBundle:  {folder.bundle}")
    else:
        _say_what_is_left(folder)
    return code


def _refuse_a_folder_in_use(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(
            f"{out} exists already.", fix="Choose a folder that does not exist.", where="--out"
        )


def _say_what_is_left(folder: RunFolder) -> None:
    """A run that failed at its first step leaves nothing; any other can be carried on."""
    error = folder.error() or {}
    if error.get("kind", "Bug") != "Bug" and not folder.last_step():
        shutil.rmtree(folder.path, ignore_errors=True)
        return
    print(
        f"The run lies in {folder.path}, up to step {folder.last_step()}. To carry it on:\n"
        f"    python -m diffbio_engine work {folder.path}\n"
        "For its results as of the last checkpoint:\n"
        f"    python -m diffbio_engine results {folder.path}",
        file=sys.stderr,
    )


def _spec(asked: argparse.Namespace, reading: dict[str, str]) -> RunSpec:
    path, of_demo = (asked.data, {}) if asked.data else _demo(asked)
    preview = looked_at(path, reading, limited=not asked.no_limits)
    for warning in preview["warnings"]:
        print(warning)
    said = _fields_said(asked.field)
    fields = with_said(dict(preview["suggested"]) | of_demo, said[DATA])
    beside = told_beside(asked, said)
    for block, other in beside.items():
        fields |= offered_beside(block, other["fields"])
    for column in preview["obs"]:
        name, biology = column["name"], column.get("biology")
        if biology and fields.get("batch_labels") == f"obs/{name}":
            print(f"obs/{name} looks like biology: {biology}; you chose it as batch.")
    if asked.pipeline:
        document = load_pipeline(asked.pipeline)
    else:
        preset = find_preset(asked.preset or "single_cell")
        if missing := preset.missing(fields):
            fix = f"Say where it lies: --field {missing[0]}=PLACE."
            if (lacking := start_of(missing[0]).block) != DATA:
                fix = f"Add --{lacking} FILE."
            if FROM_SYMBOLS.issuperset(missing):
                fix = "They are found by gene symbols, such as SOX2, as names of the genes."
            raise DataError(
                f"the ready pipeline '{preset.id}' needs {preset.lacking(fields)}.",
                fix=f"{fix} Or try it without --data.",
                where=path.name,
            )
        document = preset.make(fields)
    document = _with_settings(document, asked.settings)
    check_used(document, beside)
    fields = {name: place for name, place in fields.items() if start_of(name).block == DATA}
    print("Fields:  " + ", ".join(f"{k} <- {v}" for k, v in sorted(fields.items())))
    print("Blocks:  " + " -> ".join(b.id for b in document.blocks))
    dataset: dict[str, Any] = {
        "path": str(path.resolve()),
        "name": path.name,
        "fields": fields,
    }
    if reading:
        dataset["reading"] = reading
    return RunSpec(
        pipeline=document.to_json(),
        dataset=dataset,
        beside=beside,
        steps=asked.steps,
        seed=asked.seed,
        layers=asked.layers,
        command=" ".join(map(str, sys.argv[1:])),
    )


def _fields_said(texts: list[str]) -> dict[str, dict[str, str]]:
    """By data block, the fields that were said and where they lie; an empty place for none."""
    said: dict[str, dict[str, str]] = {block: {} for block in DATA_BLOCKS}
    for text in texts:
        name, equals, place = text.partition("=")
        if not equals:
            Fields.parse([text])  # says how it is written
        block, port = start_of(name).parts
        if block not in DATA_BLOCKS or port not in DATA_PORTS:
            raise DataError(
                f"there is no field '{name}'.",
                fix=did_you_mean(name, DATA_PORTS) or f"Fields are {', '.join(DATA_PORTS)}.",
                where="--field",
            )
        said[block][port] = Fields.parse([text])[name.strip()] if place else ""
    return said


def _demo(asked: argparse.Namespace) -> tuple[Path, dict[str, str]]:
    """The demo data of the preset, made beside the run, and where its fields lie."""
    wanted = find_preset(asked.preset or "single_cell").demo
    if asked.pipeline or not wanted:
        raise DataError("No data was given.", fix="Add --data FILE.", where="--data")
    example = next(e for e in examples() if e.id == wanted)
    print(f"Demo:    {example.title}")
    return example.make(asked.out.parent), dict(example.fields)


def _with_settings(document: PipelineSpec, texts: list[str]) -> PipelineSpec:
    for text in texts:
        name, equals, value = text.partition("=")
        block, setting = Address.parse(name).parts
        if not (equals and setting):
            raise SettingError(
                f"'{text}' is not a setting.", fix="Write it as block.setting=value."
            )
        document = document.with_config(block, **{setting: _value(value)})
    return document


def _value(text: str) -> Any:
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except json.JSONDecodeError:
        return text


def _watched(folder: RunFolder, env: Mapping[str, str], *, quiet: bool) -> int:
    """Starts the worker and follows it; a worker that was killed is started again."""
    restarts, progress = 0, -1
    if threading.current_thread() is threading.main_thread():
        # Whoever ends this process ends the worker too, which saves before it goes.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_START_AGAIN))
    while True:
        with folder.log.open("ab") as log:
            command = [sys.executable, "-m", "diffbio_engine", "work", str(folder.path)]
            # A session of its own: Ctrl+C is for this process, which then asks the worker to stop.
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=with_kept_memory(env), start_new_session=True
            )
        try:
            code = _followed_or_stopped(folder, process, quiet=quiet)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if code >= 0 and code != EXIT_START_AGAIN:
            break
        step = folder.last_step()
        restarts, progress = (0 if step > progress else restarts + 1), step
        if restarts >= _MOST_RESTARTS:
            if -code in CRASHES:
                raise why_lost(restarts, step, code, str(folder.status().get("message") or ""))
            raise RunError(
                f"The worker was killed {restarts} times at step {step}.",
                fix=f"Look into {folder.log}; often the machine is out of memory.",
            )
        print("\nThe worker was killed; going on from its last checkpoint.", file=sys.stderr)
    error = folder.error()
    if error:
        place = f"{error['where']}: " if error.get("where") else ""
        print(f"error: {place}{error['what']} {error['fix']}".strip(), file=sys.stderr)
    return code


def _followed_or_stopped(folder: RunFolder, process: subprocess.Popen, *, quiet: bool) -> int:
    try:
        return _follow(folder, process, quiet=quiet)
    except KeyboardInterrupt:
        folder.request(want="stop")
        print("\nStopping: the results so far are written.", file=sys.stderr)
        return process.wait()


def _follow(folder: RunFolder, process: subprocess.Popen, *, quiet: bool) -> int:
    reader = RunReader(folder.path)
    with tqdm(unit="step", disable=quiet, desc="Starting", file=sys.stderr) as bar:
        while True:
            code = process.poll()
            changes = reader.poll()
            if changes.status:
                bar.total = changes.status.get("total_steps") or bar.total
                message = changes.status.get("message") or changes.status.get("stage") or ""
                bar.set_description(message or "Training", refresh=False)
                bar.update(max(0, changes.status.get("step", 0) - bar.n))
            for batch in [b for b in changes.metrics if len(b.rows)][-1:]:
                row = dict(zip(batch.columns, batch.rows[-1], strict=True))
                bar.set_postfix(loss=f"{row['total']:.4g}", refresh=False)
            for event in changes.events:
                for note in event.get("notes", ()):
                    bar.write(note, file=sys.stderr)
            if code is not None:
                return code
            time.sleep(0.1)
