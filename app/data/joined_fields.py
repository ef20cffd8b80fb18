"""Wires that come and go with what a person says of a data set: genes to normalise by."""

from collections.abc import Mapping
from dataclasses import replace

from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines.spec import DATA, PipelineSpec, Wire
from diffbio_engine.ports import DATA_PORTS, Address


def joined(spec: PipelineSpec, fields: Mapping[str, str]) -> PipelineSpec:
    """The pipeline with wires of fields that join by themselves, as far as the data offer them.

    Args:
        fields: What the data set offers that is taken into use.
    """
    names = [n for n, port in DATA_PORTS.items() if port.offer and port.offer.joins]
    mine = {str(Address(DATA, name)) for name in names}
    kept = [w for w in spec.wires if w.source not in mine or w.field in fields]
    taken = {w.target for w in kept}
    for block in spec.blocks:
        ports = {port.name for port in find_operator(block.operator).inputs}
        for name in names:
            target = str(Address(block.id, name))
            if name in fields and name in ports and target not in taken:
                kept.append(Wire(str(Address(DATA, name)), target))
    return spec if tuple(kept) == spec.wires else replace(spec, wires=tuple(kept))
