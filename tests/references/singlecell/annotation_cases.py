"""What annotation is compared on: known markers of blood cells, and which labels are known.

Only NumPy: read by the peers' environments, the tests and the benchmark.
"""

import numpy as np

# The well-known markers that are among the 2000 genes of the file (CD3D, CD8A, CCR7 are not).
MARKERS = {
    "Naive CD4 T": ("IL7R", "LTB"),
    "Memory CD4 T": ("IL7R", "LTB", "S100A4"),
    "CD8 T": ("CCL5", "GZMK", "NKG7"),
    "NK": ("NKG7", "GNLY", "GZMB", "CCL5"),
    "B": ("MS4A1", "CD79A"),
    "CD14+ Mono": ("CD14", "LYZ", "CST3", "S100A4"),
    "FCGR3A+ Mono": ("FCGR3A", "MS4A7", "LYZ", "CST3", "S100A4"),
    "DC": ("FCER1A", "CST3", "LYZ"),
    "Platelet": ("PPBP", "PF4"),
}


def known_share(kinds: np.ndarray, seed: int, share: float = 0.05) -> np.ndarray:
    """Which cells' types are known: a share of all, at least one of each type."""
    rng = np.random.default_rng(seed)
    known = rng.random(len(kinds)) < share
    for name in np.unique(kinds):
        known[rng.choice(np.flatnonzero(kinds == name))] = True
    return known


def known_number(kinds: np.ndarray, seed: int, number: int = 50) -> np.ndarray:
    """Which cells' types are known: so many of each type, but not more than half of it."""
    rng = np.random.default_rng(seed)
    known = np.zeros(len(kinds), bool)
    for name in np.unique(kinds):
        rows = np.flatnonzero(kinds == name)
        known[rng.choice(rows, min(number, len(rows) // 2), replace=False)] = True
    return known
