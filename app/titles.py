"""What blocks, maps and ports are called where several would be called the same."""

from collections import Counter
from collections.abc import Callable, Iterable

from app.cell_colours import port_title


def told_apart(ports: Iterable[str], called: Callable[[str], str] = port_title) -> dict[str, str]:
    """A title for each port or block; where two are called the same, with what sets them apart."""
    titles = {port: called(port) for port in ports}
    often = Counter(titles.values())
    return {
        port: _with(title, _beside(title, port)) if often[title] > 1 else title
        for port, title in titles.items()
    }


def _with(title: str, more: str) -> str:
    return f"{title} ({more})" if more else title


def _beside(title: str, port: str) -> str:
    """The name of a block without what the title says: ``umap_harmony`` beside UMAP: harmony."""
    said = title.lower().replace("-", "").split()
    return " ".join(w for w in port.split(".")[0].split("_") if w.lower() not in said)
