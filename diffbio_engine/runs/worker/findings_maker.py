"""Gathers what a pipeline found besides the map, with the names of what lies along each axis."""

from collections.abc import Mapping

import numpy as np

from diffbio_engine.axes import axis_of
from diffbio_engine.bundles import names_along
from diffbio_engine.bundles.rules import in_words
from diffbio_engine.data import Records
from diffbio_engine.declare import Kind, Port
from diffbio_engine.pipelines import Plan
from diffbio_engine.ports import Address
from diffbio_engine.runs.folder.findings import GROUPS, Finding, Findings

ALL = "all cells"
# Kinds that are found once for the data set, not of each cell.
_KINDS = (Kind.PROFILE, Kind.NETWORK, Kind.PLAN, Kind.PARAMETER, Kind.EXPRESSION)


def finding_ports(plan: Plan) -> tuple[str, ...]:
    """Ports whose value belongs to the data set as a whole and can be shown as a table."""
    return tuple(p for p in plan.ports(*_KINDS) if _is_for_people(plan.port(p)))


# What lies along these axes has a name; features and hidden units have none.
_NAMED = {
    "genes", "classes", "pairs", "regulators", "pathways", "batches", "slices", "times",
    "intervals", "steps", "conditions", "fates", "domains", "archetypes", "clusters",
    "letters",
}  # fmt: skip


def _is_for_people(port: Port) -> bool:
    """Not an array of cells, nor parameters of the model that have no name of their own."""
    axes = port.axis_names
    named = port.kind != Kind.PARAMETER or set(axes) <= _NAMED
    return named and not any(axis_of(a).record for a in axes) and len(axes) <= 3


def shares_ports(plan: Plan) -> tuple[str, ...]:
    """Ports that say of each cell how it is shared among a few classes."""
    return tuple(p for p in plan.ports(Kind.SHARES) if plan.port(p).per_record)


def findings_of(
    step: int,
    plan: Plan,
    cells: Records,
    values: Mapping[str, np.ndarray],
    rows: np.ndarray | None = None,
) -> Findings:
    """The findings among the values of a pipeline.

    Args:
        values: By port; shares are of the cells in ``rows`` (None: of all).
    """
    groups, membership = _groups(plan, cells, rows)
    found, names = [], {"genes": _genes(cells), GROUPS: groups}
    for name in (*finding_ports(plan), *shares_ports(plan)):
        if name not in values:
            continue
        block, port, array = Address.parse(name).block, plan.port(name), np.asarray(values[name])
        axes = port.axis_names
        if port.kind == Kind.SHARES:
            array, axes = membership @ array, (GROUPS, *axes[1:])
        for axis, length in zip(axes, array.shape, strict=True):
            if len(names.get(axis, ())) != length:
                names[f"{block}.{axis}"] = names_along(plan, cells, block, axis, length)
        doc = in_words(port, array) or port.doc
        found.append(Finding(name, title_of_port(port), doc, port.kind, axes, array, port.ranks))
    calls = (p for p in plan.ports(Kind.SCORE) if plan.port(p).call and p in values)
    found += [_called(name, plan, values) for name in calls]
    drawn = plan.ports(Kind.MAP, Kind.COORDINATES, Kind.SHARES, Kind.SCORE, Kind.TIME)
    kinds: dict[str, str] = {p: plan.port(p).kind for p in drawn}
    return Findings(step, tuple(found), names, kinds, _first(plan))


def _first(plan: Plan) -> str:
    """What the pipeline names first among its results, of what can colour a map."""
    can = {p for p in plan.ports(Kind.SHARES, Kind.SCORE, Kind.TIME) if plan.port(p).per_record}
    return next((p for p in plan.spec.outputs.values() if p in can), "")


def _called(name: str, plan: Plan, values: Mapping[str, np.ndarray]) -> Finding:
    """How many cells a block says yes to, and by which rule."""
    calls, block = np.asarray(values[name]), Address.parse(name).block
    n, of = int((calls > 0.5).sum()), len(calls)
    told = (in_words(plan.port(p), values[p]) for p in plan.ports() if _is_of(p, block, values))
    doc = " ".join([f"{n:,} of {of:,} cells, {n / max(of, 1):.1%}.", *filter(None, told)])
    title = f"Called: {title_of_port(plan.port(name)).lower()}"
    return Finding(name, title, doc, Kind.PARAMETER, (), np.asarray(float(n)))


def _is_of(port: str, block: str, values: Mapping[str, np.ndarray]) -> bool:
    return port in values and Address.parse(port).block == block


def title_of_port(port: Port) -> str:
    """``"fate_probabilities"`` in words."""
    return port.name.replace("pvalues", "p_values").replace("_", " ").capitalize()


def _genes(cells: Records) -> list[str]:
    return [] if cells.var_names is None else [str(name) for name in cells.var_names]


def _groups(plan: Plan, cells: Records, rows: np.ndarray | None) -> tuple[list[str], np.ndarray]:
    """All cells, and the classes of each field of labels; each as weights that add up to one."""
    rows = np.arange(cells.n_cells) if rows is None else rows
    names, weights = [ALL], [np.ones(len(rows))]
    for field in plan.needed_fields:
        if plan.data[field].port.kind != Kind.LABELS or field not in cells.per_cell:
            continue
        codes = cells.per_cell[field][rows]
        for i, name in enumerate(cells.label_names.get(field, [])):
            if (codes == i).any():
                names.append(name)
                weights.append((codes == i).astype(float))
    table = np.array(weights)
    return names, table / table.sum(axis=1, keepdims=True)
