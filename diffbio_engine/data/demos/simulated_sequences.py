"""Simulated DNA whose class is a planted motif: anywhere on either strand, or at a fixed place."""

import numpy as np

_LETTERS = "ACGT"
# Letters that a position may have, by the names of IUPAC; the consensus as textbooks give it.
_EITHER = {"N": "ACGT", "W": "AT", "R": "AG", "S": "CG", "Y": "CT", "K": "GT", "M": "AC"}
# Class: its motif, and how far from the end it stands; None for anywhere and on either strand.
_CLASSES: dict[str, tuple[str, int | None]] = {
    "E-box": ("SNCACGTGNS", None),
    "GATA": ("WGATAAGR", None),
    "TATA": ("TATAWAWR", 30),
    "other": ("", None),
}
_KEPT = 0.94  # how likely a letter of a motif is not changed


def simulate_sequences(seed: int = 0, n_sequences: int = 480, unknown: float = 0.3) -> str:
    """FASTA of sequences of 64 to 96 letters, a motif planted in each but those of class "other".

    Background: a first-order Markov chain whose step from C to G is rare, as in vertebrates. E-box
    and GATA motifs stand anywhere, on either strand; a TATA box stands 30 letters before the end,
    and three in four of the class "other" have one elsewhere, so that the place tells, not the
    motif. Letters of a motif change with a chance of 6 in 100; 1 letter in 500 is N.

    Headers: ``label=`` the class, or "unknown" for a share of them; ``true_class=`` the class.
    """
    random = np.random.Generator(np.random.Philox(seed))
    names = list(_CLASSES)
    step = np.array(
        [[0.33, 0.17, 0.28, 0.22], [0.35, 0.26, 0.07, 0.32], [0.28, 0.2, 0.26, 0.26],
         [0.21, 0.2, 0.26, 0.33]]
    ).cumsum(axis=1)  # fmt: skip
    lines = []
    for i in range(n_sequences):
        name = names[i % len(names)]
        length = int(random.integers(64, 97))
        drawn = random.random(length)
        codes = np.zeros(length, int)
        codes[0] = int(4 * drawn[0])
        for at in range(1, length):
            codes[at] = min(int((drawn[at] > step[codes[at - 1]]).sum()), 3)
        motif, from_end = _CLASSES[name]
        if name == "other" and random.random() < 0.75:
            motif, from_end = _CLASSES["TATA"][0], int(random.integers(38, length - 8))
        if motif:
            _plant(codes, motif, from_end, random)
        text = "".join("N" if u < 0.002 else _LETTERS[c] for c, u in zip(codes, drawn, strict=True))
        label = "unknown" if random.random() < unknown else name
        lines += [f">sequence_{i + 1} label={label} true_class={name}", text]
    return "\n".join(lines) + "\n"


def _plant(
    codes: np.ndarray, motif: str, from_end: int | None, random: np.random.Generator
) -> None:
    """Writes a motif into a sequence."""
    letters = np.array([_LETTERS.index(str(random.choice(list(_EITHER.get(c, c))))) for c in motif])
    changed = random.random(len(motif)) > _KEPT
    letters[changed] = random.integers(0, 4, changed.sum())
    if from_end is None:
        from_end = int(random.integers(len(motif), len(codes) + 1))
        if random.random() < 0.5:
            letters = 3 - letters[::-1]
    start = len(codes) - from_end
    codes[start : start + len(motif)] = letters
