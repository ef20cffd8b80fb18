"""Windows that follow one another are read as what they are pieces of: one contig.

What a window says depends on what lies before and behind it. Of each window the paths through it
are summed from every state to every state; a scan over the windows of a contig then tells what the
windows before say of the state at its beginning, and those behind of the state at its end; and with
both, each window is read by itself. The result is that of one pass over the whole contig, and no
scan is as long as it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from diffbio_engine.parts.hidden_paths import (
    FORBIDDEN,
    Scores,
    best_paths,
    best_product,
    state_marginals,
    ways_through,
)

# So many windows are read at once: their forward and backward sums are kept meanwhile.
_AT_ONCE = 1024


def read_whole(scores: Scores, order: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Posteriors, best path and log-likelihood of windows as pieces of their contigs.

    Args:
        scores: Of windows, in any order; only the last of a contig may end before its last bin.
        order: (windows,), whole numbers: a window whose number is one more than another's follows
            it; one that follows none begins with ``scores.initial``.

    Returns:
        Posteriors (windows, bins, states), the best path (windows, bins; -1 past the end), and of
        each window ``log p(window | windows before it)``, which adds up to that of the contig.
    """
    sorting = jnp.argsort(order)
    back = jnp.argsort(sorting)
    begins = jnp.diff(order[sorting], prepend=order[sorting[:1]] - 2) != 1
    emission, mask = scores.emission[sorting], scores.mask[sorting]
    entry = jnp.where(mask[:, :1], scores.initial + emission[:, 0], scores.initial)
    inside = mask.at[:, 0].set(mask[:, 0] & ~begins)

    def through(product: Callable[[jax.Array, jax.Array], jax.Array] | None) -> jax.Array:
        def of_some(emission: jax.Array, mask: jax.Array) -> jax.Array:
            some = scores._replace(emission=emission, mask=mask)
            ways, whole = ways_through(some, product)
            return ways + whole[..., None]

        return _some_at_a_time(of_some, emission, inside)

    sums, best = through(None), through(best_product)
    before, likelihood, behind = _sums_along(sums, entry, begins)
    initial = jnp.where(
        begins[:, None],
        scores.initial,
        jax.nn.logsumexp(before[:, :, None] + scores.transition, axis=1),
    )
    posteriors = _some_at_a_time(
        lambda *x: state_marginals(_bounded(scores, *x)), emission, mask, initial, behind
    )
    came_from, ends = _best_along(best, entry, begins)
    initial = jnp.where(begins[:, None], scores.initial, scores.transition[came_from])
    only = jnp.where(jnp.arange(initial.shape[1]) == ends[:, None], 0.0, FORBIDDEN)
    path = _some_at_a_time(
        lambda *x: best_paths(_bounded(scores, *x))[0], emission, mask, initial, only
    )
    return posteriors[back], path[back], likelihood[back]


def _bounded(
    scores: Scores, emission: jax.Array, mask: jax.Array, initial: jax.Array, end: jax.Array
) -> Scores:
    """Windows with scores of their own for the state at the beginning, and for that at the end."""
    last = jnp.sum(mask, axis=1) - 1
    at_the_end = (jnp.arange(mask.shape[1]) == last[:, None])[..., None]
    return Scores(
        initial, scores.transition, emission + jnp.where(at_the_end, end[:, None], 0.0), mask
    )


def _sums_along(
    ways: jax.Array, entry: jax.Array, begins: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What is known at both ends of each window, and how likely each is after those before it.

    Returns:
        Log-probabilities of the state before each window, (windows, states); log-likelihoods; and
        log-likelihoods of all that lies behind, by the state at its end, less the largest.
    """
    nothing = jnp.zeros(entry.shape[1])

    def forward(
        alpha: jax.Array, window: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        ways, entry, first = window
        moved = jax.nn.logsumexp(jnp.where(first, entry, alpha)[:, None] + ways, axis=0)
        told = jax.nn.logsumexp(moved)
        return moved - told, (alpha, told)

    def backward(
        beta: jax.Array, window: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        ways, first = window
        moved = jax.nn.logsumexp(ways + beta, axis=1)
        return jnp.where(first, nothing, moved - jnp.max(moved)), beta

    _, (before, likelihood) = jax.lax.scan(forward, nothing, (ways, entry, begins))
    _, behind = jax.lax.scan(backward, nothing, (ways, begins), reverse=True)
    return before, likelihood, behind


def _best_along(
    ways: jax.Array, entry: jax.Array, begins: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """States of the best path before and at the end of each window, (windows,) each."""
    nothing = jnp.zeros(entry.shape[1])

    def forward(
        delta: jax.Array, window: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        ways, entry, first = window
        score = jnp.where(first, entry, delta)[:, None] + ways
        best = jnp.max(score, axis=0)
        best = best - jnp.max(best)
        return best, (jnp.argmax(score, axis=0), best)

    def backward(
        wanted: jax.Array, window: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        came_from, best, first = window
        # The last window of a contig ends where its path is best.
        end = jnp.where(wanted < 0, jnp.argmax(best), wanted)
        before = came_from[end]
        return jnp.where(first, -1, before), (before, end)

    _, (came_from, best) = jax.lax.scan(forward, nothing, (ways, entry, begins))
    _, (before, ends) = jax.lax.scan(
        backward, jnp.asarray(-1), (came_from, best, begins), reverse=True
    )
    return before, ends


def _some_at_a_time(read: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """``read(*arrays)``, of many windows group by group, so that memory does not grow."""
    n = len(arrays[0])
    if n <= _AT_ONCE:
        return read(*arrays)
    groups = -(-n // _AT_ONCE)
    filled = [jnp.pad(x, [(0, groups * _AT_ONCE - n), *[(0, 0)] * (x.ndim - 1)]) for x in arrays]
    found = jax.lax.map(
        lambda some: read(*some), [x.reshape(groups, _AT_ONCE, *x.shape[1:]) for x in filled]
    )
    return found.reshape(groups * _AT_ONCE, *found.shape[2:])[:n]
