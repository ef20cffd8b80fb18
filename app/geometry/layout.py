"""Where blocks stand on the canvas: a free place, and a layout in layers."""

from collections import defaultdict
from dataclasses import replace

from app.geometry.ports import HEAD, ROW, folded, n_rows, usual_outputs
from diffbio_engine.declare import Declaration, find_operator
from diffbio_engine.pipelines.spec import PipelineSpec

COLUMN, ROW_GAP = 336.0, 36.0
# Longer pipelines go on in a further row, so that all of it can be read at once.
MOST_IN_A_ROW, BETWEEN_ROWS = 6, 56.0

# Room for the ports of one data set, before another begins.
DATA_HEIGHT = HEAD + 10 * ROW

# What stands in the way of a wire from an earlier column to a later one stands lower by this.
UNDER_A_WIRE = HEAD + 3 * ROW


def height(declared: Declaration) -> float:
    """About how tall the block is drawn."""
    usual = usual_outputs(declared.id)
    hidden = folded([p.name for p in declared.outputs], usual, (), 2)
    return 78.0 + ROW * n_rows(declared, len(declared.outputs) - len(hidden) + bool(hidden))


def free_place(spec: PipelineSpec) -> tuple[float, float]:
    """A place to the right of everything."""
    if not spec.layout:
        return (COLUMN, 40.0)
    x = max(x for x, _ in spec.layout.values())
    return (x + COLUMN, min(y for _, y in spec.layout.values()) + 24.0)


def tidied(spec: PipelineSpec) -> PipelineSpec:
    """The document laid out in layers from left to right, in rows as text is; few wires cross."""
    before: dict[str, set[str]] = defaultdict(set)
    for wire in spec.wires:
        before[wire.end.block].add(wire.start.block)
    depth = dict.fromkeys(spec.data_blocks, 0)

    def layer(block: str, seen: frozenset[str] = frozenset()) -> int:
        if block not in depth:
            earlier = [layer(b, seen | {block}) for b in before[block] if b not in seen]
            depth[block] = 1 + max(earlier, default=0)
        return depth[block]

    columns: dict[int, list[str]] = defaultdict(list)
    for block in spec.blocks:
        columns[layer(block.id)].append(block.id)
    declared = {b.id: find_operator(b.operator) for b in spec.blocks}
    n_columns = 1 + max(columns, default=0)
    n_rows = -(-n_columns // MOST_IN_A_ROW)
    in_a_row = -(-n_columns // n_rows)
    ends = [(depth[w.start.block], depth[w.end.block]) for w in spec.wires]

    def passed(column: int) -> bool:
        """Whether a wire goes by between earlier and later columns of the same row."""
        row = column // in_a_row
        return any(a < column < b and a // in_a_row == b // in_a_row == row for a, b in ends)

    below = enumerate(spec.data_blocks)
    layout = {block: (0.0, i * DATA_HEIGHT) for i, block in below}
    middle = {block: y for block, (_, y) in layout.items()}
    top, bottom = 0.0, 150.0 + DATA_HEIGHT * (len(layout) - 1)
    for depth_now in sorted(columns):
        if depth_now % in_a_row == 0:
            top, bottom = bottom + BETWEEN_ROWS, bottom + BETWEEN_ROWS

        def wish(block: str) -> float:
            above = [middle[b] for b in before[block] if b in middle]
            return sum(above) / len(above) if above else 0.0

        y = top + (UNDER_A_WIRE if passed(depth_now) else 0.0)
        for name in sorted(columns[depth_now], key=wish):
            layout[name] = (COLUMN * (depth_now % in_a_row), round(y, 1))
            middle[name] = y + height(declared[name]) / 2
            y += height(declared[name]) + ROW_GAP
        bottom = max(bottom, y - ROW_GAP)
    return replace(spec, layout=layout)
