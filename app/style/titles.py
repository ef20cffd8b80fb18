"""What blocks, maps, ports, settings and losses are called on the screen."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from diffbio_engine.axes import axis_of, said_of
from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines.spec import Block
from diffbio_engine.ports import DATA_PORTS, Address, Place, Port


def is_summed(place: str) -> bool:
    """Whether a field is summed from the counts: there for every file, shown where it is wired."""
    return Place.parse(place).computed_from == "counts"


def is_estimated(place: str) -> bool:
    """Whether a field is worked out from the cells because the file has none."""
    return Place.parse(place).computed_from == "ambient"


def port_title(port: str) -> str:
    """``"doublets.doublet_scores"`` in words."""
    return (Address.parse(port).port or port).replace("_", " ").capitalize()


def disambiguate(ports: Iterable[str], called: Callable[[str], str] = port_title) -> dict[str, str]:
    """A title for each port or block; where two are called the same, with what sets them apart."""
    titles = {port: called(port) for port in ports}
    often = Counter(titles.values())
    return {
        port: _with(title, _beside(title, port)) if often[title] > 1 else title
        for port, title in titles.items()
    }


def block_titles(blocks: Iterable[Block]) -> dict[str, str]:
    """What each block of a pipeline is called on the canvas."""
    titles = {block.id: find_operator(block.operator).title for block in blocks}
    return disambiguate(titles, lambda block: titles[block])


def _with(title: str, more: str) -> str:
    return f"{title} ({more})" if more else title


def _beside(title: str, port: str) -> str:
    """The name of a block without what the title says: ``umap_harmony`` beside UMAP: harmony."""
    said = title.lower().replace("-", "").split()
    return " ".join(w for w in Address.parse(port).block.split("_") if w.lower() not in said)


def label(name: str) -> str:
    """What a setting is called on the screen."""
    words = name.removeprefix("n_").replace("_", " ")
    return words[:1].upper() + words[1:]


# Read letter by letter, and so written in capitals.
_LETTERS = {
    "kl": "KL",
    "umap": "UMAP",
    "phate": "PHATE",
    "vae": "VAE",
    "nb": "NB",
    "em": "EM",
    "hmm": "HMM",
}


def term_label(name: str) -> str:
    """What a loss term is called on the screen: ``kl_loss`` is "KL"."""
    words = name.removesuffix("_loss").split("_")
    text = " ".join(_LETTERS.get(w, w) for w in words)
    return text[:1].upper() + text[1:]


# Where a field is computed, in the words of its declaration.
_COMPUTED = {o.computed: o.computed_as for p in DATA_PORTS.values() if (o := p.offer)}


def place_title(place: str) -> str:
    """Where a field lies, or in words how it was estimated: ``ambient:mean-of-low-count-cells``."""
    if is_summed(place):
        return "counts summed over all genes"
    if not is_estimated(place):
        return _COMPUTED.get(place) or place
    words = Place.parse(place).recipe.replace("-", " ").replace("low count", "low-count")
    return f"estimated, {words}"


def of_rows(port: Port, rows: str) -> Port:
    """The port in the words of a data set: what its rows are, where it takes records of any kind.

    Args:
        rows: ``"samples"``; empty where there is no data set.
    """
    if not rows or port.record is None or not port.record.general:
        return port
    said = axis_of(rows)
    return replace(port, axes=said_of(said, port.axes), doc=said_of(said, port.doc))
