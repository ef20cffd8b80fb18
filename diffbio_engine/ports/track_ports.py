"""What a data set of tracks offers: a signal along the genome in bins, and which follow which."""

from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Kind, Port, Role

SIGNAL = Port(
    "signal",
    "windows positions",
    Kind.SCORE,
    "Mean signal of each bin along a window of the genome; NaN past its end.",
    role=Role.SEEN,
    offer=Offer(
        lacking="a signal along the genome (bedGraph)",
        computed="tracks:signal",
        computed_as="signal of the file, in bins",
    ),
)
WINDOW_ORDER = Port(
    "window_order",
    "windows",
    Kind.INDEX,
    "Number of each window along the genome: one that follows another without a gap has its number"
    " and one more.",
    optional=True,
    offer=Offer(
        lacking="windows of the genome (bedGraph)",
        computed="tracks:order",
        computed_as="order of the windows along the genome",
    ),
)
