"""What of a pipeline is kept to be seen: by the kind and the axes of its ports, never by operator.

| what it is | what is kept |
|---|---|
| MAP, COORDINATES of each record | the places, in every snapshot |
| SHARES of each record | the likeliest class, in every snapshot; means by group, in the findings |
| SCORE, TIME of each record | the numbers, in every snapshot; without a map also a list of them |
| numbers along another axis of each record (tracks, letters) | of some records, in the findings |
| PROFILE, NETWORK, PLAN, PARAMETER, EXPRESSION of the data set | all of it, in the findings |

Which form each takes on the page, ``app/plots`` says.
"""

from diffbio_engine.axes import AXES, axis_of
from diffbio_engine.declare import Declaration, Kind, Port
from diffbio_engine.pipelines import Plan
from diffbio_engine.pipelines.spec import DATA
from diffbio_engine.ports import Address

# Kinds that are found once for the data set, not of each record.
_OF_THE_DATA_SET = (Kind.PROFILE, Kind.NETWORK, Kind.PLAN, Kind.PARAMETER, Kind.EXPRESSION)
_ALONG_AN_AXIS = (Kind.PROFILE, Kind.SCORE, Kind.TIME, Kind.SHARES)
_MOST_AXES = 3
# What lies along these axes of a port has no name that a person knows.
_UNNAMED = (Kind.PARAMETER, Kind.FEATURES)
# Axes that lie between the members of another, which has names.
_BETWEEN = ("intervals", "steps")


def map_ports(plan: Plan) -> tuple[Address, ...]:
    """What can be drawn as a map, the one that is shown at first before the others.

    Slices that a block laid on one another come first; where they lay before, last. Between them
    the maps, the pipeline's result first.
    """
    moved = (p for p in plan.ports(Kind.COORDINATES) if plan.port(p).per_record)
    # Fields of another data set than the one whose records are drawn are named by its block.
    own = (field for field in plan.needed_fields if not Address.parse(field).port)
    given = (Address(DATA, f) for f in own if plan.data[f].port.kind == Kind.COORDINATES)
    maps = plan.results_first(plan.ports(Kind.MAP))
    return (*moved, *(Address.parse(p) for p in maps), *given)


def shares_ports(plan: Plan) -> tuple[Address, ...]:
    """Ports that say of each record how it is shared among a few classes."""
    return tuple(p for p in plan.ports(Kind.SHARES) if _n_more(plan.port(p)) == 1)


def score_ports(plan: Plan) -> tuple[Address, ...]:
    """Ports that say of each record one number."""
    return tuple(p for p in plan.ports(Kind.SCORE, Kind.TIME) if _n_more(plan.port(p)) == 0)


def track_ports(plan: Plan) -> tuple[Address, ...]:
    """Ports that say of each record a number for each of what lies along another axis."""
    found = (p for p in plan.ports(*_ALONG_AN_AXIS) if not plan.port(p).wide)
    return tuple(p for p in found if _n_more(plan.port(p)) == 1 + _at_each(plan.port(p)))


def _at_each(port: Port) -> bool:
    """Whether there is more than one number at each place: shares, or something of each letter."""
    return port.kind == Kind.SHARES or port.axis_names[-1] == "letters"


def finding_ports(plan: Plan) -> tuple[Address, ...]:
    """Ports whose value belongs to the data set as a whole and can be shown."""
    ports = plan.ports(*_OF_THE_DATA_SET)
    return tuple(p for p in ports if _is_for_people(plan.port(p), plan.blocks[p.block].declared))


def _n_more(port: Port) -> int:
    """How many axes it has besides that of the records; -1 where it is not of each record."""
    return len(port.axis_names) - 1 if port.per_record else -1


def _is_for_people(port: Port, declared: Declaration) -> bool:
    """Not an array of records, nor parameters of the model that have no name of their own."""
    axes = port.axis_names
    if len(axes) > _MOST_AXES or any(axis_of(a).record for a in axes):
        return False
    return port.kind != Kind.PARAMETER or set(axes) <= _named_axes(declared)


def _named_axes(declared: Declaration) -> set[str]:
    """Axes whose members a person knows by name: classes, genes, pairs, clusters."""
    ports = (*declared.inputs, *(p for p in declared.outputs if p.kind == Kind.SHARES))
    named = {a for p in ports if p.kind not in _UNNAMED for a in (*p.axis_names, p.classes)}
    return {a for a in (*named, *_BETWEEN, *AXES) if a and not a.isdigit()}
