"""From what can be seen of a cell to its embedding, and from there to the rate of every gene."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import Buffer, TrainingBuffer
from diffbio_engine.operators.foundation_models.foundation_model._gene_sentences import (
    GeneSentences,
)
from diffbio_engine.operators.foundation_models.gene_tokenizer import GeneTokenizer
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.count_starts import CountStart
from diffbio_engine.parts.dense_networks import quiet_linear
from diffbio_engine.parts.in_pieces import in_pieces

# What the cell's token says beside the factors tells mostly how deep a cell is: at full strength
# its first component on pbmc3k had |r| = 0.66 with depth, and types were told from five labels each
# at 0.858, not at 0.900 (tests/benchmarks/README.md).
_FEATURES = 0.1
_AT_ONCE = 128  # cells whose attention is held at a time where nothing is learned


class Seen(NamedTuple):
    """What is said of cells from what can be seen of them."""

    embeddings: jax.Array
    token_embeddings: jax.Array
    tokens: jax.Array
    log_rate: jax.Array


class ExpressionNetwork(nnx.Module):
    """Factors of all visible genes and what a transformer of tokens adds to them.

    Starts as the log-linear Poisson factor model: the transformer moves the factors by 0, and the
    queries of the genes are 0.
    """

    def __init__(
        self,
        n_genes: int,
        width: int,
        factors: int,
        layers: int,
        heads: int,
        max_tokens: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.max_tokens, self.factors = max_tokens, factors
        self.tokenizer = GeneTokenizer(n_genes, rngs=rngs)
        self.sentences = GeneSentences(n_genes, width, layers, heads, rngs=rngs)
        self.move = quiet_linear(width, factors, rngs=rngs)
        self.project = nnx.Param(jnp.zeros((n_genes, factors)))
        self.log_profile = nnx.Param(jnp.full(n_genes, -jnp.log(float(n_genes))))
        self.slopes = nnx.Param(jnp.zeros((factors, n_genes)))
        self.bend = nnx.Linear(width, width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.query = nnx.Param(nnx.initializers.normal(1e-6)(rngs.params(), (n_genes, width)))
        self.centre, self.spread = Buffer(jnp.zeros(n_genes)), Buffer(jnp.ones(n_genes))
        self.share = Buffer(jnp.full(n_genes, 1.0 / n_genes))
        self.typical_library = Buffer(jnp.asarray(1000.0))
        self.measured = TrainingBuffer(jnp.ones(n_genes))  # 0: not in the file at hand

    def begin(self, counts: np.ndarray, start: CountStart) -> None:
        """Takes the data-driven start, and the medians of these cells, (cells, genes)."""
        scaled = counts * (start.typical_library / np.maximum(counts.sum(axis=1), 1.0))[:, None]
        spread = np.maximum(np.log1p(scaled).std(axis=0), 0.1)
        share = np.exp(start.log_profile)
        for variable, value in (
            (self.log_profile, start.log_profile),
            (self.slopes, start.slopes),
            (self.project, start.project),
            (self.centre, start.centre),
            (self.spread, spread),
            (self.share, share / share.sum()),
            (self.typical_library, np.asarray(start.typical_library)),
        ):
            put(variable, value)
        self.tokenizer.fit(scaled)
        self.sentences.begin(start.project * spread[:, None])

    def unseen(self, counts: jax.Array, ids: jax.Array | None) -> jax.Array:
        """Molecules of genes that the file lacks, as their share has it beside the counts of the
        others, (cells,); 0 where none is missing.
        """
        measured, share = self.measured[...], self.share[...]
        if ids is not None:
            measured, share = measured[ids], share[ids]
        beside = soft_ops.div(jnp.sum(share * (1.0 - measured)), jnp.sum(share * measured))
        return jnp.sum(counts * measured, axis=1) * beside

    def __call__(
        self,
        counts: jax.Array,
        visible: jax.Array,
        ids: jax.Array | None,
        temperature: jax.Array,
        rate: float = 0.0,
        drop: jax.Array | None = None,
    ) -> Seen:
        """Reads cells, (cells, genes); ``visible`` is 0 where a count is not to be looked at."""

        def some(counts: jax.Array, visible: jax.Array) -> Seen:
            return self._read(counts, visible, ids, temperature, rate, drop)

        if drop is not None:
            return some(counts, visible)
        return in_pieces(some, (counts, visible), _AT_ONCE)

    def _read(
        self,
        counts: jax.Array,
        visible: jax.Array,
        ids: jax.Array | None,
        temperature: jax.Array,
        rate: float,
        drop: jax.Array | None,
    ) -> Seen:
        def by_gene(variable: nnx.Variable) -> jax.Array:
            return variable[...] if ids is None else variable[...][ids]

        visible = visible * by_gene(self.measured)
        counts = counts * visible
        known = jnp.sum(visible * by_gene(self.share), axis=1, keepdims=True)
        library = soft_ops.div(jnp.sum(counts, axis=1, keepdims=True), known)
        library = jnp.maximum(library, 1e-4)
        scaled = counts * (self.typical_library[...] / library)
        values = jnp.log1p(scaled)
        whole = counts.shape[1] / jnp.maximum(jnp.sum(visible, axis=1, keepdims=True), 1.0)
        away = whole * visible * (values - by_gene(self.centre))
        columns, rank_values, ranks = self.tokenizer.first(
            scaled, min(self.max_tokens, counts.shape[1]), temperature, ids
        )
        said, tokens = self.sentences(
            columns,
            (jnp.take_along_axis(values, columns, axis=1), rank_values, ranks),
            away / by_gene(self.spread),
            jnp.log(library / self.typical_library[...]),
            ids,
            rate,
            drop,
        )
        factors = away @ by_gene(self.project) + self.move(said)
        features = said[:, self.factors :]
        whole_said = jnp.concatenate([factors, features], axis=1)
        slopes = self.slopes[...] if ids is None else self.slopes[...][:, ids]
        logits = by_gene(self.log_profile) + factors @ slopes
        logits = logits + nnx.gelu(self.norm(self.bend(whole_said))) @ by_gene(self.query).T
        log_rate = jax.nn.log_softmax(logits, axis=1) + jnp.log(library)
        where = columns if ids is None else ids[columns]
        embeddings = jnp.concatenate([factors, _FEATURES * features], axis=1)
        return Seen(
            embeddings, tokens, jnp.where(rank_values > 0, where, -1).astype(jnp.int32), log_rate
        )
