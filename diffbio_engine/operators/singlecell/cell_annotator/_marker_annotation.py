"""Cell types from known marker genes: the negative binomial mixture of CellAssign."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from diffbio_engine.parts.count_likelihoods import negative_binomial_log_prob

_USUAL_LOG_FOLD = 2.0  # how much more of a marker its own type has before the data speak
_LOG_FOLD_SPREAD = 0.5
_EQUAL_SHARES = 2.0  # Dirichlet concentration: no type is lost for want of a few cells
_THETA = (np.log(2.0), 1.0)  # log-normal prior of the inverse dispersion
_MOST_CELLS = 5000


class MarkerWeights(NamedTuple):
    """The mixture's parameters.

    Attributes:
        log_mu: What a gene's level differs from the mean of all cells, (genes,).
        raw_delta: ``delta = softplus(raw_delta) > 0``: log fold of a marker in its type,
            (classes, genes).
        log_theta: Log inverse dispersion, (genes,).
        class_logits: Logits of how common each type is, (classes,).
    """

    log_mu: jax.Array
    raw_delta: jax.Array
    log_theta: jax.Array
    class_logits: jax.Array


def usual_weights(n_classes: int, n_genes: int) -> MarkerWeights:
    """What holds before the data speak: a marker is e^2 times as high in its type."""
    raw = float(np.log(np.expm1(_USUAL_LOG_FOLD)))
    return MarkerWeights(
        jnp.zeros(n_genes),
        jnp.full((n_classes, n_genes), raw),
        jnp.full(n_genes, _THETA[0]),
        jnp.zeros(n_classes),
    )


def marker_scores(
    counts: jax.Array,
    log_size: jax.Array,
    log_level: jax.Array,
    markers: jax.Array,
    weights: MarkerWeights,
) -> jax.Array:
    """``log p(x, type)`` of each cell, (cells, classes).

    ``x_g ~ NB(size * exp(level_g + log_mu_g + delta_tg marker_tg), theta_g)``.

    Args:
        log_size: Log of each cell's total count over the usual one, (cells, 1).
        log_level: Log of each gene's mean count in a cell of the usual size, (genes,).
        markers: 1 where a gene marks a type, (classes, genes); between is allowed.

    Cost: O(cells * genes * classes) time, O(cells * genes) memory.
    """
    base = log_size + log_level + weights.log_mu
    theta = jnp.exp(weights.log_theta)
    odds = base - weights.log_theta
    plain = jax.nn.softplus(odds)
    common = jnp.sum(negative_binomial_log_prob(counts, base, weights.log_theta), axis=1)

    @jax.checkpoint
    def more(fold: jax.Array) -> jax.Array:
        # All of the likelihood that a higher mean changes, and no other part of it.
        grown = jax.nn.softplus(odds + fold) - plain
        return jnp.sum(counts * fold - (counts + theta) * grown, axis=1)

    folds = jax.nn.softplus(weights.raw_delta) * markers
    return common[:, None] + jax.lax.map(more, folds).T + jax.nn.log_softmax(weights.class_logits)


def negative_log_prior(weights: MarkerWeights, markers: jax.Array) -> jax.Array:
    """Priors of folds (markers only), dispersions, levels and shares, up to a constant."""
    delta = jax.nn.softplus(weights.raw_delta)
    folds = (jnp.log(delta) - np.log(_USUAL_LOG_FOLD)) / _LOG_FOLD_SPREAD
    theta = (weights.log_theta - _THETA[0]) / _THETA[1]
    # Levels differ from the mean of all cells by about the fold of a rare or a common type.
    level = weights.log_mu / 2.0
    shares = (_EQUAL_SHARES - 1.0) * jnp.sum(jax.nn.log_softmax(weights.class_logits))
    return 0.5 * (jnp.sum(markers * folds**2) + jnp.sum(theta**2) + jnp.sum(level**2)) - shares


def fit_markers(
    counts: np.ndarray,
    log_size: np.ndarray,
    log_level: np.ndarray,
    markers: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    seed: int = 0,
    most_steps: int = 300,
) -> MarkerWeights:
    """Parameters of greatest posterior: L-BFGS on the marginal likelihood, from ``usual_weights``.

    The gradient of ``-log sum_t p(x, t)`` is that of EM's expected log-likelihood, so each step is
    a generalised EM step. Cells with a label count as of this type. At most 5000 cells are used.
    """
    rows = np.arange(len(counts))
    if len(rows) > _MOST_CELLS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_CELLS, replace=False))
    x, size = jnp.asarray(counts[rows], jnp.float32), jnp.asarray(log_size[rows], jnp.float32)
    level, marks = jnp.asarray(log_level, jnp.float32), jnp.asarray(markers, jnp.float32)
    known = jnp.full(len(rows), -1) if labels is None else jnp.asarray(np.asarray(labels)[rows])
    is_it = jax.nn.one_hot(known, len(markers), dtype=bool)
    allowed = is_it | (known < 0)[:, None]
    start = usual_weights(*markers.shape)
    sizes = [int(np.prod(w.shape)) for w in start]
    cuts = np.cumsum(sizes)[:-1]

    def unpacked(flat: jax.Array) -> MarkerWeights:
        parts = jnp.split(flat, cuts)
        return MarkerWeights(*(p.reshape(w.shape) for p, w in zip(parts, start, strict=True)))

    @jax.jit
    @jax.value_and_grad
    def objective(flat: jax.Array) -> jax.Array:
        weights = unpacked(flat)
        scores = marker_scores(x, size, level, marks, weights)
        fit = jax.nn.logsumexp(jnp.where(allowed, scores, -jnp.inf), axis=1)
        return (negative_log_prior(weights, marks) - jnp.sum(fit)) / len(rows)

    def in_numpy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = objective(jnp.asarray(flat, jnp.float32))
        return float(value), np.asarray(slope, np.float64)

    first = np.concatenate([np.asarray(w, np.float64).ravel() for w in start])
    options = {"maxiter": most_steps, "gtol": 1e-5, "ftol": 1e-10}
    found = minimize(in_numpy, first, jac=True, method="L-BFGS-B", options=options).x
    return unpacked(jnp.asarray(found, jnp.float32))
