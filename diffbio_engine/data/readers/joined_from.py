"""Where the cells of a joined h5ad come from: as the file says, believed as far as it fits."""

import json
from typing import Any

import h5py

from diffbio_engine.data.dataset import Dataset

PROVENANCE = "joined_samples"
_MOST_BYTES, _SHOWN, _LONGEST = 4 * 2**20, 12, 80


def say_where_from(dataset: Dataset, told: dict[str, Any]) -> None:
    """Names the samples of a data set that was joined here, with the files that they were.

    Args:
        told: What ``told_of_joining`` found; only a claim.
    """
    samples, column = told.get("samples"), told.get("column")
    if not isinstance(samples, list) or column not in dataset.obs.columns:
        return
    sizes = dataset.obs[column].astype(str).value_counts()
    named = [s for s in samples if isinstance(s, dict) and str(s.get("name")) in sizes.index]
    if len(named) < 2:
        return
    dataset.samples = tuple((str(s["name"])[:_LONGEST], int(sizes[str(s["name"])])) for s in named)
    files = ", ".join(
        f"{str(s['name'])[:_LONGEST]} ({str(s.get('file', ''))[:_LONGEST]}, "
        f"{int(sizes[str(s['name'])]):,} cells)"
        for s in named[:_SHOWN]
    )
    more = f" and {len(named) - _SHOWN:,} more" if len(named) > _SHOWN else ""
    dataset.origin.append(f"Joined from {len(named):,} samples: {files}{more}.")
    said = told.get("said")
    if isinstance(said, list):
        dataset.origin += [str(sentence)[:1_000] for sentence in said[:8]]


def told_of_joining(uns: Any) -> dict[str, Any]:
    """What a file says of how it was joined; empty if it was not.

    Args:
        uns: The group of the file.
    """
    item = uns.get(PROVENANCE) if isinstance(uns, h5py.Group) else None
    if not isinstance(item, h5py.Dataset) or item.shape != () or item.dtype.kind != "O":
        return {}
    try:
        text = item.asstr()[()]
        found = json.loads(text) if len(text) <= _MOST_BYTES else {}
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
