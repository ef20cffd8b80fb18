"""Transformer denoising: a cell's hidden genes are predicted from those that can be seen."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
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
from diffbio_engine.operators.singlecell.transformer_denoiser._inducing_attention import (
    GeneReader,
    GeneWriter,
    latent_layer,
)
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.count_likelihoods import negative_binomial_log_prob
from diffbio_engine.parts.count_starts import start_of_counts
from diffbio_engine.parts.in_pieces import in_pieces
from diffbio_engine.parts.mean_over import mean_over
from diffbio_engine.parts.transformer_layer import check_heads

_AT_ONCE = 128  # cells whose attention is held at a time where nothing is learned


class TransformerDenoiserConfig(Config):
    """Settings of the transformer denoiser."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    hidden_dim: int = setting(
        128, low=4, high=1024, log=True, doc="Width of a token; a multiple of num_heads."
    )
    num_layers: int = setting(2, low=0, high=12, doc="Transformer layers among the latent tokens.")
    num_heads: int = setting(4, low=1, high=16, doc="Heads of each attention.", advanced=True)
    mask_ratio: float = setting(
        0.15,
        low=0.01,
        high=0.9,
        doc="Mask ratio: share of the genes masked in each cell in training.",
    )
    dropout_rate: float = setting(
        0.1, low=0.0, high=0.9, doc="Dropout rate of the layers in training.", advanced=True
    )
    num_latents: int = setting(
        16, low=1, high=256, doc="Latent tokens through which genes hear of each other."
    )
    n_components: int = setting(
        10, low=1, high=100, doc="Factors of the start, to which the transformer adds."
    )
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.hidden_dim, self.num_heads, "hidden_dim")


@operator(title="Transformer denoising")
class DifferentiableTransformerDenoiser(Operator):
    """Learns to predict the genes that are masked in a cell, and so tells signal from noise.

    Training hides ``mask_ratio`` of the genes, others in each cell, and asks for their counts:
    ``-log NB(count; rate, theta)`` over hidden genes (``masked_loss``, nats, brought to a whole
    cell). ``rate = library * softmax(log profile + factors @ slopes + correction)``. The library
    is what the visible genes say of it. Factors are principal scores of the visible genes. The
    correction is a transformer's: ``num_latents`` latent tokens read the visible genes (each the
    sum of an embedding of its identity and one of its value), hear each other in ``num_layers``
    layers, and are asked by all genes. A negative binomial, not squared errors of logarithms, as
    those predict a mean of logarithms, which is too low where a gene is often zero.

    With a key, ``mask`` is 1 where a gene was hidden, and ``imputed_counts`` are the expected
    counts there and the observed ones elsewhere. Without one nothing is hidden, all genes are
    predicted, ``mask`` is 1 everywhere: a denoised cell. ``gene_ids`` say which gene each column
    is, as a place in the order of preparing.

    Softens: nothing; attention and rates are smooth, and which genes are hidden is drawn.
    Hard limit: before training, the log-linear Poisson factor model of the counts; with no factor
    either, each gene's mean share.
    Gradients: reach the visible counts and all weights.
    Cost: O(cells * num_latents * genes * hidden_dim) time: linear, not quadratic, in genes;
    O(128 * num_heads * num_latents * genes) memory, all cells of a batch in training.
    Start: principal components in, the Poisson factor model out; the correction is 0.

    References:
        Jaegle et al. (2021), Perceiver; Lee et al. (2019), Set transformer (latents that read).
        Cui et al. (2024), scGPT, Nature Methods 21 (hidden genes of cells).
        Batson, Royer (2019), Noise2Self (why predicting what is hidden removes noise).
    """

    Config = TransformerDenoiserConfig
    inputs = (
        COUNTS,
        Port(
            "gene_ids",
            "genes",
            Kind.INDEX,
            "Which gene each column is; without it, in the order of preparing.",
            optional=True,
        ),
    )
    outputs = (
        Port(
            "imputed_counts",
            "cells genes",
            Kind.EXPRESSION,
            "Expected counts where predicted, observed elsewhere.",
            result="layers/denoised_diffbio",
        ),
        Port(
            "mask",
            "cells genes",
            Kind.PARAMETER,
            "1 where the value is the prediction.",
            role=Role.HIDDEN,
        ),
        Port(
            "predicted_expression",
            "cells genes",
            Kind.EXPRESSION,
            "log(1 + expected counts of a typical library), every gene.",
            role=Role.PREDICTED,
        ),
        Port("masked_loss", "", Kind.LOSS, "-log p of hidden counts, nats per cell."),
    )
    needs_training = True
    prepare_once = True
    prepare_cells = 8192
    example = {"hidden_dim": 8, "num_heads": 2, "num_latents": 3, "n_components": 2}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        genes, width, heads = config.n_genes, config.hidden_dim, config.num_heads
        self.reader = GeneReader(genes, width, heads, config.num_latents, rngs=rngs)
        self.layers = nnx.List(
            [latent_layer(width, heads, rngs=rngs) for _ in range(config.num_layers)]
        )
        self.writer = GeneWriter(genes, width, heads, rngs=rngs)
        self.log_profile = nnx.Param(jnp.full(genes, -jnp.log(float(genes))))
        self.slopes = nnx.Param(jnp.zeros((config.n_components, genes)))
        self.log_dispersion = nnx.Param(jnp.ones(genes))
        self.project = Buffer(jnp.zeros((genes, config.n_components)))
        self.centre = Buffer(jnp.zeros(genes))
        self.share = Buffer(jnp.full(genes, 1.0 / genes))
        self.typical_library = Buffer(jnp.asarray(1000.0))

    def prepare(self, counts: np.ndarray, gene_ids: np.ndarray | None = None, *, seed: int) -> None:
        counts = np.asarray(counts, np.float32)
        if gene_ids is not None:
            given, counts = counts, np.zeros_like(counts)
            counts[:, gene_ids] = given
        start = start_of_counts(counts, self.config.n_components, seed=seed)
        put(self.log_profile, start.log_profile)
        put(self.slopes, start.slopes)
        put(self.log_dispersion, start.log_theta)
        put(self.project, start.project)
        put(self.centre, start.centre)
        put(self.share, np.exp(start.log_profile) / np.exp(start.log_profile).sum())
        put(self.typical_library, np.asarray(start.typical_library))

    def __call__(
        self,
        counts: jax.Array,
        gene_ids: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        drop = None
        if key is None:
            mask, visible = jnp.ones_like(counts), jnp.ones_like(counts)
        else:
            draw, drop = jax.random.split(key)
            mask = jax.random.bernoulli(draw, self.config.mask_ratio, counts.shape)
            mask = mask.astype(counts.dtype)
            visible = 1.0 - mask
        logits, library = self._predicted(counts, visible, gene_ids, drop)
        log_share = jax.nn.log_softmax(logits, axis=-1)
        log_rate = log_share + jnp.log(library)
        theta = self.log_dispersion[...] if gene_ids is None else self.log_dispersion[gene_ids]
        fit = negative_binomial_log_prob(counts, log_rate, theta)
        return {
            "imputed_counts": jnp.where(mask > 0, jnp.exp(log_rate), counts),
            "mask": mask,
            "predicted_expression": jnp.log1p(self.typical_library[...] * jnp.exp(log_share)),
            "masked_loss": -mean_over(fit, mask) * counts.shape[1],
        }

    def _predicted(
        self,
        counts: jax.Array,
        visible: jax.Array,
        ids: jax.Array | None,
        drop: jax.Array | None,
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of the genes' shares, and the library as the visible genes tell it."""

        def of_genes(variable: nnx.Variable) -> jax.Array:
            return variable[...] if ids is None else variable[...][..., ids]

        def by_gene(variable: nnx.Variable) -> jax.Array:
            return variable[...] if ids is None else variable[...][ids]

        seen = jnp.sum(visible * counts, axis=1, keepdims=True)
        known = jnp.sum(visible * of_genes(self.share), axis=1, keepdims=True)
        library = jnp.maximum(soft_ops.div(seen, known), 1e-4)
        values = jnp.log1p(counts * visible * (self.typical_library[...] / library))
        whole = counts.shape[1] / jnp.maximum(jnp.sum(visible, axis=1, keepdims=True), 1.0)
        away = visible * (values - of_genes(self.centre))
        scores = whole * (away @ by_gene(self.project))
        logits = of_genes(self.log_profile) + scores @ of_genes(self.slopes)
        identity, readout = by_gene(self.reader.identity), by_gene(self.writer.readout)

        def correct(values: jax.Array, visible: jax.Array) -> jax.Array:
            latents = self.reader(values, visible, identity)
            for i, layer in enumerate(self.layers):
                key = None if drop is None else jax.random.fold_in(drop, i)
                latents = layer(latents, self.config.dropout_rate, key)
            return self.writer(latents, identity, readout)

        if drop is not None:
            return logits + correct(values, visible), library
        return logits + in_pieces(correct, (values, visible), _AT_ONCE), library
