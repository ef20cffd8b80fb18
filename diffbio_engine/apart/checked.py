"""Answers of readers are looked at before the page believes them: they read a stranger's bytes."""

import logging
from types import NoneType
from typing import Any

from diffbio_engine.apart.reader import AGAIN
from diffbio_engine.errors import DataError

_LOG = logging.getLogger(__name__)
# Rows of which a preview has the columns as they are.
_MOST_IN_A_TABLE = 1_000


def checked_preview(found: dict[str, Any], name: str) -> dict[str, Any]:
    """A preview of the form that the page relies on; its reader read a stranger's bytes."""

    def is_list_of(what: Any, **kinds: type) -> bool:
        return isinstance(what, list) and all(
            isinstance(w, dict) and all(isinstance(w.get(k), kind) for k, kind in kinds.items())
            for w in what
        )

    def is_table(what: Any) -> bool:
        plain = (str, int, float, NoneType)
        return isinstance(what, dict) and all(
            isinstance(column, list)
            and len(column) == found["n_cells"] <= _MOST_IN_A_TABLE
            and all(isinstance(value, plain) for value in column)
            for column in what.values()
        )

    fine = (
        all(isinstance(found.get(k), int) and found[k] >= 0 for k in ("n_cells", "n_genes"))
        and all(isinstance(found.get(k), str) for k in ("kind", "name", "sentence"))
        and all(is_list_of(found.get(k), name=str, n_values=int) for k in ("obs", "var"))
        and is_list_of(found.get("matrices"), place=str, holds=str, sentence=str)
        and isinstance(found.get("suggested"), dict)
        and all(isinstance(v, str) for v in found["suggested"].values())
        and isinstance(found.get("obsm"), dict)
        and all(
            isinstance(found.get(k, []), list) and all(isinstance(w, str) for w in found.get(k, []))
            for k in ("warnings", "origin")
        )
        and is_table(found.get("table", {}))
    )
    if not fine:
        _LOG.warning("the reader of %s gave a preview of another form", name)
        raise DataError(
            f"{name} could not be read: its reader gave no answer that makes sense.", fix=AGAIN
        )
    return found
