"""Variational autoencoder of counts (scVI): latent space, denoised and depth-free expression."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    BATCH_LABELS,
    COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    contract,
    operator,
    setting,
    size,
)
from diffbio_engine.parts.count_autoencoder import (
    FASTER,
    CountDecoder,
    CountEncoder,
    gaussian_draw,
    gaussian_kl,
    log_library,
    put,
)
from diffbio_engine.parts.count_likelihoods import (
    negative_binomial_log_prob,
    poisson_log_prob,
    zero_inflated_log_prob,
)
from diffbio_engine.parts.count_starts import start_of_counts
from diffbio_engine.parts.dense_networks import spread
from diffbio_engine.ports.latent_ports import (
    BOUND,
    LATENT,
    LATENT_LOGVAR,
    LATENT_MEAN,
    RECONSTRUCTED,
)


class VAENormalizerConfig(Config):
    """Settings of the variational autoencoder of counts."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    latent_dim: int = setting(10, low=2, high=128, doc="Dimensions of the latent space.")
    hidden_dim: int = setting(
        128, low=8, high=1024, log=True, doc="Width of each hidden layer.", advanced=True
    )
    n_layers: int = setting(2, low=1, high=6, doc="How many hidden layers.", advanced=True)
    hidden_dims: tuple[int, ...] | None = setting(
        None,
        low=1,
        doc="Width of each hidden layer of the encoder, in place of the two above; the decoder"
        " has them in reverse.",
        advanced=True,
    )
    likelihood: Literal["poisson", "nb", "zinb"] = setting(
        "nb",
        choices=("poisson", "nb", "zinb"),
        doc="How counts vary about their mean: Poisson, negative binomial (overdispersed), or"
        " negative binomial with extra zeros.",
    )
    use_batch_correction: bool = setting(
        False, doc="Let the decoder explain differences between batches, so the latent need not."
    )
    n_batches: int = size("batches", default=1, doc="How many batches there are.")
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")


@operator(title="Count autoencoder (scVI)")
class VAENormalizer(Operator):
    """Learns a latent space from raw counts, and expression corrected for depth, batch and noise.

    ``q(z | x) = N(mean(log1p x), exp(log_var(log1p x)))``;
    ``rate = library_size * softmax(decoder(z, batch))``;
    ``x ~ Poisson(rate)``, ``NB(rate, theta)`` or ``pi * 0 + (1 - pi) * NB(rate, theta)`` with one
    inverse dispersion ``theta`` a gene (variance ``rate + rate^2 / theta``). The two losses are
    nats per cell, summed over genes or dimensions and averaged over cells, so the evidence lower
    bound of a cell is ``-(reconstruction_loss + kl_loss)`` where ``z`` was drawn; divide by the
    number of genes for a value per entry. The weight of ``kl_loss`` is the dial of a warm-up.
    ``normalized`` rows add up to 1.

    Softens: nothing; the model is smooth, and a draw of ``z`` is a smooth function of noise.
    Hard limit: without sampling noise (eval mode, or no key) ``z`` is the mean.
    Gradients: reach counts and all weights; the latent's variance is held within e^-10 and e^10.
    Cost: O(cells * genes * hidden width) time, O(cells * genes) memory.
    Start: principal components as encoder, the log-linear Poisson model of them as decoder.

    References:
        Lopez et al. (2018), Deep generative modeling for single-cell transcriptomics.
        Svensson et al. (2020), Interpretable factor models of single-cell RNA-seq via variational
        autoencoders.
    """

    Config = VAENormalizerConfig
    inputs = (
        COUNTS,
        Port(
            "library_size",
            "cells",
            Kind.SCORE,
            "Total count of each cell; without it, the sum of its row.",
            optional=True,
        ),
        replace(BATCH_LABELS, optional=True),
    )
    outputs = (
        Port(
            "normalized",
            "cells genes",
            Kind.EXPRESSION,
            "Share of each gene, depth removed.",
            result="layers/normalized_diffbio",
        ),
        replace(LATENT, result="obsm/X_latent", role=Role.DRAWN),
        replace(LATENT_MEAN, role=Role.LATENT),
        LATENT_LOGVAR,
        RECONSTRUCTED,
        Port("log_rate", "cells genes", Kind.PARAMETER, "Logarithm of the expected counts."),
        Port(
            "dispersion",
            "genes",
            Kind.PARAMETER,
            "Inverse dispersion theta (nb, zinb).",
            optional=True,
        ),
        Port(
            "dropout_logits",
            "cells genes",
            Kind.PARAMETER,
            "Logit of an extra zero (zinb).",
            optional=True,
        ),
        *BOUND,
    )
    needs_training = True
    prepare_once = True
    prepare_cells = 8192

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        widths = config.hidden_dims or (config.hidden_dim,) * config.n_layers
        self.encoder = CountEncoder(
            config.n_genes, config.latent_dim, widths, rngs=rngs, faster=FASTER
        )
        self.decoder = CountDecoder(
            config.latent_dim,
            config.n_genes,
            widths[::-1],
            n_batches=config.n_batches if config.use_batch_correction else 1,
            dropout_head=config.likelihood == "zinb",
            rngs=rngs,
        )
        self.log_dispersion = nnx.Param(jnp.ones(config.n_genes))
        self.typical_library = Buffer(jnp.asarray(1000.0))

    def prepare(
        self, counts: np.ndarray, batch_labels: np.ndarray | None = None, *, seed: int
    ) -> None:
        start = start_of_counts(
            counts,
            self.config.latent_dim,
            batches=batch_labels if self.decoder.n_batches > 1 else None,
            n_batches=self.decoder.n_batches,
            seed=seed,
        )
        self.encoder.begin(start)
        self.decoder.begin(start)
        put(self.log_dispersion, start.log_theta)
        put(self.typical_library, np.asarray(start.typical_library))

    def __call__(
        self,
        counts: jax.Array,
        library_size: jax.Array | None = None,
        batch_labels: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        counts = _as_float(counts)
        mean, log_var = self.encode(counts, library_size)
        z = self.reparameterize(mean, log_var, key)
        library = jnp.exp(log_library(counts, library_size))[..., 0]
        decoded = self.decode(z, library, batch_labels)
        return {
            "latent": z,
            "latent_mean": mean,
            "latent_logvar": log_var,
            **decoded,
            "reconstruction_loss": jnp.mean(self.reconstruction_loss(counts, decoded)),
            "kl_loss": jnp.mean(self.kl_divergence(mean, log_var)),
        }

    def encode(
        self, counts: jax.Array, library_size: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Mean and log variance of the latent of each cell."""
        counts = _as_float(counts)
        library = log_library(counts, library_size)
        mean, log_var, _ = self.encoder(counts, library, self.typical_library[...])
        return mean, log_var

    def reparameterize(
        self, mean: jax.Array, logvar: jax.Array, key: jax.Array | None = None
    ) -> jax.Array:
        """``mean + exp(logvar / 2) * noise``; without a key, the mean."""
        return gaussian_draw(mean, logvar, key)

    def decode(
        self, z: jax.Array, library_size: jax.Array, batch_labels: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        """Expected counts of cells at ``z``; without labels, as in the average batch."""
        n_batches = self.decoder.n_batches
        batch = spread(batch_labels, n_batches, z.shape[:-1], z.dtype) if n_batches > 1 else None
        log_share, dropout_logits = self.decoder(z, batch)
        log_rate = log_share + log_library(z, library_size)
        decoded = {
            "normalized": jnp.exp(log_share),
            "reconstructed": jnp.exp(log_rate),
            "log_rate": log_rate,
        }
        if self.config.likelihood != "poisson":
            decoded["dispersion"] = jnp.exp(self.log_dispersion[...])
        if dropout_logits is not None:
            decoded["dropout_logits"] = dropout_logits
        return decoded

    def reconstruction_loss(
        self, counts: jax.Array, decode_output: Mapping[str, jax.Array]
    ) -> jax.Array:
        """``-log p(x | z)`` of each cell; may also name ``pi_logit`` and ``log_theta``."""
        counts, given = _as_float(counts), dict(decode_output)
        log_rate, log_theta = given["log_rate"], given.get("log_theta", self.log_dispersion[...])
        if self.config.likelihood == "poisson":
            fit = poisson_log_prob(counts, log_rate)
        elif self.config.likelihood == "nb":
            fit = negative_binomial_log_prob(counts, log_rate, log_theta)
        else:
            zeros = "pi_logit" if "pi_logit" in given else "dropout_logits"
            fit = zero_inflated_log_prob(counts, log_rate, log_theta, given[zeros])
        return -jnp.sum(fit, axis=-1)

    def kl_divergence(self, mean: jax.Array, logvar: jax.Array) -> jax.Array:
        """Divergence of each cell's latent from ``N(0, 1)``, summed over dimensions."""
        return gaussian_kl(mean, logvar)

    def elbo_loss(
        self,
        reconstruction_loss: jax.Array,
        mean: jax.Array,
        logvar: jax.Array,
        beta: float | jax.Array = 1.0,
    ) -> jax.Array:
        """Negative evidence lower bound, averaged over cells; ``beta`` weighs the divergence."""
        return jnp.mean(reconstruction_loss + beta * self.kl_divergence(mean, logvar))

    def compute_elbo_loss(
        self,
        counts: jax.Array,
        library_size: jax.Array | None = None,
        batch_labels: jax.Array | None = None,
        key: jax.Array | None = None,
        beta: float | jax.Array = 1.0,
    ) -> jax.Array:
        """Negative evidence lower bound of these cells, in nats per cell."""
        out = self(counts, library_size, batch_labels, key)
        return out["reconstruction_loss"] + beta * out["kl_loss"]


def _as_float(counts: jax.Array) -> jax.Array:
    counts = jnp.asarray(counts)
    return counts if jnp.issubdtype(counts.dtype, jnp.floating) else counts.astype(float)
