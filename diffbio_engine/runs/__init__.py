"""Runs: one folder and one process each; the folder is the truth."""

from diffbio_engine.runs.folder.benchmark import benchmark_of
from diffbio_engine.runs.folder.findings import GROUPS, Finding, Findings
from diffbio_engine.runs.folder.metrics import MetricsBatch
from diffbio_engine.runs.folder.paths import Control, RunFolder
from diffbio_engine.runs.folder.reader import RunChanges, RunReader
from diffbio_engine.runs.folder.run_line import RunSummary
from diffbio_engine.runs.folder.snapshots import Snapshot
from diffbio_engine.runs.folder.writer import (
    EXIT_DONE,
    EXIT_ERROR,
    EXIT_NOT_FINITE,
    EXIT_PAUSED,
    EXIT_START_AGAIN,
    EXIT_TAKEN,
    RunWriter,
    TakenError,
)
from diffbio_engine.runs.queue.engine import Engine
from diffbio_engine.runs.queue.warm_worker import wait_for_run

__all__ = [
    "Control",
    "Engine",
    "EXIT_DONE",
    "EXIT_ERROR",
    "EXIT_NOT_FINITE",
    "EXIT_PAUSED",
    "EXIT_START_AGAIN",
    "EXIT_TAKEN",
    "Finding",
    "Findings",
    "GROUPS",
    "MetricsBatch",
    "RunChanges",
    "RunFolder",
    "RunReader",
    "RunSummary",
    "RunWriter",
    "Snapshot",
    "TakenError",
    "benchmark_of",
    "wait_for_run",
]
