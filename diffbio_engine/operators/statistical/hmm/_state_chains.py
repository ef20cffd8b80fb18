"""States that last: each is a chain of steps that share what they emit."""

from collections.abc import Sequence

import numpy as np


class StateChains:
    """Which steps belong to which state, and which steps may follow each other.

    A state of length 1 is one step that may follow itself. One of length ``n`` is a chain of ``n``
    steps, each entered at the first and left from the last, so that it lasts at least ``n``
    positions; each step may follow itself.

    Args:
        lengths: Of each state; its least number of positions.
    """

    def __init__(self, lengths: Sequence[int]):
        self.lengths = tuple(lengths)
        self.state_of_step = np.repeat(np.arange(len(lengths)), lengths)
        ends = np.cumsum(lengths)
        self.first = ends - np.asarray(lengths)
        self.last = ends - 1
        n = int(ends[-1])
        allowed = np.eye(n, dtype=bool)
        for first, last in zip(self.first, self.last, strict=True):
            allowed[np.arange(first, last), np.arange(first, last) + 1] = True
            allowed[last, self.first] = True
        self.allowed = allowed

    @property
    def n_steps(self) -> int:
        return len(self.state_of_step)

    def steps_of_labels(self, labels: np.ndarray) -> np.ndarray:
        """The step of each position where states are known, -1 where they are not.

        A stretch of a state spends its first positions in the chain and the rest in its last step;
        one that is shorter than the chain, or that is cut by an unknown stretch or by an end,
        is known to be in the state and its steps are not: they are -1.
        """
        labels = np.asarray(labels)
        steps = np.full(labels.shape, -1)
        for row, own in zip(steps, labels, strict=True):
            edges = np.flatnonzero(np.diff(own)) + 1
            for start, stop in zip([0, *edges], [*edges, len(own)], strict=True):
                state = own[start]
                if state < 0 or stop - start < self.lengths[state]:
                    continue
                row[start:stop] = self.first[state] + np.minimum(
                    np.arange(stop - start), self.lengths[state] - 1
                )
        return steps
