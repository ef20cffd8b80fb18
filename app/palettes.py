"""Colours of cells: categories as the field knows them, values from low to high, in both themes."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from bokeh.palettes import Viridis256

# The categorical colours that scanpy draws with (facts of the field; a test compares them with the
# installed scanpy), so that a map looks the same here and in a notebook.
DEFAULT_20 = tuple(
    f"#{hex_}"
    for hex_ in (
        "1f77b4 ff7f0e 279e68 d62728 aa40fc 8c564b e377c2 b5bd61 17becf aec7e8 "
        "ffbb78 98df8a ff9896 c5b0d5 c49c94 f7b6d2 dbdb8d 9edae5 ad494a 8c6d31"
    ).split()
)
DEFAULT_28 = tuple(
    f"#{hex_}"
    for hex_ in (
        "023fa5 7d87b9 bec1d4 d6bcc0 bb7784 8e063b 4a6fe3 8595e1 b5bbe3 e6afb9 e07b91 d33f6a "
        "11c638 8dd593 c6dec7 ead3c6 f0b98d ef9708 0fcfc0 9cded6 d5eae7 f3e1eb f6c4e1 f79cd4 "
        "7f7f7f c7c7c7 1ce6ff 336600"
    ).split()
)
BACKGROUND = {"default": "#ffffff", "dark": "#121212"}
# Cells that are not meant: a missing value, or all that a click in the legend sets aside.
SET_ASIDE = {"default": "#c9ced6", "dark": "#4a4f57"}
# Dots of two pixels are still seen at this contrast with the page.
LEAST_CONTRAST = 1.5


def category_colors(n: int) -> list[str]:
    """Colours for ``n`` categories, in the order that scanpy gives them."""
    if n <= len(DEFAULT_20):
        return list(DEFAULT_20[:n])
    if n <= len(DEFAULT_28):
        return list(DEFAULT_28[:n])
    # Beyond 28 nobody tells categories apart by colour alone: hues at a golden angle keep
    # neighbours in the legend apart, and two lightnesses double them.
    hues = (np.arange(n - 28) * 0.6180339887) % 1.0
    extra = [_from_hsl(h, 0.55 if i % 2 else 0.42, 0.65) for i, h in enumerate(hues)]
    return [*DEFAULT_28, *extra]


def for_theme(colors: Sequence[str], theme: str) -> list[str]:
    """The same colours, the few that would vanish on the page moved just far enough from it."""
    return [_seen_on(color, BACKGROUND[_theme(theme)]) for color in colors]


def value_ramp(theme: str) -> list[str]:
    """256 colours from low to high: viridis, without the end that vanishes on this page."""
    first, last = (0.17, 1.0) if _theme(theme) == "dark" else (0.0, 0.95)
    picked = np.linspace(first * 255, last * 255, 256).round().astype(int)
    return [Viridis256[i].lower() for i in picked]


def rgb(colors: Sequence[str]) -> np.ndarray:
    """``#rrggbb`` strings as uint8 ``(n, 3)``."""
    return np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colors], dtype=np.uint8)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21, as WCAG 2 defines it."""
    light = sorted((_luminance(one), _luminance(other)))
    return float((light[1] + 0.05) / (light[0] + 0.05))


def is_color(text: object) -> bool:
    """Whether a stored colour can be used as it is: ``#rrggbb``."""
    if not isinstance(text, str) or len(text) != 7 or text[0] != "#":
        return False
    return all(c in "0123456789abcdefABCDEF" for c in text[1:])


def _theme(theme: str) -> str:
    return "dark" if theme == "dark" else "default"


def _luminance(color: str) -> float:
    channel = rgb([color])[0] / 255
    linear = np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@cache
def _seen_on(color: str, background: str) -> str:
    away = np.array([0.0, 0, 0] if _luminance(background) > 0.5 else [255.0, 255, 255])
    start = rgb([color])[0].astype(float)
    for share in np.linspace(0, 1, 21):
        moved = "#{:02x}{:02x}{:02x}".format(*(start + share * (away - start)).round().astype(int))
        if contrast(moved, background) >= LEAST_CONTRAST:
            return moved
    return color


def _from_hsl(hue: float, lightness: float, saturation: float) -> str:
    from colorsys import hls_to_rgb

    return "#{:02x}{:02x}{:02x}".format(
        *(round(255 * c) for c in hls_to_rgb(hue, lightness, saturation))
    )
