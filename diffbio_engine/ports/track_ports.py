"""What a data set of tracks offers: a signal along the genome, in bins."""

from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Kind, Port

SIGNAL = Port(
    "signal",
    "windows positions",
    Kind.SCORE,
    "Mean signal of each bin along a window of the genome; NaN past its end.",
    offer=Offer(
        lacking="a signal along the genome (bedGraph)",
        computed="tracks:signal",
        computed_as="signal of the file, in bins",
    ),
)
