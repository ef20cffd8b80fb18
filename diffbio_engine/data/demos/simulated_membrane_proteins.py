"""Simulated membrane proteins, with the state of each residue: inside, helix, outside."""

import numpy as np

_RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
# How often each residue stands inside the cell, in a helix of the membrane and outside, in percent;
# round numbers after the published tables: helices are greasy, loops inside are positive.
_SHARES = {
    "1": (8, 1, 5, 6, 4, 6, 2, 5, 9, 8, 3, 5, 5, 4, 9, 7, 5, 5, 1, 2),
    "H": (11, 2, 1, 1, 9, 8, 1, 11, 1, 16, 4, 2, 2, 1, 1, 5, 5, 13, 3, 3),
    "2": (8, 2, 6, 6, 4, 7, 2, 5, 4, 8, 2, 5, 6, 4, 4, 8, 7, 6, 2, 4),
}


def simulate_membrane_proteins(seed: int = 0, n_proteins: int = 120, unknown: float = 0.4) -> str:
    """FASTA of three lines: name, residues, and the state of each residue.

    A chain begins inside (``1``) or outside (``2``), and crosses the membrane 1 to 7 times by a
    helix (``H``) of 18 to 26 residues; loops have 6 to 40. The composition of residues alone tells
    the states. For a share of the proteins no state is told (``U``).
    """
    random = np.random.Generator(np.random.Philox(seed))
    chance = {state: np.asarray(p, float) / sum(p) for state, p in _SHARES.items()}
    lines = []
    for i in range(n_proteins):
        side = "12"[int(random.integers(2))]
        states = side * int(random.integers(6, 41))
        n_helices = int(random.integers(1, 8))
        for _ in range(n_helices):
            side = "2" if side == "1" else "1"
            states += "H" * int(random.integers(18, 27)) + side * int(random.integers(6, 41))
        residues = "".join(_RESIDUES[random.choice(20, p=chance[s])] for s in states)
        told = "U" * len(states) if random.random() < unknown else states
        lines += [f">protein_{i + 1} helices={n_helices}", residues, told]
    return "\n".join(lines) + "\n"
