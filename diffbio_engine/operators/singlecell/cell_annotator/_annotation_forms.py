"""The three ways in which cells get their types: each with only the weights that it needs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import Buffer
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.cell_annotator import _logistic_annotation as logistic
from diffbio_engine.operators.singlecell.cell_annotator import _marker_annotation as marker
from diffbio_engine.operators.singlecell.cell_annotator._label_conditioned_vae import (
    LabelConditionedVAE,
    semi_supervised_bound,
)
from diffbio_engine.operators.singlecell.cell_annotator._profile_annotation import profile_logits
from diffbio_engine.parts.count_autoencoder import log_library, put


class Found(NamedTuple):
    """What a form says of cells.

    Attributes:
        logits: (cells, classes).
        misfit, divergence: Parts of the negative bound, nats, (cells,) or 0.
        penalty: Nats per cell of those it was prepared with.
        latent: (cells, latent), where the form has one.
    """

    logits: jax.Array
    misfit: jax.Array
    divergence: jax.Array
    penalty: jax.Array
    latent: jax.Array | None = None


class Form(nnx.Module):
    """One way. ``ratio`` is the weight of the cross-entropy."""

    ratio: float = 1.0

    def __init__(self, config: Any, *, rngs: nnx.Rngs) -> None:
        raise NotImplementedError

    def prepare(self, arrays: Mapping[str, np.ndarray], seed: int, *, first: bool) -> None:
        """Finds buffers and, the first time, weights."""
        raise NotImplementedError

    def __call__(
        self,
        counts: jax.Array,
        labels: jax.Array | None,
        markers: jax.Array | None,
        key: jax.Array | None,
        fitted: bool,
        totals: jax.Array | None = None,
    ) -> Found:
        raise NotImplementedError


class FromGenes(Form):
    """Multinomial logistic regression on standardised genes (celltypist)."""

    def __init__(self, config: Any, *, rngs: nnx.Rngs) -> None:
        self.l2 = config.l2
        self.classifier_head = nnx.Linear(
            config.n_genes,
            config.n_cell_types,
            kernel_init=nnx.initializers.normal(0.01),
            rngs=rngs,
        )
        self.gene_mean = Buffer(jnp.zeros(config.n_genes))
        self.gene_scale = Buffer(jnp.ones(config.n_genes))
        self.n_known = Buffer(jnp.asarray(1000.0))

    def prepare(self, arrays: Mapping[str, np.ndarray], seed: int, *, first: bool) -> None:
        counts, labels, totals = _known_cells(arrays, self.classifier_head.out_features)
        mean, scale = logistic.gene_scaling(counts, totals)
        put(self.gene_mean, mean)
        put(self.gene_scale, scale)
        put(self.n_known, np.asarray(len(labels)))
        if not first:
            return
        x = logistic.scaled_rows(counts, mean.astype(np.float32), scale.astype(np.float32), totals)
        n_types = self.classifier_head.out_features
        weights, bias = logistic.fit_softmax_regression(x, labels, n_types, l2=self.l2)
        put(self.classifier_head.kernel, weights)
        put(self.classifier_head.bias, bias)

    def __call__(
        self,
        counts: jax.Array,
        labels: jax.Array | None,
        markers: jax.Array | None,
        key: jax.Array | None,
        fitted: bool,
        totals: jax.Array | None = None,
    ) -> Found:
        x = logistic.standardised(counts, self.gene_mean[...], self.gene_scale[...], totals)
        ridge = jnp.sum(self.classifier_head.kernel[...] ** 2)
        none = jnp.zeros((), counts.dtype)
        penalty = 0.5 * self.l2 / self.n_known[...] * ridge
        return Found(self.classifier_head(x), none, none, penalty)


class FromMarkers(Form):
    """Negative binomial mixture with marker genes (cellassign)."""

    def __init__(self, config: Any, *, rngs: nnx.Rngs) -> None:
        start = marker.usual_weights(config.n_cell_types, config.n_genes)
        self.log_mu = nnx.Param(start.log_mu)
        self.raw_delta = nnx.Param(start.raw_delta)
        self.log_dispersion = nnx.Param(start.log_theta)
        self.class_logits = nnx.Param(start.class_logits)
        self.marker_genes = Buffer(jnp.arange(config.n_genes))
        self.log_level = Buffer(jnp.zeros(config.n_genes))
        self.usual_total = Buffer(jnp.asarray(1000.0))
        self.n_cells = Buffer(jnp.asarray(1000.0))

    def prepare(self, arrays: Mapping[str, np.ndarray], seed: int, *, first: bool) -> None:
        markers = np.asarray(_required(arrays.get("marker_matrix")), np.float32)
        counts = np.asarray(arrays["counts"], np.float32)
        total = np.asarray(arrays.get("total_counts", counts.sum(axis=1)), np.float32)
        if not markers.any() or not total.any():
            raise DataError(
                "names no gene of these cells.",
                fix="Give markers by the names that the genes have in the data.",
                where="marker_matrix",
            )
        if first:
            # A gene that marks nothing is as likely under every type.
            self.marker_genes = Buffer(jnp.asarray(np.flatnonzero(markers.any(axis=0)), jnp.int32))
        genes = np.asarray(self.marker_genes[...])
        put(self.usual_total, np.asarray(total[total > 0].mean()))
        put(self.n_cells, np.asarray(len(counts)))
        size = np.maximum(total, 1.0) / float(self.usual_total[...])
        level = np.asarray(_log_level(jnp.asarray(counts[:, genes]), jnp.asarray(size)[:, None]))
        everywhere = np.zeros(counts.shape[1])
        everywhere[genes] = level
        put(self.log_level, everywhere)
        if not first:
            return
        labels = arrays.get("labels")
        found = marker.fit_markers(
            counts[:, genes],
            np.log(size)[:, None],
            level,
            markers[:, genes],
            labels=None if labels is None else np.asarray(labels),
            seed=seed,
        )
        for weight, value in zip(
            (self.log_mu, self.raw_delta, self.log_dispersion), found[:3], strict=True
        ):
            weight[...] = weight[...].at[..., genes].set(value)
        put(self.class_logits, np.asarray(found.class_logits))

    def __call__(
        self,
        counts: jax.Array,
        labels: jax.Array | None,
        markers: jax.Array | None,
        key: jax.Array | None,
        fitted: bool,
        totals: jax.Array | None = None,
    ) -> Found:
        markers = jnp.asarray(_required(markers), counts.dtype)
        log_total = log_library(counts, totals)
        genes = self.marker_genes[...]
        x, markers = counts[:, genes], markers[:, genes]
        if fitted:
            log_size = log_total - jnp.log(self.usual_total[...])
            level = self.log_level[...][genes]
        else:
            log_size = log_total - jnp.log(jnp.mean(jnp.exp(log_total)))
            level = _log_level(x, jnp.exp(log_size))
        weights = marker.MarkerWeights(
            self.log_mu[...][genes],
            self.raw_delta[...][:, genes],
            self.log_dispersion[...][genes],
            self.class_logits[...],
        )
        scores = marker.marker_scores(x, log_size, level, markers, weights)
        prior = marker.negative_log_prior(weights, markers) / self.n_cells[...]
        misfit = -jax.nn.logsumexp(scores, axis=1)
        return Found(scores, misfit, jnp.zeros((), counts.dtype), prior)


class FromFewLabels(Form):
    """Count autoencoder with a Gaussian for each type (scanvi)."""

    def __init__(self, config: Any, *, rngs: nnx.Rngs) -> None:
        self.ratio = config.classification_ratio
        self.l2 = config.l2
        self.model = LabelConditionedVAE(
            config.n_genes,
            config.n_cell_types,
            config.latent_dim,
            config.hidden_dims,
            config.gene_likelihood,
            rngs=rngs,
        )
        self.typical_library = Buffer(jnp.asarray(1000.0))

    def prepare(self, arrays: Mapping[str, np.ndarray], seed: int, *, first: bool) -> None:
        if not first:
            return
        _known_cells(arrays, self.model.prior_means.shape[0])
        found = self.model.begin(
            np.asarray(arrays["counts"], np.float32),
            np.asarray(arrays["labels"]),
            l2=self.l2,
            seed=seed,
        )
        put(self.typical_library, found)

    def __call__(
        self,
        counts: jax.Array,
        labels: jax.Array | None,
        markers: jax.Array | None,
        key: jax.Array | None,
        fitted: bool,
        totals: jax.Array | None = None,
    ) -> Found:
        cells = self.model(counts, self.typical_library[...], key)
        divergence = semi_supervised_bound(cells, labels) - cells.misfit
        none = jnp.zeros((), counts.dtype)
        return Found(cells.logits, cells.misfit, divergence, none, cells.latent)


class FromProfiles(Form):
    """Correlation with the profiles of a reference (singler): nothing is learned."""

    def __init__(self, config: Any, *, rngs: nnx.Rngs) -> None:
        pass

    def prepare(self, arrays: Mapping[str, np.ndarray], seed: int, *, first: bool) -> None:
        _profiles(arrays.get("reference_profiles"))

    def __call__(
        self,
        counts: jax.Array,
        labels: jax.Array | None,
        markers: jax.Array | None,
        key: jax.Array | None,
        fitted: bool,
        totals: jax.Array | None = None,
    ) -> Found:
        if labels is not None:
            raise DataError(
                "are types of the data, and singler says those of a reference.",
                fix="Remove the wire of labels, or choose the form celltypist.",
                where="labels",
            )
        none = jnp.zeros((), counts.dtype)
        return Found(profile_logits(counts, jnp.asarray(_profiles(markers))), none, none, none)


FORMS: dict[str, type[Form]] = {
    "celltypist": FromGenes,
    "cellassign": FromMarkers,
    "scanvi": FromFewLabels,
    "singler": FromProfiles,
}


def _log_level(counts: jax.Array, size: jax.Array) -> jax.Array:
    """Log of each gene's mean count in a cell of the usual size; of one never seen, a low one."""
    return jnp.log((jnp.sum(counts, axis=0) + 0.1) / (jnp.sum(size) + 0.1))


def _required(markers: Any) -> Any:
    if markers is None:
        raise DataError(
            "is missing: cellassign needs it.",
            fix="Wire a table of marker genes, or choose a form that learns from known labels.",
            where="marker_matrix",
        )
    return markers


def _profiles(profiles: Any) -> Any:
    if profiles is None:
        raise DataError(
            "is missing: singler compares cells with the types of a reference.",
            fix="Wire the profiles of a reference, or choose a form that learns from known labels.",
            where="reference_profiles",
        )
    return profiles


def _known_cells(
    arrays: Mapping[str, np.ndarray], n_types: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Counts and labels of the cells whose type is known, and their totals where these are."""
    labels = arrays.get("labels")
    known = np.zeros(0, bool) if labels is None else np.asarray(labels) >= 0
    if labels is None or not known.any() or np.asarray(labels).max() >= n_types:
        raise DataError(
            "are missing: this form learns from cells whose type is known."
            if not known.any()
            else f"go up to {int(np.asarray(labels).max())}, but there are {n_types} types.",
            fix="Wire labels (-1 where unknown), or choose cellassign with marker genes."
            if not known.any()
            else "Count the types from 0.",
            where="labels",
        )
    totals = arrays.get("total_counts")
    counts = np.asarray(arrays["counts"], np.float32)[known]
    return counts, np.asarray(labels)[known], None if totals is None else totals[known]
