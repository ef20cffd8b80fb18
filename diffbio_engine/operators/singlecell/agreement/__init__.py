"""Agreement of clusters with a truth that is known."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    LABELS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    operator,
    size,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.agreement._soft_contingency import (
    adjusted_rand_index,
    contingency,
    majority_accuracy,
    normalized_mutual_information,
)

_ROWS = 65_536  # cells at a time


class AgreementConfig(Config):
    """Settings of the agreement with a truth."""

    n_classes: int = size("classes", default=5, doc="How many known classes there are.")
    n_clusters: int = size("clusters", default=10, doc="How many clusters there are.")
    temperature: float = dial(
        0.01,
        low=1e-5,
        high=1.0,
        log=True,
        unit="of the logarithm of a share",
        doc="Low: a cell counts whole for its likeliest cluster. 1: by its shares.",
    )


@operator(title="Agreement with truth")
class AgreementWithTruth(Operator):
    """Measures how well clusters agree with known cell types or groups.

    Cells are counted into a table of classes by clusters, each cell with the weights
    ``softmax(log share / temperature)`` over clusters. From the table: the adjusted Rand index
    (pairs of cells that are together in both; 0 as by chance, 1 if equal), mutual information
    over the mean of the two entropies (0 to 1), and the share of cells that have the commonest
    class of their cluster. ``confusion`` is the share of each class in each cluster; the row of a
    class without cells is 0. Cells whose class is not known (-1) do not count.

    Prepared: of all cells, as they were when the block last looked at them (the temperature then
    acts at the next refresh). Not prepared: of the cells given.

    Softens: which cluster a cell belongs to (``argmax``).
    Hard limit: as ``temperature`` goes to 0, the numbers that scikit-learn gives for the likeliest
    clusters.
    Gradients: not prepared, they reach ``cluster_assignments`` and the temperature, and vanish
    where a cell is surely of one cluster; the majority is a choice. Prepared, there are none.
    Cost: O(cells * classes * clusters) time, O(cells * (classes + clusters)) memory.

    References:
        Hubert and Arabie (1985), Comparing partitions, Journal of Classification 2.
        Strehl and Ghosh (2002), Cluster ensembles, Journal of Machine Learning Research 3.
    """

    Config = AgreementConfig
    inputs = (
        LABELS,
        Port(
            "cluster_assignments",
            "cells clusters",
            Kind.SHARES,
            "Shares of the clusters.",
            after=(Role.CLUSTERS,),
        ),
    )
    outputs = (
        Port(
            "adjusted_rand_index",
            "",
            Kind.PARAMETER,
            "Agreement over pairs of cells: 0 as by chance, 1 if equal.",
        ),
        Port(
            "normalized_mutual_information",
            "",
            Kind.PARAMETER,
            "Information that clusters and classes share, 0 to 1.",
        ),
        Port(
            "majority_accuracy",
            "",
            Kind.PARAMETER,
            "Share of cells that have the commonest class of their cluster.",
        ),
        Port(
            "confusion",
            "classes clusters",
            Kind.PLAN,
            "Share of each class that lies in each cluster.",
        ),
    )
    reach = "population"

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        self.rand = Buffer(jnp.asarray(0.0))
        self.information = Buffer(jnp.asarray(0.0))
        self.majority = Buffer(jnp.asarray(0.0))
        self.table = Buffer(jnp.zeros((config.n_classes, config.n_clusters)))

    def prepare(self, labels: np.ndarray, cluster_assignments: np.ndarray) -> None:
        if not np.any((labels >= 0) & (labels < self.config.n_classes)):
            raise DataError(
                "holds no cell whose class is known.",
                fix="Choose a column with known classes.",
                where="labels",
            )
        with jax.enable_x64(True):  # differences of squares of many cells
            table, own = jnp.zeros(self.table.shape), jnp.asarray(0.0)
            for start in range(0, len(labels), _ROWS):
                rows = slice(start, start + _ROWS)
                shares = jnp.asarray(cluster_assignments[rows], float)
                more, more_own = self._counted(labels[rows], shares)
                table, own = table + more, own + more_own
            found = jax.tree.map(np.asarray, _measured(table, own))
        self.rand[...] = jnp.asarray(found["adjusted_rand_index"], self.rand.dtype)
        self.information[...] = jnp.asarray(found["normalized_mutual_information"], self.rand.dtype)
        self.majority[...] = jnp.asarray(found["majority_accuracy"], self.rand.dtype)
        self.table[...] = jnp.asarray(found["confusion"], self.table.dtype)

    def __call__(self, labels: jax.Array, cluster_assignments: jax.Array) -> dict[str, jax.Array]:
        if not self.fitted:
            return _measured(*self._counted(labels, jnp.asarray(cluster_assignments, float)))
        return {
            "adjusted_rand_index": self.rand[...],
            "normalized_mutual_information": self.information[...],
            "majority_accuracy": self.majority[...],
            "confusion": self.table[...],
        }

    def _counted(
        self, labels: jax.Array | np.ndarray, shares: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        least = jnp.finfo(shares.dtype).tiny
        weights = soft_ops.argmax(
            jnp.log(jnp.maximum(shares, least)),
            axis=1,
            softness=self.dial("temperature"),
            standardize=False,
        )
        return contingency(jnp.asarray(labels), weights, self.config.n_classes)


def _measured(table: jax.Array, own: jax.Array) -> dict[str, jax.Array]:
    return {
        "adjusted_rand_index": adjusted_rand_index(table, own),
        "normalized_mutual_information": normalized_mutual_information(table),
        "majority_accuracy": majority_accuracy(table),
        "confusion": soft_ops.div(table, jnp.sum(table, axis=1, keepdims=True)),
    }
