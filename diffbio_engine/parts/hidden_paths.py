"""Sums and best ones over all paths of a hidden Markov model, in log space, for many sequences."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Of what is forbidden. Minus infinity would make gradients of 0 times infinity.
FORBIDDEN = -1e30
# Steps of a scan are small against what it costs to begin one: so many are compiled as one piece.
_UNROLL = 4
# From so many states on a product of matrices is quicker; it is exact while all that counts lies
# within so many nats of the largest: exp(-80) is just a number in 32 bits.
_FEW_STATES, _NATS = 6, 40.0
# Where few sequences are long, pieces of this length are summed side by side (see `log_path_sum`).
_PIECE = 128
_FEW_ROWS, _MOST_STATES_BY_PIECES = 64, 16


class Scores(NamedTuple):
    """Log scores of a path: where it begins, steps and letters.

    Args:
        initial: (states,), or (sequences, states) where each has its own.
        transition: (states, states), from a row to a column.
        emission: (sequences, positions, states), of what is seen at each position.
        mask: (sequences, positions), True within the sequence. What lies past the end counts for
            nothing; a sequence is not interrupted.
    """

    initial: jax.Array
    transition: jax.Array
    emission: jax.Array
    mask: jax.Array

    def at(self, temperature: jax.Array | float) -> "Scores":
        """All scores divided by a temperature."""

        def divided(part: jax.Array) -> jax.Array:
            return jnp.maximum(part / temperature, FORBIDDEN)

        return self._replace(
            initial=divided(self.initial),
            transition=divided(self.transition),
            emission=divided(self.emission),
        )


def log_path_sum(scores: Scores) -> jax.Array:
    """Logarithm of the sum over all state paths of ``exp(score of the path)``, (sequences,).

    ``alpha[t, j] = logsumexp_i(alpha[t-1, i] + transition[i, j]) + emission[t, j]``, the forward
    algorithm. With log-probabilities as scores it is the log-likelihood; its gradient by
    ``emission`` is the posterior of the states, that by ``transition`` the expected number of
    steps. At every position the largest ``alpha`` is taken out, so that neither the length nor a
    low temperature costs digits, and what was taken out is added up without rounding it away.

    Few long sequences are cut into pieces of 128: the sum over the paths of each piece, from every
    state to every state, is found for all pieces at once, and then a scan joins the pieces. The
    operations are ``states`` times as many and ``positions / 128`` times as deep.

    Cost: O(sequences * positions * states^2) time (states^3 by pieces), and as memory for
    gradients O(sequences * positions * states).

    References:
        Rabiner (1989), Proc. IEEE 77, equations 18 to 21.
    """
    n, length, states = scores.emission.shape
    if n <= _FEW_ROWS and length >= 4 * _PIECE and states <= _MOST_STATES_BY_PIECES:
        return _by_pieces(scores)
    first = scores.initial + scores.emission[:, 0]
    alpha = jnp.where(scores.mask[:, :1], first, _nothing(states))

    def step(
        carried: tuple[jax.Array, jax.Array, jax.Array], seen: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        alpha, total, lost = carried
        emission, inside = seen
        moved = _log_product(alpha, scores.transition) + emission
        alpha = jnp.where(inside[:, None], moved, alpha)
        return _without_largest(alpha, total, lost), None

    carried = _without_largest(alpha, jnp.zeros(n), jnp.zeros(n))
    rest = (jnp.moveaxis(scores.emission[:, 1:], 1, 0), scores.mask[:, 1:].T)
    (alpha, total, lost), _ = jax.lax.scan(step, carried, rest, unroll=_UNROLL)
    return jax.nn.logsumexp(alpha, axis=1) + (total - lost)


def state_marginals(scores: Scores) -> jax.Array:
    """How much of the sum over paths goes through each state, (sequences, positions, states).

    The gradient of `log_path_sum` by the emission scores: with log-probabilities the posterior
    (forward-backward). Rows add up to one inside a sequence and are zero past its end.
    """

    def total(emission: jax.Array) -> jax.Array:
        return jnp.sum(log_path_sum(scores._replace(emission=emission)))

    return jax.grad(total)(scores.emission)


def best_paths(scores: Scores) -> tuple[jax.Array, jax.Array]:
    """The path of the highest score and that score, by the Viterbi algorithm.

    Returns:
        States (sequences, positions) int32, -1 past the end, and scores (sequences,). Of paths
        with equal scores, the one whose last states come first.

    References:
        Viterbi (1967), IEEE Transactions on Information Theory 13.
    """
    n, _, states = scores.emission.shape
    delta = scores.initial + scores.emission[:, 0]
    stay = jnp.broadcast_to(jnp.arange(states), (n, states))

    def forward(
        carried: tuple[jax.Array, jax.Array, jax.Array], seen: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], jax.Array]:
        delta, total, lost = carried
        emission, inside = seen
        ways = delta[:, :, None] + scores.transition
        came_from = jnp.where(inside[:, None], jnp.argmax(ways, axis=1), stay)
        delta = jnp.where(inside[:, None], jnp.max(ways, axis=1) + emission, delta)
        return _without_largest(delta, total, lost), came_from

    carried = _without_largest(delta, jnp.zeros(n), jnp.zeros(n))
    rest = (jnp.moveaxis(scores.emission[:, 1:], 1, 0), scores.mask[:, 1:].T)
    (delta, total, lost), came_from = jax.lax.scan(forward, carried, rest)

    def back(state: jax.Array, came_from: jax.Array) -> tuple[jax.Array, jax.Array]:
        before = jnp.take_along_axis(came_from, state[:, None], axis=1)[:, 0]
        return before, state

    last = jnp.argmax(delta, axis=1)
    first, later = jax.lax.scan(back, last, came_from, reverse=True)
    path = jnp.concatenate([first[:, None], later.T], axis=1).astype(jnp.int32)
    return jnp.where(scores.mask, path, -1), jnp.max(delta, axis=1) + (total - lost)


def ways_through(
    scores: Scores, product: Callable[[jax.Array, jax.Array], jax.Array] | None = None
) -> tuple[jax.Array, jax.Array]:
    """Logarithm of the sum over the paths through each piece, from every state to every state.

    Args:
        scores: ``emission`` (..., positions, states), ``mask`` (..., positions). A path comes into
            the first position by a transition; where it begins there, that is masked.
        product: Of logarithms, (..., states) by (states, states); `best_product` for the best path
            in place of the sum.

    Returns:
        (..., states, states), from the state before a piece to that at its end, each row less its
        largest, and what was taken out, (..., states).
    """
    product = product or _log_product
    n_before, states = scores.mask.ndim - 1, scores.emission.shape[-1]
    emission = jnp.moveaxis(scores.emission, n_before, 0)
    mask = jnp.moveaxis(scores.mask, n_before, 0)
    same = jnp.where(jnp.eye(states, dtype=bool), 0.0, FORBIDDEN)
    ways = jnp.broadcast_to(same, (*mask.shape[1:], states, states))
    none = jnp.zeros((*mask.shape[1:], states))

    def step(
        carried: tuple[jax.Array, jax.Array, jax.Array], seen: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        ways, total, lost = carried
        emission, inside = seen
        moved = product(ways, scores.transition) + emission[..., None, :]
        ways = jnp.where(inside[..., None, None], moved, ways)
        return _without_largest(ways, total, lost), None

    (ways, total, lost), _ = jax.lax.scan(
        step, (ways, none, none), (emission, mask), unroll=_UNROLL
    )
    return ways, total - lost


def best_product(rows: jax.Array, matrix: jax.Array) -> jax.Array:
    """``max_i (rows[..., i] + matrix[i, j])``, (..., states)."""
    return jnp.max(rows[..., :, None] + matrix, axis=-2)


def _by_pieces(scores: Scores) -> jax.Array:
    n, length, states = scores.emission.shape
    n_pieces = -(-length // _PIECE)
    more = n_pieces * _PIECE - length
    emission = jnp.pad(scores.emission, ((0, 0), (0, more), (0, 0)))
    mask = jnp.pad(scores.mask, ((0, 0), (0, more)))
    # The way into the first position is not by a transition: it is joined last.
    entry = jnp.where(mask[:, :1], scores.initial + emission[:, 0], _nothing(states))
    mask = mask.at[:, 0].set(False)
    pieces = scores._replace(
        emission=emission.reshape(n, n_pieces, _PIECE, states),
        mask=mask.reshape(n, n_pieces, _PIECE),
    )
    ways, whole = ways_through(pieces)

    def join(
        carried: tuple[jax.Array, jax.Array, jax.Array], piece: tuple[jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        alpha, total, lost = carried
        ways, whole = piece
        from_each = alpha + whole
        moved = jax.nn.logsumexp(from_each[:, :, None] + ways, axis=1)
        return _without_largest(moved, total, lost), None

    start = _without_largest(entry, jnp.zeros(n), jnp.zeros(n))
    each = (jnp.moveaxis(ways, 1, 0), jnp.moveaxis(whole, 1, 0))
    (alpha, total, lost), _ = jax.lax.scan(join, start, each)
    return jax.nn.logsumexp(alpha, axis=1) + (total - lost)


def _nothing(states: int) -> jax.Array:
    """Of an empty sequence: a sum of one, whose logarithm is 0."""
    return jnp.where(jnp.arange(states) == 0, 0.0, FORBIDDEN)


@jax.checkpoint  # kept for gradients: states of a position, not all steps between two
def _log_product(rows: jax.Array, matrix: jax.Array) -> jax.Array:
    """``log(exp(rows) @ exp(matrix))``: (..., states) by (states, states).

    With many states a product of matrices, where no probability that counts is below 1e-35 of the
    largest; else term by term, so that a path which is all but impossible now is still there when
    it turns out to be the only one. The largest of each row is 0.
    """
    if matrix.shape[0] < _FEW_STATES:
        return jax.nn.logsumexp(rows[..., :, None] + matrix, axis=-2)

    def small(values: jax.Array) -> jax.Array:
        return jnp.any((values < -_NATS) & (values > FORBIDDEN / 2))

    return jax.lax.cond(
        small(rows) | small(matrix),
        lambda: jax.nn.logsumexp(rows[..., :, None] + matrix, axis=-2),
        lambda: _log_or_forbidden(jnp.exp(rows) @ jnp.exp(matrix)),
    )


def _log_or_forbidden(sums: jax.Array) -> jax.Array:
    there = sums > 0
    return jnp.where(there, jnp.log(jnp.where(there, sums, 1.0)), FORBIDDEN)


def _without_largest(
    values: jax.Array, total: jax.Array, lost: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Takes the largest of the last axis out, and adds it to a sum that forgets no digits.

    ``lost`` is what the sum has rounded away so far (Kahan). What is taken out is a constant to
    the gradient, which it would leave as it is.
    """
    largest = jax.lax.stop_gradient(jnp.max(values, axis=-1, keepdims=True))
    add = largest[..., 0] - lost
    new = total + add
    return values - largest, new, (new - total) - add
