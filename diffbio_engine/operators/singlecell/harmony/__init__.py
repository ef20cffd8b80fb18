"""Harmony: takes the differences between batches out of an embedding, cluster by cluster."""

import warnings
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    BATCH_LABELS,
    EMBEDDINGS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.harmony._diversity_clustering import (
    Knobs,
    Replay,
    harmonize,
    place,
    start_from_data,
    unit_rows,
)

# Inside a transform the labels cannot be counted. A batch without cells changes nothing, so
# there is always room for a few more than the settings say.
_ROOM_FOR_BATCHES = 16


class BatchCorrectionConfig(Config):
    """Settings of Harmony."""

    n_clusters: int = setting(
        100, low=2, high=500, doc="Clusters to correct in; about one per 30 cells, at most 100."
    )
    n_features: int = size("features", default=50, doc="Width of an embedding.")
    n_batches: int = size(
        "batches", default=2, doc="Number of batches; more are found in the labels if there are."
    )
    n_iterations: int = setting(10, low=1, high=50, doc="Rounds of clustering and correction.")
    n_kmeans_iterations: int = setting(
        4, low=1, high=50, doc="Clustering rounds before each correction.", advanced=True
    )
    theta: float = dial(
        2.0,
        low=0.0,
        high=10.0,
        doc="Diversity penalty: how strongly every cluster must hold all batches; 0: not.",
    )
    sigma: float = dial(
        0.1,
        low=0.01,
        high=1.0,
        log=True,
        doc="Width of a cluster: how softly cells are shared.",
        advanced=True,
    )
    lambda_: float = dial(
        1.0,
        low=0.0,
        high=1000.0,
        unit="cells",
        doc="Ridge penalty of a batch's effect; high: small groups are left as they are.",
        advanced=True,
    )
    temperature: float = dial(
        1.0,
        low=0.01,
        high=10.0,
        log=True,
        learnable=True,
        doc="Multiplies sigma. Low: each cell in one cluster. High: shared among many.",
    )
    variant: str = setting(
        "published",
        choices=("published", "harmony2"),
        doc="The method of 2019, or the second version: centroids move with the correction only "
        "and the pull towards rare batches is bounded.",
        advanced=True,
    )


@operator(
    title="Harmony batch correction",
    formerly=("singlecell.batch_correction",),
)
class DifferentiableHarmony(Operator):
    """Moves the batches onto each other, type of cell by type of cell.

    Cells ``z`` of length one are shared among clusters ``Y``,
    ``R[i, k] ~ exp(-2 (1 - z[i] . Y[k]) / (sigma temperature)) (E[k, b] / O[k, b])^theta``, where
    ``O`` is the mass of batch ``b`` in cluster ``k`` and ``E`` the mass it would have if batches
    were spread evenly (both plus one). Per cluster a ridge regression on the batch, weighted with
    ``R``, penalty ``lambda_``, intercept free, gives effects ``W``; the corrected cell is
    ``x[i] - sum_k R[i, k] W[k, batch of i]``, and the next round clusters corrected cells.
    Cells are updated in 20 fixed blocks; the last look of a round uses the mean diversity term of
    the blocks, so that a cell's share depends on the cell, its batch and stored numbers alone.

    Not prepared: runs the whole method on the cells given, with gradients through all of it.
    Prepared: walks each cell, old or new, through the stored rounds on its own; the result on the
    prepared cells is the same. Dials act in both. A batch that was not there when the block was
    prepared is left uncorrected, and a warning says so.

    Softens: the choice of the nearest cluster, with a head start for rare batches (``argmax``).
    Hard limit: as ``temperature`` goes to 0, shares are one-hot at the nearest centroid and the
    correction is a batch's mean (shrunk by ``lambda_``) in that cluster. ``theta = 0`` is soft
    k-means; a large ``lambda_`` leaves the cells as they are; one batch: the identity.
    Gradients: reach ``embeddings`` and, if not prepared, ``cluster_centroids``. These are the
    starting directions: a row shorter than one displaces the start found in the data.
    Cost: O(iterations * cells * clusters * features * batches) time, O(cells * clusters) memory.

    References:
        Korsunsky et al. (2019), Fast, sensitive and accurate integration of single-cell data with
        Harmony, Nature Methods 16.
    """

    Config = BatchCorrectionConfig
    inputs = (
        replace(EMBEDDINGS, also=("latent_mean", "latent"), after=(Role.LATENT,)),
        BATCH_LABELS,
    )
    outputs = (
        Port(
            "corrected_embeddings",
            "cells features",
            Kind.FEATURES,
            "Coordinates of each cell with the differences between batches taken out.",
            result="obsm/X_corrected_diffbio",
            role=Role.CORRECTED,
        ),
        Port(
            "cluster_assignments",
            "cells clusters",
            Kind.SHARES,
            "Share of each cell in each cluster that the correction used.",
        ),
    )
    reach = "population"
    # A round more or less where clusters settle would be another result.
    example = {"n_clusters": 3, "n_iterations": 2, "n_kmeans_iterations": 2}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        rounds, clusters = config.n_iterations, config.n_clusters
        batches, width = config.n_batches, config.n_features
        self.cluster_centroids = nnx.Param(jnp.zeros((clusters, width)))
        self.round_centroids = Buffer(jnp.zeros((rounds, clusters, width)))
        self.round_log_diversity = Buffer(jnp.zeros((rounds, clusters, batches)))
        self.round_mass = Buffer(jnp.zeros((rounds, clusters, batches)))
        self.round_sums = Buffer(jnp.zeros((rounds, clusters, batches, width)))

    def prepare(self, embeddings: np.ndarray, batch_labels: np.ndarray, *, first: bool) -> None:
        labels = batch_labels.astype(np.int32)
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
        cells = jnp.asarray(embeddings, self.cluster_centroids.dtype)
        start = self._start(cells)
        if first:
            self.cluster_centroids[...] = start
        _, _, replay = self._run(cells, jnp.asarray(labels), start, self._n_batches(labels))
        self.round_centroids = Buffer(replay.centroids)
        self.round_log_diversity = Buffer(replay.log_diversity)
        self.round_mass = Buffer(replay.mass)
        self.round_sums = Buffer(replay.sums)

    def __call__(self, embeddings: jax.Array, batch_labels: jax.Array) -> dict[str, jax.Array]:
        cells = jnp.asarray(embeddings)
        labels = jnp.asarray(batch_labels).astype(jnp.int32)
        if self.fitted:
            replay = self._replay()
            self._mention_unknown(labels, replay.mass.shape[-1])
            corrected, belongs = place(cells, labels, replay, self._knobs())
        else:
            n_batches = self._n_batches(labels)
            self._mention_unknown(labels, n_batches)
            corrected, belongs, _ = self._run(cells, labels, self._start(cells), n_batches)
        return {"corrected_embeddings": corrected, "cluster_assignments": belongs}

    def _run(
        self, cells: jax.Array, labels: jax.Array, start: jax.Array, n_batches: int
    ) -> tuple[jax.Array, jax.Array, Replay]:
        return harmonize(
            cells,
            labels,
            start,
            self._knobs(),
            n_batches=n_batches,
            n_iterations=self.config.n_iterations,
            n_kmeans_iterations=self.config.n_kmeans_iterations,
            centroids_rest=self.config.variant == "harmony2",
        )

    def _start(self, cells: jax.Array) -> jax.Array:
        """Starting centroids: those set, where set; else from the data, displaced by them."""
        given = self.cluster_centroids[...]
        length = jnp.sqrt(jnp.sum(given**2, axis=1, keepdims=True) + 1e-12)
        if not isinstance(length, jax.core.Tracer) and bool(jnp.all(length >= 1.0 - 1e-6)):
            return unit_rows(given)
        from_data = start_from_data(
            unit_rows(cells), self._knobs().width, n_clusters=self.config.n_clusters
        )
        return unit_rows(given + jnp.maximum(1.0 - length, 0.0) * from_data)

    def _knobs(self) -> Knobs:
        width = self.dial("sigma") * self.dial("temperature")
        return Knobs(width, self.dial("theta"), self.dial("lambda_"))

    def _replay(self) -> Replay:
        return Replay(
            self.round_centroids[...],
            self.round_log_diversity[...],
            self.round_mass[...],
            self.round_sums[...],
        )

    def _n_batches(self, labels: np.ndarray | jax.Array) -> int:
        """How many batches to make room for: counted if the labels can be seen."""
        if isinstance(labels, jax.core.Tracer):
            return max(self.config.n_batches, _ROOM_FOR_BATCHES)
        return max(self.config.n_batches, int(np.max(np.asarray(labels), initial=0)) + 1)

    def _mention_unknown(self, labels: jax.Array, n_batches: int) -> None:
        """Says which cells stay as they are because their batch is not known."""
        if isinstance(labels, jax.core.Tracer):
            return
        outside = int(np.sum((np.asarray(labels) < 0) | (np.asarray(labels) >= n_batches)))
        if outside:
            warnings.warn(
                f"{outside} of {labels.size} cells come from a batch that Harmony has not seen; "
                "they are left uncorrected. Prepare the block again with these cells to include "
                "their batch.",
                stacklevel=3,
            )
