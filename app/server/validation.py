"""What stands in the way of a pipeline, found without building it."""

import logging
from collections.abc import Mapping

from diffbio_engine.errors import UserError
from diffbio_engine.pipelines import DataPort, PipelineSpec, Plan, plan

_LOG = logging.getLogger("diffbio.app")


def planned_or_not(
    spec: PipelineSpec, ports: Mapping[str, DataPort]
) -> tuple[list[UserError], Plan | None]:
    """All mistakes in a document, or its plan."""
    if not spec.blocks:
        return [], None
    try:
        return [], plan(spec, ports)
    except UserError as error:
        return list(getattr(error, "all", (error,))), None
    except Exception as error:
        _LOG.exception("While checking a pipeline")
        return [UserError(f"The pipeline cannot be checked: {error}")], None
