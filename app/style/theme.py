"""Kind -> colour, words and icon; the colours of both themes as CSS variables; the fonts."""

from pathlib import Path
from urllib.parse import quote

from bokeh.embed.bundle import extension_dirs

from diffbio_engine.declare import Declaration, Kind

ASSETS = Path(__file__).resolve().parents[2] / "assets"
# Panel serves this folder as static/extensions/diffbio-workbench/, with no flag to the server.
extension_dirs["diffbio-workbench"] = ASSETS
FONTS_CSS = "static/extensions/diffbio-workbench/fonts.css"

FONT = "Inter, system-ui, sans-serif"
MONO = "'JetBrains Mono', ui-monospace, monospace"

# Kind: colour on white, colour on dark, what a person calls it.
_KINDS: dict[Kind, tuple[str, str, str]] = {
    Kind.COUNTS: ("#2563eb", "#60a5fa", "raw counts"),
    Kind.EXPRESSION: ("#0284c7", "#38bdf8", "expression"),
    Kind.FEATURES: ("#7c3aed", "#a78bfa", "features"),
    Kind.MAP: ("#db2777", "#f472b6", "map"),
    Kind.SHARES: ("#d97706", "#fbbf24", "shares"),
    Kind.LABELS: ("#65a30d", "#a3e635", "labels"),
    Kind.SCORE: ("#0d9488", "#2dd4bf", "score"),
    Kind.TIME: ("#0f766e", "#5eead4", "time along a process"),
    Kind.PROFILE: ("#4f46e5", "#818cf8", "profile"),
    Kind.PARAMETER: ("#64748b", "#94a3b8", "parameters of the model"),
    Kind.NETWORK: ("#0f766e", "#2dd4bf", "network"),
    Kind.PLAN: ("#a16207", "#facc15", "transport plan"),
    Kind.SIMILARITY: ("#be123c", "#fb7185", "similarity"),
    Kind.COORDINATES: ("#059669", "#34d399", "coordinates"),
    Kind.DESIGN: ("#c2410c", "#fb923c", "design"),
    Kind.INDEX: ("#78716c", "#a8a29e", "positions"),
    Kind.SEQUENCE: ("#047857", "#6ee7b7", "sequences"),
    Kind.QUALITY: ("#9333ea", "#c084fc", "qualities of letters"),
    Kind.LOSS: ("#dc2626", "#f87171", "loss"),
}
KIND_COLOR = {kind: light for kind, (light, _, _) in _KINDS.items()}
KIND_WORDS = {kind: words for kind, (_, _, words) in _KINDS.items()}

_THEMES = {
    # name: light, dark
    "bg": ("#f4f6f8", "#0e1217"),
    "surface": ("#ffffff", "#151a21"),
    "raised": ("#ffffff", "#1c232c"),
    "sunken": ("#f0f2f5", "#11161c"),
    "line": ("#e2e6eb", "#2a323d"),
    "line-strong": ("#cbd2da", "#3a4553"),
    "text": ("#16202c", "#e6ebf2"),
    "dim": ("#5b6876", "#95a3b4"),
    "faint": ("#8d99a6", "#6b7989"),
    "accent": ("#0d9488", "#2dd4bf"),
    "accent-text": ("#0f766e", "#5eead4"),
    "accent-soft": ("rgba(13,148,136,.10)", "rgba(45,212,191,.13)"),
    "on-accent": ("#ffffff", "#062a27"),
    "good": ("#15803d", "#4ade80"),
    "warn": ("#b45309", "#fbbf24"),
    "warn-soft": ("#fef6e7", "#2b2311"),
    "bad": ("#c62828", "#ff8a80"),
    "bad-soft": ("#fdecec", "#321a1c"),
    "shadow": ("0 1px 2px rgba(16,24,40,.06), 0 2px 8px rgba(16,24,40,.07)",
               "0 1px 2px rgba(0,0,0,.5), 0 3px 12px rgba(0,0,0,.4)"),
    "shadow-high": ("0 8px 30px rgba(16,24,40,.18)", "0 10px 34px rgba(0,0,0,.65)"),
}  # fmt: skip


def _variables(which: int) -> str:
    lines = [f"--db-{name}: {values[which]};" for name, values in _THEMES.items()]
    lines += [f"--db-k-{kind}: {values[which]};" for kind, values in _KINDS.items()]
    return " ".join(lines)


# On the root element, so that every shadow root inherits them; `data-look` is set by the page.
PAGE_CSS = f"""
:root {{ {_variables(0)} --db-font: {FONT}; --db-mono: {MONO}; color-scheme: light; }}
:root[data-look=dark] {{ {_variables(1)} color-scheme: dark; }}
body {{ font-family: {FONT}; font-size: 13px; background: var(--db-bg); color: var(--db-text);
        -webkit-font-smoothing: antialiased; }}
code, pre {{ font-family: {MONO}; }}
"""

THEME_CONFIG = {
    name: {
        "palette": {
            "primary": {"main": _THEMES["accent"][which]},
            "background": {
                "default": _THEMES["bg"][which],
                "paper": _THEMES["surface"][which],
            },
            "text": {"primary": _THEMES["text"][which], "secondary": _THEMES["dim"][which]},
            "divider": _THEMES["line"][which],
        },
        "typography": {"fontFamily": FONT, "fontSize": 13},
        "shape": {"borderRadius": 6},
    }
    for which, name in enumerate(("light", "dark"))
}

# A plot takes exactly what its neighbours leave of a box, and never makes the box larger: as a
# share of the height ("stretch_both" alone) it would stand as high as the box beside its bar.
REST = {"position": "relative", "flex": "1 1 0", "min-height": "0", "overflow": "hidden"}
FILLS = {"position": "absolute", "inset": "0 0 5px 0"}

# Lines on a 24 x 24 ground, drawn with a round pen.
ICONS = {
    "singlecell": "M8 9.5a3.5 3.5 0 1 0 0-.01M16.5 7.5a2.5 2.5 0 1 0 0-.01M15 17a3.5 3.5 0 1 0 0-.01"  # noqa: E501
    "M7 18a1.6 1.6 0 1 0 0-.01",
    "normalization": "M3 19c4.500 0 5-13 9-13s4.500 13 9 13M12 6v13",
    "foundation_models": "M4 20h16M6 15h12M8 10h8M10 5h4",
    "losses": "M4 4v16h16M7 6c2 8 5 10 12 11",
    "data": "M4 6c0-1.700 3.600-3 8-3s8 1.300 8 3-3.600 3-8 3-8-1.300-8-3zM4 6v12c0 1.700 3.600 3 8 3s8-1.300 8-3V6"  # noqa: E501
    "M4 12c0 1.700 3.600 3 8 3s8-1.300 8-3",
    "alignment": "M4 7h6M14 7h6M4 12h10M17 12h3M4 17h4M11 17h9",
    "assembly": "M5 6a2 2 0 1 0 0-.01M19 6a2 2 0 1 0 0-.01M12 18a2 2 0 1 0 0-.01M6.500 7.500 11 16M17.500 7.500 13 16M7 6h10",  # noqa: E501
    "epigenomics": "M7 3c0 6 10 6 10 12M17 3c0 6-10 6-10 12M7 15c0 3 2 4 3 6M17 15c0 3-2 4-3 6M8 6h8M9 12h6",  # noqa: E501
    "multiomics": "M4 7l8-4 8 4-8 4zM4 12l8 4 8-4M4 17l8 4 8-4",
    "population": "M5 19V9M10 19V5M15 19v-7M20 19v-4",
    "preprocessing": "M4 5h16l-6 8v6l-4 2v-8z",
    "protein": "M4 14c2-6 4-6 6 0s4 6 6 0 3-5 4-5",
    "rna": "M12 21v-9M12 12c-6 0-6-9 0-9s6 9 0 9M8 7.500h8",
    "statistical": "M4 20h16M6 16l4-5 4 3 5-8",
    "variant": "M4 12h5l2-6 3 12 2-6h4",
}  # fmt: skip
_FALLBACK = "M12 3l8 4.500v9L12 21l-8-4.500v-9z"


def icon(domain: str) -> str:
    """The path of a domain's icon."""
    return ICONS.get(domain, ICONS.get(domain.split("_")[0], _FALLBACK))


def icon_url(domain: str) -> str:
    """A domain's icon as an image for a CSS mask."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" '
        f'stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="{icon(domain)}"/></svg>'  # noqa: E501
    )
    return f'url("data:image/svg+xml,{quote(svg)}")'


def kind_variable(kind: Kind) -> str:
    """The CSS variable of a kind's colour, right in both themes."""
    return f"var(--db-k-{kind})"


def color_of(declared: Declaration) -> str:
    """The colour of an operator: that of what it gives first."""
    return kind_variable(declared.outputs[0].kind if declared.outputs else Kind.LOSS)


def heading(domain: str, sentence: str) -> str:
    """A palette heading: the first words of the folder's sentence."""
    return sentence.split(":")[0].rstrip(".") or domain.replace("_", " ").capitalize()
