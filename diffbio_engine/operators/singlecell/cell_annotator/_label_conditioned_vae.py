"""A count autoencoder with one Gaussian a cell type, and a classifier on its latent (scANVI)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.operators.singlecell.cell_annotator._logistic_annotation import (
    fit_softmax_regression,
)
from diffbio_engine.parts.count_autoencoder import (
    CountDecoder,
    CountEncoder,
    gaussian_draw,
    log_library,
    put,
)
from diffbio_engine.parts.count_likelihoods import (
    negative_binomial_log_prob,
    poisson_log_prob,
    zero_inflated_log_prob,
)
from diffbio_engine.parts.count_starts import start_of_counts
from diffbio_engine.parts.dense_networks import DenseLayers, quiet_linear

_LEAST_VARIANCE = 0.05


class LabelledLatent(NamedTuple):
    """What the model makes of cells.

    Attributes:
        latent: A draw, or the mean, (cells, latent).
        logits: Of each type, (cells, classes).
        misfit: ``-log p(x | z)``, nats, (cells,).
        divergence: From each type's Gaussian, nats, (cells, classes).
    """

    latent: jax.Array
    logits: jax.Array
    misfit: jax.Array
    divergence: jax.Array


class LabelConditionedVAE(nnx.Module):
    """``p(x | z)``, ``q(z | x)``, ``q(y | z)`` and ``p(z | y)``, one Gaussian a type."""

    def __init__(
        self,
        n_genes: int,
        n_classes: int,
        n_latent: int,
        widths: tuple[int, ...],
        likelihood: str,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.likelihood = likelihood
        self.encoder = CountEncoder(n_genes, n_latent, widths, rngs=rngs)
        self.decoder = CountDecoder(
            n_latent, n_genes, widths[::-1], dropout_head=likelihood == "zinb", rngs=rngs
        )
        self.classifier_head = nnx.Linear(n_latent, n_classes, rngs=rngs)
        self.classifier_bend = DenseLayers(n_latent, (widths[-1],), rngs=rngs)
        self.classifier_bent_head = quiet_linear(widths[-1], n_classes, rngs=rngs)
        self.prior_means = nnx.Param(jnp.zeros((n_classes, n_latent)))
        self.prior_logvars = nnx.Param(jnp.zeros((n_classes, n_latent)))
        if likelihood != "poisson":
            self.log_dispersion = nnx.Param(jnp.ones(n_genes))

    def __call__(
        self, counts: jax.Array, typical_library: jax.Array, key: jax.Array | None = None
    ) -> LabelledLatent:
        library = log_library(counts, None)
        mean, log_var, _ = self.encoder(counts, library, typical_library)
        z = gaussian_draw(mean, log_var, key)
        log_share, dropout = self.decoder(z)
        log_rate = log_share + library
        if self.likelihood == "poisson":
            fit = poisson_log_prob(counts, log_rate)
        elif self.likelihood == "nb":
            fit = negative_binomial_log_prob(counts, log_rate, self.log_dispersion[...])
        else:
            assert dropout is not None, "the decoder was made with this head"
            fit = zero_inflated_log_prob(counts, log_rate, self.log_dispersion[...], dropout)
        return LabelledLatent(
            z, self.classify(z), -jnp.sum(fit, axis=1), self.divergence(mean, log_var)
        )

    def classify(self, z: jax.Array) -> jax.Array:
        """Logits of ``q(y | z)``."""
        return self.classifier_head(z) + self.classifier_bent_head(self.classifier_bend(z))

    def divergence(self, mean: jax.Array, log_var: jax.Array) -> jax.Array:
        """KL of each cell's ``q(z | x)`` from each type's prior, (cells, classes)."""
        centre, spread = self.prior_means[...], jnp.clip(self.prior_logvars[...], -10.0, 10.0)
        # Squares expanded, so that no (cells, classes, latent) array is made.
        precision = jnp.exp(-spread)
        square = (
            (mean**2 + jnp.exp(log_var)) @ precision.T
            - 2 * mean @ (precision * centre).T
            + jnp.sum(precision * centre**2, axis=1)
        )
        volume = jnp.sum(spread, axis=1) - jnp.sum(log_var, axis=1, keepdims=True)
        return 0.5 * (square + volume - mean.shape[1])

    def begin(self, counts: np.ndarray, labels: np.ndarray, *, l2: float, seed: int) -> np.ndarray:
        """Takes the data-driven start; returns the typical library.

        Encoder and decoder as in ``count_starts``; the classifier is the logistic regression of
        the known labels on the latent means, each type's Gaussian is that of its known cells.
        """
        n_latent, n_classes = self.prior_means.shape[1], self.prior_means.shape[0]
        start = start_of_counts(counts, n_latent, seed=seed)
        self.encoder.begin(start)
        self.decoder.begin(start)
        if self.likelihood != "poisson":
            put(self.log_dispersion, start.log_theta)
        latent = latent_start(counts, start.typical_library, start.centre, start.project)
        known = labels >= 0
        z, classes = latent[known], labels[known]
        weights, bias = fit_softmax_regression(z, classes, n_classes, l2=l2)
        put(self.classifier_head.kernel, weights)
        put(self.classifier_head.bias, bias)
        extra = np.exp(start.latent_log_var)
        means = np.tile(z.mean(axis=0), (n_classes, 1))
        variances = np.tile(z.var(axis=0) + extra, (n_classes, 1))
        common = np.mean([z[classes == c].var(axis=0) for c in np.unique(classes)], axis=0)
        for c in np.unique(classes):
            own = z[classes == c]
            means[c] = own.mean(axis=0)
            # A few cells say little of a variance: so many are added that have the common one.
            weight = len(own) / (len(own) + 10.0)
            variances[c] = weight * own.var(axis=0) + (1 - weight) * common + extra
        put(self.prior_means, means)
        put(self.prior_logvars, np.log(np.maximum(variances, _LEAST_VARIANCE)))
        return np.asarray(start.typical_library)


def latent_start(
    counts: np.ndarray, typical: float, centre: np.ndarray, project: np.ndarray
) -> np.ndarray:
    """Latent means at the start, (cells, latent), a block of cells at a time."""
    found = []
    for begin in range(0, len(counts), 4096):
        x = np.asarray(counts[begin : begin + 4096], np.float32)
        library = np.maximum(x.sum(axis=1, keepdims=True), 1e-4)
        found.append((np.log1p(x * (typical / library)) - centre) @ project)
    return np.concatenate(found)


def semi_supervised_bound(
    cells: LabelledLatent, labels: jax.Array | None, beta: float | jax.Array = 1.0
) -> jax.Array:
    """Negative evidence lower bound of each cell, nats, (cells,).

    With a known type ``y``: ``misfit + beta (KL(q(z|x), p(z|y)) + log classes)``. Without: the
    mean of this over ``q(y | z)``, less ``beta`` times its entropy.
    """
    n_classes = cells.logits.shape[1]
    log_share = jax.nn.log_softmax(cells.logits, axis=1)
    each = cells.divergence + jnp.log(float(n_classes))
    unknown = jnp.sum(jnp.exp(log_share) * (each + log_share), axis=1)
    if labels is None:
        return cells.misfit + beta * unknown
    is_known = (labels >= 0) & (labels < n_classes)
    place = jnp.where(is_known, labels, 0)[:, None]
    known = jnp.take_along_axis(each, place, axis=1)[:, 0]
    return cells.misfit + beta * jnp.where(is_known, known, unknown)
