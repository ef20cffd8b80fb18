"""Wires that suggest themselves: what usually stands before an input, by the role of outputs."""

from collections.abc import Mapping

from diffbio_engine.declare import Declaration
from diffbio_engine.ports import Address, Port, Role


def giving(role: Role, blocks: Mapping[str, Declaration]) -> list[Address]:
    """The outputs of these blocks that have a role."""
    return [
        Address(block, port.name)
        for block, declared in blocks.items()
        for port in declared.outputs
        if port.role == role
    ]


def usual_source(port: Port, blocks: Mapping[str, Declaration]) -> Address | None:
    """The output that usually stands before an input; none where none does, or several alike."""
    for role in port.after:
        if len(found := giving(role, blocks)) == 1:
            return found[0]
    return None
