"""Losses of alignments: how alike aligned letters are, how far sequences are, who agrees.

Sequences are rows of letters (positions, letters) or several of them (sequences, positions,
letters), as soft ones are; a row of zeros is past the end. They are called, and are no blocks:
no block of the palette hands on such rows or alignments yet.
"""

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops
from diffbio_engine.declare import Config, Kind, Loss, Port, dial, setting

_FIRST = Port("seq1", "sequences positions letters", Kind.SHARES, "Letters of the first sequence.")
_SECOND = Port("seq2", "sequences places letters", Kind.SHARES, "Letters of the second sequence.")
# Of a cell outside the table. Not infinite: gradients would be 0 times infinity.
_NO_WAY = 1e30
type _Diagonals = tuple[jax.Array, jax.Array, jax.Array]


class AlignmentScoreLossConfig(Config):
    """Settings of the loss of unlike letters."""

    gap_weight: float = dial(
        0.0, low=0.0, high=100.0, doc="Weight of the share of letters that are aligned to none."
    )


class AlignmentScoreLoss(Loss):
    """Asks that aligned letters are alike.

    ``1 - sum_ij A_ij S_ij / sum_ij A_ij + gap_weight (1 - 2 sum A / (L1 + L2))``, with the
    probability ``S_ij = sum_a seq1[i, a] seq2[j, a]`` that both letters are the same and lengths
    ``L1`` and ``L2``; mean over pairs of sequences. Without a weight of gaps the best alignment is
    one pair of letters: give one where the alignment is free. Nothing aligned costs 1.

    Softens: the share of identical letters.
    Hard limit: with one-hot letters and an alignment of 0 and 1, one minus the identity.
    Gradients: reach letters and alignment.
    Cost: O(L1 L2 letters).
    """

    Config = AlignmentScoreLossConfig
    inputs = (
        _FIRST,
        _SECOND,
        Port("alignment", "sequences positions places", Kind.PARAMETER, "How much i is with j."),
    )

    def __call__(self, seq1: jax.Array, seq2: jax.Array, alignment: jax.Array) -> jax.Array:
        first, second, aligned = (jnp.asarray(x, float) for x in (seq1, seq2, alignment))
        same = jnp.einsum("...ia,...ja->...ij", first, second)
        total = jnp.sum(aligned, (-2, -1))
        alike = soft_ops.div(jnp.sum(aligned * same, (-2, -1)), total)
        gaps = 1.0 - soft_ops.div(2.0 * total, _length(first) + _length(second))
        return jnp.mean(1.0 - alike + self.dial("gap_weight") * gaps)


class SoftEditDistanceLossConfig(Config):
    """Settings of the soft edit distance."""

    normalize: bool = setting(False, doc="Divide by the longer length: 0 to 1.")
    temperature: float = dial(
        0.1,
        low=1e-3,
        high=10.0,
        log=True,
        unit="edits",
        doc="Low: the cheapest way alone. High: all ways together, which is below the distance.",
    )


class SoftEditDistanceLoss(Loss):
    """How many edits make one sequence of the other, smoothly.

    ``D[i, j] = softmin(D[i-1, j] + 1, D[i, j-1] + 1, D[i-1, j-1] + 1 - S_ij)`` with
    ``softmin(x) = -t log sum exp(-x / t)`` and the probability ``S_ij`` that letters i and j are
    the same; mean over pairs of sequences. The order of letters counts, as it does in an edit
    distance: an anagram is far away.

    Softens: the cheapest of three ways (``min``); many ways of one cost make it smaller, by up to
    ``t log(their number)``.
    Hard limit: as ``temperature`` goes to 0, the Levenshtein distance of one-hot letters.
    Gradients: reach the letters; the gradient by ``S`` is the soft alignment.
    Cost: O(L1 L2) time, ``L1 + L2`` steps one after the other.

    References:
        Levenshtein (1966), Binary codes capable of correcting deletions, insertions and reversals.
        Cuturi and Blondel (2017), Soft-DTW: a differentiable loss function for time-series.
    """

    Config = SoftEditDistanceLossConfig
    inputs = (_FIRST, _SECOND)

    def __call__(self, seq1: jax.Array, seq2: jax.Array) -> jax.Array:
        first, second = (jnp.asarray(x, float) for x in (seq1, seq2))
        if first.ndim == 2:
            first, second = first[None], second[None]
        distances = jax.vmap(self._distance)(first, second)
        if self.config.normalize:
            distances = distances / jnp.maximum(jnp.maximum(_length(first), _length(second)), 1.0)
        return jnp.mean(distances)

    def _distance(self, first: jax.Array, second: jax.Array) -> jax.Array:
        """By anti-diagonals: cells of one stand on the two before it, and not on each other."""
        temperature = self.dial("temperature")
        rows, columns = len(first), len(second)
        changed = 1.0 - first @ second.T
        ends = (_told(first).sum(), _told(second).sum())
        i = jnp.arange(rows + 1)

        def step(carried: _Diagonals, d: jax.Array) -> tuple[_Diagonals, None]:
            before, last, found = carried
            j = d - i
            cost = changed[jnp.maximum(i - 1, 0), jnp.clip(j - 1, 0, columns - 1)]
            up, across = jnp.roll(last, 1) + 1.0, jnp.roll(before, 1) + cost
            ways = jnp.stack([up, last + 1.0, across])
            inside = jnp.stack([i > 0, j > 0, (i > 0) & (j > 0)])
            ways = jnp.where(inside, ways, _NO_WAY)
            cheapest = jnp.min(ways, axis=0)
            least = jax.lax.stop_gradient(jnp.where(cheapest < _NO_WAY / 2, cheapest, 0.0))
            summed = jnp.sum(jnp.exp(-(ways - least) / temperature), axis=0)
            here = least - temperature * jnp.log(jnp.maximum(summed, 1e-30))
            here = jnp.where((j < 0) | (j > columns), _NO_WAY, here)
            # The cell where both sequences end.
            found = jnp.where(d == sum(ends), here[ends[0]], found)
            return (last, here, found), None

        begin = jnp.where(i == 0, 0.0, _NO_WAY)
        nothing = jnp.full(rows + 1, _NO_WAY)
        diagonals = jnp.arange(1, rows + columns + 1)
        (_, _, found), _ = jax.lax.scan(step, (nothing, begin, jnp.zeros(())), diagonals)
        return found


class AlignmentConsistencyLossConfig(Config):
    """Settings of the loss of alignments that disagree: none."""


class AlignmentConsistencyLoss(Loss):
    """Asks three alignments to agree: a with c as a with b and b with c say it.

    ``mean_i (KL(p_i, q_i) + KL(q_i, p_i)) / 2`` over the letters of a, in nats, where ``p_i`` is
    row i of ``ac`` and ``q_i`` row i of ``ab @ bc``. What a row lacks of one is the probability
    that its letter is aligned to none, which is one more outcome; a row of more than one is divided
    by its sum. Probabilities below 1e-8 count as that.

    Softens: whether both say the same letter of c.
    Hard limit: 0 where both say the same; 18.4 nats where they are sure of different letters.
    Gradients: reach all three alignments.
    Cost: O(La Lb Lc).

    References:
        Notredame et al. (2000), T-Coffee (consistency of pairwise alignments).
    """

    Config = AlignmentConsistencyLossConfig
    inputs = (
        Port("ab", "sequences positions places", Kind.PARAMETER, "Alignment of a and b."),
        Port("bc", "sequences places others", Kind.PARAMETER, "Alignment of b and c."),
        Port("ac", "sequences positions others", Kind.PARAMETER, "Alignment of a and c."),
    )

    def __call__(self, ab: jax.Array, bc: jax.Array, ac: jax.Array) -> jax.Array:
        first, second, straight = (_at_most_one(jnp.asarray(x, float)) for x in (ab, bc, ac))
        p, q = _with_none(straight), _with_none(first @ second)
        between = jnp.sum((p - q) * (jnp.log(p) - jnp.log(q)), axis=-1)
        return 0.5 * jnp.mean(between)


def _told(letters: jax.Array) -> jax.Array:
    return jnp.any(letters != 0, axis=-1)


def _length(letters: jax.Array) -> jax.Array:
    return jnp.sum(_told(letters), axis=-1).astype(letters.dtype)


def _at_most_one(alignment: jax.Array) -> jax.Array:
    return alignment / jnp.maximum(jnp.sum(alignment, axis=-1, keepdims=True), 1.0)


def _with_none(rows: jax.Array) -> jax.Array:
    none = 1.0 - jnp.sum(rows, axis=-1, keepdims=True)
    return jnp.maximum(jnp.concatenate([rows, none], axis=-1), 1e-8)
