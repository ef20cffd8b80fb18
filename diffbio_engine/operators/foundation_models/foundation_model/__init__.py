"""An expression foundation model: learns what cells are from genes that are hidden from it."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    COUNTS,
    LABELS,
    TOTAL_COUNTS,
    Buffer,
    Kind,
    Operator,
    Port,
    operator,
)
from diffbio_engine.operators.foundation_models.foundation_model._expected_logarithm import (
    expected_log_normalized,
)
from diffbio_engine.operators.foundation_models.foundation_model._expression_network import (
    ExpressionNetwork,
)
from diffbio_engine.operators.foundation_models.foundation_model._linear_floors import (
    LinearFloors,
)
from diffbio_engine.operators.foundation_models.foundation_model._masking import thinned
from diffbio_engine.operators.foundation_models.foundation_model._settings import (
    ExpressionModelSettings,
)
from diffbio_engine.operators.foundation_models.foundation_model._what_it_says import OUTPUTS
from diffbio_engine.parts.class_head import ClassHead, told_classes
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.count_starts import start_of_counts
from diffbio_engine.parts.mean_over import mean_over

_TO_SCALE = 256  # cells in whose deviations the classes read the embedding
_MOST_KNOWN = 2048  # labelled cells whose means the classes begin at


class FoundationModelConfig(ExpressionModelSettings):
    """Settings of the expression foundation model."""


@operator(title="Expression foundation model")
class DifferentiableFoundationModel(Operator):
    """Learns what a cell is by predicting the expression of genes that are hidden from it.

    The genes of a cell become tokens: the ``max_tokens`` with the highest rank values (expression
    over the gene's median), each the sum of an embedding of its identity and one of its value and
    its soft rank. ``num_layers`` of self-attention let them, and a token of the whole cell, hear
    each other. ``embeddings`` are ``n_components`` factors of all visible genes, moved by what the
    cell's token says, and ``hidden_dim - n_components`` features of that token, a tenth as loud.

    Any gene, token or not, is asked of the embedding by a vector of its own: ``rate = library *
    softmax(profile + factors @ slopes + f(embedding) @ query)``, O(genes * hidden_dim).
    ``predicted_expression = E log(1 + S c / T)`` for ``c ~ Poisson(rate)``, in the unit of
    log-normalised values; ``T`` the total of the cell, ``S`` the typical one. The library is what
    the visible genes say it is.

    Training (with a key) hides ``mask_ratio`` of the genes, others in each cell and step, detected
    ones and zeros alike, and of the others some molecules (``thinning``). ``masked_loss`` is the
    mean squared error of the hidden values; ``mean_error`` and ``components_error`` are those of
    the gene's mean and of 30 principal components, filled in again and again, for the same values
    from the same visible molecules: lines to stay below, which nothing is learned from. The
    components were fitted to the prepared cells whole, so on those the line is the harder one.
    Without a key nothing is hidden. Genes that a new file lacks are not taken for silent.
    ``label_loss`` is the cross-entropy of ``softmax(W factors + b)`` over cells whose label is
    not -1; without wired labels there are no types and it is 0.

    Softens: sorting (the ranks of tokens); which genes are tokens is decided.
    Hard limit: as ``temperature`` goes to 0, ranks are whole numbers. Before training: the
    log-linear Poisson factor model of the visible genes.
    Gradients: reach the visible counts and all weights.
    Cost: O(cells * num_layers * max_tokens * (max_tokens + hidden_dim) * hidden_dim) time;
    O(128 * num_heads * max_tokens^2) memory: with 512 tokens and four heads 0.5 GB, for one layer
    at a time, as attention is computed again on the way back. O(cells * genes) besides.
    Start: principal components in, the Poisson factor model out; the transformer adds 0. Types
    lie at the means of their labelled cells, in units of the variance within types.

    References:
        Theodoris et al. (2023), Transfer learning enables predictions in network biology, Nature
        618 (Geneformer: rank values).
        Cui et al. (2024), scGPT, Nature Methods 21 (masked expression).
        Batson, Royer (2019), Noise2Self; Neufeld et al. (2023), Data thinning.
    """

    Config = FoundationModelConfig
    inputs = (
        COUNTS,
        Port(
            "gene_ids",
            "genes",
            Kind.INDEX,
            "Which gene each column is; without it, in the order of preparing.",
            optional=True,
        ),
        TOTAL_COUNTS,
        replace(LABELS, optional=True),
    )
    outputs = OUTPUTS
    needs_training = learns_classes = True
    prepare_once = True
    prepare_cells = 8192
    example = {
        "hidden_dim": 8,
        "num_heads": 2,
        "num_layers": 1,
        "n_components": 2,
        "max_tokens": 4,
        "n_classes": 1,
    }

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        self.network = ExpressionNetwork(
            config.n_genes,
            config.hidden_dim,
            config.n_components,
            config.num_layers,
            config.num_heads,
            config.max_tokens,
            rngs=rngs,
        )
        if config.n_classes:
            self.classes = ClassHead(
                config.n_components, config.n_classes, buffer=Buffer, rngs=rngs
            )
        self.floors = LinearFloors(config.n_genes)
        self.typical_total = Buffer(jnp.asarray(1000.0))  # of all genes, where these are told

    def look_past(self, missing: np.ndarray) -> bool:
        put(self.network.measured, ~missing)
        return True

    @classmethod
    def takes_totals(cls, config: Any) -> bool:
        return True

    def prepare(
        self,
        counts: np.ndarray,
        gene_ids: np.ndarray | None = None,
        total_counts: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        *,
        seed: int,
    ) -> None:
        counts = np.asarray(counts, np.float32)
        if gene_ids is not None:
            given, counts = counts, np.zeros((len(counts), self.config.n_genes), np.float32)
            counts[:, gene_ids] = given
        start = start_of_counts(counts, self.config.n_components, seed=seed)
        self.network.begin(counts, start)
        library = np.maximum(counts.sum(axis=1), 1.0)
        total = library if total_counts is None else np.maximum(total_counts, library)
        put(self.typical_total, np.median(total))
        if self.config.n_classes:
            self.classes.begin(self._factors(counts[:_TO_SCALE]), labels)
            if labels is not None and np.any(labels >= 0):
                known = np.flatnonzero(labels >= 0)
                some = np.linspace(0, len(known) - 1, min(len(known), _MOST_KNOWN), dtype=int)
                known = known[some]
                self.classes.begin_at_means(self._factors(counts[known]), labels[known])
        self.floors.fit(np.log1p(counts * (np.median(total) / total)[:, None]), seed)

    def _factors(self, counts: np.ndarray) -> np.ndarray:
        """What classes are told from, (cells, n_components); always as many cells at once."""
        n, rows = len(counts), min(len(counts), _TO_SCALE)
        pieces = np.resize(np.arange(n), (-(-n // rows), rows))
        found = [_embedded(self.network, jnp.asarray(counts[some])) for some in pieces]
        return np.concatenate(found)[:n, : self.config.n_components]

    def __call__(
        self,
        counts: jax.Array,
        gene_ids: jax.Array | None = None,
        total_counts: jax.Array | None = None,
        labels: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        mask, share, drop, input_counts = jnp.zeros_like(counts), None, None, counts
        if key is not None:
            hide, how_many, which, drop = jax.random.split(key, 4)
            mask = jax.random.bernoulli(hide, self.config.mask_ratio, counts.shape)
            mask = mask.astype(counts.dtype)
            share = jax.random.uniform(
                how_many, (len(counts), 1), counts.dtype, self.config.thinning, 1.0
            )
            input_counts = thinned(counts, share, which)
        seen = self.network(
            input_counts,
            1.0 - mask,
            gene_ids,
            self.dial("temperature"),
            self.config.dropout_rate,
            drop,
        )
        log_rate = seen.log_rate if share is None else seen.log_rate - jnp.log(share)
        unit = self._per_molecule(counts, total_counts, gene_ids)
        values = jnp.log1p(counts * unit)
        predicted = expected_log_normalized(log_rate, unit)
        asked = mask if key is not None else jnp.ones_like(counts)
        visible = values if share is None else jnp.log1p(input_counts / share * unit)
        by_means, by_components = self.floors(values, visible, asked, gene_ids)
        found = {
            "embeddings": seen.embeddings,
            "token_embeddings": seen.token_embeddings,
            "tokens": seen.tokens,
            "predicted_expression": predicted,
            "mask": mask,
            "masked_loss": mean_over((predicted - values) ** 2, asked),
            "mean_error": by_means,
            "components_error": by_components,
            "label_loss": jnp.zeros((), counts.dtype),
        }
        if self.config.n_classes:
            frozen = self.config.fine_tune == "frozen"
            factors = seen.embeddings[:, : self.config.n_components]
            x = jax.lax.stop_gradient(factors) if frozen else factors
            found |= told_classes(self.classes(x, self.config.dropout_rate, drop), labels)
        return found

    def predict_hidden(
        self,
        counts: jax.Array,
        hidden: jax.Array,
        gene_ids: jax.Array | None = None,
        total_counts: jax.Array | None = None,
    ) -> jax.Array:
        """Expected log-normalised values, (cells, genes), from what is not hidden.

        Args:
            hidden: 1 where a value is not to be looked at, (cells, genes).
        """
        counts = jnp.asarray(counts, float)
        seen = self.network(counts, 1.0 - hidden, gene_ids, self.dial("temperature"))
        return expected_log_normalized(
            seen.log_rate, self._per_molecule(counts, total_counts, gene_ids)
        )

    def _per_molecule(
        self, counts: jax.Array, total_counts: jax.Array | None, ids: jax.Array | None
    ) -> jax.Array:
        """What one molecule adds to a normalised count of its cell, (cells, 1): the unit."""
        total = jnp.sum(counts, axis=1)
        if total_counts is not None:
            total = jnp.maximum(total_counts, total)
        total = total + self.network.unseen(counts, ids)
        return self.typical_total[...] / jnp.maximum(total, 1.0)[:, None]


@nnx.jit
def _embedded(network: ExpressionNetwork, counts: jax.Array) -> jax.Array:
    return network(counts, jnp.ones_like(counts), None, jnp.asarray(0.1)).embeddings
