"""States of a hidden Markov model before it learns: groups of what is seen, and their steps."""

import numpy as np
from sklearn.cluster import KMeans

_MOST = 50_000


def in_groups(points: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The group of each point (points, features), and the centres, by k-means of 50,000 of them.

    None where there are fewer different points than groups: nothing tells states apart.
    """
    some = points[np.random.default_rng(seed).permutation(len(points))[:_MOST]]
    if len(np.unique(some, axis=0)) < n:
        return None
    groups = KMeans(n, n_init=4, random_state=seed).fit(some)
    return groups.predict(points), groups.cluster_centers_


def counted_steps(states: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """How often rows of states begin with each (n,), and go from one to another (n, n)."""
    begins, steps = np.zeros(n), np.zeros((n, n))
    np.add.at(begins, states[:, 0][states[:, 0] >= 0], 1.0)
    before, after = states[:, :-1], states[:, 1:]
    both = (before >= 0) & (after >= 0)
    np.add.at(steps, (before[both], after[both]), 1.0)
    return begins, steps
