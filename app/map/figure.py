"""The present view of a map as a figure for a paper, and its numbers as a table."""

import io
from typing import Any

import numpy as np
import pandas as pd

from app.map.drawing import Drawn, drawing_order, meant, opacities
from app.map.view_state import MapViewState
from app.style.palettes import BACKGROUND, SET_ASIDE, rgb
from diffbio_engine.data.writers import spreadsheet

# Beyond this the dots of an SVG are one picture inside it; its words and axes stay text.
MOST_VECTOR_DOTS = 20_000
INK = {"default": "#16202c", "dark": "#e6ebf2"}


def as_figure(drawn: Drawn, state: MapViewState, title: str, kind: str) -> bytes:
    """PNG (300 dpi) or SVG of what the screen shows: same axes, colours and legend.

    Args:
        drawn, state: What is on the screen.
        title: What the map is called; it names the axes.
        kind: ``"png"`` or ``"svg"``.
    """
    from matplotlib.figure import Figure

    frame, colouring = drawn.frame, drawn.colouring
    ink = INK[state.theme]
    fig = Figure(figsize=(6.4, 4.6), facecolor=BACKGROUND[state.theme], layout="constrained")
    axes = fig.add_subplot(facecolor="none")
    put_cells(axes, drawn, state)
    axes.set_xlabel(f"{title} 1", color=ink, loc="left")
    axes.set_ylabel(f"{title} 2", color=ink, loc="bottom")
    said = f"{colouring.title} · step {frame.step:,}"
    said += f"\nPreview: {frame.note}" if frame.note else ""
    axes.set_title(said, color=ink, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(ink)
    put_legend(fig, axes, drawn, ink)
    return written(fig, kind, f"{title}, {colouring.title}")


def written(fig: Any, kind: str, title: str, dpi: int = 300) -> bytes:
    """A figure as a file; the same figure always gives the same SVG."""
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "map"}):
        about = {"Title": title} | ({"Date": None} if kind == "svg" else {})
        fig.savefig(out, format=kind, dpi=dpi, facecolor=fig.get_facecolor(), metadata=about)
    return out.getvalue()


def put_cells(axes: Any, drawn: Drawn, state: MapViewState, scale: float = 1.0) -> None:
    """The cells of a map in its axes, whose sides show no numbers: a map has no unit.

    Args:
        scale: How large the dots are, beside those of a figure that is 6.4 inches wide.
    """
    frame, colouring = drawn.frame, drawn.colouring
    ink = INK[state.theme]
    mask = meant(colouring, state, frame)
    opacity = opacities(frame, state)
    colors = np.ones((len(frame.xy), 4))
    aside = np.zeros(len(frame.xy), bool) if mask is None else ~mask
    if colouring.values is not None:
        ramp = rgb(drawn.palette) / 255
        place = (colouring.values - colouring.low) / max(colouring.high - colouring.low, 1e-12)
        aside = aside | np.isnan(place)
        at = np.where(np.isnan(place), 0, np.clip(place, 0, 1) * (len(ramp) - 1)).astype(int)
        colors[:, :3], order = ramp[at], drawing_order(aside, at)
    else:
        codes = colouring.codes if colouring.codes is not None else np.zeros(len(frame.xy), int)
        aside = aside | (codes < 0)
        colors[:, :3] = (rgb(drawn.palette) / 255)[np.where(codes < 0, 0, codes)]
        order = drawing_order(aside, None)
    colors[:, 3] = 1.0 if opacity is None else opacity
    colors[aside] = (*(rgb([SET_ASIDE[state.theme]])[0] / 255), 0.4)
    size = float(
        np.interp(np.log10(max(len(frame.xy), 1)), (2, 3, 4, 5, 6), (24, 10, 3, 0.8, 0.15))
    )
    axes.scatter(
        frame.xy[order, 0], frame.xy[order, 1], c=colors[order], s=size * scale, linewidths=0,
        rasterized=len(frame.xy) > MOST_VECTOR_DOTS,
    )  # fmt: skip
    x0, x1, y0, y1 = state.view or drawn.view
    axes.set(xlim=(x0, x1), ylim=(y0, y1), xticks=[], yticks=[])
    if len(drawn.arrows):
        x0, y0, x1, y1 = drawn.arrows.T
        axes.quiver(
            x0, y0, x1 - x0, y1 - y0, color=ink, alpha=0.8,
            angles="xy", scale_units="xy", scale=1, width=0.0035,
        )  # fmt: skip


def put_legend(fig: Any, axes: Any, drawn: Drawn, ink: str) -> None:
    """Categories or the colour bar, right of the axes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.lines import Line2D

    colouring = drawn.colouring
    if colouring.values is not None:
        scale = ScalarMappable(
            Normalize(colouring.low, colouring.high), ListedColormap(drawn.palette)
        )
        bar = fig.colorbar(scale, ax=axes, shrink=0.5, aspect=14)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=ink, labelsize=8)
        bar.set_label(colouring.ends, color=ink, fontsize=7)
        return
    shown = [
        (name, color)
        for name, color, n in zip(colouring.names, drawn.palette, drawn.counts, strict=False)
        if n
    ]
    marks = [Line2D([], [], marker="o", linestyle="", markersize=5, color=c) for _, c in shown]
    axes.legend(
        marks, [name for name, _ in shown], loc="center left", bbox_to_anchor=(1.0, 0.5),
        frameon=False, labelcolor=ink, fontsize=8, ncols=1 + len(shown) // 22, handletextpad=0.2,
    )  # fmt: skip


def file_name(drawn: Drawn, title: str, kind: str) -> str:
    """What a saved map is called."""
    frame = drawn.frame
    note = f" preview {frame.note}" if frame.note else ""
    return f"{title} {drawn.colouring.title} step {frame.step}{note}.{kind}".replace("/", "-")


def saved(drawn: Drawn, state: MapViewState, title: str, kind: str) -> bytes:
    """The map as a file: "png", "svg" or "csv"."""
    return as_csv(drawn, state) if kind == "csv" else as_figure(drawn, state, title, kind)


def as_csv(drawn: Drawn, state: MapViewState) -> bytes:
    """Every record of the map: its name, its place as the pipeline gave it, cluster and colour.

    The places are those of the result file; on the screen the map may be turned.
    """
    frame, colouring = drawn.frame, drawn.colouring
    rows = frame.cells if frame.cells is not None else np.arange(len(frame.raw))
    names: Any = rows
    if state.path:
        from app.map.colouring import names_of_cells

        index = np.array(names_of_cells(state.path), dtype=object)
        if len(index) > int(rows.max(initial=0)):
            names = index[rows]
    table = pd.DataFrame({state.record: names, "map_1": frame.raw[:, 0], "map_2": frame.raw[:, 1]})
    if frame.labels is not None:
        table["cluster"] = frame.labels
    if frame.certainty is not None:
        table["certainty"] = frame.certainty
    if colouring.key not in ("cluster", "certainty", "none"):
        values = colouring.values
        if values is None and colouring.codes is not None:
            padded = np.array([*colouring.names, ""], dtype=object)
            values = padded[colouring.codes]
        table[colouring.title] = values
    if state.chosen is not None:
        table["selected"] = state.chosen
    return spreadsheet.as_csv(table)
