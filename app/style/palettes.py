"""Colours of cells: categories as the field knows them, values from low to high, in both themes."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from bokeh.palettes import Viridis256

# The colours that a result file carries, so that a map looks the same here and in a notebook.
from diffbio_engine.data import category_colors

__all__ = [
    "BACKGROUND", "SET_ASIDE", "category_colors", "contrast", "for_theme", "is_color", "rgb",
    "value_ramp",
]  # fmt: skip

BACKGROUND = {"default": "#ffffff", "dark": "#121212"}
# Cells that are not meant: a missing value, or all that a click in the legend sets aside.
SET_ASIDE = {"default": "#c9ced6", "dark": "#4a4f57"}
# Dots of two pixels are still seen at this contrast with the page.
LEAST_CONTRAST = 1.5


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
