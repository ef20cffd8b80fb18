"""Motifs as MEME writes them, which Tomtom, FIMO and Biopython read."""

from pathlib import Path

import numpy as np

from diffbio_engine.data.writers.h5ad import whole_or_nothing
from diffbio_engine.ports.alphabets import Alphabet


def write_motifs(
    motifs: np.ndarray, windows: np.ndarray, alphabet: Alphabet, background: np.ndarray, out: Path
) -> str:
    """Writes the motifs that are of some window; the sentence about it, empty if there are none.

    Args:
        motifs: How frequent each letter is, (motifs, width, letters).
        windows: From how many windows each is.
        background: How frequent each letter is in all sequences.
    """
    kept = np.flatnonzero(windows > 0)
    if not len(kept) or alphabet.unit == "token":
        return ""
    names = list(alphabet.letters)
    lines = ["MEME version 5", "", f"ALPHABET= {''.join(names)}", ""]
    if alphabet.unit == "base":
        lines += ["strands: +", ""]
    lines += [
        "Background letter frequencies (of all sequences)",
        " ".join(f"{x} {p:.4f}" for x, p in zip(names, background, strict=True)),
        "",
    ]
    for i in kept:
        shape = f"alength= {len(names)} w= {motifs.shape[1]} nsites= {int(windows[i])} E= 0"
        rows = [" ".join(f"{p:.6f}" for p in place) for place in motifs[i]]
        lines += [f"MOTIF motif_{i}", f"letter-probability matrix: {shape}", *rows, ""]
    with whole_or_nothing(out) as part:
        part.write_text("\n".join(lines), encoding="ascii", newline="\n")
    return (
        f"{out.name} has {len(kept)} of the {len(motifs)} motifs of the first filters (MEME): those"
        " that some window excites."
    )
