"""Pipelines: the document, the checked plan, the live module, and ready presets."""

from diffbio_engine.declare import set_temperature
from diffbio_engine.pipelines.pipeline import Pipeline, build
from diffbio_engine.pipelines.plan import Plan, PlannedBlock, plan
from diffbio_engine.pipelines.population import ports_of, prepare, values_of_cells
from diffbio_engine.pipelines.presets import Preset, find_preset, presets
from diffbio_engine.pipelines.presets.de_pipeline import (
    DEPipelineConfig,
    DifferentialExpressionPipeline,
)
from diffbio_engine.pipelines.presets.single_cell import (
    SingleCellPipeline,
    SingleCellPipelineConfig,
    create_single_cell_pipeline,
    single_cell_spec,
)
from diffbio_engine.pipelines.spec import (
    Block,
    PipelineSpec,
    Wire,
    load_pipeline,
    save_pipeline,
)
from diffbio_engine.pipelines.wiring import DataPort, check_wire

__all__ = [
    "Block",
    "DEPipelineConfig",
    "DataPort",
    "DifferentialExpressionPipeline",
    "Pipeline",
    "PipelineSpec",
    "Plan",
    "PlannedBlock",
    "Preset",
    "SingleCellPipeline",
    "SingleCellPipelineConfig",
    "Wire",
    "build",
    "check_wire",
    "create_single_cell_pipeline",
    "find_preset",
    "load_pipeline",
    "plan",
    "ports_of",
    "prepare",
    "presets",
    "save_pipeline",
    "set_temperature",
    "single_cell_spec",
    "values_of_cells",
]
