"""Maps of the same cells side by side, as one figure: a column for each, a row for each colour."""

from collections.abc import Sequence
from typing import Any

from app.map.drawing import Drawn
from app.map.figure import INK, put_cells, put_legend, written
from app.map.view_state import MapViewState
from app.style.palettes import BACKGROUND

_WIDTH, _HEIGHT = 2.8, 2.6  # inches of one map


def as_panels(
    rows: Sequence[Sequence[Drawn]],
    titles: Sequence[str],
    state: MapViewState,
    kind: str,
    dpi: int = 300,
) -> bytes:
    """PNG or SVG of maps side by side; every row has one legend, since its colours are the same.

    Args:
        rows: For each colouring, the maps of it.
        titles: What each map is called, above its column.
        kind: ``"png"`` or ``"svg"``.
    """
    from matplotlib.figure import Figure

    ink, n = INK[state.theme], len(titles)
    fig = Figure(
        figsize=(_WIDTH * n + 1.6, _HEIGHT * len(rows)),
        facecolor=BACKGROUND[state.theme],
        layout="constrained",
    )
    grid: Any = fig.subplots(len(rows), n, squeeze=False)
    for i, row in enumerate(rows):
        for j, drawn in enumerate(row):
            axes = grid[i][j]
            axes.set_facecolor("none")
            put_cells(axes, drawn, state, scale=0.35)
            axes.spines[:].set_color(ink)
            axes.spines[:].set_alpha(0.25)
            if i == 0:
                axes.set_title(titles[j], color=ink, fontsize=10)
        grid[i][0].set_ylabel(row[0].colouring.title, color=ink, fontsize=10)
        put_legend(fig, grid[i][-1], row[-1], ink)
    return written(fig, kind, "Maps side by side", dpi)
