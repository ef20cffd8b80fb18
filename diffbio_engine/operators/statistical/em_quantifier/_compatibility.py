"""Which transcripts a fragment can come from: classes with memberships, or a dense table."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# A logarithm of what cannot be; not infinite, so that its gradients are numbers.
_IMPOSSIBLE = -1e30


class Compatibility(NamedTuple):
    """Fragments in classes of those that fit the same transcripts.

    Attributes:
        weights: Probability of a fragment given its transcript, (memberships,); of a dense table
            (fragments, transcripts).
        counts: Fragments of each class, (classes,).
        classes, transcripts: Of each membership; None of a dense table.
    """

    weights: jax.Array
    counts: jax.Array
    classes: jax.Array | None = None
    transcripts: jax.Array | None = None

    @classmethod
    def of_classes(
        cls, starts: jax.Array, transcripts: jax.Array, weights: jax.Array, counts: jax.Array
    ) -> "Compatibility":
        """From compressed sparse rows: where each class begins among the memberships."""
        begins = jnp.zeros(weights.shape[0], jnp.int32).at[starts].add(1)
        return cls(weights, counts, jnp.cumsum(begins) - 1, transcripts)

    @classmethod
    def of_table(cls, table: jax.Array, effective_lengths: jax.Array) -> "Compatibility":
        """From a dense table of fragments and transcripts, whose lengths are still to come."""
        weights = table / jnp.maximum(effective_lengths, jnp.finfo(table.dtype).tiny)
        return cls(weights, jnp.ones(table.shape[0], table.dtype))

    def of_members(self, of_transcripts: jax.Array) -> jax.Array:
        """A number of each transcript, for each membership."""
        return (
            of_transcripts[None] if self.transcripts is None else of_transcripts[self.transcripts]
        )

    def of_own_class(self, of_classes: jax.Array) -> jax.Array:
        """A number of each class, for each membership."""
        return of_classes[:, None] if self.classes is None else of_classes[self.classes]

    def by_class(self, members: jax.Array) -> jax.Array:
        """Added up over the members of each class."""
        if self.classes is None:
            return jnp.sum(members, axis=1)
        return jax.ops.segment_sum(
            members, self.classes, self.counts.shape[0], indices_are_sorted=True
        )

    def by_transcript(self, members: jax.Array, n: int) -> jax.Array:
        """Added up over the classes of each of the ``n`` transcripts."""
        if self.transcripts is None:
            return jnp.sum(members, axis=0)
        return jax.ops.segment_sum(members, self.transcripts, n)

    @property
    def fitting(self) -> jax.Array:
        """How many fragments fit any transcript."""
        return jnp.sum(self.counts * (self.by_class(self.weights) > 0))

    def _most(self, members: jax.Array) -> jax.Array:
        if self.classes is None:
            return jnp.max(members, axis=1)
        return jax.ops.segment_max(
            members, self.classes, self.counts.shape[0], indices_are_sorted=True
        )

    def shares(self, log_levels: jax.Array, temperature: jax.Array) -> jax.Array:
        """How the fragments of each class are shared among its transcripts: the E-step.

        A softmax over the members of a class of ``(log weight + log level) / temperature``; zeros
        in a class that no transcript can have made.
        """
        fits = self.weights > 0
        logs = jnp.where(fits, jnp.log(jnp.where(fits, self.weights, 1.0)), _IMPOSSIBLE)
        scores = (logs + self.of_members(log_levels)) / temperature
        highest = jax.lax.stop_gradient(self._most(scores))
        parts = jnp.exp(scores - self.of_own_class(highest)) * fits
        total = self.by_class(parts)
        return parts / self.of_own_class(jnp.where(total > 0, total, 1.0))

    def assigned(self, log_levels: jax.Array, temperature: jax.Array) -> jax.Array:
        """Expected fragments of each transcript, given how common each is: E-step and M-step."""
        shares = self.shares(log_levels, temperature)
        return self.by_transcript(shares * self.of_own_class(self.counts), len(log_levels))

    def log_likelihood(self, abundances: jax.Array) -> jax.Array:
        """``sum over fragments of log sum_t weight_t abundance_t``, of those that fit anything."""
        seen = self.by_class(self.weights * self.of_members(abundances))
        return jnp.sum(self.counts * jnp.log(jnp.where(seen > 0, seen, 1.0)))

    def log_likelihood_each(self, counts: jax.Array) -> jax.Array:
        """The same of expected counts, for each fragment."""
        n = jnp.maximum(jnp.sum(counts), 1.0)
        return self.log_likelihood(counts / n) / n
