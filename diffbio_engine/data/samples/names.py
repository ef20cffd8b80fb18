"""Names of samples, proposed from the names of their files and folders."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from diffbio_engine.data.readers.folders import own_words
from diffbio_engine.data.readers.samples_apart import sample_word

_END_OF_WORD = re.compile(r"[-_. /]+")
# GEO's and SRA's numbers stand before the name that people know a sample by.
_NUMBER = re.compile(r"^(GSM|SRR|ERR|SRX|SAMN)\d+$", re.IGNORECASE)
_LONGEST = 60


def proposed_names(paths: Sequence[str]) -> list[str]:
    """One for each path, none twice: without what all begin or end with, word by word.

    ``["run1/ctrl/outs/filtered_feature_bc_matrix.h5", "run1/stim/outs/..."]`` gives ``["ctrl",
    "stim"]``; ``["GSM1_ctrl_rep1.h5", "GSM2_stim_rep1.h5"]`` gives ``["ctrl", "stim"]``. A name
    that would be empty keeps the words that told it apart; where nothing tells, it is "sample".

    Args:
        paths: Files or folders as a person knows them, with ``/``.
    """
    words = [_words(path) for path in paths]
    kept = _apart(words)
    named = [w[1:] if len(w) > 1 and _NUMBER.match(w[0]) else w for w in kept]
    if len({tuple(w) for w in named}) == len({tuple(w) for w in kept}):
        kept = _apart(named)
    names = ["_".join(w)[:_LONGEST] or "sample" for w in kept]
    return made_different(names)


def made_different(names: Sequence[str]) -> list[str]:
    """The second of a name gets _2, the third _3."""
    if len(set(names)) == len(names):
        return list(names)
    seen: set[str] = set()
    out = []
    for name in names:
        free, n = name, 2
        while free in seen:
            free, n = f"{name}_{n}", n + 1
        seen.add(free)
        out.append(free)
    return out


def _words(path: str) -> list[str]:
    parts = PurePosixPath(path).parts
    word = sample_word(parts[-1]) if parts else ""
    # The folders say it where the file is called as the program calls it.
    said = word or "/".join(own_words(parts[:-1]))
    return [w for w in _END_OF_WORD.split(said) if w]


def _apart(words: list[list[str]]) -> list[list[str]]:
    """Without the first and the last words that all share; each keeps one at least."""
    if len(words) < 2:
        return words
    first = _n_alike(words)
    last = _n_alike([w[first:][::-1] for w in words])
    kept = [w[first : len(w) - last] for w in words]
    if all(kept):
        return kept
    # One of them is what all begin with ("ctrl" beside "ctrl_2"): it keeps its last word.
    first = max(first - 1, 0)
    return [w[first : len(w) - last] or w[first:] for w in words]


def _n_alike(words: list[list[str]]) -> int:
    shortest = min(map(len, words))
    return next((i for i in range(shortest) if len({w[i] for w in words}) > 1), shortest)
