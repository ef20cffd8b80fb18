"""A block as the graph library wants it: plain data, its words in variables of its style."""

import json
from collections.abc import Sequence
from typing import Any

from app.style import theme
from diffbio_engine.declare import Declaration, Port
from diffbio_engine.pipelines.spec import Block

# What a block is while it is dragged from the palette onto the canvas.
BLOCK_MIME = "application/x-diffbio-operator"

_ROWS = 24
ROW_CSS = (
    "\n".join(
        f".react-flow__handle.target:nth-child({i + 1}),"
        f" .react-flow__handle.source:nth-last-child({i + 1})"
        f" {{ --row-of: {i}; }}"
        for i in range(_ROWS)
    )
    + """
.react-flow__handle.target {
  top: calc(var(--head) + var(--row-of) * var(--row) + 13px) !important;
}
.react-flow__handle.source {
  top: calc(var(--head) + (var(--outs) - 1 - var(--row-of)) * var(--row) + 13px) !important;
}
"""
)
# A block's style has the colour of the kind of each port, by its row; outputs from the last. It is
# the weakest rule: a port that a wire is held over says whether it takes it.
PORT_CSS = "\n".join(
    f":where(.react-flow__handle.target:nth-child({i + 1})) {{ --port: var(--in-{i}); }}\n"
    f":where(.react-flow__handle.source:nth-last-child({i + 1})) {{ --port: var(--out-{i}); }}"
    for i in range(_ROWS)
)


def block_type(
    name: str, title: str, inputs: Any, outputs: Any, fold: tuple[str, str] | None = None
) -> dict[str, Any]:
    """A kind of block; ``fold`` is a row after the outputs that is pressed, and what it does."""

    def handle(port: Port) -> dict[str, Any]:
        asks = f"{port.doc} {port.axes and '(' + port.axes.replace(' ', ' × ') + ')'}"
        return {"id": port.name, "label": asks, "type": theme.KIND_WORDS[port.kind]}

    return {
        "type": name,
        "label": title,
        "schema": None,
        "inputs": [handle(p) for p in inputs],
        "outputs": [handle(p) for p in outputs]
        + ([{"id": fold[0], "label": fold[1], "type": ""}] if fold else []),
    }


def block_node(
    block: str,
    kind: str,
    title: str,
    place: Any,
    look: dict[str, str],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    folds: bool = False,
) -> dict[str, Any]:
    """A block on the canvas; where it ``folds``, a row after the outputs has no kind."""
    n_in, n_out = len(inputs), len(outputs) + folds
    rows = max(n_in, n_out)
    colours = {f"--in-{i}": theme.kind_variable(p.kind) for i, p in enumerate(inputs)}
    from_last = enumerate(reversed(outputs), start=int(folds))
    colours |= {f"--out-{i}": theme.kind_variable(p.kind) for i, p in from_last}
    return {
        "id": block,
        "type": kind,
        "label": title,
        "position": {"x": float(place[0]), "y": float(place[1])},
        "data": {},
        "style": {**look, **colours, "--rows": str(rows), "--outs": str(n_out)},
        "className": "only-in" if not n_out else "only-out" if not n_in else "",
    }


def says(
    node: dict[str, Any], setting: str = "", meter: str = "", note: str = "", classes: str = ""
) -> dict[str, Any]:
    texts = {"--setting": setting, "--meter": meter, "--note": note}
    style = {**node["style"], **{name: css_text(text) for name, text in texts.items()}}
    if note and not {"failed", "advice"} & set(classes.split()):
        classes += " wrong"
    words = dict.fromkeys(f"block {node['className']} {classes}".split())
    return {**node, "style": style, "className": " ".join(words)}


def css_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\\n", " ") if text else '""'


def shown(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("id", "type", "label", "position", "style", "className")
    return [{k: n.get(k) for k in keys} for n in nodes]


def most_important(declared: Declaration, block: Block) -> str:
    """The first setting that a person edits, as the block's second line."""
    shown = [s for s in declared.settings if s.shown and not s.advanced]
    texts = []
    for setting in shown[:2]:
        value = block.config.get(setting.name, setting.default)
        value = f"{value:g}" if isinstance(value, float) else str(value)
        texts.append(f"{setting.name.replace('_', ' ')} {value}")
    return "  ·  ".join(texts)


def ends(connection: dict[str, Any]) -> tuple[str, str]:
    source = f"{connection['source']}.{connection.get('sourceHandle')}"
    return source, f"{connection['target']}.{connection.get('targetHandle')}"
