"""Snapshots that were written until November 2026, when each had a map and no kinds."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffbio_engine.ports import Kind

_MAP, _SCORE, _LIKELIEST = "map", "score:", "likeliest:"


def snapshot_of_before(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a snapshot of now says of the arrays of one of then: the arguments of ``Snapshot``.

    The main map stood there twice, as ``map`` and by its port; a pipeline that made no map had a
    ``map`` of zeros.

    Raises:
        KeyError: There is no map.
    """
    xy = arrays[_MAP]
    values: dict[str, np.ndarray] = {}
    kinds: dict[str, str] = {}
    for name, array in arrays.items():
        if name.startswith(_LIKELIEST):
            port, kind = name.removeprefix(_LIKELIEST), Kind.SHARES
        elif name.startswith(_SCORE):
            port, kind = name.removeprefix(_SCORE), Kind.SCORE
        elif name != _MAP and array.shape == xy.shape and array.dtype.kind == "f":
            port, kind = name, Kind.COORDINATES if name.endswith("_coords") else Kind.MAP
        else:
            continue
        values[port], kinds[port] = array, kind
    maps = [p for p in sorted(values) if values[p].ndim == 2]
    main = next((p for p in maps if np.array_equal(values[p], xy, equal_nan=True)), "")
    if not main and (maps or xy.any()):
        main, values[_MAP], kinds[_MAP] = _MAP, xy, Kind.MAP
    labels = arrays.get("labels")
    shares = [p for p, kind in kinds.items() if kind == Kind.SHARES]
    classes = ""
    if labels is not None:
        classes = next((p for p in shares if np.array_equal(values[p], labels)), "")
    if labels is not None and not classes:
        classes, values["labels"], kinds["labels"] = "labels", labels, Kind.SHARES
    return {
        "values": values, "kinds": kinds, "main": main, "classes": classes,
        "certainty": arrays.get("certainty"), "rows": arrays.get("cells"),
    }  # fmt: skip
