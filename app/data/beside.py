"""Whether a file can be a second data set of the pipeline, in words."""

import logging
from typing import Any

from app.files.readers import opened
from app.session.session import DatasetCard, Session
from diffbio_engine.errors import UserError
from diffbio_engine.ports import DATA, DATA_BLOCKS, offered_beside, start_of

_LOG = logging.getLogger("diffbio.app")


def places_beside(session: Session) -> list[dict[str, Any]]:
    """The other data blocks of the pipeline; that of which the panel was opened is the first."""
    document = session.document
    return [
        {
            "id": block,
            "title": DATA_BLOCKS[block].title.lower(),
            "first": block == document.selected_block,
            "sentence": "",
            "why": "",
        }
        for block in document.spec.data_blocks
        if block != DATA
    ]


def offer_beside(session: Session, card: DatasetCard) -> list[dict[str, Any]]:
    """The same with what a file would tell, or ``why`` it cannot be one.

    Asks both files for the names of their genes: not for a callback.
    """
    return [{**block, **_told(session, card, block["id"])} for block in places_beside(session)]


def _told(session: Session, card: DatasetCard, block: str) -> dict[str, str]:
    data, offered = session.data.card, offered_beside(block, card.fields)
    if not offered:
        takes = " and ".join(DATA_BLOCKS[block].takes)
        return {"why": f"Say above where its {takes} lie: a {block} needs them."}
    if data is None or data.source == card.source:
        return {}
    try:
        place = data.fields.get("counts", "X")
        genes = opened(data.source).ask("genes", place=place)[0]
        port, fields = start_of(next(iter(offered))).port, dict(card.fields)
        found = opened(card.source).ask("beside", port=port, fields=fields, **genes)[0]
    except UserError as error:
        return {"why": str(error)}
    except Exception as error:
        _LOG.exception("While looking whether a file can stand beside the data")
        return {"why": str(error)}
    n = len(found["names"])
    return {"sentence": " ".join([f"{n:,} types.", *map(str, found["notes"])])}
