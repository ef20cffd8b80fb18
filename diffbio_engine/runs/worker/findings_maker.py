"""Gathers what a pipeline found besides the map, with the names of what lies along each axis."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from diffbio_engine.axes import Axis, numbered, said_of
from diffbio_engine.bundles import names_along
from diffbio_engine.bundles.rules import in_words
from diffbio_engine.data import Records, sample_cells
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.declare import Kind, Port
from diffbio_engine.pipelines import Plan
from diffbio_engine.ports import Address, Role
from diffbio_engine.runs.folder.findings import GROUPS, Finding, Findings
from diffbio_engine.runs.worker.shown_ports import (
    finding_ports,
    map_ports,
    score_ports,
    shares_ports,
)

# So many records are shown with all that is said along them, and so many in a list.
MOST_TRACKS, _MOST_LISTED = 24, 2_000
# Bytes of what other comparisons need, columns of the design squared by genes: each tab holds it.
MOST_COVARIANCE = 128 << 20
# Read letter by letter, and so written in capitals.
_LETTERS = {"tpm"}


def findings_of(
    step: int,
    plan: Plan,
    cells: Records,
    values: Mapping[str, np.ndarray],
    rows: np.ndarray | None = None,
    tracks: Mapping[str, np.ndarray] | None = None,
    track_rows: np.ndarray | None = None,
) -> Findings:
    """The findings among the values of a pipeline.

    Args:
        values: By port; shares are of the records in ``rows`` (None: of all).
        tracks: By port, what is said along the records in ``track_rows``.
    """
    groups, membership = _groups(plan, cells, rows)
    found, names = [], {"genes": _genes(cells), GROUPS: groups}
    for name in (*finding_ports(plan), *shares_ports(plan)):
        if name not in values:
            continue
        block, port, array = Address.parse(name).block, plan.port(name), np.asarray(values[name])
        axes = port.axis_names
        if port.role == Role.COVARIANCE and array.nbytes > MOST_COVARIANCE:
            continue
        if port.kind == Kind.SHARES:
            array, axes = membership @ array, (GROUPS, *axes[1:])
        for axis, length in zip(axes, array.shape, strict=True):
            if len(names.get(axis, ())) != length:
                names[f"{block}.{axis}"] = names_along(plan, cells, block, axis, length, values)
        doc = in_words(port, array) or port.doc
        role = port.role or ""
        found.append(
            Finding(name, title_of_port(port), doc, port.kind, axes, array, port.ranks, role)
        )
    tracks = tracks or {}
    found += [_track(p, plan, cells, v, track_rows, names, values) for p, v in tracks.items()]
    found += _seen(plan, cells, tracks, track_rows)
    if not map_ports(plan):  # what would colour a map is listed
        found += _listed(plan, cells, values, rows, names)
    calls = (p for p in plan.ports(Kind.SCORE) if plan.port(p).call and p in values)
    found += [_called(name, plan, values, cells.record) for name in calls]
    drawn = plan.ports(Kind.MAP, Kind.COORDINATES, Kind.SHARES, Kind.SCORE, Kind.TIME)
    kinds: dict[str, str] = {p: plan.port(p).kind for p in drawn}
    found = [replace(f, doc=said_of(cells.record, f.doc)) for f in found]
    return Findings(step, tuple(found), names, kinds, _first(plan), cells.record.name)


def _listed(
    plan: Plan,
    cells: Records,
    values: Mapping[str, np.ndarray],
    rows: np.ndarray | None,
    names: dict[str, list[str]],
) -> list[Finding]:
    """What is said of each record as one number, with the names of the records."""
    of_each = (p for p in score_ports(plan) if not plan.port(p).call)
    ports, record = [p for p in of_each if p in values], cells.record.name
    rows = np.arange(cells.n) if rows is None else rows
    some = sample_cells(len(rows), min(len(rows), _MOST_LISTED))
    if ports:
        names[record] = _names_of(cells, rows[some])
    told = f" {len(some):,} of {cells.n:,} {record}, evenly chosen; the result file has all."
    return [
        Finding(
            p, title_of_port(plan.port(p)), plan.port(p).doc + told * (len(some) < cells.n),
            plan.port(p).kind, (record,), np.asarray(values[p])[some], plan.port(p).ranks,
            plan.port(p).role or "",
        )
        for p in ports
    ]  # fmt: skip


def _names_of(cells: Records, rows: np.ndarray) -> list[str]:
    known = cells.names.get(cells.record.name)
    of_all = numbered(cells.record.name, cells.n) if known is None else known
    return [str(of_all[i]) for i in rows]


def _track(
    name: str,
    plan: Plan,
    cells: Records,
    array: np.ndarray,
    rows: np.ndarray | None,
    names: dict[str, list[str]],
    told: Mapping[str, np.ndarray],
) -> Finding:
    """What is said along each of some records, who they are, and how many of all."""
    block, port, values = Address.parse(name).block, plan.port(name), np.asarray(array)
    rows = np.arange(len(values)) if rows is None else rows
    axes = (cells.record.name, *port.axis_names[1:])
    names[f"{block}.{axes[0]}"] = _names_of(cells, rows)
    for axis, length in zip(axes[1:], values.shape[1:], strict=True):
        names[f"{block}.{axis}"] = names_along(plan, cells, block, axis, length, told)
    doc = port.doc
    if len(rows) < cells.n:
        doc += f" {len(rows):,} of {cells.n:,} {cells.record.name}, evenly chosen."
    ruler = _ruler(cells, rows, values.shape[1]) if axes[1] == "positions" else ()
    title = title_of_port(port)
    return Finding(name, title, doc, port.kind, axes, values, port.ranks, ruler=ruler)


def _ruler(cells: Records, rows: np.ndarray, width: int) -> tuple[tuple[str, int, int, int], ...]:
    """Where the positions of these records lie; past the end of a record there are none."""
    kind = kind_named(cells.record.name)
    ragged = next((v for v in cells.per_record.values() if isinstance(v, Ragged)), None)
    lengths = np.full(len(rows), width) if ragged is None else ragged.lengths[rows]
    return tuple(
        kind.ruler(name, min(int(n), width))
        for name, n in zip(_names_of(cells, rows), lengths, strict=True)
    )


def _seen(
    plan: Plan, cells: Records, tracks: Mapping[str, np.ndarray], rows: np.ndarray | None
) -> list[Finding]:
    """What blocks that say something along positions were given there: the signal of a track."""
    found = []
    for block in dict.fromkeys(Address.parse(port).block for port in tracks):
        wires = plan.blocks[block].sources.items()
        for name, field in ((n, w.field) for n, w in wires if w.from_data):
            port = plan.data[field].port
            if port.role != Role.SEEN or field not in cells.per_record:
                continue
            some = np.arange(cells.n) if rows is None else rows
            axes = (cells.record.name, *port.axis_names[1:])
            address, seen = Address(block, name), cells.rows(field, some)
            title = title_of_port(port)
            found.append(Finding(address, title, port.doc, port.kind, axes, seen, role=Role.SEEN))
    return found


def _first(plan: Plan) -> str:
    """What the pipeline names first among its results, of what can colour a map."""
    can = {p for p in plan.ports(Kind.SHARES, Kind.SCORE, Kind.TIME) if plan.port(p).per_record}
    return next((p for p in plan.spec.outputs.values() if p in can), "")


def _called(name: str, plan: Plan, values: Mapping[str, np.ndarray], record: Axis) -> Finding:
    """How many records a block says yes to, and by which rule."""
    calls, block = np.asarray(values[name]), Address.parse(name).block
    n, of = int((calls > 0.5).sum()), len(calls)
    told = (in_words(plan.port(p), values[p]) for p in plan.ports() if _is_of(p, block, values))
    doc = " ".join([f"{n:,} of {of:,} {record.name}, {n / max(of, 1):.1%}.", *filter(None, told)])
    title = f"Called: {title_of_port(plan.port(name)).lower()}"
    return Finding(name, title, doc, Kind.PARAMETER, (), np.asarray(float(n)))


def _is_of(port: str, block: str, values: Mapping[str, np.ndarray]) -> bool:
    return port in values and Address.parse(port).block == block


def title_of_port(port: Port) -> str:
    """``"fate_probabilities"`` in words."""
    words = port.name.replace("pvalues", "p_values").replace("_", " ")
    return words.upper() if words in _LETTERS else words.capitalize()


def _genes(cells: Records) -> list[str]:
    return [] if cells.var_names is None else [str(name) for name in cells.var_names]


def _groups(plan: Plan, cells: Records, rows: np.ndarray | None) -> tuple[list[str], np.ndarray]:
    """All records, and the classes of each field of labels; each as weights that add up to one."""
    rows = np.arange(cells.n_cells) if rows is None else rows
    names, weights = [f"all {cells.record.name}"], [np.ones(len(rows))]
    for field in plan.needed_fields:
        port = plan.data[field].port
        if port.kind != Kind.LABELS or len(port.axis_names) > 1 or field not in cells.per_cell:
            continue
        codes = cells.per_cell[field][rows]
        for i, name in enumerate(cells.label_names.get(field, [])):
            if (codes == i).any():
                names.append(name)
                weights.append((codes == i).astype(float))
    table = np.array(weights)
    return names, table / table.sum(axis=1, keepdims=True)
