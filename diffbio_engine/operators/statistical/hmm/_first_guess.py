"""What the parameters of a hidden Markov model begin with: counts of known or guessed states."""

from typing import NamedTuple

import numpy as np

from diffbio_engine.operators.statistical._first_states import counted_steps, in_groups
from diffbio_engine.operators.statistical.hmm._state_chains import StateChains

# A window of so many letters says something of composition, and is shorter than most segments.
_WINDOW = 15


class Probabilities(NamedTuple):
    """Of a first step (steps,), of a next step (steps, steps), of letters (states, letters)."""

    initial: np.ndarray
    transition: np.ndarray
    emission: np.ndarray


def guessed_states(codes: np.ndarray, n_states: int, n_letters: int, seed: int) -> np.ndarray:
    """States by composition: windows of 15 letters in as many groups as states, by k-means.

    Groups are ordered by how much of the letters they hold, the commonest first. -1 past the end,
    and everywhere where there are fewer different windows than states.
    """
    there = codes < n_letters
    rows = np.eye(n_letters + 1, dtype=np.float32)[np.minimum(codes, n_letters)][..., :n_letters]
    total = np.cumsum(np.pad(rows, ((0, 0), (1, 0), (0, 0))), axis=1)
    at = np.arange(codes.shape[1])
    low = np.maximum(at - _WINDOW // 2, 0)
    high = np.minimum(at + _WINDOW // 2 + 1, codes.shape[1])
    share = total[:, high] - total[:, low]
    share /= np.maximum(share.sum(axis=-1, keepdims=True), 1.0)
    found = np.full(codes.shape, -1)
    # Square roots: a rare letter that doubles says as much as a common one that does.
    told = in_groups(np.sqrt(share[there]), n_states, seed)
    if told is None:
        return found
    groups, _ = told
    order = np.argsort(-np.bincount(groups, minlength=n_states), kind="stable")
    rank = np.empty(n_states, int)
    rank[order] = np.arange(n_states)
    found[there] = rank[groups]
    return found


def counted(
    codes: np.ndarray, states: np.ndarray, chains: StateChains, n_letters: int
) -> Probabilities:
    """Maximum-likelihood probabilities where states are known, with pseudocounts.

    One pseudocount for each letter of a state, and a hundredth for each step that is allowed.
    """
    known = (states >= 0) & (codes < n_letters)
    emission = np.ones((len(chains.lengths), n_letters))
    np.add.at(emission, (states[known], codes[known]), 1.0)
    initial, counts = counted_steps(chains.steps_of_labels(states), chains.n_steps)
    initial[chains.first] += 1.0
    transition = 0.01 * chains.allowed + counts * chains.allowed
    return Probabilities(
        initial / initial.sum(),
        transition / transition.sum(axis=1, keepdims=True),
        emission / emission.sum(axis=1, keepdims=True),
    )
