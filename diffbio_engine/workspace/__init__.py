"""What people keep on the server: pipelines, data sets, and how much room each person takes."""

from diffbio_engine.workspace.pipeline_versions import PipelineEntry, PipelineVersion
from diffbio_engine.workspace.room import Room, Used
from diffbio_engine.workspace.store import DatasetEntry, Store

__all__ = ["DatasetEntry", "PipelineEntry", "PipelineVersion", "Room", "Store", "Used"]
