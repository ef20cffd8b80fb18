"""What the autoencoders that take batches out of expression share: ports, start, correction."""

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    BATCH_LABELS,
    EXPRESSION,
    TOTAL_COUNTS,
    Buffer,
    Kind,
    Operator,
    Port,
    setting,
)
from diffbio_engine.errors import SettingError
from diffbio_engine.operators.singlecell._conditional_autoencoder import (
    ConditionalAutoencoder,
    are_counts,
    batch_rows,
    checked_batches,
    logged,
    start_of_batches,
)
from diffbio_engine.parts.log_normalized_counts import Totals

CORRECTED = Port(
    "corrected_expression",
    "cells genes",
    Kind.EXPRESSION,
    "Expression of each cell as it would be in the reference batch, freed of noise.",
)
RECONSTRUCTION = Port(
    "reconstruction_loss", "", Kind.LOSS, "Mean squared error of the expression, over all entries."
)


def latent_port(result: str) -> Port:
    """Latent coordinates, stored under this name."""
    doc = "Coordinates of each cell with the differences between batches taken out."
    return Port("latent", "cells latent", Kind.FEATURES, doc, result=result)


def reference_setting() -> Any:
    """Which batch expression is corrected to."""
    return setting(
        -1,
        low=-1,
        high=10_000,
        doc="The batch that expression is corrected to, counted from 0; -1: the one with the most"
        " cells.",
        advanced=True,
    )


def gradnorm_setting() -> Any:
    """Whether the terms pull equally hard."""
    return setting(
        False,
        doc="Gradient normalisation: in every step the gradients of the terms are scaled to "
        "pull the latent space equally hard (before the weights).",
        advanced=True,
    )


class BatchAutoencoder(Operator):
    """Autoencoder told the batch; a subclass says what makes the batches alike in the middle."""

    inputs: ClassVar[tuple[Port, ...]] = (EXPRESSION, BATCH_LABELS, TOTAL_COUNTS)
    needs_training = True
    prepare_cells = 8192
    example: ClassVar[Mapping[str, Any]] = {"latent_dim": 3, "hidden_dim": 8}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        if config.reference_batch >= config.n_batches:
            raise SettingError(
                f"{config.reference_batch} is not among {config.n_batches} batches from 0.",
                fix="Choose a batch that there is, or -1.",
                where="reference_batch",
            )
        self.autoencoder = ConditionalAutoencoder(
            config.n_genes, config.latent_dim, config.hidden_dim, config.n_batches, rngs=rngs
        )
        self.reference = Buffer(jnp.asarray(max(config.reference_batch, 0), jnp.int32))
        self.from_counts = Buffer(jnp.asarray(0.0))

    def _begin(
        self,
        expression: np.ndarray,
        batch_labels: np.ndarray,
        total_counts: np.ndarray | None,
        *,
        seed: int,
        first: bool,
    ) -> tuple[jax.Array, np.ndarray]:
        """Sets the first weights; the latent coordinates and batches of these cells."""
        config = self.config
        labels = checked_batches(batch_labels, config.n_batches)
        raw = np.asarray(expression, np.float32)
        if first:
            self.from_counts[...] = jnp.asarray(float(are_counts(raw)), self.from_counts.dtype)
            if config.reference_batch < 0:
                self.reference[...] = jnp.asarray(np.argmax(np.bincount(labels)), jnp.int32)
            x = np.asarray(logged(jnp.asarray(raw), self.from_counts[...], total_counts))
            start = start_of_batches(x, labels, config.n_batches, config.latent_dim, seed=seed)
            self.autoencoder.begin(start)
        _, _, latent = self._latent(jnp.asarray(raw), jnp.asarray(labels), total_counts)
        return latent, labels

    def _latent(
        self,
        expression: jax.Array,
        batch_labels: jax.Array,
        total_counts: Totals = None,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Logarithmic expression, batches as one-hot rows, and latent coordinates."""
        expression = jnp.asarray(expression)
        if not jnp.issubdtype(expression.dtype, jnp.floating):
            expression = expression.astype(float)
        labels = jnp.asarray(batch_labels).astype(jnp.int32)
        self._mention_unknown(labels)
        x = logged(expression, self.from_counts[...], total_counts)
        batch = batch_rows(labels, self.config.n_batches, x.dtype)
        return x, batch, self.autoencoder.encode(x, batch)

    def _corrected(self, latent: jax.Array) -> jax.Array:
        reference = jax.nn.one_hot(self.reference[...], self.config.n_batches, dtype=latent.dtype)
        return self.autoencoder.decode(
            latent, jnp.broadcast_to(reference, (len(latent), len(reference)))
        )

    def _misfit(self, x: jax.Array, latent: jax.Array, batch: jax.Array) -> jax.Array:
        return jnp.mean((self.autoencoder.decode(latent, batch) - x) ** 2)

    def compute_balanced_loss(self, losses: Mapping[str, jax.Array]) -> jax.Array:
        """The terms in one number, each with its default weight (1 for a name not known here).

        With ``use_gradnorm`` the terms that the block returns already pull equally hard.
        """
        weights = {port.name: port.weight for port in self.outputs if port.kind == Kind.LOSS}
        terms = (weights.get(name, 1.0) * value for name, value in losses.items())
        return sum(terms, start=jnp.zeros(()))

    def _mention_unknown(self, labels: jax.Array) -> None:
        """Says which cells come from a batch without weights of its own."""
        if isinstance(labels, jax.core.Tracer):
            return
        n, seen = self.config.n_batches, np.asarray(labels)
        outside = int(np.sum((seen < 0) | (seen >= n)))
        if outside:
            warnings.warn(
                f"{outside} of {seen.size} cells come from a batch outside 0 to {n - 1}; they are "
                "taken as an even mixture of these. Set n_batches and train again to include them.",
                stacklevel=4,
            )
