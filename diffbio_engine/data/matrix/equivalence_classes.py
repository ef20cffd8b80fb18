"""Equivalence classes of fragments in memory."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EquivalenceClasses:
    """Fragments in classes of those that fit the same transcripts, as compressed sparse rows.

    Attributes:
        starts: Where the memberships of each class begin, int32 (classes,).
        transcripts: Of each membership, int32 (memberships,).
        weights: Probability of a fragment given its transcript, 1 / effective length in it.
        counts: Fragments of each class, float32 (classes,).
        effective_lengths: Bases, float32 (transcripts,).
        weighed: Whether the weights stood in the file; else they are 1 / effective length.
    """

    starts: np.ndarray
    transcripts: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    effective_lengths: np.ndarray
    weighed: bool
