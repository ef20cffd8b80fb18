"""Cell types by multinomial logistic regression: scaling of genes, and the fit to convergence."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from diffbio_engine.parts.log_normalized_counts import (
    log_normalized,
    log_normalized_rows,
)

_HIGHEST = 10.0  # no gene counts for more than ten standard deviations, as in CellTypist
_UNSEEN = 10.0  # so far below the rarest class (in logits) lies one of which no cell is known
_ROWS_AT_ONCE = 4096


def standardised(
    counts: jax.Array, mean: jax.Array, scale: jax.Array, total_counts: jax.Array | None = None
) -> jax.Array:
    """Log-normalised counts in standard deviations from the mean, at most 10."""
    return jnp.minimum((log_normalized(counts, total_counts) - mean) / scale, _HIGHEST)


def gene_scaling(
    counts: np.ndarray, total_counts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each gene's log-normalised counts; 1 where it never varies."""
    total, squares = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for start in range(0, len(counts), _ROWS_AT_ONCE):
        values = _log_rows(counts, total_counts, start)
        total += values.sum(axis=0, dtype=np.float64)
        squares += (values.astype(np.float64) ** 2).sum(axis=0)
    mean = total / len(counts)
    variance = np.maximum(squares / len(counts) - mean**2, 0.0)
    return mean, np.where(variance > 1e-10, np.sqrt(variance), 1.0)


def scaled_rows(
    counts: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    total_counts: np.ndarray | None = None,
) -> np.ndarray:
    """``standardised`` in NumPy, float32, a block of cells at a time."""
    found = np.empty(counts.shape, np.float32)
    for start in range(0, len(counts), _ROWS_AT_ONCE):
        values = _log_rows(counts, total_counts, start)
        found[start : start + len(values)] = np.minimum((values - mean) / scale, _HIGHEST)
    return found


def _log_rows(counts: np.ndarray, totals: np.ndarray | None, start: int) -> np.ndarray:
    rows = slice(start, start + _ROWS_AT_ONCE)
    return log_normalized_rows(counts[rows], None if totals is None else totals[rows])


def fit_softmax_regression(
    features: np.ndarray, classes: np.ndarray, n_classes: int, *, l2: float, most_steps: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (features, classes) and intercepts of greatest penalised likelihood.

    ``sum_i -log softmax(x_i W + b)[class_i] + l2 / 2 |W|^2``, by L-BFGS until no entry of the
    gradient of the mean is above 1e-5. A class without a cell gets no weights and an intercept
    10 below the others.

    Cost: O(cells * features * classes) for each of some hundred steps.
    """
    x = np.asarray(features, np.float32)
    seen, place = np.unique(classes, return_inverse=True)
    n_cells, n_seen, width = len(x), len(seen), x.shape[1]
    truth = np.zeros((n_cells, n_seen))
    truth[np.arange(n_cells), place] = 1.0
    intercept = np.log(truth.mean(axis=0))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat[: width * n_seen].reshape(width, n_seen)
        logits = (x @ weights.astype(np.float32)).astype(np.float64) + flat[width * n_seen :]
        log_share = logits - logsumexp(logits, axis=1, keepdims=True)
        value = -log_share[np.arange(n_cells), place].mean()
        value += 0.5 * l2 / n_cells * float((weights**2).sum())
        error = (np.exp(log_share) - truth) / n_cells
        slope = (x.T @ error.astype(np.float32)).astype(np.float64) + l2 / n_cells * weights
        return value, np.concatenate([slope.ravel(), error.sum(axis=0)])

    start = np.concatenate([np.zeros(width * n_seen), intercept])
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": most_steps, "gtol": 1e-5, "ftol": 1e-12, "maxcor": 20},
    ).x
    weights = np.zeros((width, n_classes))
    weights[:, seen] = found[: width * n_seen].reshape(width, n_seen)
    bias = np.full(n_classes, found[width * n_seen :].min() - _UNSEEN)
    bias[seen] = found[width * n_seen :]
    return weights, bias
