"""Runs: one folder and one process each; the folder is the truth."""

from diffbio_engine.runs.engine import Engine
from diffbio_engine.runs.findings import GROUPS, Finding, Findings
from diffbio_engine.runs.folder import Control, RunFolder
from diffbio_engine.runs.metrics_file import MetricsBatch
from diffbio_engine.runs.pipeline_versions import PipelineEntry, PipelineVersion
from diffbio_engine.runs.reader import RunChanges, RunReader
from diffbio_engine.runs.room import Room, Used
from diffbio_engine.runs.run_line import RunSummary
from diffbio_engine.runs.snapshots import Snapshot
from diffbio_engine.runs.spare import wait_for_run
from diffbio_engine.runs.store import Dataset, Store
from diffbio_engine.runs.writer import (
    EXIT_DONE,
    EXIT_ERROR,
    EXIT_NOT_FINITE,
    EXIT_PAUSED,
    EXIT_START_AGAIN,
    EXIT_TAKEN,
    RunWriter,
    TakenError,
)

__all__ = [
    "Control",
    "Dataset",
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
    "PipelineEntry",
    "PipelineVersion",
    "Room",
    "RunChanges",
    "RunFolder",
    "RunReader",
    "RunSummary",
    "RunWriter",
    "Snapshot",
    "Store",
    "TakenError",
    "Used",
    "wait_for_run",
]
