"""Encoder and decoder of counts, each a straight line plus a network that bends it.

The line starts at the principal components (``count_starts``), the network at zero, so the model
starts as a factor model of the data and training only adds what a line cannot say.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.parts.count_starts import CountStart
from diffbio_engine.parts.dense_networks import DenseLayers, quiet_linear

# Metadata of a weight: how many times the learning rate it moves by (`training/objective_step.py`).
PACE = "pace"
# How far the mean of a normaliser's encoder moves: with 1 the latent space was, after 240 steps,
# hardly better than the linear one that it starts as; with 4 or 8 it leaves it in time, and counts
# not seen are explained better. With 8 pbmc3k's cells are told apart less well than with 4.
FASTER = 4.0
_LOG_VAR_LIMIT = 10.0
_ENCODER_PACE = 0.25
_LEAST_LIBRARY = 1e-4  # an empty cell has a rate near zero, not a logarithm of minus infinity


def log_library(counts: jax.Array, library_size: jax.Array | None) -> jax.Array:
    """Logarithm of the total count of each cell, (..., 1)."""
    total = jnp.sum(counts, axis=-1) if library_size is None else library_size
    total = jnp.broadcast_to(jnp.asarray(total, counts.dtype), counts.shape[:-1])
    return jnp.log(jnp.maximum(total, _LEAST_LIBRARY))[..., None]


def gaussian_kl(mean: jax.Array, log_var: jax.Array) -> jax.Array:
    """KL divergence of ``N(mean, exp(log_var))`` from ``N(0, 1)``, summed over the last axis."""
    return 0.5 * jnp.sum(jnp.exp(log_var) + mean**2 - 1 - log_var, axis=-1)


def gaussian_draw(mean: jax.Array, log_var: jax.Array, key: jax.Array | None) -> jax.Array:
    """A draw from ``N(mean, exp(log_var))``; without a key, the mean."""
    if key is None:
        return mean
    return mean + jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape, mean.dtype)


class CountEncoder(nnx.Module):
    """Counts to the mean and the log variance of a latent normal."""

    def __init__(
        self,
        n_genes: int,
        n_latent: int,
        widths: tuple[int, ...],
        *,
        rngs: nnx.Rngs,
        faster: float = 1.0,
    ) -> None:
        """``faster``: how many times as far a training step moves what makes the mean."""
        self.line = nnx.Linear(n_genes, n_latent, rngs=rngs)
        self.bend = DenseLayers(n_genes, widths, rngs=rngs)
        self.mean_head = quiet_linear(self.bend.n_out, n_latent, rngs=rngs)
        self.log_var_head = quiet_linear(self.bend.n_out, n_latent, rngs=rngs)
        # Adam moves every weight by about its learning rate, so a sum over many inputs moves by
        # that times their number. Divided out, the axes of the latent stay near the principal
        # components while the decoder learns; ``faster`` lets them leave in time.
        self._pace = (_ENCODER_PACE * n_genes**-0.5, _ENCODER_PACE * self.bend.n_out**-0.5)
        for layer in (self.line, self.mean_head) if faster != 1.0 else ():
            for weight in (layer.kernel, layer.bias):
                assert weight is not None, "both have a bias"
                weight.set_metadata(**{PACE: faster})

    def __call__(
        self, counts: jax.Array, log_library: jax.Array, typical_library: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Mean, log variance, and the hidden features for further heads."""
        # Scaled counts for the line (depth is not identity), plain ones for the network, which
        # must know how deep a cell is to know how sure to be.
        scaled = jnp.log1p(counts * (typical_library * jnp.exp(-log_library)))
        hidden = self.bend(jnp.log1p(counts))
        pace = self._pace
        mean = self.line(scaled) * pace[0] + self.mean_head(hidden) * pace[1]
        log_var = jnp.clip(self.log_var_head(hidden), -_LOG_VAR_LIMIT, _LOG_VAR_LIMIT)
        return mean, log_var, hidden

    def begin(self, start: CountStart) -> None:
        """Takes the data-driven start."""
        project = start.project / self._pace[0]
        put(self.line.kernel, project)
        put(self.line.bias, -start.centre @ project)
        put(self.log_var_head.bias, start.latent_log_var)
        if len(self.bend.layers):
            first = self.bend.layers[0]
            put(first.bias, -start.input_mean @ np.asarray(first.kernel[...]))


class CountDecoder(nnx.Module):
    """Latent coordinates (and batch) to the log share of each gene in a cell's counts."""

    def __init__(
        self,
        n_latent: int,
        n_genes: int,
        widths: tuple[int, ...],
        *,
        n_batches: int = 1,
        dropout_head: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.n_batches = n_batches
        extra = n_batches if n_batches > 1 else 0
        self.line = nnx.Linear(n_latent, n_genes, rngs=rngs)
        self.bend = DenseLayers(n_latent + extra, widths, rngs=rngs)
        self.logit_head = quiet_linear(self.bend.n_out, n_genes, rngs=rngs)
        self.batch_line = quiet_linear(extra, n_genes, rngs=rngs) if extra else None
        self.dropout_head = (
            quiet_linear(self.bend.n_out, n_genes, rngs=rngs) if dropout_head else None
        )

    def __call__(
        self, z: jax.Array, batch: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array | None]:
        """Log shares, (..., genes), whose exponentials add up to 1; dropout logits if any."""
        logits = self.line(z)
        known = z
        if self.batch_line is not None and batch is not None:
            logits = logits + self.batch_line(batch)
            known = jnp.concatenate([z, batch], axis=-1)
        hidden = self.bend(known)
        bent = self.logit_head(hidden) * hidden.shape[-1] ** -0.5  # paced like the encoder
        shares = jax.nn.log_softmax(logits + bent, axis=-1)
        return shares, None if self.dropout_head is None else self.dropout_head(hidden)

    def begin(self, start: CountStart) -> None:
        """Takes the data-driven start."""
        put(self.line.kernel, start.slopes)
        put(self.line.bias, start.log_profile)
        if self.batch_line is not None:
            put(self.batch_line.kernel, start.batch_slopes)
        if self.dropout_head is not None:
            put(self.dropout_head.bias, np.log(start.excess_zeros / (1 - start.excess_zeros)))


def put(variable: nnx.Variable | None, value: np.ndarray) -> None:
    """Sets a weight, keeping its type; a layer without this weight is a mistake of ours."""
    assert variable is not None
    variable[...] = jnp.asarray(value, variable[...].dtype)
