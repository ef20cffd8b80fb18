"""What the simplest models say of hidden values: the lines that a network has to be better than."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from sklearn.utils.extmath import randomized_svd

from diffbio_engine.declare import TrainingBuffer
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.mean_over import mean_over

_COMPONENTS = 30
_ROUNDS = 8  # of filling in; the error then no longer changes in its third digit


class LinearFloors(nnx.Module):
    """The mean of each gene, and principal components filled in again and again.

    Both of log-normalised values. A hidden value begins at its gene's mean and takes what 30
    principal components of the prepared cells say of it, until that stands (Mazumder et al. 2010).
    What is visible of a cell is what the network sees too. The components were fitted to the
    prepared cells whole, hidden values and all, so of these cells they say more than of new ones.
    """

    def __init__(self, n_genes: int) -> None:
        self.centre = TrainingBuffer(jnp.zeros(n_genes))
        self.axes = TrainingBuffer(jnp.zeros((n_genes, _COMPONENTS)))

    def fit(self, values: np.ndarray, seed: int) -> None:
        """Looks at log-normalised cells, (cells, genes)."""
        centre = values.mean(axis=0)
        n = min(_COMPONENTS, *values.shape)
        _, _, found = randomized_svd(values - centre, n, random_state=seed)
        axes = np.zeros((values.shape[1], _COMPONENTS), np.float32)
        axes[:, :n] = found.T
        put(self.centre, centre)
        put(self.axes, axes)

    def __call__(
        self, values: jax.Array, visible: jax.Array, hidden: jax.Array, ids: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """Mean squared errors of the hidden values: by the means, and by the components.

        Args:
            values: The truth, log-normalised, (cells, genes).
            visible: What is seen of the values that are not hidden.
            hidden: 1 where a value is hidden.
        """
        centre, axes = self.centre[...], self.axes[...]
        if ids is not None:
            centre, axes = centre[ids], axes[ids]
        away, seen_away = values - centre, visible - centre
        filled = jnp.zeros_like(away)
        for _ in range(_ROUNDS):
            seen = jnp.where(hidden > 0, filled, seen_away)
            filled = (seen @ axes) @ axes.T
        return mean_over(away**2, hidden), mean_over((filled - away) ** 2, hidden)
