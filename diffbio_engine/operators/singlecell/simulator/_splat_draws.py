"""Draws of the Splat model: a key for each cell, Gamma variation, counts that can be softened."""

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops

_TRIES = 4  # of five in a hundred that are refused, 5 in a million are left after four
PER_GAMMA = 2 * _TRIES + 1  # uniform numbers for one draw
_LARGE = 12.0  # above this mean, Poisson counts are drawn by their normal approximation
_MOST = 48  # no Poisson count of mean 12 is larger, but for one in 10^13


def cell_keys(keys: jax.Array, n_cells: int, counts: jax.Array | None = None) -> jax.Array:
    """A key for each cell: by its place, or, where there are counts, by what it holds.

    By what it holds, a cell's draw does not depend on the cells beside it, nor on where a data set
    is cut into chunks. Only cells with the very same counts share a draw.

    Args:
        keys: Of the kinds of draws, (kinds,). The result is (kinds, cells).
    """
    if counts is None:
        places = jnp.arange(n_cells, dtype=jnp.uint32)
        marks = jnp.stack([places, jnp.zeros_like(places)])
    else:
        whole = jnp.round(jax.lax.stop_gradient(counts)).astype(jnp.int32).astype(jnp.uint32)
        factors = jax.random.bits(jax.random.key(0), (2, counts.shape[1]), jnp.uint32) | 1
        marks = jnp.stack([jnp.sum(whole * f, axis=1, dtype=jnp.uint32) for f in factors])

    def marked(key: jax.Array, cell: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 2, lambda i, k: jax.random.fold_in(k, cell[i]), key)

    return jax.vmap(lambda key: jax.vmap(lambda cell: marked(key, cell))(marks.T))(keys)


def uniform_rows(keys: jax.Array, width: int) -> jax.Array:
    """Numbers between 0 and 1, neither included, one row for each key.

    Few calls of it, each for many numbers: every one takes a second to compile.
    """
    return jax.vmap(lambda key: jax.random.uniform(key, (width,), minval=1e-7, maxval=1 - 1e-7))(
        keys
    )


def normal_of(uniform: jax.Array) -> jax.Array:
    """Standard normal numbers."""
    return jnp.sqrt(2.0) * jax.lax.erf_inv(2 * uniform - 1)


def log_gamma_draw(shape: jax.Array, uniform: jax.Array) -> jax.Array:
    """Logarithms of Gamma(shape, 1), (rows, genes), from (rows, 9 genes) uniform numbers.

    Of Gamma(shape + 1), which is then multiplied by ``uniform ** (1 / shape)``. Far quicker here
    than ``jax.random.loggamma``, which repeats for all until the last is accepted.

    Gradients: reach ``shape``, by implicit differentiation of the distribution function.

    References:
        Marsaglia and Tsang (2000), A simple method for generating gamma variables.
        Figurnov, Mohamed, Mnih (2018), Implicit reparameterization gradients.
    """
    parts = uniform.reshape(len(shape), PER_GAMMA, shape.shape[1])
    normal, refusal = normal_of(parts[:, :_TRIES]), -jnp.log(parts[:, _TRIES : 2 * _TRIES])
    return _log_gamma(shape + 1.0, normal, refusal) + jnp.log(parts[:, -1]) / shape


@jax.custom_jvp
def _log_gamma(shape: jax.Array, normal: jax.Array, refusal: jax.Array) -> jax.Array:
    """log Gamma(shape, 1) for shapes of at least 1, from tries (cells, tries, genes)."""
    d = shape - 1 / 3
    c = 1 / (3 * jnp.sqrt(d))
    found = jnp.zeros_like(shape)
    done = jnp.zeros(shape.shape, bool)
    for t in range(_TRIES):
        x = normal[:, t]
        v = (1 + c * x) ** 3
        log_v = jnp.log(jnp.maximum(v, 1e-12))
        good = (v > 0) & (-refusal[:, t] < 0.5 * x * x + d * (1 - v + log_v))
        # The last positive try stands where none is accepted.
        found = jnp.where(~done & (good | (v > 0)), jnp.log(d) + log_v, found)
        done |= good
    return found


@_log_gamma.defjvp
def _log_gamma_jvp(primals: tuple, tangents: tuple) -> tuple:
    shape, _, _ = primals
    log_value = _log_gamma(*primals)
    value = jnp.exp(log_value)
    slope = jax.lax.random_gamma_grad(*jnp.broadcast_arrays(shape, value))
    return log_value, slope / value * tangents[0]


def poisson_draw(
    mean: jax.Array, uniform: jax.Array, softness: jax.Array, sampling: str
) -> jax.Array:
    """Poisson counts as the quantiles of uniform numbers, whole or softened.

    ``sum_k S((logit u - logit F_k) / softness)`` over the steps of the distribution function
    ``F_k``. Above a mean of 12: the rounded normal quantile, with its skewness.

    Args:
        mean: Above 0.
        uniform: Between 0 and 1, of the same form.
        softness: In logits of probability; of rounding, in counts.
        sampling: ``"hard"``, ``"soft"``, or ``"straight_through"``: hard values, soft gradients.

    Hard limit: Poisson counts, exact up to a mean of 12 and to one part in a million of the tail.
    Gradients: reach ``mean``.
    """
    uniform = jnp.clip(jax.lax.stop_gradient(uniform), 1e-6, 1 - 1e-6)
    if sampling == "hard":
        return _whole(jax.lax.stop_gradient(mean), uniform)
    if sampling == "soft":
        return _softened(mean, uniform, softness)

    def either(forward: bool) -> jax.Array:
        if forward:
            return _whole(jax.lax.stop_gradient(mean), uniform)
        return _softened(mean, uniform, softness)

    return soft_ops.grad_replace(either)()


def _whole(mean: jax.Array, uniform: jax.Array) -> jax.Array:
    small = jnp.minimum(mean, _LARGE)

    def step(state: tuple) -> tuple:
        k, pmf, cdf, count, _ = state
        cdf = cdf + pmf
        over = uniform > cdf
        return k + 1, pmf * small / (k + 1), cdf, count + over, jnp.any(over)

    zero = jnp.zeros_like(mean)
    start = (0, jnp.exp(-small), zero, zero, jnp.asarray(True))
    count = jax.lax.while_loop(lambda s: s[4] & (s[0] < _MOST), step, start)[3]
    return jnp.where(mean > _LARGE, jnp.round(_normal_quantile(mean, uniform)), count)


def _softened(mean: jax.Array, uniform: jax.Array, softness: jax.Array) -> jax.Array:
    few = _stairs(jnp.minimum(mean, _LARGE), uniform, softness)
    many = _normal_quantile(jnp.maximum(mean, _LARGE), uniform)
    whole = jax.lax.stop_gradient(jnp.floor(many))
    low, here, high = (
        soft_ops.sigmoidal(x, softness)
        for x in (jnp.asarray(-0.5), many - whole - 0.5, jnp.asarray(0.5))
    )
    return jnp.where(mean > _LARGE, whole + (here - low) / (high - low), few)


def _normal_quantile(mean: jax.Array, uniform: jax.Array) -> jax.Array:
    """The first terms of Cornish and Fisher (1938)."""
    mean = jnp.maximum(mean, _LARGE)
    z = normal_of(uniform)
    return jnp.maximum(mean + jnp.sqrt(mean) * z + (z * z - 1) / 6, 0.0)


@jax.custom_jvp
def _stairs(mean: jax.Array, uniform: jax.Array, softness: jax.Array) -> jax.Array:
    return _stairs_and_slope(mean, uniform, softness)[0]


@_stairs.defjvp
def _stairs_jvp(primals: tuple, tangents: tuple) -> tuple:
    count, slope = _stairs_and_slope(*primals)
    return count, slope * tangents[0]


def _stairs_and_slope(
    mean: jax.Array, uniform: jax.Array, softness: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The softened count and its derivative, in one pass and without keeping the steps."""
    place = jnp.log(uniform) - jnp.log1p(-uniform)

    def step(state: tuple) -> tuple:
        k, pmf, above, count, slope, _ = state
        below = 1 - above
        share = soft_ops.sigmoidal(place - jnp.log(below) + jnp.log(above), softness)
        count = count + share
        slope = slope + share * (1 - share) / softness * pmf / (below * above)
        pmf = pmf * mean / (k + 1)
        return k + 1, pmf, jnp.maximum(above - pmf, 1e-7), count, slope, jnp.max(share) > 1e-6

    zero = jnp.zeros_like(mean)
    above = jnp.maximum(-jnp.expm1(-mean), 1e-7)
    start = (0, jnp.exp(-mean), above, zero, zero, jnp.asarray(True))
    end = jax.lax.while_loop(lambda s: s[5] & (s[0] < _MOST), step, start)
    return end[3], end[4]
