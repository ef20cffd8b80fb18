"""Spots of a tissue that was cut into slices."""

import warnings

import numpy as np

from diffbio_engine.errors import DataError


def spots_of_slices(
    labels: np.ndarray, n_slices: int, most: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """At most ``most`` spots of each slice, evenly drawn, as rows of one length.

    Returns:
        Spots (slices, length), the last of a short slice repeated from its first, and their mass
        (slices, length): shares of the slice that add up to one, 0 for the repeated.
    """
    rng = np.random.default_rng(seed)
    taken, said = [], []
    for which in range(n_slices):
        rows = np.flatnonzero(np.asarray(labels) == which)
        if not len(rows):
            raise DataError(
                f"names {n_slices} slices, but no spot is in slice {which}.",
                fix="Leave out slices without spots.",
                where="slice_labels",
            )
        if len(rows) > most:
            said.append(f"{most} of {len(rows)} spots of slice {which}")
            rows = np.sort(rng.choice(rows, most, replace=False))
        taken.append(rows)
    if said:
        warnings.warn(f"Slices are matched by {', '.join(said)}.", stacklevel=3)
    length = max(map(len, taken))
    mass = np.zeros((n_slices, length), np.float32)
    for m, rows in zip(mass, taken, strict=True):
        m[: len(rows)] = 1.0 / len(rows)
    return np.stack([np.resize(rows, length) for rows in taken]), mass
