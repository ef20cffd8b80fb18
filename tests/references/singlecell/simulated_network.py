"""A regulatory network that is known, and counts of cells that follow it (NumPy only).

Transcription factors act on each other without a circle and on genes, all on the logarithm of the
rate; each gene has one to four regulators, of which a third repress. Cell states move the factors
that have no regulator. Cells differ in depth and counts are Poisson: most genes are seen once or
not at all in a cell.
"""

import numpy as np

N_TFS, N_GENES, N_CELLS, N_STATES = 50, 500, 2000, 6


def simulated_network(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts (cells, genes), of which the first 50 are the factors, and the true signed edges."""
    random = np.random.default_rng(seed)
    edges = np.zeros((N_TFS, N_GENES))
    for gene in range(N_GENES):
        before = min(gene, N_TFS)
        least = 0 if gene < N_TFS else 1
        n = min(int(random.integers(least, 3 if gene < N_TFS else 5)), before)
        by = random.permutation(before)[:n]
        sign = np.where(random.uniform(size=n) < 1 / 3, -1.0, 1.0)
        edges[by, gene] = sign * random.uniform(0.3, 0.9, size=n)
    state = random.integers(0, N_STATES, size=N_CELLS)
    shift = random.normal(scale=0.5, size=(N_STATES, N_TFS))
    level = np.zeros((N_CELLS, N_GENES))
    for gene in range(N_GENES):
        own = random.normal(scale=0.7 if gene < N_TFS else 0.4, size=N_CELLS)
        if gene < N_TFS and not edges[:, gene].any():
            own = own + shift[state, gene]
        level[:, gene] = level[:, :N_TFS] @ edges[:, gene] + own
    base = random.normal(loc=-0.8, scale=1.0, size=N_GENES)
    base[:N_TFS] += 0.5
    depth = random.normal(scale=0.3, size=(N_CELLS, 1))
    rate = np.exp(np.clip(base + level + depth, -8, 6))
    return random.poisson(rate).astype(np.float32), edges


def average_precision(strength: np.ndarray, edges: np.ndarray) -> float:
    """Area under precision and recall of edges ranked by strength; self-edges do not count."""
    asked = np.ones(edges.shape, bool)
    asked[np.arange(len(edges)), np.arange(len(edges))] = False
    order = np.argsort(-np.abs(strength[asked]), kind="stable")
    true = (edges[asked] != 0)[order]
    return float((np.cumsum(true) / np.arange(1, len(true) + 1))[true].mean())
