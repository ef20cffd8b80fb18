"""A simulated track of ChIP-seq: fragments along a chromosome, more of them in peaks."""

import numpy as np


def simulate_track(seed: int = 0, n_bins: int = 6_000, bases: int = 200, peaks: int = 60) -> str:
    """BedGraph of the coverage of bins of 200 bases.

    Counts are Poisson with a rate of 0.5 in the background, 3 in broad domains of 20 to 80 bins and
    15 in peaks of 3 to 12 bins, which lie anywhere.
    """
    random = np.random.Generator(np.random.Philox(seed))
    rate = np.full(n_bins, 0.5)
    for level, low, high, n in ((3.0, 20, 80, peaks // 3), (15.0, 3, 12, peaks)):
        for start in random.integers(0, n_bins - high, n):
            rate[start : start + int(random.integers(low, high + 1))] = level
    counts = random.poisson(rate)
    edges = np.flatnonzero(np.diff(counts, append=-1)) + 1
    starts = np.concatenate([[0], edges[:-1]])
    lines = [
        f"chr1\t{bases * a}\t{bases * b}\t{counts[a]}" for a, b in zip(starts, edges, strict=True)
    ]
    return "\n".join(['track type=bedGraph name="simulated"', *lines]) + "\n"
