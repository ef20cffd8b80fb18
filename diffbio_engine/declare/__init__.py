"""How an operator is declared: settings, ports, the contract of apply, and the registry."""

from diffbio_engine.declare.exports import exported
from diffbio_engine.declare.operator import (
    Buffer,
    Dial,
    Loss,
    Operator,
    TrainingBuffer,
    check_axes,
    warn_untrained,
)
from diffbio_engine.declare.ports import (
    BATCH_LABELS,
    COUNTS,
    DATA_PORTS,
    EMBEDDINGS,
    FEATURES,
    NEIGHBOUR,
    Kind,
    Port,
)
from diffbio_engine.declare.registry import (
    Declaration,
    domains,
    find_operator,
    operator,
    operators,
)
from diffbio_engine.declare.settings import (
    Config,
    Setting,
    contract,
    dial,
    setting,
    settings_of,
    size,
)
from diffbio_engine.declare.temperatures import set_temperature

__all__ = [
    "BATCH_LABELS",
    "COUNTS",
    "DATA_PORTS",
    "EMBEDDINGS",
    "FEATURES",
    "NEIGHBOUR",
    "Buffer",
    "Config",
    "Declaration",
    "Dial",
    "Kind",
    "Loss",
    "Operator",
    "Port",
    "Setting",
    "TrainingBuffer",
    "check_axes",
    "contract",
    "dial",
    "domains",
    "exported",
    "find_operator",
    "operator",
    "operators",
    "set_temperature",
    "setting",
    "settings_of",
    "size",
    "warn_untrained",
]
