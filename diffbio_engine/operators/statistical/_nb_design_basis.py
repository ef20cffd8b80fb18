"""The design in an orthonormal basis, and small symmetric matrices of all genes at once.

``X = Q R``. With ``Q`` in place of ``X`` a covariate such as the year 2026 beside the intercept is
as well conditioned as any, so no matrix needs pivots and a sweep inverts those of all genes.
Matrices stand as (P, P, genes): the genes lie next to each other in memory.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

# Precision of the normal prior of each coefficient, in log2: DESeq2's, on the natural scale.
RIDGE = 1e-6 / np.log(2) ** 2


@dataclass(frozen=True)
class Basis:
    """A design matrix and its orthonormal basis.

    Attributes:
        design: (samples, P).
        q: (samples, P), orthonormal columns.
        r, r_inverse: (P, P): ``design = q r``.
        ridge: (P, P), the ridge of the coefficients, in the coordinates of ``q``.
    """

    design: np.ndarray
    q: np.ndarray
    r: np.ndarray
    r_inverse: np.ndarray
    ridge: np.ndarray

    @classmethod
    def of(cls, design: np.ndarray) -> "Basis":
        q, r = np.linalg.qr(np.asarray(design, float))
        back = np.linalg.inv(r)
        return cls(np.asarray(design, float), q, r, back, RIDGE * back.T @ back)

    def coefficients(self, in_q: np.ndarray) -> np.ndarray:
        """Coordinates of ``q`` (P, genes) as coefficients of the design."""
        return np.linalg.solve(self.r, in_q)

    def from_coefficients(self, beta: np.ndarray) -> np.ndarray:
        """The other way round."""
        return self.r @ beta


def information(q: jax.Array, w: jax.Array) -> jax.Array:
    """``Q' W Q`` of each gene, (P, P, genes), from weights (samples, genes)."""
    n, p = q.shape
    products = (q[:, :, None] * q[:, None, :]).reshape(n, p * p)
    return jnp.dot(products.T, w, precision="highest").reshape(p, p, -1)


def log_determinant(a: jax.Array) -> jax.Array:
    """Of each positive definite matrix, (genes,)."""
    total = jnp.zeros(a.shape[2:], a.dtype)
    while a.shape[0]:
        pivot = a[0, 0]
        total = total + jnp.log(pivot)
        a = a[1:, 1:] - a[1:, :1] * a[:1, 1:] / pivot
    return total


def cox_reid(q: jax.Array, weights: jax.Array, mu: jax.Array, alpha: jax.Array) -> jax.Array:
    """``log det(Q' W Q) / 2`` of each gene, with ``w = mu / (1 + alpha mu)``.

    By so much the likelihood of ``alpha`` is too large, as coefficients were fitted to the counts.
    """
    return 0.5 * log_determinant(information(q, weights / (1.0 / mu + alpha)))


def inverse(a: jax.Array) -> jax.Array:
    """Of each positive definite matrix, by Gauss-Jordan sweeps."""
    p = a.shape[0]
    for k in range(p):
        column, row, pivot = a[:, k], a[k, :], a[k, k]
        swept = a - column[:, None] * row[None, :] / pivot
        swept = swept.at[:, k].set(column / pivot).at[k, :].set(row / pivot)
        a = swept.at[k, k].set(-1.0 / pivot)
    return -a


def dependent_columns(design: np.ndarray) -> dict[int, list[int]]:
    """Columns that say what others before them say: which, and which these others are."""
    design = np.asarray(design, float)
    scaled = design / np.maximum(np.abs(design).max(axis=0), 1e-300)
    kept: list[int] = []
    found: dict[int, list[int]] = {}
    for k in range(design.shape[1]):
        before, column = scaled[:, kept], scaled[:, k]
        if kept:
            solution, *_ = np.linalg.lstsq(before, column, rcond=None)
            rest = column - before @ solution
        else:
            solution, rest = np.zeros(0), column
        if np.linalg.norm(rest) > 1e-8 * max(1.0, float(np.linalg.norm(column))):
            kept.append(k)
        else:
            found[k] = [kept[i] for i in np.flatnonzero(np.abs(solution) > 1e-6)]
    return found
