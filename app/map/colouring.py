"""What can colour the cells of a map: their cluster, a score, a column of the data set, a gene.

What lies in a file is asked of a process that reads it, off the event loop; values of the last few
genes are kept.
"""

import contextlib
import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.files.readers import opened
from app.map.shading import Colouring
from app.style.colour_key import CLUSTER, ColourKey
from app.style.palettes import category_colors, is_color
from app.style.titles import port_title
from diffbio_engine.data import file_of
from diffbio_engine.errors import UserError

MOST_CATEGORIES = 200
_KEPT_GENES = 64


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
    values = np.asarray(values, np.float32)
    low, high = _limits(values)
    return Colouring(ColourKey("score", port), port_title(port), values=values, low=low, high=high)


def by_column(path: str, column: str) -> Colouring:
    """A column of ``obs``: categories in the colours that came with the file, or values."""
    told, arrays = opened(path).ask("column", name=column, most=MOST_CATEGORIES)
    key = ColourKey("obs", column)
    if "values" in arrays:
        low, high = _limits(arrays["values"])
        return Colouring(key, column, values=arrays["values"], low=low, high=high)
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
    title = f"{gene}, log(1 + counts per 10\u202f000)" if told.get("raw") else gene
    low, high = _limits(values)
    named = ColourKey("gene", f"{place}/{gene}")
    found = Colouring(named, title, values=values, low=min(low, 0.0), high=high)
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


def look_into(path: str) -> None:
    """Reads a data set before anything of it is asked for; a broken file is told of elsewhere."""
    with contextlib.suppress(OSError, UserError):
        opened(path).ask("genes_like", text="", place="X", most=0)


def _stamp(path: str) -> tuple[str, int]:
    file = Path(file_of(path)[0])
    return path, file.stat().st_mtime_ns if file.exists() else 0


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Ends of the colour bar: the 1st and 99th percentile, so that one cell does not dim all."""
    fine = values[np.isfinite(values)]
    if not len(fine):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(fine, (1, 99)))
    if high <= low:
        low, high = float(fine.min()), float(fine.max())
    return (low, high) if high > low else (low, low + 1.0)


_LOCK = threading.Lock()
_GENES: OrderedDict[tuple[str, int, str, str], Colouring] = OrderedDict()
