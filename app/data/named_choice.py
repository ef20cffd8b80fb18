"""Genes that a person names, as the data panel asks for them: a list to paste, or a pattern."""

from typing import Any

from app.files.readers import opened
from app.session.dataset_card import DatasetCard
from diffbio_engine.data.genes.named_genes import NAMED, named_genes
from diffbio_engine.errors import UserError
from diffbio_engine.ports import Offer, Place, Port

_SPIKE_INS = "ERCC-*"
# Of each list that was looked for in the file: what was found, or what is wrong.
_FOUND, _WRONG = "named", "named_wrong"


def named_choice(card: DatasetCard, port: Port, said: Offer) -> list[dict[str, Any]]:
    """The list as it is, how much of it is there, and what else can be chosen."""
    place, told = card.fields.get(port.name, ""), card.preview.get(_FOUND, {})
    numbers = [c["name"] for c in card.preview.get("var", ()) if c["kind"] == "number"]
    options = [
        {"place": NAMED + _SPIKE_INS, "title": f"spike-ins ({_SPIKE_INS})"},
        *({"place": Place("var", n), "title": f"{n} (column of genes)"} for n in numbers),
    ]
    return [
        {
            "port": port.name,
            "title": said.title,
            "help": told.get(place) or said.help,
            "wrong": card.preview.get(_WRONG, {}).get(place, ""),
            "place": place,
            "text": place.removeprefix(NAMED),
            "begins": NAMED,
            "example": "ERCC-*, ACTB, GAPDH",
            "options": options,
        }
    ]


def found_of(card: DatasetCard, place: str) -> dict[str, Any]:
    """How many of a list the file has, for the preview of its card; asks the file's reader."""
    known, wrong = (dict(card.preview.get(key, {})) for key in (_FOUND, _WRONG))
    try:
        told = opened(card.source).ask("genes", place=card.fields.get("counts", "X"))[0]
        known[place] = named_genes(place, told["names"], told["ids"] or None).said
    except UserError as error:
        wrong[place] = f"{error.what} {error.fix}"
    return {_FOUND: known, _WRONG: wrong}
