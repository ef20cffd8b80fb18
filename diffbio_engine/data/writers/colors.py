"""Colours of categories, told apart also by colour-blind eyes."""

import colorsys

# tab20 re-ordered, with three colours that scanpy moved for colour-blind readers.
_TWENTY = (
    "#1f77b4", "#ff7f0e", "#279e68", "#d62728", "#aa40fc", "#8c564b", "#e377c2", "#b5bd61",
    "#17becf", "#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#f7b6d2",
    "#dbdb8d", "#9edae5", "#ad494a", "#8c6d31",
)  # fmt: skip
_GOLDEN = 0.61803398875


def category_colors(n: int) -> list[str]:
    """One hex colour for each of ``n`` categories; the first twenty are the usual ones."""
    more = []
    for i in range(max(0, n - len(_TWENTY))):
        # Hues a golden section apart never meet; lightness alternates to part neighbours.
        red, green, blue = colorsys.hls_to_rgb((i * _GOLDEN) % 1, (0.42, 0.58, 0.5)[i % 3], 0.6)
        more.append(f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}")
    return [*_TWENTY[:n], *more]
