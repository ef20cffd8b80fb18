"""Blocks that stand for data sets: which there are, and what each offers. A third is one entry."""

from collections.abc import Mapping
from dataclasses import dataclass

from diffbio_engine.ports.address import Address
from diffbio_engine.ports.data_ports import DATA_PORTS
from diffbio_engine.ports.offer import Offer
from diffbio_engine.ports.port import Port
from diffbio_engine.ports.reference_ports import REFERENCE_PORTS

DATA = "data"


@dataclass(frozen=True)
class DataBlock:
    """A block of a pipeline that stands for a data set.

    Attributes:
        id: As wires write it: ``"data"``.
        title: As the canvas writes it.
        one: In a sentence: "the data", "the reference".
        ports: What it offers, by name.
        takes: Fields of its data set from which what it offers is computed. Empty: it offers the
            fields themselves.
        help: What it is, for the palette.
    """

    id: str
    title: str
    one: str
    ports: dict[str, Port]
    takes: tuple[str, ...] = ()
    help: str = ""


# `data` has the records that are drawn, placed and shown. Of any other block nothing belongs to one
# of these records, so what it offers is known of the data set as a whole.
DATA_BLOCKS: dict[str, DataBlock] = {
    block.id: block
    for block in (
        DataBlock(DATA, "Data", "the data", DATA_PORTS),
        DataBlock(
            "reference",
            "Reference",
            "the reference",
            REFERENCE_PORTS,
            takes=("counts", "labels"),
            help="A second data set, whose cell types are known: profiles of its types, over the"
            " genes of the data.",
        ),
    )
}


def blocks_beside() -> tuple[str, ...]:
    """The data blocks besides `data`."""
    return tuple(block for block in DATA_BLOCKS if block != DATA)


def field_of(start: Address) -> str:
    """Under which name plans, records and bundles hold a field of a data block.

    ``"counts"`` for "data.counts", and the whole address for any other block:
    ``"reference.profiles"``. Arrays of notebooks are named so too.
    """
    return start.port if start.block == DATA else str(start)


def start_of(field: str) -> Address:
    """Where wires from this field start: the other way round."""
    address = Address.parse(field)
    return address if address.port else Address(DATA, field)


def all_fields() -> tuple[str, ...]:
    """Every field that a data set can offer, by the names under which they are held."""
    return tuple(
        field_of(Address(block.id, port)) for block in DATA_BLOCKS.values() for port in block.ports
    )


def offered_beside(block: str, fields: Mapping[str, str]) -> dict[str, str]:
    """What a second data set with these fields offers, as fields: ``{"reference.profiles": ...}``.

    Nothing where it lacks a field from which that is computed.
    """
    declared = DATA_BLOCKS[block]
    if not all(name in fields for name in declared.takes):
        return {}
    return {
        str(Address(block, name)): port.offer.computed if port.offer else ""
        for name, port in declared.ports.items()
    }


def port_of_field(field: str) -> Port | None:
    """The declaration of a field; None for one that nobody declared."""
    start = start_of(field)
    block = DATA_BLOCKS.get(start.block)
    return block.ports.get(start.port) if block else None


def offer_of(field: str) -> Offer:
    """What is said of the field of this name; of one that nobody declared, nothing."""
    port = port_of_field(field)
    return (port and port.offer) or Offer()
