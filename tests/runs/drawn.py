"""Snapshots for tests, in one line: a map, its clusters, and what else a block says."""

import numpy as np

from diffbio_engine.runs import Snapshot

MAP, CLUSTERS = "umap.embedding", "cluster.cluster_assignments"


def drawn(step, xy, labels=None, certainty=None, **more):
    """A snapshot with the map ``umap.embedding`` and clusters where there are labels.

    Args:
        more: ``"score:order.pseudotime"``, ``"time:..."``, ``"shares:types.shares"`` (likeliest
            classes), ``"coordinates:..."``, or a further map by its port.
    """
    values, kinds = {MAP: np.asarray(xy, np.float32)}, {MAP: "map"}
    if labels is not None:
        values[CLUSTERS], kinds[CLUSTERS] = labels, "shares"
    for name, array in more.items():
        kind, _, port = name.rpartition(":")
        values[port], kinds[port] = array, kind or "map"
    return Snapshot(step, values, kinds, MAP, CLUSTERS if labels is not None else "", certainty)
