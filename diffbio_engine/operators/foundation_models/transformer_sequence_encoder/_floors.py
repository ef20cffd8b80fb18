"""How well letters are predicted by counting: what a model of masked letters has to be better than.

``alone``: as frequent as they are. ``beside``: as frequent as they are beside the same letters, the
best of one to five letters before (a Markov chain) and of one to three on both sides. Counted on
every other sequence, judged on the rest: -log p in nats a letter, with one added to each count.
"""

import numpy as np

from diffbio_engine.declare import Kind, Port
from diffbio_engine.ports.alphabets import PAST_THE_END

_CONTEXTS = (*((k, 0) for k in range(1, 6)), *((k, k) for k in range(1, 4)))
_MOST_CONTEXTS = 20_000  # of a protein, two letters are 400, four 160,000

FLOORS = (
    Port(
        "entropy_alone",
        "",
        Kind.PARAMETER,
        "Nats a letter, if letters are predicted by how frequent they are: there mlm begins.",
        optional=True,
    ),
    Port(
        "entropy_beside",
        "",
        Kind.PARAMETER,
        "Nats a letter, by counting which stand beside which (up to five before, or three on"
        " both sides): mlm below this has learned more than neighbours tell.",
        optional=True,
    ),
)


def letter_floors(sequences: np.ndarray, n_letters: int) -> tuple[float, float]:
    """``alone`` and ``beside`` of codes (N, L); log A where there is nothing to be counted."""
    codes = np.asarray(sequences)
    codes = np.where((codes < 0) | (codes >= n_letters), PAST_THE_END, codes).astype(np.int64)
    alone = _judged(codes, n_letters, 0, 0)
    beside = [
        _judged(codes, n_letters, before, after)
        for before, after in _CONTEXTS
        if n_letters ** (before + after) <= _MOST_CONTEXTS
    ]
    return alone, min([alone, *beside])


def _judged(codes: np.ndarray, n_letters: int, before: int, after: int) -> float:
    width = before + 1 + after
    if codes.shape[1] < width:
        return float(np.log(n_letters))
    windows = np.lib.stride_tricks.sliding_window_view(codes, width, axis=1)
    order = [i for i in range(width) if i != before]
    context = np.zeros(windows.shape[:2], np.int64)
    for i in order:
        context = context * n_letters + np.minimum(windows[..., i], n_letters - 1)
    told = (windows < n_letters).all(axis=-1)
    letter = windows[..., before]
    counts = np.ones((n_letters ** (width - 1), n_letters))
    known = told.copy()
    known[1::2] = False
    np.add.at(counts, (context[known], letter[known]), 1.0)
    told[::2] = False
    if not told.any():
        return float(np.log(n_letters))
    share = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log(share[context[told], letter[told]]).mean())
