"""What arrays are: their kinds, and what a data set offers. Needs no JAX."""

from diffbio_engine.ports.address import Address, Place
from diffbio_engine.ports.data_ports import (
    BATCH_LABELS,
    CONDITION_LABELS,
    COUNTS,
    DATA_PORTS,
    EMBEDDINGS,
    EXPRESSION,
    FEATURES,
    LABELS,
    LR_PAIRS,
    MARKER_MATRIX,
    NEIGHBOUR,
    SLICE_LABELS,
    SPATIAL_COORDS,
    TF_INDICES,
    TIME_POINTS,
    TOTAL_COUNTS,
    offer_of,
)
from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Kind, Port, Role

__all__ = [
    "BATCH_LABELS",
    "CONDITION_LABELS",
    "COUNTS",
    "DATA_PORTS",
    "EMBEDDINGS",
    "EXPRESSION",
    "FEATURES",
    "LABELS",
    "LR_PAIRS",
    "MARKER_MATRIX",
    "NEIGHBOUR",
    "SLICE_LABELS",
    "SPATIAL_COORDS",
    "TF_INDICES",
    "TIME_POINTS",
    "TOTAL_COUNTS",
    "Address",
    "Kind",
    "Offer",
    "Place",
    "Port",
    "Role",
    "offer_of",
]
