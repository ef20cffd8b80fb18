"""What can colour the cells of a map: their cluster, a score, a column of the data set, a gene.

What lies in a file is asked of a process that reads it, off the event loop; values of the last few
genes are kept.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.files.readers import opened
from app.map.shading import Colouring
from app.style.colour_key import CLUSTER, ColourKey
from app.style.palettes import category_colors, is_color
from app.style.titles import port_title
from diffbio_engine.data import file_of
from diffbio_engine.errors import DataError, UserError

MOST_CATEGORIES = 200
_KEPT_GENES = 64
CLIP = 1.0  # percent of the cells beyond either end of the colour bar, until somebody asks
_LOGGED = "log(1 + counts per 10\u202f000)"


def by_cluster(labels: np.ndarray, names: tuple[str, ...] = ()) -> Colouring:
    """Each cell in the colour of its cluster."""
    n = max(int(labels.max()) + 1 if len(labels) else 0, len(names))
    named = tuple(names[i] if i < len(names) else str(i) for i in range(n))
    return Colouring(CLUSTER, "Cluster", labels, named, tuple(category_colors(n)))


def by_class(port: str, labels: np.ndarray, names: tuple[str, ...], key: str = "") -> Colouring:
    """Each cell in the colour of the class that a block finds likeliest for it."""
    same = by_cluster(labels, names)
    return replace(same, key=key or ColourKey("class", port), title=port_title(port))


def by_certainty(certainty: np.ndarray) -> Colouring:
    """How decided each cell is: its largest share."""
    return Colouring(
        "certainty", "Certainty (largest share)", values=np.asarray(certainty, np.float32)
    )


def by_score(port: str, values: np.ndarray) -> Colouring:
    """What a block says of each cell as one number."""
    key = ColourKey("score", port)
    return Colouring(key, port_title(port), values=np.asarray(values, np.float32))


def by_column(path: str, column: str) -> Colouring:
    """A column of ``obs``: categories in the colours that came with the file, or values."""
    told, arrays = opened(path).ask("column", name=column, most=MOST_CATEGORIES)
    key = ColourKey("obs", column)
    if "values" in arrays:
        return Colouring(key, column, values=arrays["values"])
    names = tuple(str(name) for name in told.get("names", ()))[:MOST_CATEGORIES]
    given = [str(color) for color in told.get("colors", ())]
    usable = len(given) >= len(names) and all(is_color(c) for c in given[: len(names)])
    colors = given[: len(names)] if usable else category_colors(len(names))
    codes = arrays.get("codes", np.empty(0, np.int32))
    codes = np.where((codes >= -1) & (codes < len(names)), codes, -1).astype(np.int32)
    return Colouring(key, column, codes, names, tuple(colors))


def by_gene(path: str, gene: str, place: str = "X") -> Colouring:
    """A gene; raw counts are shown as ``log(1 + counts per 10 000)``, anything else as it is."""
    key = (*_stamp(path), place, gene)
    with _LOCK:
        known = _GENES.get(key)
    if known is not None:
        return known
    told, arrays = opened(path).ask("gene", gene=gene, place=place)
    gene, values = str(told.get("gene", gene)), arrays.get("values", np.empty(0, np.float32))
    title = f"{gene}, {_LOGGED}" if told.get("raw") else gene
    named = ColourKey("gene", f"{place}/{gene}")
    return _kept(key, Colouring(named, title, values=values))


def by_gene_set(path: str, name: str, genes: Sequence[str], place: str = "X") -> Colouring:
    """The mean over the genes of a set that are there, each as `by_gene` shows it.

    Raises:
        DataError: None of them is there; with some of their names.
    """
    key = (*_stamp(path), place, tuple(genes))
    with _LOCK:
        known = _GENES.get(key)
    if known is not None:
        return _of_set(known, name)
    told, arrays = opened(path).ask("gene_set", genes=list(genes), place=place)
    found, missing = ([str(g) for g in told.get(side, ())] for side in ("found", "missing"))
    if not found:
        raise DataError(
            f"None of the {len(genes):,} genes of '{name}' is in the data: {_some(missing)}.",
            fix="Look at how its genes are named: by symbols or ids, of which species.",
        )
    note = f"{len(found):,} of {len(found) + len(missing):,} genes found"
    note += f"; not found: {_some(missing)}" if missing else ""
    title = f"mean of {_LOGGED}" if told.get("raw") else "mean of its genes"
    made = Colouring(ColourKey("set", ""), title, values=arrays["values"], note=note)
    return _of_set(_kept(key, made), name)


def _of_set(known: Colouring, name: str) -> Colouring:
    """The same genes may be kept under several names, and by several people."""
    return replace(known, key=ColourKey("set", name), title=f"{name}, {known.title}")


def _some(names: Sequence[str], most: int = 12) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _kept(key: Hashable, found: Colouring) -> Colouring:
    with _LOCK:
        _GENES[key] = found
        while len(_GENES) > _KEPT_GENES:
            _GENES.popitem(last=False)
    return found


def genes_like(path: str, text: str, place: str = "X", most: int = 8) -> list[str]:
    """Genes whose name begins with or holds a text, the shortest first."""
    if not text.strip():
        return []
    told = opened(path).ask("genes_like", text=text, place=place, most=most)[0]
    return [str(name) for name in told.get("names", ())][:most]


def names_of_cells(path: str) -> list[str]:
    """The names of the cells of a data set."""
    return [str(name) for name in opened(path).ask("cells")[0].get("names", ())]


def name_of_cell(path: str, row: int) -> str:
    """The name of one cell; empty if there is no such row."""
    names = opened(path).ask("cells", rows=[row])[0].get("names", ())
    return str(names[0]) if names else ""


def look_into(path: str) -> None:
    """Reads a data set before anything of it is asked for; a broken file is told of elsewhere."""
    with contextlib.suppress(OSError, UserError):
        opened(path).ask("genes_like", text="", place="X", most=0)


def _stamp(path: str) -> tuple[str, int]:
    file = Path(file_of(path)[0])
    return path, file.stat().st_mtime_ns if file.exists() else 0


def clipped(colouring: Colouring, percent: float = CLIP) -> Colouring:
    """The same values with ends of the colour bar at percentiles, so that one cell dims no other.

    Of genes the bar begins at zero, or below; where both percentiles are the same
    value, it reaches from the lowest to the highest value, and its words say so. A certainty has
    its ends from the start.

    Args:
        percent: What share of the cells lies beyond either end, in percent.
    """
    kind = ColourKey.parse(colouring.key).kind
    if colouring.values is None or kind == "certainty":
        return colouring
    fine = colouring.values[np.isfinite(colouring.values)]
    if not len(fine):
        return replace(colouring, low=0.0, high=1.0, ends="no cell has a value")
    low, high = (float(v) for v in np.percentile(fine, (percent, 100 - percent)))
    begins = _ordinal(percent)
    if low > 0 and kind in ("gene", "set"):
        low, begins = 0.0, "0"
    ends = f"{begins} to {_ordinal(100 - percent)} percentile"
    if high <= low or not percent:
        low, high = float(fine.min()), float(fine.max())
        ends = "lowest to highest value"
    return replace(colouring, low=low, high=high if high > low else low + 1.0, ends=ends)


def _ordinal(number: float) -> str:
    said = f"{number:g}"
    last = {"1": "st", "2": "nd", "3": "rd"}.get(said[-1], "th")
    return said + ("th" if "." in said or said[-2:] in ("11", "12", "13") else last)


_LOCK = threading.Lock()
_GENES: OrderedDict[Hashable, Colouring] = OrderedDict()
