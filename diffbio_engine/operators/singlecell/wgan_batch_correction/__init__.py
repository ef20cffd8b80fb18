"""Batch correction by an autoencoder that plays against critics of its batches (WGAN)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import Config, Kind, Port, contract, operator, setting, size
from diffbio_engine.operators.singlecell._batch_autoencoder import (
    CORRECTED,
    RECONSTRUCTION,
    BatchAutoencoder,
    gradnorm_setting,
    latent_port,
    reference_setting,
)
from diffbio_engine.operators.singlecell._conditional_autoencoder import equal_pull, reweighed
from diffbio_engine.operators.singlecell.wgan_batch_correction._wasserstein_critic import (
    PENALTY,
    BatchCritics,
    critic_gap,
    fit_critics,
    gradient_penalty,
    without_learning,
)


class WGANBatchCorrectionConfig(Config):
    """Settings of adversarial batch correction."""

    n_genes: int = size("genes", default=2000, doc="Number of genes.")
    n_batches: int = size("batches", default=2, doc="Number of batches.")
    hidden_dim: int = setting(
        128, low=2, high=1024, log=True, doc="Width of the hidden layers.", advanced=True
    )
    latent_dim: int = setting(64, low=2, high=256, log=True, doc="Dimensions of the latent space.")
    discriminator_hidden_dim: int = setting(
        64, low=2, high=1024, log=True, doc="Width of the critics' layers.", advanced=True
    )
    use_gradnorm: bool = gradnorm_setting()
    reference_batch: int = reference_setting()
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")


@operator(title="Batch correction (WGAN autoencoder)", name="wgan_batch_correction")
class DifferentiableWGANBatchCorrection(BatchAutoencoder):
    """Learns coordinates in which critics cannot tell the batches apart, and corrected expression.

    ``z = encoder(x, batch)``, ``x' = decoder(z, batch)``. For each batch ``b`` but the reference
    ``r`` a critic ``f_b`` estimates how far it is from it, ``W_b = E f_b(z of r) - E f_b(z of b)``;
    ``W`` is the mean of them. With ``stop`` for what does not learn from a term:
    ``discriminator_loss = -W(stop z, f) + 10 mean (|grad f_b| - 1)^2`` (the gradient between a cell
    of ``b`` and one of ``r``) teaches the critics only, ``generator_loss = W(z, stop f)`` the
    encoder only, and ``reconstruction_loss = mean (x' - x)^2`` encoder and decoder. So one step on
    the sum of the three moves each weight the right way: no gradient is reversed, no steps take
    turns. ``generator_loss`` is the estimated Wasserstein distance in units of the latent space,
    too great by a share ``W / 20`` (the penalty lets slopes exceed 1 by as much) and, on few cells,
    by what separates two samples of one distribution. ``corrected_expression`` is decoded as if
    from the reference batch. Whole numbers are recognised as counts when preparing; from then on
    ``log(1 + counts per 10 000)`` is taken first.

    Softens: nothing; the critics are smooth functions and no cell is chosen.
    Hard limit: critics that have learned all there is have the slope ``1 + W / 20`` and give the
    Wasserstein-1 distance times it.
    Gradients: reach ``expression`` and all weights, each through its own terms; in a training step
    what feeds ``expression`` learns from it as the encoder does, elsewhere its gradient is that of
    every term.
    Cost: O(cells * genes * hidden width) time, O(cells * genes) memory.
    Start: principal components within batches, the batches' means; critics trained for 300 steps.

    References:
        Arjovsky, Chintala, Bottou (2017), Wasserstein generative adversarial networks.
        Gulrajani et al. (2017), Improved training of Wasserstein GANs.
        Wang et al. (2021), iMAP: integration of multiple single-cell datasets by adversarial
        paired transfer networks, Genome Biology 22.
    """

    Config = WGANBatchCorrectionConfig
    compares_cells = True
    outputs = (
        CORRECTED,
        latent_port("obsm/X_wgan_diffbio"),
        Port(
            "discriminator_scores",
            "cells",
            Kind.SCORE,
            "High: like the reference batch in the eyes of the critic of the cell's batch. Cells of"
            " the reference: mean of all critics.",
            result="obs/discriminator_diffbio",
        ),
        Port(
            "generator_loss",
            "",
            Kind.LOSS,
            "Wasserstein distance of the batches as the critics see it; the encoder's term.",
            weight=0.01,
        ),
        Port("discriminator_loss", "", Kind.LOSS, "The critics' term, with the gradient penalty."),
        RECONSTRUCTION,
    )

    def setup(self, rngs: nnx.Rngs) -> None:
        super().setup(rngs)
        config = self.config
        self.critics = BatchCritics(
            config.latent_dim, config.discriminator_hidden_dim, config.n_batches, rngs=rngs
        )

    def prepare(
        self,
        expression: np.ndarray,
        batch_labels: np.ndarray,
        total_counts: np.ndarray | None = None,
        *,
        seed: int,
        key: jax.Array,
        first: bool,
    ) -> None:
        latent, labels = self._begin(expression, batch_labels, total_counts, seed=seed, first=first)
        if first:
            member = jax.nn.one_hot(labels, self.config.n_batches, dtype=latent.dtype)
            fit_critics(self.critics, latent, member, self._reference(latent), key)

    def __call__(
        self,
        expression: jax.Array,
        batch_labels: jax.Array,
        key: jax.Array | None = None,
        total_counts: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        x, batch, latent = self._latent(expression, batch_labels, total_counts)
        labels = jnp.asarray(batch_labels).astype(jnp.int32)
        member = jax.nn.one_hot(labels, self.config.n_batches, dtype=x.dtype)
        reference = self._reference(x)
        fixed_critics = without_learning(self.critics)
        # In a training step (a key) what comes before this block must not learn from the critics'
        # term either; elsewhere the gradient with respect to the expression is the whole one.
        seen = x if key is None else jax.lax.stop_gradient(x)
        fixed_latent = without_learning(self.autoencoder).encode(seen, batch)
        scores = self.critics(fixed_latent)
        penalty = gradient_penalty(self.critics, fixed_latent, member, reference, key)

        def apart(z: jax.Array) -> jax.Array:
            return critic_gap(fixed_critics(z), member, reference)

        generator, misfit = apart(latent), self._misfit(x, latent, batch)
        if self.config.use_gradnorm:
            here = jax.lax.stop_gradient(latent)
            pulls = (jax.grad(apart)(here), jax.grad(lambda z: self._misfit(x, z, batch))(here))
            weights = equal_pull(tuple(jnp.sqrt(jnp.sum(pull**2)) for pull in pulls))
            generator, misfit = reweighed(generator, weights[0]), reweighed(misfit, weights[1])
        others = (1 - reference) / jnp.maximum(self.config.n_batches - 1, 1)
        own = jnp.where((batch @ reference)[:, None] == 1, others, batch)
        return {
            "corrected_expression": self._corrected(latent),
            "latent": latent,
            "discriminator_scores": jnp.sum(self.critics(latent) * own, axis=1),
            "generator_loss": generator,
            "discriminator_loss": PENALTY * penalty - critic_gap(scores, member, reference),
            "reconstruction_loss": misfit,
        }

    def _reference(self, like: jax.Array) -> jax.Array:
        return jax.nn.one_hot(self.reference[...], self.config.n_batches, dtype=like.dtype)
