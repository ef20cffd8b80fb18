"""Batch correction by an autoencoder whose batches are made alike by a kernel test (MMD)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import Buffer, Config, Kind, Port, dial, operator, setting, size
from diffbio_engine.operators.singlecell._batch_autoencoder import (
    CORRECTED,
    RECONSTRUCTION,
    BatchAutoencoder,
    gradnorm_setting,
    latent_port,
    reference_setting,
)
from diffbio_engine.operators.singlecell._conditional_autoencoder import equal_pull, reweighed
from diffbio_engine.operators.singlecell.mmd_batch_correction._mmd import (
    SCALES,
    mean_sq_distance,
    median_sq_distance,
    squared_mmd,
)


class MMDBatchCorrectionConfig(Config):
    """Settings of batch correction by maximum mean discrepancy."""

    n_genes: int = size("genes", default=2000, doc="Number of genes.")
    n_batches: int = size("batches", default=2, doc="Number of batches.")
    hidden_dim: int = setting(
        128, low=2, high=1024, log=True, doc="Width of the hidden layers.", advanced=True
    )
    latent_dim: int = setting(64, low=2, high=256, log=True, doc="Dimensions of the latent space.")
    kernel_bandwidth: float = dial(
        1.0,
        low=0.05,
        high=20.0,
        log=True,
        unit="median distances",
        doc="Bandwidth of the kernel. High: only the batches' means matter.",
    )
    use_gradnorm: bool = gradnorm_setting()
    reference_batch: int = reference_setting()


@operator(title="Batch correction (MMD autoencoder)", name="mmd_batch_correction")
class DifferentiableMMDBatchCorrection(BatchAutoencoder):
    """Learns coordinates in which the batches cannot be told apart, and corrected expression.

    ``z = encoder(x, batch)``, ``x' = decoder(z, batch)``;
    loss = ``mean (x' - x)^2 + weight * sum_{b < c} MMD^2(z of b, z of c)`` with the unbiased
    estimate ``mean k(z_b, z_b') + mean k(z_c, z_c') - 2 mean k(z_b, z_c)`` over different cells,
    in which ``k(u, v)`` is the mean of ``exp(-|u - v|^2 / (2 s h^2))`` over ``s`` = 1/4, 1, 4, 16
    and ``h`` is ``kernel_bandwidth`` times the median distance between cells, found anew at each
    refresh. Every pair of batches counts; batches of one cell do not. The decoder knows the batch,
    so the latent need not; ``corrected_expression`` is decoded as if from the reference batch.
    Whole numbers are recognised as counts when preparing; from then on ``log(1 + counts per
    10 000)`` is taken first. Expression in and out is per gene, in the unit of what comes in.

    Softens: nothing; a kernel compares whole distributions and no cell is chosen.
    Hard limit: as ``kernel_bandwidth`` goes to 0 the kernels see only identical cells and the
    discrepancy is 0; as it grows, what is left is the squared distance of the batches' means.
    Gradients: reach ``expression`` and all weights; those of the discrepancy fade for cells
    farther than four median distances from all others.
    Cost: O(cells * genes * hidden width + cells^2 * latent) time, O(cells * (genes + 1024)) memory.
    Start: principal components within batches, and the batches' means.

    References:
        Gretton et al. (2012), A kernel two-sample test, JMLR 13.
        Shaham et al. (2017), Removal of batch effects using distribution-matching residual
        networks, Bioinformatics 33.
        Lotfollahi et al. (2020), Conditional out-of-distribution generation for unpaired data
        using transfer VAE, Bioinformatics 36.
    """

    Config = MMDBatchCorrectionConfig
    compares_cells = True
    outputs = (
        CORRECTED,
        latent_port("obsm/X_mmd_diffbio"),
        Port(
            "mmd_loss",
            "",
            Kind.LOSS,
            "Squared discrepancy, summed over pairs of batches; by chance a little below 0.",
            weight=1.0,
        ),
        RECONSTRUCTION,
    )

    def setup(self, rngs: nnx.Rngs) -> None:
        super().setup(rngs)
        self.typical_sq_distance = Buffer(jnp.asarray(0.0))

    def prepare(
        self,
        expression: np.ndarray,
        batch_labels: np.ndarray,
        total_counts: np.ndarray | None = None,
        *,
        seed: int,
        first: bool,
    ) -> None:
        latent, _ = self._begin(expression, batch_labels, total_counts, seed=seed, first=first)
        found = median_sq_distance(np.asarray(latent))
        self.typical_sq_distance[...] = jnp.asarray(found, self.typical_sq_distance.dtype)

    def __call__(
        self,
        expression: jax.Array,
        batch_labels: jax.Array,
        total_counts: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        x, batch, latent = self._latent(expression, batch_labels, total_counts)
        labels = jnp.asarray(batch_labels).astype(jnp.int32)
        apart, misfit = self.discrepancy(latent, labels), self._misfit(x, latent, batch)
        if self.config.use_gradnorm:
            here = jax.lax.stop_gradient(latent)
            pulls = (
                jax.grad(lambda z: self.discrepancy(z, labels))(here),
                jax.grad(lambda z: self._misfit(x, z, batch))(here),
            )
            weights = equal_pull(tuple(jnp.sqrt(jnp.sum(pull**2)) for pull in pulls))
            apart, misfit = reweighed(apart, weights[0]), reweighed(misfit, weights[1])
        return {
            "corrected_expression": self._corrected(latent),
            "latent": latent,
            "mmd_loss": apart,
            "reconstruction_loss": misfit,
        }

    def discrepancy(self, latent: jax.Array, batch_labels: jax.Array) -> jax.Array:
        """Sum over pairs of batches of their unbiased squared discrepancy."""
        typical = self.typical_sq_distance[...]
        # Not prepared: the mean squared distance of the cells given.
        typical = jnp.where(typical > 0, typical, mean_sq_distance(latent))
        widths = self.dial("kernel_bandwidth") ** 2 * typical * jnp.asarray(SCALES, latent.dtype)
        pairs = squared_mmd(latent, batch_labels, self.config.n_batches, widths)
        return jnp.sum(jnp.triu(pairs, 1))
