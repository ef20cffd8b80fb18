"""From a snapshot to what the browser is sent: dots for few cells, a picture for many."""

from dataclasses import dataclass, replace

import numpy as np

from app.map.arrows import arrows_of
from app.map.colouring import (
    by_certainty,
    by_class,
    by_cluster,
    by_column,
    by_gene,
    by_gene_set,
    by_score,
    clipped,
)
from app.map.frames import MapFrame, frame_of
from app.map.render_cache import RENDERED
from app.map.shading import (
    Colouring,
    View,
    opacity_of,
    shade,
    spread_of,
    to_png,
    to_url,
)
from app.map.view_state import MapViewState
from app.plots.map import has_arrows
from app.plots.map import to_scale as is_to_scale
from app.style.colour_key import CLUSTER, ColourKey
from app.style.palettes import SET_ASIDE, category_colors, for_theme, rgb, value_ramp
from diffbio_engine.runs import Snapshot

# Up to here each cell is a glyph of its own, so that it can be pointed at.
MOST_GLYPHS = 5000


@dataclass(frozen=True)
class Drawn:
    """What the browser is sent.

    Attributes:
        dots: Columns of the glyphs, in the order in which they are drawn; or None.
        url: The picture that takes their place; or empty.
        counts: Cells by category.
        arrows: From x, y to x, y: which way time runs, where cells are coloured by it.
        counted: By what the selected cells are counted; None where none are selected.
    """

    frame: MapFrame
    colouring: Colouring
    view: View
    maps: tuple[str, ...]
    palette: tuple[str, ...]
    dots: dict[str, np.ndarray] | None
    url: str
    counts: tuple[int, ...]
    arrows: np.ndarray
    counted: Colouring | None = None


def draw(snapshot: Snapshot, state: MapViewState) -> Drawn:
    """Draws a map of a snapshot that has one. Runs in a thread; costs milliseconds."""
    maps = tuple(snapshot.maps)
    name = state.map if state.map in maps else maps[0]
    in_tissue = is_to_scale(state.kinds.get(name) or snapshot.kinds.get(name, ""))
    frame = frame_of(state.run, snapshot, name, turned=not in_tissue)
    # By the cells on the map: what lies elsewhere in the file dims none of them.
    colouring = clipped(colouring_of(frame, state), state.clip)
    view = state.view or (to_scale(frame.view, state.size) if in_tissue else frame.view)
    arrows = _arrows(frame, state, colouring, view)
    palette = tuple(
        value_ramp(state.theme)
        if colouring.values is not None
        else for_theme(colouring.colors or category_colors(1), state.theme)
    )
    counts: tuple[int, ...] = ()
    if colouring.codes is not None:
        codes = colouring.codes
        counts = tuple(np.bincount(codes[codes >= 0], minlength=len(colouring.names)).tolist())
    counted = None if state.chosen is None else _counted(frame, state, colouring)
    common, rest = (frame, colouring, view, maps, palette), (counts, arrows, counted)
    if len(frame.xy) <= MOST_GLYPHS:
        return Drawn(*common, _dots(frame, colouring, state), "", *rest)
    return Drawn(*common, None, _url(frame, colouring, palette, view, state), *rest)


def to_scale(view: View, size: tuple[int, int]) -> View:
    """Axes in which a length is as long in both directions, around the same middle."""
    (x0, x1, y0, y1), (wide, high) = view, size
    unit = max((x1 - x0) / wide, (y1 - y0) / high) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - unit * wide, x + unit * wide, y - unit * high, y + unit * high


def _arrows(frame: MapFrame, state: MapViewState, colouring: Colouring, view: View) -> np.ndarray:
    kind, port = ColourKey.parse(colouring.key).parts
    if kind != "score" or not has_arrows(state.kinds.get(port, "")) or port not in frame.scores:
        return np.zeros((0, 4))
    return arrows_of(frame.xy, frame.scores[port], view)


def colouring_of(frame: MapFrame, state: MapViewState) -> Colouring:
    """The colouring that the tab wants, for the cells of this frame; its ends are not yet set."""
    first = ColourKey("score", state.first) if state.first in frame.scores else CLUSTER
    kind, name = ColourKey.parse(state.colour or first).parts
    if found := _of_file(kind, name, state):
        return _of_cells(found, frame.cells, len(frame.xy))
    if kind == "score" and name in frame.scores:
        return by_score(name, frame.scores[name])
    if kind == "class" and name in frame.likeliest:
        return by_class(name, frame.likeliest[name], state.class_names.get(name, ()))
    if kind == "certainty" and frame.certainty is not None:
        return by_certainty(frame.certainty)
    if frame.labels is not None:
        names = state.class_names.get(frame.main, ())
        if has_own_names(names):
            return by_class(frame.main, frame.labels, names, CLUSTER)
        return by_cluster(frame.labels)
    for port, values in frame.scores.items():
        return by_score(port, values)
    rows, codes = f"{state.record}s", np.zeros(len(frame.xy), np.int32)
    return Colouring("none", rows.capitalize(), codes, (rows,), ("#1f77b4",))


def _of_file(kind: str, name: str, state: MapViewState) -> Colouring | None:
    """What lies in the file: a column, a gene, the genes of a set."""
    if not state.path:
        return None
    if kind == "obs":
        return by_column(state.path, name)
    if kind == "gene":
        return by_gene(state.path, name, state.counts)
    if kind == "set" and name in state.gene_sets:
        return by_gene_set(state.path, name, state.gene_sets[name], state.counts)
    return None


def _counted(frame: MapFrame, state: MapViewState, colouring: Colouring) -> Colouring:
    """By what selected cells are counted: what was asked, else what is shown, else clusters."""
    shown = colouring.codes is not None or frame.labels is None
    other = state.counted_by or ("" if shown else CLUSTER)
    return colouring_of(frame, replace(state, colour=other)) if other else colouring


def has_own_names(classes: tuple[str, ...]) -> bool:
    """Whether they are more than numbered clusters: fates, cell types, domains."""
    return bool(classes) and not classes[0].startswith("cluster ")


def meant(colouring: Colouring, state: MapViewState, frame: MapFrame) -> np.ndarray | None:
    """Which cells are meant: of the categories picked in the legend, selected, and not removed by
    quality control; None for all.
    """
    mask = passing(state.kept, frame)
    if state.only is not None and colouring.codes is not None:
        picked = np.isin(colouring.codes, list(state.only))
        mask = picked if mask is None else mask & picked
    if state.chosen is not None:
        mask = state.chosen if mask is None else mask & state.chosen
    return mask


def passing(kept: np.ndarray | None, frame: MapFrame) -> np.ndarray | None:
    """Which cells of the frame pass the limits of quality control; None for all.

    Args:
        kept: Which rows of the data set pass, as in ``MapViewState``.
    """
    if kept is None:
        return None
    rows = frame.cells if frame.cells is not None else np.arange(len(frame.xy))
    if len(rows) and rows.max() >= len(kept):
        return None
    found = kept[rows]
    return None if found.all() else found


def opacities(frame: MapFrame, state: MapViewState) -> np.ndarray | None:
    """Opacity by cell where the run says how certain each is."""
    if not state.fade or frame.certainty is None:
        return None
    return opacity_of(frame.certainty, max(frame.n_clusters, 2))


def _of_cells(colouring: Colouring, cells: np.ndarray | None, n: int) -> Colouring:
    """The same colouring, of some cells of the data set."""
    if cells is None:
        cells = np.arange(n)
    codes, values = colouring.codes, colouring.values
    size = len(codes if codes is not None else values if values is not None else ())
    if size == n and (cells == np.arange(n)).all():
        return colouring
    return replace(
        colouring,
        codes=None if codes is None else codes[cells],
        values=None if values is None else values[cells],
    )


def drawing_order(aside: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """Which cells are drawn first: those set aside, then low values before high ones.

    Categories are mixed, always in the same way: files are sorted by sample, and the last sample
    would cover all others.
    """
    if values is not None:
        return np.argsort(np.where(aside, -np.inf, values), kind="stable")
    mixed = np.random.default_rng(0).permutation(len(aside))
    return mixed[np.argsort(~aside[mixed], kind="stable")]


def _dots(frame: MapFrame, colouring: Colouring, state: MapViewState) -> dict[str, np.ndarray]:
    n = len(frame.xy)
    opacity = opacities(frame, state)
    alpha = np.full(n, 0.9, np.float32) if opacity is None else 0.92 * opacity
    if colouring.values is not None:
        value = colouring.values.astype(np.float32)
        gone = np.isnan(value)
        # What lies beyond the ends of the colour bar has their colours; it is not set aside.
        value = np.clip(value, colouring.low, colouring.high)
    else:
        codes = colouring.codes if colouring.codes is not None else np.zeros(n)
        value = codes.astype(np.float32)
        gone = value < 0
    mask = meant(colouring, state, frame)
    if mask is not None:
        gone = gone | ~mask
    # -1e9 lies below every palette: drawn in the colour of what is set aside, and first.
    value = np.where(gone, np.float32(-1e9), value)
    alpha = np.where(gone, np.float32(0.35), alpha)
    order = drawing_order(gone, value if colouring.values is not None else None)
    columns = {"x": frame.xy[:, 0], "y": frame.xy[:, 1], "value": value, "alpha": alpha}
    return {k: np.ascontiguousarray(v[order], np.float32) for k, v in columns.items()}


def _url(
    frame: MapFrame, colouring: Colouring, palette: tuple[str, ...], view: View, state: MapViewState
) -> str:
    size = tuple(max(round(s * state.pixel_ratio), 16) for s in state.size)
    chosen, kept = (
        None if mask is None else hash(np.packbits(mask).tobytes())
        for mask in (state.chosen, state.kept)
    )
    key = (
        state.run, frame.step, frame.name, frame.serial, tuple(round(v, 5) for v in view), size,
        colouring.key, colouring.low, colouring.high, colouring.note, state.path, state.theme,
        state.only, chosen, state.fade, kept,
    )  # fmt: skip

    def make() -> str:
        red, green, blue = (int(c) for c in rgb([SET_ASIDE[state.theme]])[0])
        image = shade(
            frame.xy, rgb(palette), view, (size[0], size[1]),
            codes=colouring.codes, values=colouring.values,
            limits=(colouring.low, colouring.high), opacity=opacities(frame, state),
            shown=meant(colouring, state, frame), aside=(red, green, blue),
            radius=spread_of(len(frame.xy), state.pixel_ratio),
        )  # fmt: skip
        return to_url(to_png(image))

    return RENDERED.get(key, make)
