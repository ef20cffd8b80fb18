"""By which rule a block decided, so that the file says it too."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffbio_engine.declare import Kind, Port
from diffbio_engine.pipelines import Plan
from diffbio_engine.ports import Address


def in_words(port: Port, value: np.ndarray) -> str:
    """What a number means, where its port says so; else empty."""
    if not port.words or np.ndim(value):
        return ""
    return port.words[int(np.clip(value, 0, len(port.words) - 1))]


def ports_of_rules(plan: Plan) -> tuple[str, ...]:
    """The single numbers of blocks that say in words how they decided."""
    single = [p for p in plan.ports(Kind.PARAMETER) if not plan.port(p).axis_names]
    blocks = {p.block for p in single if plan.port(p).words}
    return tuple(p for p in single if p.block in blocks)


def rules_in_words(plan: Plan, values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """``{"rules": {"doublets": {"threshold_rule": "...", "threshold": 0.31}}}``, or nothing."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        block, port = Address.parse(name).parts
        found.setdefault(block, {})[port] = in_words(plan.port(name), value) or float(value)
    return {"rules": found} if found else {}
