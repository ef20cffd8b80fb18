"""A run as a benchmark result: what calibrax loads, compares and stores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.runs.folder.durable_files import read_json
from diffbio_engine.runs.folder.paths import RunFolder
from diffbio_engine.runs.folder.reader import RunReader


def benchmark_of(
    path: str | Path, more: Mapping[str, float] | None = None, *, domain: str = "biology"
) -> dict[str, Any]:
    """The numbers of a run as plain data in the form of calibrax's ``BenchmarkResult``.

    ``BenchmarkResult.from_dict(benchmark_of(folder))`` makes one; calibrax is not needed to write
    it. Metrics are the losses of the last step and the single numbers that blocks found (agreement
    with known labels, for instance), by ``block.port``; what is not finite is left out.

    Args:
        path: The folder of the run.
        more: Metrics of your own, such as a silhouette of ``obsm/X_latent``.
        domain: As calibrax groups benchmarks.
    """
    reader, folder = RunReader(path), RunFolder(path)
    history = reader.metrics()
    values = {name: float(v[-1]) for name, v in history.items() if len(v)}
    step, ended = int(values.pop("step", 0)), values.pop("t", 0.0)
    findings = reader.findings()
    for finding in findings.found if findings else ():
        if not finding.axes:
            values[finding.port] = float(finding.values)
    values |= {name: float(value) for name, value in (more or {}).items()}
    run = read_json(folder.run_file)
    return {
        "name": str(run.get("title", folder.path.name)),
        "domain": domain,
        "tags": {
            "framework": "diffbio-workbench",
            "data": str(run.get("dataset", {}).get("name", "")),
        },
        "metrics": {n: {"value": v} for n, v in values.items() if np.isfinite(v)},
        "metadata": {"steps": step},
        "config": dict(run.get("pipeline", {})),
        "timestamp": ended,
    }
