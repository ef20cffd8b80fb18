"""How much the counts of transcripts vary: fragments drawn again, and what they were drawn of."""

import jax
import jax.numpy as jnp

from diffbio_engine.operators.statistical.em_quantifier._compatibility import Compatibility
from diffbio_engine.operators.statistical.em_quantifier._fixed_point import fixed_point

# Of all fragments, moved by a step: far less than draws differ.
_NEAR_ENOUGH = 1e-5
_INTERVAL = (0.025, 0.975)


def intervals(
    problem: Compatibility,
    counts: jax.Array,
    temperature: jax.Array,
    *,
    prior: float,
    n_iterations: int,
    n_bootstraps: int,
) -> tuple[jax.Array, jax.Array]:
    """Ends of the middle 95 % of the expected counts where fragments are drawn again.

    A Poisson bootstrap of fixed seed; no gradients.

    Args:
        counts: At the fixed point, (transcripts,).
    """
    held, counts = jax.lax.stop_gradient((problem, counts))
    # None may be 0 at the start, for it would stay so; from near the solution it is not far.
    start = (counts + jnp.mean(counts)) / 2

    def again(key: jax.Array) -> jax.Array:
        drawn = jax.random.poisson(key, held.counts).astype(counts.dtype)
        drawn_again = held._replace(counts=drawn)
        found = fixed_point(drawn_again, start, temperature, prior, n_iterations, _NEAR_ENOUGH)
        return found.counts

    draws = jax.lax.map(again, jax.random.split(jax.random.key(0), n_bootstraps))
    low, high = jnp.quantile(draws, jnp.asarray(_INTERVAL, draws.dtype), axis=0)
    return low, high


def mark_of(problem: Compatibility, temperature: jax.Array) -> jax.Array:
    """A number that fragments of other classes, or another temperature, hardly have: (2,) uint32.

    Bits are added up as whole numbers, so their order does not matter, however it is compiled.
    """
    parts = [problem.counts, problem.weights, jnp.atleast_1d(temperature)]
    if problem.transcripts is not None and problem.classes is not None:
        parts += [problem.transcripts, problem.classes]
    total = jnp.zeros(2, jnp.uint32)
    for k, part in enumerate(parts):
        flat = jnp.ravel(jax.lax.stop_gradient(part))
        whole = jnp.issubdtype(flat.dtype, jnp.integer)
        bits = flat.astype(jnp.uint32) if whole else _bits(flat)
        places = jnp.arange(flat.size, dtype=jnp.uint32)
        mixed = (bits ^ (bits >> 15)) * jnp.uint32(2654435761)
        sums = [jnp.sum(mixed * (2 * places + 1)), jnp.sum((mixed ^ (mixed >> 13)) * (places | 1))]
        total = total * jnp.uint32(1_000_003) + jnp.stack(sums) + jnp.uint32(k + flat.size)
    return total


def _bits(numbers: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(numbers.astype(jnp.float32), jnp.uint32)
