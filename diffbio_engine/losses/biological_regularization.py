"""Losses of sequences and alignments that no organism has: composition, gaps, repeats.

Sequences are rows of DNA letters, A C G T (positions, 4), or several of them (sequences,
positions, 4), as a generator of sequences makes them; a row of zeros is past the end. Goals and
tolerances are dials, never trained: an optimiser cannot move what it is held to. They are called,
and are no blocks: no block of the palette hands on such rows yet.
"""

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops
from diffbio_engine.declare import Config, Kind, Loss, Port, dial, setting

_SEQUENCE = Port("sequence", "sequences positions letters", Kind.SHARES, "Letters A, C, G, T.")
_ALIGNMENT = Port(
    "alignment", "sequences positions places", Kind.PARAMETER, "How much i is with j."
)


class GCContentRegularizationConfig(Config):
    """Settings of the loss of an unusual share of G and C."""

    target_gc: float = dial(0.5, low=0.0, high=1.0, doc="Share of G and C that is asked for.")
    tolerance: float = dial(0.2, low=0.0, high=0.5, doc="What it may differ without a cost.")


class GCContentRegularization(Loss):
    """Asks for a usual share of G and C.

    ``relu(|gc - target_gc| - tolerance)^2`` of each sequence, mean over sequences, where ``gc`` is
    the probability of G or C at a told position.

    Softens: the share of letters; letters may be probabilities.
    Hard limit: with one-hot letters the GC content. Within the tolerance it is exactly 0.
    Gradients: reach the letters; none within the tolerance, and no jump at its edge.
    Cost: O(letters).
    """

    Config = GCContentRegularizationConfig
    inputs = (_SEQUENCE,)

    def __call__(self, sequence: jax.Array) -> jax.Array:
        return _unusual_gc(sequence, self.dial("target_gc"), self.dial("tolerance"))


class GapPatternRegularizationConfig(Config):
    """Settings of the loss of long gaps."""

    max_gap_length: float = dial(
        10.0, low=1.0, high=1000.0, log=True, unit="positions", doc="Longest gap without a cost."
    )


class GapPatternRegularization(Loss):
    """Asks for alignments without long gaps, and without steps back.

    ``e_i = sum_j j A_ij / sum_j A_ij`` is where letter i is aligned to, and
    ``g_i = e_(i+1) - e_i - 1`` how many letters lie between neighbours: a gap, or where it is below
    0 a step back. ``sum_i w_i relu(|g_i| / max_gap_length - 1)^2 / sum_i w_i`` with
    ``w_i = a_i a_(i+1)``, how much both are aligned (at most 1 each); the mean of this along both
    sequences, and over pairs. Gaps at the ends are free.

    Softens: the length of a gap, by the mean of where a letter is aligned to.
    Hard limit: with alignments of 0 and 1, the squared excess of each gap over the longest allowed,
    as a multiple of it. Short gaps cost exactly 0.
    Gradients: reach the alignment.
    Cost: O(L1 L2).
    """

    Config = GapPatternRegularizationConfig
    inputs = (_ALIGNMENT,)

    def __call__(self, alignment: jax.Array) -> jax.Array:
        aligned = jnp.asarray(alignment, float)
        both = self._excess(aligned) + self._excess(jnp.swapaxes(aligned, -1, -2))
        return jnp.mean(0.5 * both)

    def _excess(self, aligned: jax.Array) -> jax.Array:
        mass = jnp.sum(aligned, axis=-1)
        places = jnp.arange(aligned.shape[-1], dtype=aligned.dtype)
        where = soft_ops.div(aligned @ places, mass)
        gaps = jnp.abs(where[..., 1:] - where[..., :-1] - 1.0)
        weight = jnp.minimum(mass[..., 1:], 1.0) * jnp.minimum(mass[..., :-1], 1.0)
        excess = jnp.maximum(gaps / self.dial("max_gap_length") - 1.0, 0.0) ** 2
        return soft_ops.div(jnp.sum(weight * excess, -1), jnp.sum(weight, -1))


class SequenceComplexityLossConfig(Config):
    """Settings of the loss of low complexity."""

    min_entropy: float = dial(
        1.0, low=0.0, high=2.0, unit="bits", doc="Least entropy of the letters of a window."
    )
    window: int = setting(
        12, low=2, high=1000, unit="letters", doc="How many letters are looked at together."
    )


class SequenceComplexityLoss(Loss):
    """Asks for sequences without stretches of one letter or two.

    ``relu(min_entropy - H_w)^2``, mean over all windows of ``window`` letters and then over
    sequences, where ``H_w = -sum_a c_a log2 c_a`` is the entropy of what a window is composed of:
    0 of a stretch of one letter, 1 of two letters, 2 of all four alike. A certain sequence is not
    punished for being certain. A sequence shorter than a window is one window.

    Softens: the composition of a window; letters may be probabilities.
    Hard limit: with one-hot letters the complexity of SEG. Windows above the least cost exactly 0.
    Gradients: reach the letters, also those of a stretch of one letter.
    Cost: O(letters).

    References:
        Wootton and Federhen (1993), Statistics of local complexity in amino acid sequences and
        sequence databases (SEG), Computers and Chemistry 17.
    """

    Config = SequenceComplexityLossConfig
    inputs = (_SEQUENCE,)

    def __call__(self, sequence: jax.Array) -> jax.Array:
        rows = jnp.asarray(sequence, float)
        told = jnp.any(rows != 0, axis=-1).astype(rows.dtype)
        size = min(self.config.window, rows.shape[-2])
        sums = _windows(rows, size)
        letters = jnp.sum(sums, axis=-1, keepdims=True)
        shares = soft_ops.div(sums, letters)
        entropy = -jnp.sum(shares * jnp.log(jnp.maximum(shares, 1e-6)), -1) / jnp.log(2.0)
        # A window that reaches past the end counts only where the sequence is no longer.
        n_told = _windows(told[..., None], size)[..., 0]
        whole = jnp.minimum(jnp.sum(told, -1, keepdims=True), float(size))
        first = jnp.arange(n_told.shape[-1]) == 0
        counts = (n_told >= whole - 0.5) & (first | (n_told >= size - 0.5)) & (n_told > 0.5)
        lacking = jnp.maximum(self.dial("min_entropy") - entropy, 0.0) ** 2
        weight = counts.astype(rows.dtype)
        return jnp.mean(soft_ops.div(jnp.sum(weight * lacking, -1), jnp.sum(weight, -1)))


class BiologicalRegularizationConfig(Config):
    """Settings of the loss of implausible sequences: a weight for each of three, and the goal."""

    gc_content_weight: float = dial(1.0, low=0.0, high=100.0, doc="Weight of the GC content.")
    gap_pattern_weight: float = dial(1.0, low=0.0, high=100.0, doc="Weight of long gaps.")
    complexity_weight: float = dial(1.0, low=0.0, high=100.0, doc="Weight of low complexity.")
    target_gc_content: float = dial(0.5, low=0.0, high=1.0, doc="Share of G and C asked for.")
    target_gc_tolerance: float = dial(0.2, low=0.0, high=0.5, doc="What it may differ by.")


class BiologicalPlausibilityLoss(Loss):
    """Asks for sequences as organisms have them: usual GC content, short gaps, no repeats.

    ``gc_content_weight GC + complexity_weight complexity + gap_pattern_weight gaps``: the sum of
    `GCContentRegularization`, `SequenceComplexityLoss` and, where an alignment is given,
    `GapPatternRegularization`, with their defaults elsewhere.

    Softens: what its three terms soften.
    Hard limit: 0 for what is within all limits.
    Gradients: reach letters and alignment.
    Cost: that of its terms.
    """

    Config = BiologicalRegularizationConfig
    inputs = (
        _SEQUENCE,
        Port(
            "alignment_weights",
            "sequences positions places",
            Kind.PARAMETER,
            "How much i is with j; without it, no gaps are looked at.",
            optional=True,
        ),
    )

    def __call__(
        self, sequence: jax.Array, alignment_weights: jax.Array | None = None
    ) -> jax.Array:
        goal = self.dial("target_gc_content"), self.dial("target_gc_tolerance")
        loss = self.dial("gc_content_weight") * _unusual_gc(sequence, *goal)
        loss = loss + self.dial("complexity_weight") * SequenceComplexityLoss()(sequence)
        if alignment_weights is not None:
            gaps = GapPatternRegularization()(alignment_weights)
            loss = loss + self.dial("gap_pattern_weight") * gaps
        return loss


def _unusual_gc(sequence: jax.Array, target: jax.Array, tolerance: jax.Array) -> jax.Array:
    rows = jnp.asarray(sequence, float)
    gc = soft_ops.div(jnp.sum(rows[..., 1:3], (-2, -1)), jnp.sum(rows, (-2, -1)))
    apart = jnp.abs(gc - target) - tolerance
    return jnp.mean(jnp.maximum(apart, 0.0) ** 2)


def _windows(rows: jax.Array, size: int) -> jax.Array:
    """Sums over windows of so many positions, (..., positions - size + 1, letters)."""
    shape = (1,) * (rows.ndim - 2) + (size, 1)
    return jax.lax.reduce_window(rows, 0.0, jax.lax.add, shape, (1,) * rows.ndim, "VALID")
