"""Whether what the shown run has learned can be applied to a data set, in words."""

import logging
from pathlib import Path
from typing import Any

from app.files.readers import opened
from app.session.session import DatasetCard, Session
from diffbio_engine.bundles import fields_of_bundle, genes_of_bundle
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.errors import UserError

_LOG = logging.getLogger("diffbio.app")


def trained_pipeline(session: Session) -> Path | None:
    """The bundle of the shown run, once there is one."""
    folder = session.run.folder()
    bundle = None if folder is None else folder / "bundle"
    return bundle if bundle is not None and (bundle / "manifest.json").exists() else None


def offer(session: Session, card: DatasetCard) -> dict[str, Any]:
    """What the page says of applying; nothing where the shown run has not learned anything yet.

    ``why`` says why it cannot be. Reads the names of the genes, no counts: not for a callback.
    """
    bundle = trained_pipeline(session)
    if bundle is None:
        return {}
    title = session.run.document or "the pipeline"
    said = {"title": title, "sentence": "", "share": 0.0, "why": ""}
    try:
        kind = kind_named(card.rows)
        if why := kind.unlike(fields_of_bundle(bundle), card.preview):
            return {**said, "why": why}
        names = genes_of_bundle(bundle)
        if not names["names"]:
            return {**said, "share": 1.0}
        place = card.fields.get("counts", "X")
        found = opened(card.source).ask("overlap", place=place, **names)[0]
    except UserError as error:
        return {**said, "why": str(error)}
    except Exception as error:
        _LOG.exception("While looking whether a trained pipeline fits")
        return {**said, "why": str(error)}
    return {
        **said,
        "sentence": str(found["sentence"]),
        "share": float(found["share"]),
        "doubtful": bool(found["doubtful"]),
        "few": float(found["share"]) < LEAST_OVERLAP,  # then a second press is asked for
    }
