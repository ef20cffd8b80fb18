"""A ready pipeline for few records: no more groups than so few can be told apart in."""

from dataclasses import replace

from diffbio_engine.axes import Axis
from diffbio_engine.declare import Declaration, Kind, find_operator
from diffbio_engine.pipelines.spec import PipelineSpec

# Below so many records the usual numbers of groups leave groups of one or two.
_FEW = 30
_OF_A_GROUP = 3


def for_few_records(spec: PipelineSpec, n: int, record: Axis) -> tuple[PipelineSpec, str]:
    """The same pipeline with fewer groups where there are few records, and which were changed.

    A number of groups is a setting ``n_<axis>`` of a block that shares records along that axis. It
    becomes ``max(2, n // 3)`` where it is larger: a group of three is the least that has markers.

    Args:
        spec: A document whose numbers nobody has chosen yet.
        n: How many records the data set has; 0: not known.

    Returns:
        The document and a sentence for a person; empty where nothing is changed.
    """
    if not 0 < n < _FEW:
        return spec, ""
    most, blocks, said = max(2, n // _OF_A_GROUP), [], []
    for block in spec.blocks:
        declared = find_operator(block.operator)
        usual = {s.name: block.config.get(s.name, s.default) for s in declared.settings}
        large = {name: usual[name] for name in _numbers_of_groups(declared) if usual[name] > most}
        blocks.append(replace(block, config={**block.config, **dict.fromkeys(large, most)}))
        said += [
            f"{declared.title}: {most} {name.removeprefix('n_').replace('_', ' ')} instead of {was}"
            for name, was in large.items()
        ]
    if not said:
        return spec, ""
    rows = record.name if n != 1 else record.one
    told = f"For {n} {rows} it asks for fewer groups ({'; '.join(said)}). Change it in the block."
    return replace(spec, blocks=tuple(blocks)), told


def _numbers_of_groups(declared: Declaration) -> list[str]:
    shares = (p for p in declared.outputs if p.kind == Kind.SHARES and p.per_record)
    named = {f"n_{axis}" for p in shares for axis in p.axis_names[1:]}
    return [s.name for s in declared.settings if s.name in named and s.role == "setting"]
