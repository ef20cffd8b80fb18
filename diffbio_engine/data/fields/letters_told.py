"""What a person is told of sequences before they use them: letters, lengths, states, qualities."""

from collections.abc import Sequence

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.fields.letters import frequencies
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.ports.alphabets import DNA, RNA


def told_of_letters(dataset: Dataset, lengths: np.ndarray) -> list[str]:
    """Letters, lengths and qualities in numbers."""
    sequences, alphabet = dataset.ragged["sequences"], dataset.alphabet
    n, flat = int(lengths.sum()), sequences.flat
    shares = frequencies(sequences, len(alphabet))
    unknown = int((flat == len(alphabet)).sum())
    order = range(len(shares)) if len(shares) <= 4 else np.argsort(-shares, kind="stable")[:6]
    shown = ", ".join(f"{alphabet.letters[i]} {shares[i]:.1%}" for i in order)
    most = "" if len(shares) <= 4 else "the most frequent "
    what = "words" if alphabet.unit == "token" else "letters"
    letters = f"{n:,} {what}: {most}{shown}; not told {unknown:,} of {n:,}."
    if alphabet in (DNA, RNA):
        letters += f" GC content {shares[1] + shares[2]:.1%}."
    said = [letters]
    if lengths.min() != lengths.max():
        q = np.percentile(lengths, [5, 25, 50, 75, 95]).astype(int)
        said.append(
            f"Lengths: median {q[2]:,}, half of them {q[1]:,}-{q[3]:,}, 90% {q[0]:,}-{q[4]:,},"
            f" longest {lengths.max():,}."
        )
    if "quality" in dataset.ragged:
        said.append(_of_quality(dataset.ragged["quality"]))
    if "known_states" in dataset.ragged:
        said.append(_of_states(dataset.ragged["known_states"].flat, dataset.states))
    return said


def _of_states(codes: np.ndarray, names: Sequence[str]) -> str:
    n = np.bincount(codes[codes >= 0], minlength=len(names))
    shown = ", ".join(f"{name} ({k:,})" for name, k in zip(names, n, strict=True))
    unknown = len(codes) - int(n.sum())
    return f"States of letters: {shown}; not known (U, ?, - or .) {unknown:,} of {len(codes):,}."


def _of_quality(quality: Ragged) -> str:
    scores = quality.flat[:: max(1, len(quality.flat) // 10_000_000)]
    if not len(scores):
        return "There are no qualities."
    at_least = float((scores >= 30).mean())
    middle = f"median {np.median(scores):.0f}, lowest {scores.min()}, highest {scores.max()}"
    return f"Qualities: {middle}; {at_least:.1%} of the letters have 30 or more."
