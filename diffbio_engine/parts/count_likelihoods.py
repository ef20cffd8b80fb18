"""Log-likelihoods of molecule counts: Poisson, negative binomial, zero-inflated.

Those of networks take the logarithm of the mean, so that no rate is ever formed that could
overflow, and need no ``lgamma``: its differences are Stirling series that share logarithms with
each other. `saddle_point_log_prob` takes mean and dispersion, and keeps its digits for a million
counts. Counts may be fractions (decontaminated counts are); zero counts are exact.
"""

import math

import jax
import jax.numpy as jnp

_SHIFT = 4.0  # the series is used from here on: its error is below 4e-9
_LEAST_COUNT = 1e-5
_EULER = 0.5772156649015329


def _tail(x: jax.Array) -> jax.Array:
    """What Stirling's formula leaves over: 1/12x - 1/360x^3 + 1/1260x^5 - 1/1680x^7."""
    return _tail_of_inverse(1.0 / x)


def _tail_of_inverse(r: jax.Array) -> jax.Array:
    r2 = r * r
    return r * (1 / 12 - r2 * (1 / 360 - r2 * (1 / 1260 - r2 / 1680)))


def _rising_parts(x: jax.Array, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
    """``lgamma(x + theta) - lgamma(theta)`` as ``(a, p)``, meaning ``a - log(p)``."""
    base = theta + _SHIFT
    ratio = x / base
    # (b + x - 1/2) log(b + x) - (b - 1/2) log b, written so that nothing large is subtracted.
    a = (base + x - 0.5) * jnp.log1p(ratio) + x * (jnp.log(base) - 1.0)
    a = a + _tail(base + x) - _tail(base)
    p = (1 + x / theta) * (1 + x / (theta + 1)) * (1 + x / (theta + 2)) * (1 + x / (theta + 3))
    return a, p


def log_rising(x: jax.Array, theta: jax.Array) -> jax.Array:
    """``lgamma(x + theta) - lgamma(theta)`` for ``x >= 0`` and ``theta > 0``.

    Exactly 0 where ``x`` is 0; stays accurate where ``theta`` is large, unlike the difference of
    two ``lgamma``. Error below 1e-8 in float64, about 1e-6 of its size in float32.
    """
    a, p = _rising_parts(x, theta)
    return a - jnp.log(p)


def log_factorial(x: jax.Array) -> jax.Array:
    """``lgamma(x + 1)`` for ``x >= 0``."""
    return log_rising(x, jnp.ones((), x.dtype))


def poisson_log_prob(x: jax.Array, log_rate: jax.Array) -> jax.Array:
    """``x log(rate) - rate - log x!`` per entry."""
    return x * log_rate - jnp.exp(log_rate) - log_factorial(x)


def _nb_terms(
    x: jax.Array, log_rate: jax.Array, log_theta: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Log-probability of 0, and what a count of ``x`` adds to it (0 where ``x`` is 0)."""
    theta = jnp.exp(log_theta)
    odds = log_rate - log_theta
    shrunk = jax.nn.softplus(odds)  # log(1 + rate / theta)
    up, up_p = _rising_parts(x, theta)
    down, down_p = _rising_parts(x, jnp.ones((), theta.dtype))
    binomial = up - down + jnp.log(down_p / up_p)
    return -theta * shrunk, binomial + x * (odds - shrunk)


def negative_binomial_log_prob(
    x: jax.Array, log_rate: jax.Array, log_theta: jax.Array
) -> jax.Array:
    """Negative binomial with mean ``exp(log_rate)`` and variance ``rate + rate^2 / theta``.

    ``lgamma(x+t) - lgamma(t) - lgamma(x+1) + t log(t/(t+m)) + x log(m/(t+m))`` per entry, where
    ``t`` is the inverse dispersion. As ``t`` grows it becomes the Poisson log-probability.
    """
    zero, more = _nb_terms(x, log_rate, log_theta)
    return zero + more


def zero_inflated_log_prob(
    x: jax.Array, log_rate: jax.Array, log_theta: jax.Array, dropout_logits: jax.Array
) -> jax.Array:
    """``log(pi [x = 0] + (1 - pi) NB(x))`` per entry, with ``pi = sigmoid(dropout_logits)``."""
    zero, more = _nb_terms(x, log_rate, log_theta)
    kept = -jax.nn.softplus(dropout_logits)  # log(1 - pi)
    # log(pi + (1 - pi) e^zero) = log(1 - pi) + log(e^logit + e^zero): never below `zero`.
    either = zero + jax.nn.softplus(dropout_logits - zero)
    return kept + jnp.where(x > 0, zero + more, either)


def saddle_point_log_prob(x: jax.Array, mean: jax.Array, alpha: jax.Array) -> jax.Array:
    """Negative binomial with this mean and the variance ``mean + alpha mean^2``, ``alpha >= 0``.

    ``-D - 1/2 log(2 pi x (1 + alpha x)) + d(1/alpha + x) - d(1/alpha) - d(x)``, with the error
    ``d`` of Stirling's formula and half the deviance
    ``D = x log(x / mean) - (x + 1/alpha) log((1 + alpha x) / (1 + alpha mean))``, which is written
    as a sum of two numbers that are never negative. So nothing large is subtracted: in float32 the
    error is about 1e-6 of its size, and of 1, also for a million counts and as ``alpha`` goes to 0,
    where it is the Poisson log-probability; there the lgamma formula is off by whole nats.
    Gradients are as exact. Below 1e-5 of a count, where Stirling's formula has no slope,
    the log-probability is a line.

    References:
        Loader (2000), Fast and accurate computation of binomial probabilities (R's dbinom and
        dnbinom).
    """
    there = x > _LEAST_COUNT
    some = jnp.where(there, x, 1.0)
    log_mean, by_mean, by_some = jnp.log(mean), jnp.log1p(alpha * mean), jnp.log1p(alpha * some)
    log_some = jnp.log(some)
    apart = (some - mean) / (1 + alpha * mean)
    by_count = log_mean - log_some + by_some - by_mean
    deviance = apart * (
        _short_of_log(alpha * apart, by_some - by_mean) - _short_of_log(-apart / some, by_count)
    )
    left = _stirling_error(alpha / (1 + alpha * some)) - _stirling_error(alpha)
    left = left - _stirling_error(1.0 / some)
    likely = left - deviance - 0.5 * (math.log(2 * math.pi) + log_some + by_some)
    odds = alpha * mean
    near = odds < 0.25
    share = jnp.where(near, 1.0 - _short_of_log(odds, by_mean), by_mean / jnp.where(near, 1, odds))
    slope = log_mean - by_mean + _digamma_short_of_log(alpha) + _EULER
    return jnp.where(there, likely, jnp.where(there, 0.0, x) * slope - mean * share)


def _short_of_log(s: jax.Array, log: jax.Array) -> jax.Array:
    """``1 - log(1 + s) / s`` where ``log = log(1 + s)``; near 0 by the series of its half."""
    near = jnp.abs(s) < 0.25
    small = jnp.where(near, s, 0.0)
    r2 = (small / (2 + small)) ** 2
    series = jnp.full_like(r2, 1 / 17)
    for n in range(15, 1, -2):
        series = 1 / n + r2 * series
    return jnp.where(near, (small - 2 * r2 * series) / (2 + small), 1 - log / jnp.where(near, 1, s))


def _stirling_error(inverse: jax.Array) -> jax.Array:
    """``lgamma(n) - (n - 1/2) log n + n - 1/2 log(2 pi)`` of ``n = 1 / inverse``; 0 of infinity."""
    large = inverse < 1 / _SHIFT
    n = 1.0 / jnp.clip(jnp.where(large, 1.0, inverse), 1 / _SHIFT, 1e10)
    shifted = _tail(n + _SHIFT) + (n + _SHIFT - 0.5) * jnp.log1p(_SHIFT / n) - _SHIFT
    shifted = shifted - jnp.log((1 + 1 / n) * (1 + 2 / n) * (1 + 3 / n))
    return jnp.where(large, _tail_of_inverse(jnp.where(large, inverse, 0.0)), shifted)


def _digamma_short_of_log(alpha: jax.Array) -> jax.Array:
    """``digamma(1 / alpha) + log(alpha)``; 0 of 0."""
    r = alpha / (1 + _SHIFT * alpha)
    r2 = r * r
    shifted = jnp.log1p(_SHIFT * alpha) - r / 2 - r2 * (1 / 12 - r2 * (1 / 120 - r2 / 252))
    return shifted - sum(alpha / (1 + k * alpha) for k in range(int(_SHIFT)))
