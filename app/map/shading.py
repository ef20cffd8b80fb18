"""Cells drawn to a picture: binned, spread and shaded in numba, sent as a small PNG.

Every kernel lets go of the interpreter (``nogil``), so that other tabs go on meanwhile, and looks
at each cell once, however many categories there are: a pixel adds up the colours of its cells.
"""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from PIL import Image

type View = tuple[float, float, float, float]  # x from, x to, y from, y to

# How well an undecided cell is still seen; a decided one is opaque.
FAINTEST = 0.12


@dataclass(frozen=True)
class Colouring:
    """What colours the cells.

    Attributes:
        key: Names the colouring: ``"cluster"``, ``"obs/donor"``, ``"gene/CD3D"``.
        title: What stands over the legend.
        codes: Category of each cell, -1 for none; or None where `values` colours.
        names: Names of the categories.
        colors: Their colours, ``#rrggbb``.
        values: Value of each cell, NaN for none; or None.
        low, high: Values at the ends of the colour bar.
        ends: What these are, in words; empty where they are the same whatever the values.
        note: What else is to be known of it.
    """

    key: str
    title: str
    codes: np.ndarray | None = None
    names: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    values: np.ndarray | None = None
    low: float = 0.0
    high: float = 1.0
    ends: str = ""
    note: str = ""


def opacity_of(certainty: np.ndarray, n_clusters: int) -> np.ndarray:
    """How opaque a cell is drawn: `FAINTEST` if clusters share it evenly, 1 if one has it.

    ``(certainty - 1/k) / (1 - 1/k)`` is 0 for an even share among k clusters and 1 for a whole one.
    """
    even = 1.0 / max(n_clusters, 2)
    decided = np.clip((np.asarray(certainty, np.float32) - even) / (1 - even), 0, 1)
    return (FAINTEST + (1 - FAINTEST) * decided).astype(np.float32)


def spread_of(n_cells: int, pixel_ratio: float = 1.0) -> float:
    """Radius of a drawn cell in pixels: few cells are dots, many are grains."""
    return (
        float(np.interp(np.log10(max(n_cells, 1)), (3, 4, 5, 6), (4, 2.4, 1.2, 0.6))) * pixel_ratio
    )


def shade(
    xy: np.ndarray,
    rgb: np.ndarray,
    view: View,
    size: tuple[int, int],
    *,
    codes: np.ndarray | None = None,
    values: np.ndarray | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    opacity: np.ndarray | None = None,
    shown: np.ndarray | None = None,
    aside: tuple[int, int, int] = (200, 205, 212),
    radius: float = 2.0,
) -> np.ndarray:
    """The cells of a view as RGBA, uint8 ``(height, width, 4)``, on a transparent ground.

    Categories: the colour of a pixel is the mean of its cells, weighted by their opacity.
    Values: the highest value of a pixel is drawn, so that the few cells with a gene stay on top.

    Args:
        xy: Places, float32 ``(n, 2)``.
        rgb: uint8 ``(k, 3)``: a colour by category, or a ramp from low to high.
        view: What the picture shows, in the unit of `xy`.
        size: Width and height in pixels.
        codes: Category by cell; -1 is set aside.
        values: Value by cell, instead of `codes`; NaN is set aside.
        limits: Values at the ends of the ramp.
        opacity: Share of opaqueness by cell; all opaque if None.
        shown: Which cells are meant; the others are set aside: grey, faint and underneath.
        aside: Colour of what is set aside.
        radius: Radius of a cell in pixels.

    Cost: O(cells + pixels * radius^2).
    """
    width, height = size
    n = len(xy)
    x, y = np.ascontiguousarray(xy[:, 0], np.float32), np.ascontiguousarray(xy[:, 1], np.float32)
    weight = np.ones(n, np.float32) if opacity is None else np.asarray(opacity, np.float32)
    if values is not None:
        low, high = limits
        position = (np.asarray(values, np.float32) - low) / max(high - low, 1e-12)
        level = np.where(np.isnan(position), -1, np.clip(position, 0, 1)).astype(np.float32)
        code = np.where(level < 0, -1, level * (len(rgb) - 1)).astype(np.int32)
    else:
        code = np.zeros(n, np.int32) if codes is None else np.asarray(codes).astype(np.int32)
    if shown is not None:
        code = np.where(shown, code, -1).astype(np.int32)
    planes, back = _bin(x, y, code, weight, rgb, view, width, height, values is not None)
    kernel = _disc(radius)
    planes, back = _spread(planes, back, kernel, values is not None)
    # One cell alone must be seen at a million, and must not hide its neighbours at a thousand.
    single = float(np.interp(np.log10(max(n, 1)), (3.7, 6), (0.9, 0.45)))
    top = float(np.percentile(planes[..., 4][planes[..., 4] > 0.5], 99)) if n else 1.0
    return _paint(
        planes, back, rgb, np.array(aside, np.uint8), single, max(top, 2.0), values is not None
    )


@njit(nogil=True, cache=True)
def _bin(x, y, code, weight, rgb, view, width, height, by_value):
    """Adds each cell to its pixel: its colour, weighted, its opacity, and that it is there."""
    planes = np.zeros((height, width, 5), np.float32)
    back = np.zeros((height, width), np.float32)
    to_column, to_row = width / (view[1] - view[0]), height / (view[3] - view[2])
    for i in range(x.shape[0]):
        column = (x[i] - view[0]) * to_column
        row = (view[3] - y[i]) * to_row
        if not (column >= 0 and column < width and row >= 0 and row < height):
            continue
        c, r = int(column), int(row)
        k = code[i]
        if k < 0 or k >= rgb.shape[0]:
            back[r, c] += 1
            continue
        w = weight[i]
        pixel = planes[r, c]
        pixel[4] += 1
        if by_value:  # plane 0 keeps the highest position on the ramp, plus one
            if k + 1 > pixel[0]:
                pixel[0] = k + 1
            pixel[3] += w
        else:
            pixel[0] += w * rgb[k, 0]
            pixel[1] += w * rgb[k, 1]
            pixel[2] += w * rgb[k, 2]
            pixel[3] += w
    return planes, back


def _disc(radius: float) -> np.ndarray:
    """Weights of the pixels of a dot, soft at its edge."""
    reach = int(np.ceil(radius - 0.3)) if radius > 0.6 else 0
    steps = np.arange(-reach, reach + 1)
    distance = np.hypot(steps[:, None], steps[None, :])
    return np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)


@njit(nogil=True, cache=True)
def _spread(planes, back, kernel, by_value):
    """Turns each occupied pixel into a dot."""
    reach = kernel.shape[0] // 2
    height, width = back.shape
    if reach == 0:
        return planes, back
    wide = np.zeros_like(planes)
    wide_back = np.zeros_like(back)
    for r in range(height):
        for c in range(width):
            there, behind = planes[r, c, 4], back[r, c]
            if there == 0 and behind == 0:
                continue
            for dr in range(-reach, reach + 1):
                if r + dr < 0 or r + dr >= height:
                    continue
                for dc in range(-reach, reach + 1):
                    if c + dc < 0 or c + dc >= width:
                        continue
                    share = kernel[dr + reach, dc + reach]
                    if share == 0:
                        continue
                    if behind > 0:
                        wide_back[r + dr, c + dc] += share * behind
                    if there > 0:
                        pixel = wide[r + dr, c + dc]
                        if by_value:
                            if share >= 0.5 and planes[r, c, 0] > pixel[0]:
                                pixel[0] = planes[r, c, 0]
                        else:
                            pixel[0] += share * planes[r, c, 0]
                            pixel[1] += share * planes[r, c, 1]
                            pixel[2] += share * planes[r, c, 2]
                        pixel[3] += share * planes[r, c, 3]
                        pixel[4] += share * there
    return wide, wide_back


@njit(nogil=True, cache=True)
def _paint(planes, back, rgb, aside, single, top, by_value):
    """Colour and opacity of each pixel; what is meant lies over what is set aside."""
    height, width = back.shape
    image = np.zeros((height, width, 4), np.uint8)
    deepest = np.log1p(top)
    for r in range(height):
        for c in range(width):
            there, behind, w = planes[r, c, 4], back[r, c], planes[r, c, 3]
            over = 0.0
            red, green, blue = 0.0, 0.0, 0.0
            if there > 0 and w > 0:
                dense = min(there, 1.0) * (
                    single + (1 - single) * min(np.log1p(max(there, 1.0) - 1.0) / deepest, 1.0)
                )
                over = dense * (w / there)
                if by_value:
                    k = int(planes[r, c, 0]) - 1
                    if k < 0:  # the soft edge of a dot: no value of its own
                        over = 0.0
                    else:
                        red, green, blue = float(rgb[k, 0]), float(rgb[k, 1]), float(rgb[k, 2])
                else:
                    red, green, blue = planes[r, c, 0] / w, planes[r, c, 1] / w, planes[r, c, 2] / w
            under = 0.4 * min(behind, 1.0) * (1 - over)
            alpha = over + under
            if alpha <= 0.004:
                continue
            image[r, c, 0] = np.uint8((red * over + aside[0] * under) / alpha)
            image[r, c, 1] = np.uint8((green * over + aside[1] * under) / alpha)
            image[r, c, 2] = np.uint8((blue * over + aside[2] * under) / alpha)
            image[r, c, 3] = np.uint8(255 * min(alpha, 1.0))
    return image


def to_png(image: np.ndarray, n_colors: int = 128) -> bytes:
    """A PNG with a palette: a quarter of the bytes of one without, for dots of few colours."""
    picture = Image.fromarray(image, "RGBA").quantize(
        n_colors, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return out.getvalue()


def to_url(png: bytes) -> str:
    """The picture as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


@njit(nogil=True, cache=True)
def inside(xy, corners):
    """Which points lie in a polygon (crossings of a ray; the polygon closes itself)."""
    n, m = xy.shape[0], corners.shape[0]
    found = np.zeros(n, np.bool_)
    for i in range(n):
        px, py = xy[i, 0], xy[i, 1]
        odd = False
        j = m - 1
        for k in range(m):
            if (corners[k, 1] > py) != (corners[j, 1] > py) and px < (
                corners[j, 0] - corners[k, 0]
            ) * (py - corners[k, 1]) / (corners[j, 1] - corners[k, 1]) + corners[k, 0]:
                odd = not odd
            j = k
        found[i] = odd
    return found


def warm_up() -> None:
    """Compiles the kernels (or loads them from disk), so that no tab waits for it."""
    xy = np.array([[0.2, 0.3], [0.7, 0.6]], np.float32)
    colors = np.zeros((2, 3), np.uint8)
    kinds: list[dict[str, Any]] = [{"codes": np.array([0, 1])}, {"values": np.array([0.0, 1.0])}]
    for kind in kinds:
        to_png(shade(xy, colors, (0.0, 1.0, 0.0, 1.0), (16, 16), **kind))
    inside(xy, np.array([[0, 0], [1, 0], [0, 1]], np.float32))
