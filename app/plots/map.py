"""What is drawn as a map, and what colours it; ``app/map`` draws both."""

from diffbio_engine.declare import Kind
from diffbio_engine.ports import Port

# Places: of a map, which may be turned, or in a tissue, which are drawn to scale and never turned.
PLACES = (Kind.MAP, Kind.COORDINATES)
# What colours each record: the classes of shares, or numbers.
COLOURS = (Kind.SHARES, Kind.SCORE, Kind.TIME)


def to_scale(kind: str) -> bool:
    """Whether a length is as long in both directions, and up stays up."""
    return kind == Kind.COORDINATES


def has_arrows(kind: str) -> bool:
    """Whether what colours the map runs somewhere, so that arrows say which way."""
    return kind == Kind.TIME


def title_of(port: Port, block: str) -> str:
    """What a map is called: after the block that gives it, or the tissue that it lies in.

    Args:
        block: The title of the block; empty where the data give it.
    """
    if port.kind == Kind.COORDINATES:
        return "Tissue, aligned" if block else "Tissue"
    return block.removesuffix(" map")
