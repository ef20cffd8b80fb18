"""Autoencoder told the batch: cells without their batch in the middle, expression at either end.

Encoder and decoder are each a straight line plus a network that bends it. The lines start at the
principal components within batches and at the batches' means, the networks at zero, so the model
starts as a linear batch correction and training only adds what a line cannot say.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from sklearn.utils.extmath import randomized_svd

from diffbio_engine.errors import DataError
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.dense_networks import DenseLayers, quiet_linear
from diffbio_engine.parts.log_normalized_counts import Totals, log_normalized

_PACE = 0.25


@dataclass(frozen=True)
class BatchStart:
    """First weights of the autoencoder.

    Attributes:
        means: Mean expression of each batch, (batches, genes).
        centre: Mean of these means, (genes,).
        project: Latent = ``(x - mean of its batch) @ project``; mean variance 1 of a dimension.
        slopes: Reconstruction = ``mean of its batch + latent @ slopes``.
    """

    means: np.ndarray
    centre: np.ndarray
    project: np.ndarray
    slopes: np.ndarray


def start_of_batches(
    expression: np.ndarray, labels: np.ndarray, n_batches: int, n_latent: int, *, seed: int = 0
) -> BatchStart:
    """Principal components within batches, shrunk to their signal as in probabilistic PCA."""
    x = np.asarray(expression, np.float32)
    n_genes = x.shape[1]
    means = np.zeros((n_batches, n_genes), np.float32)
    seen = np.unique(labels)
    for b in seen:
        means[b] = x[labels == b].mean(axis=0)
    centre = means[seen].mean(axis=0)
    means[np.setdiff1d(np.arange(n_batches), seen)] = centre
    within = x - means[labels]
    n_found = min(n_latent + 20, *within.shape)
    _, scale, axes = randomized_svd(within, n_found, n_iter=3, random_state=seed)
    n_kept = min(n_latent, n_found)
    variance = scale**2 / len(x)
    noise = variance[-1] if n_found > n_kept else 0.0
    signal = np.clip(1 - noise / np.maximum(variance[:n_kept], 1e-12), 0.01, 1.0)
    reach = np.sqrt(signal)
    unit = np.sqrt(max(float(np.sum(variance[:n_kept] * signal)) / n_latent, 1e-12))
    project = np.zeros((n_genes, n_latent), np.float32)
    slopes = np.zeros((n_latent, n_genes), np.float32)
    project[:, :n_kept] = axes[:n_kept].T * reach / unit
    slopes[:n_kept] = axes[:n_kept] * reach[:, None] * unit
    return BatchStart(means, centre, project, slopes)


class ConditionalAutoencoder(nnx.Module):
    """Expression and batch to latent coordinates, and back. ``batch`` are one-hot rows."""

    def __init__(
        self, n_genes: int, n_latent: int, hidden_dim: int, n_batches: int, *, rngs: nnx.Rngs
    ) -> None:
        self.n_batches = n_batches
        self.encoder_line = nnx.Linear(n_genes, n_latent, rngs=rngs)
        self.encoder_batch = quiet_linear(n_batches, n_latent, rngs=rngs)
        self.encoder_bend = DenseLayers(n_genes + n_batches, (hidden_dim,), rngs=rngs)
        self.encoder_head = quiet_linear(hidden_dim, n_latent, rngs=rngs)
        self.decoder_line = nnx.Linear(n_latent, n_genes, rngs=rngs)
        self.decoder_batch = quiet_linear(n_batches, n_genes, rngs=rngs)
        self.decoder_bend = DenseLayers(n_latent + n_batches, (hidden_dim,), rngs=rngs)
        self.decoder_head = quiet_linear(hidden_dim, n_genes, rngs=rngs)
        # Adam moves every weight by about its learning rate, so a sum over many inputs moves by
        # that times their number. Divided out, the latent stays near the principal components.
        self._pace = (_PACE * n_genes**-0.5, _PACE * hidden_dim**-0.5)

    def encode(self, expression: jax.Array, batch: jax.Array) -> jax.Array:
        """Latent coordinates, (cells, latent)."""
        hidden = self.encoder_bend(jnp.concatenate([expression, batch], axis=-1))
        bent = self.encoder_head(hidden) * self._pace[1]
        return self.encoder_line(expression) * self._pace[0] + self.encoder_batch(batch) + bent

    def decode(self, latent: jax.Array, batch: jax.Array) -> jax.Array:
        """Expression of these cells as it would be in this batch, (cells, genes)."""
        hidden = self.decoder_bend(jnp.concatenate([latent, batch], axis=-1))
        bent = self.decoder_head(hidden) * self._pace[1]
        return self.decoder_line(latent) + self.decoder_batch(batch) + bent

    def begin(self, start: BatchStart) -> None:
        """Takes the data-driven start."""
        put(self.encoder_line.kernel, start.project / self._pace[0])
        put(self.encoder_line.bias, -start.centre @ start.project / self._pace[0])
        put(self.encoder_batch.kernel, (start.centre - start.means) @ start.project)
        put(self.decoder_line.kernel, start.slopes)
        put(self.decoder_line.bias, start.centre)
        put(self.decoder_batch.kernel, start.means - start.centre)
        first = self.encoder_bend.layers[0]
        middle = np.concatenate([start.centre, np.full(self.n_batches, 1 / self.n_batches)])
        put(first.bias, -middle @ np.asarray(first.kernel[...]))


def batch_rows(labels: jax.Array, n_batches: int, dtype: jnp.dtype) -> jax.Array:
    """One-hot rows of the labels; an unknown batch is an even mixture of the known ones."""
    rows = jax.nn.one_hot(labels, n_batches, dtype=dtype)
    known = (labels >= 0) & (labels < n_batches)
    return jnp.where(known[:, None], rows, 1.0 / n_batches)


def checked_batches(labels: np.ndarray, n_batches: int) -> np.ndarray:
    """The labels as whole numbers; a ``DataError`` where they cannot be corrected for."""
    labels = np.asarray(labels).astype(np.int32)
    found = np.unique(labels)
    if len(found) < 2:
        raise DataError(
            f"has one value only ({found[0]}), so there are no batches to bring together."
            if len(found)
            else "has no cells.",
            fix="Choose a column with at least two batches, or take this block out.",
            where="batch_labels",
        )
    if found[0] < 0:
        raise DataError(
            f"has {int(np.sum(labels < 0))} cells without a batch (a number below 0).",
            fix="Give every cell a batch, or leave these cells out.",
            where="batch_labels",
        )
    if found[-1] >= n_batches:
        raise DataError(
            f"has a batch number {found[-1]}, and the settings have room for {n_batches} batches.",
            fix=f"Count batches from 0, or set n_batches to {found[-1] + 1}.",
            where="batch_labels",
        )
    return labels


def are_counts(expression: np.ndarray) -> bool:
    """Whether these are whole numbers, none below zero and some above one: raw counts."""
    x = np.asarray(expression[:2000])
    return bool(x.size and x.min() >= 0 and x.max() > 1 and np.all(x == np.round(x)))


def logged(
    expression: jax.Array,
    from_counts: jax.Array,
    total_counts: Totals = None,
) -> jax.Array:
    """``log_normalized`` where ``from_counts`` is 1, the values as they are where it is 0."""
    counts = log_normalized(jnp.maximum(expression, 0.0), total_counts)
    return jnp.where(from_counts > 0, counts, expression)


def equal_pull(sizes: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    """Weights that make gradients of these lengths equally long; they add up to their number.

    The fixed point of GradNorm with exponent 0 (Chen et al. 2018, ICML), solved at once.
    """
    inverse = [1.0 / (size + 1e-12) for size in sizes]
    total = sum(inverse[1:], start=inverse[0])
    return tuple(jax.lax.stop_gradient(len(sizes) * one / total) for one in inverse)


def reweighed(value: jax.Array, weight: jax.Array) -> jax.Array:
    """The same value, its gradient multiplied by ``weight``."""
    return weight * value + jax.lax.stop_gradient(value - weight * value)
