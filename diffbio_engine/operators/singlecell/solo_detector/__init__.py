"""Doublets by a classifier on the latent of a count autoencoder (Solo)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    Buffer,
    Kind,
    Operator,
    Port,
    contract,
    dial,
    operator,
    warn_untrained,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell._doublet_rates import rate_or
from diffbio_engine.operators.singlecell._doublet_reference import draw_pairs
from diffbio_engine.operators.singlecell._doublet_settings import (
    BATCHES,
    ClassifierSettings,
    most_called_setting,
)
from diffbio_engine.operators.singlecell.solo_detector._bounded_calls import (
    CALL_PORTS,
    BoundedCalls,
)
from diffbio_engine.operators.singlecell.solo_detector._doublet_classifier import (
    DoubletClassifier,
    doublet_loss,
)
from diffbio_engine.parts.count_autoencoder import (
    CountDecoder,
    CountEncoder,
    gaussian_draw,
    gaussian_kl,
    log_library,
    put,
)
from diffbio_engine.parts.count_likelihoods import negative_binomial_log_prob
from diffbio_engine.parts.count_starts import start_of_counts
from diffbio_engine.ports.latent_ports import BOUND, LATENT


class SoloDetectorConfig(ClassifierSettings):
    """Settings of the doublet classifier."""

    expected_doublet_rate: float = dial(
        0.0,
        low=0.0,
        high=0.99,
        doc="Share of droplets expected to hold two cells. 0: probabilities are of the evidence"
        " alone, and calls are held to 0.8 % per 1000 cells of a batch (10x). 0.5: calls too are"
        " of the evidence alone, as Solo has them.",
    )
    most_called: float = most_called_setting()
    temperature: float = dial(
        0.1,
        low=0.001,
        high=5.0,
        log=True,
        learnable=True,
        unit="probability",
        doc="Low: a cell is called a doublet or not. High: the call fades in around 1/2.",
    )
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")


@operator(title="Doublets (Solo)")
class DifferentiableSoloDetector(Operator):
    """Classifies droplets that held two cells, by a network trained on doublets simulated from
    these cells.

    A count autoencoder (negative binomial, latent ``z``) learns the observed cells, and no others.
    Doublets are made by adding the counts of two random cells. A classifier on ``z`` and the log
    total count tells these from observed cells: ``p = sigmoid(logit(z, log total) + offset)``. The
    offset turns the share of simulated doublets in training, ``r / (1 + r)``, into
    ``expected_doublet_rate`` (1/2 where that is 0). ``doublet_labels`` are ``greater(p,
    threshold)``: 1/2, but where that calls more than ``most_called`` times the expected rate (and
    more than 5 %, where that rate follows from the number of cells), the expected share of cells is
    called; ``threshold_rule`` says which. It is found when preparing and at each refresh.

    Real doublets among the observed cells stand as single ones in training, so ``p`` of a doublet
    is below that of a simulated one; a doublet of two cells of one kind stays hidden.
    In training each batch makes its own doublets, anew in each step (without a key: each cell with
    the next one). Losses are nats per cell; ``classifier_loss`` also reaches the autoencoder.

    Softens: the call (``p > threshold``).
    Hard limit: as ``temperature`` goes to 0, the call is 0 or 1.
    Gradients: reach ``counts`` and all weights; those of the call vanish far from the threshold at
    a low temperature.
    Cost: O(cells * genes * hidden width) time, O(cells * genes) memory.
    Start: principal components as encoder, the log-linear model of them as decoder; the classifier
    is a small network trained on latent means of cells and doublets for 60 epochs.

    References:
        Bernstein et al. (2020), Solo: doublet identification in single-cell RNA-seq via
        semi-supervised deep learning, Cell Systems 11.
    """

    Config = SoloDetectorConfig
    inputs = (COUNTS, BATCHES)
    outputs = (
        Port(
            "doublet_probabilities",
            "cells",
            Kind.SCORE,
            "Probability that the droplet held two cells.",
            result="obs/solo_probability_diffbio",
        ),
        Port(
            "doublet_labels",
            "cells",
            Kind.SCORE,
            "Near 1 for a doublet, near 0 for a single cell.",
            result="obs/solo_call_diffbio",
            call=True,
        ),
        *CALL_PORTS,
        replace(LATENT, also=()),
        *BOUND,
        Port(
            "classifier_loss",
            "",
            Kind.LOSS,
            "Cross-entropy of observed cells against fresh doublets of this batch.",
        ),
    )
    needs_training = True
    prepare_cells = 8192
    example = {"hidden_dims": (8,), "classifier_hidden_dim": 8}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        widths = config.hidden_dims
        self.encoder = CountEncoder(config.n_genes, config.latent_dim, widths, rngs=rngs)
        self.decoder = CountDecoder(config.latent_dim, config.n_genes, widths[::-1], rngs=rngs)
        self.log_dispersion = nnx.Param(jnp.ones(config.n_genes))
        self.classifier = DoubletClassifier(
            config.latent_dim, config.classifier_hidden_dim, rngs=rngs
        )
        self.typical_library = Buffer(jnp.asarray(1000.0))
        self.calls = BoundedCalls()

    def prepare(
        self,
        counts: np.ndarray,
        batch_labels: np.ndarray | None = None,
        *,
        key: jax.Array,
        first: bool,
    ) -> None:
        counts = np.asarray(counts, np.float32)
        there = counts.sum(axis=1) > 0
        counts, batches = counts[there], None if batch_labels is None else batch_labels[there]
        if first:
            self._begin(counts, key)
        evidence = self.classifier(jnp.asarray(self._placed(counts)))
        chosen, most = self.dial("expected_doublet_rate"), self.config.most_called
        self.calls.find(evidence, self._offset(), chosen, most, batches, self.share_seen)

    def _begin(self, counts: np.ndarray, key: jax.Array) -> None:
        """First weights: of the autoencoder from the counts, of the classifier by training it."""
        if len(counts) < 3:
            raise DataError(
                f"has {len(counts)} cells with counts; doublets of them cannot be simulated.",
                fix="Choose data with more cells, or take this block out.",
                where="counts",
            )
        key_start, key_pairs, key_fit = jax.random.split(key, 3)
        seed = int(jax.random.randint(key_start, (), 0, 2**31 - 1))
        start = start_of_counts(counts, self.config.latent_dim, seed=seed)
        self.encoder.begin(start)
        self.decoder.begin(start)
        put(self.log_dispersion, start.log_theta)
        put(self.typical_library, np.asarray(start.typical_library))
        n_pairs = max(1, int(len(counts) * self.config.sim_doublet_ratio))
        pairs = np.asarray(draw_pairs(key_pairs, n_pairs, len(counts), None))
        single, double = self._placed(counts), self._placed(counts, pairs)
        self.classifier.begin(single, double, key=key_fit)

    def _placed(self, counts: np.ndarray, pairs: np.ndarray | None = None) -> np.ndarray:
        """Features of the classifier for these cells, or for the doublets of these pairs."""
        graph, state = nnx.split(self)

        @jax.jit
        def features(state: Any, x: jax.Array) -> jax.Array:
            block = nnx.merge(graph, state)
            return block._features(x, block._encode(x)[0])

        n_all = len(counts) if pairs is None else len(pairs)
        found = []
        for begin in range(0, n_all, 1024):
            rows = np.arange(begin, begin + 1024) % n_all  # one shape is compiled
            x = counts[rows] if pairs is None else counts[pairs[rows]].sum(axis=1)
            found.append(np.asarray(features(state, jnp.asarray(x))))
        return np.concatenate(found)[:n_all]

    def __call__(
        self,
        counts: jax.Array,
        key: jax.Array | None = None,
        batch_labels: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        key_z, key_pairs = (None, None) if key is None else jax.random.split(key)
        mean, log_var = self._encode(counts)
        z = gaussian_draw(mean, log_var, key_z)
        evidence = self.classifier(self._features(counts, z))
        probability = jax.nn.sigmoid(evidence + self._offset())
        calls = self.calls.told(self._offset(), self.dial("expected_doublet_rate"))
        softness = self.dial("temperature")
        library = log_library(counts, None)
        log_rate = self.decoder(z)[0] + library
        fit = negative_binomial_log_prob(counts, log_rate, self.log_dispersion[...])
        return {
            "doublet_probabilities": probability,
            "doublet_labels": soft_ops.greater(probability, calls["threshold"], softness=softness),
            **calls,
            "latent": z,
            "reconstruction_loss": -jnp.mean(jnp.sum(fit, axis=1)),
            "kl_loss": jnp.mean(gaussian_kl(mean, log_var)),
            "classifier_loss": self._classifier_loss(counts, evidence, key_pairs),
        }

    def apply(self, data: Mapping[str, Any], *more: Any, **named: Any) -> Any:
        """As every operator's; says so where nothing was trained or prepared."""
        if not self.fitted:
            warn_untrained(type(self).__name__)
        return super().apply(data, *more, **named)

    def classify(self, z: jax.Array, log_total: jax.Array | None = None) -> jax.Array:
        """Probability of a doublet at latent ``z``; without a total, of a cell of the usual one."""
        if log_total is None:
            log_total = jnp.broadcast_to(jnp.log(self.typical_library[...]), z.shape[:-1])
        depth = log_total - jnp.log(self.typical_library[...])
        features = jnp.concatenate([z, depth[..., None]], axis=-1)
        return jax.nn.sigmoid(self.classifier(features) + self._offset())

    def compute_elbo_loss(self, counts: jax.Array, key: jax.Array | None = None) -> jax.Array:
        """Negative evidence lower bound of observed cells, nats per cell."""
        out = self(counts, key)
        return out["reconstruction_loss"] + out["kl_loss"]

    def compute_solo_loss(
        self, counts: jax.Array, key: jax.Array | None, classifier_weight: float | jax.Array = 1.0
    ) -> dict[str, jax.Array]:
        """``total_loss = elbo + classifier_weight * classifier_loss`` and its parts."""
        out = self(counts, key)
        elbo = out["reconstruction_loss"] + out["kl_loss"]
        loss = out["classifier_loss"]
        total = elbo + classifier_weight * loss
        return {"total_loss": total, "elbo": elbo, "classifier_loss": loss}

    def _encode(self, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean, log_var, _ = self.encoder(
            counts, log_library(counts, None), self.typical_library[...]
        )
        return mean, log_var

    def _features(self, counts: jax.Array, z: jax.Array) -> jax.Array:
        """Latent, and log total count less that of the usual cell, (cells, latent + 1)."""
        depth = log_library(counts, None) - jnp.log(self.typical_library[...])
        return jnp.concatenate([z, depth], axis=1)

    def _offset(self) -> jax.Array:
        """Turns log odds at the simulated share into those at the expected rate."""
        chosen, ratio = self.dial("expected_doublet_rate"), self.config.sim_doublet_ratio
        rate = rate_or(jnp.asarray(0.5), chosen)
        return jnp.log(rate) - jnp.log1p(-rate) - jnp.log(ratio)

    def _classifier_loss(
        self, counts: jax.Array, evidence: jax.Array, key: jax.Array | None
    ) -> jax.Array:
        n_cells = len(counts)
        n_pairs = max(1, round(n_cells * self.config.sim_doublet_ratio))
        if key is None:
            first = jnp.arange(n_pairs) % n_cells
            pairs = jnp.stack([first, (first + 1 + jnp.arange(n_pairs) // n_cells) % n_cells], 1)
            key_z = None
        else:
            key, key_z = jax.random.split(key)
            pairs = draw_pairs(key, n_pairs, n_cells, None)
        doublets = counts[pairs[:, 0]] + counts[pairs[:, 1]]
        z = gaussian_draw(*self._encode(doublets), key_z)
        of_doublets = self.classifier(self._features(doublets, z))
        return doublet_loss(evidence, of_doublets)
