"""The genes of a cell in the order of how much they say of it: words of a sentence."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    EXPRESSION,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.parts.count_autoencoder import put

MOST_TOKENS = 512  # attention among tokens, and soft ranks, cost their square


class GeneTokenizer(nnx.Module):
    """Genes by rank value: the expression of a gene over its median where it is detected.

    ``tokenizer(expression, temperature=1.0)`` is the whole soft order, (..., genes, genes): row r
    is a distribution over the gene of rank r, the largest rank value first. ``tokenizer.first`` is
    the same information in O(k genes) memory: the ``k`` first genes and their soft ranks.

    Before ``fit`` every median is 1, and the order is that of the expression itself. Where two
    genes have one count, that of the smaller median stands first; equal rank values share their
    places, so nothing depends on the order of the columns.

    Hard limit: ``argsort`` of the rank values, descending; rows are one-hot where none are equal.
    Gradients: reach ``expression``, the temperature, and the medians.

    References:
        Theodoris et al. (2023), Transfer learning enables predictions in network biology, Nature
        618 (rank value encoding of Geneformer).
        Grover, Wang, Zweig, Ermon (2019), NeuralSort.
    """

    def __init__(self, n_genes: int, *, rngs: nnx.Rngs | None = None) -> None:
        self.n_genes = n_genes
        self.medians = Buffer(jnp.ones(n_genes))

    def fit(self, expression: np.ndarray) -> None:
        """Takes the median of each gene over the cells in which it is detected, (cells, genes).

        A gene that no cell has gets the median of the others: it says nothing yet.
        """
        put(self.medians, detected_medians(expression))

    def rank_values(self, expression: jax.Array, gene_ids: jax.Array | None = None) -> jax.Array:
        """``expression / median``, (..., genes)."""
        medians = self.medians[...]
        return expression / (medians if gene_ids is None else medians[gene_ids])

    def __call__(self, expression: jax.Array, temperature: float | jax.Array = 1.0) -> jax.Array:
        """The soft order of all genes, (..., genes) to (..., genes, [genes]).

        Args:
            temperature: Relative to the spread of the rank values of a cell.
        """
        values = self.rank_values(jnp.asarray(expression, float))
        order: jax.Array = soft_ops.argsort(values, axis=-1, descending=True, softness=temperature)
        return order

    def first(
        self,
        expression: jax.Array,
        k: int,
        temperature: float | jax.Array = 0.1,
        gene_ids: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The ``k`` first detected genes of each cell, (cells, genes) to three (cells, k).

        Args:
            temperature: How far, as a logarithm, two rank values are apart to be told apart.
            gene_ids: Which gene each column is; without it, in the order of fitting.

        Returns:
            Columns of the genes; their rank values; their soft ranks ``1 + sum_j sigmoid((ln v_j -
            ln v_i) / temperature)`` over the others. Where a cell has fewer genes, 0 and 0 stand.
        """
        values = self.rank_values(expression, gene_ids)
        # A tie at the k-th place is broken by which gene it is, never by where its column stands.
        ids = jnp.arange(self.n_genes) if gene_ids is None else gene_ids
        nearly_one = 1 - 1e-5 * ids / self.n_genes
        _, columns = jax.lax.top_k(jax.lax.stop_gradient(values * nearly_one), k)
        found = jnp.take_along_axis(values, columns, axis=-1)
        known = found > 0
        logs = jnp.log(jnp.where(known, found, 1.0))
        before = soft_ops.greater(logs[:, None, :], logs[:, :, None], softness=temperature)
        # A gene is not before itself; there the comparison says one half.
        ranks = 0.5 + jnp.sum(jnp.where(known[:, None, :], before, 0.0), axis=-1)
        return columns, found, jnp.where(known, ranks, 0.0)


def detected_medians(expression: np.ndarray) -> np.ndarray:
    """Median of each gene over the cells where it is above 0, (genes,), float32."""
    x = np.asarray(expression, np.float32)
    seen = np.where(x > 0, x, np.nan)
    medians = np.full(x.shape[1], np.nan, np.float32)
    told = (x > 0).any(axis=0)
    if told.any():
        medians[told] = np.nanmedian(seen[:, told], axis=0)
    return np.where(told, medians, np.median(medians[told]) if told.any() else 1.0)


class GeneTokensConfig(Config):
    """Settings of the gene tokens."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    max_tokens: int = setting(
        128,
        low=1,
        high=MOST_TOKENS,
        doc="Maximum of tokens a cell: its genes of the highest rank values.",
    )
    temperature: float = dial(
        0.1,
        low=0.001,
        high=10.0,
        log=True,
        learnable=True,
        doc="Low: ranks are whole numbers. High: genes of like rank values share their places.",
    )


@operator(title="Gene tokens")
class GeneTokens(Operator):
    """The genes of a cell as a sentence: those that are loudest for what they usually are, first.

    ``rank value = expression / median``, the median of the gene over the cells where it is detected
    (found in preparing). ``tokens`` are the ``max_tokens`` genes with the highest, -1 where a cell
    has fewer; ``token_ranks = 1 + sum_j sigmoid((ln v_j - ln v_i) / temperature)``. Give
    normalised expression, or cells with more molecules have higher values (not other ranks).

    Softens: sorting.
    Hard limit: as ``temperature`` goes to 0, ranks are those of ``argsort`` of the rank values,
    descending; equal values have the mean of their places.
    Gradients: reach ``expression`` through ranks and rank values; which genes are tokens is
    decided, not softened. The soft order of all genes is ``GeneTokenizer(n_genes)(expression)``.
    Cost: O(cells * (genes + max_tokens^2)) time and memory.

    References:
        Theodoris et al. (2023), Transfer learning enables predictions in network biology, Nature
        618 (Geneformer).
    """

    Config = GeneTokensConfig
    inputs = (EXPRESSION,)
    outputs = (
        Port("tokens", "cells tokens", Kind.INDEX, "Which genes, the highest rank value first."),
        Port("token_values", "cells tokens", Kind.PARAMETER, "Their rank values; 0 for none."),
        Port("token_ranks", "cells tokens", Kind.PARAMETER, "Their soft ranks; 0 for none."),
    )
    prepare_cells = 8192
    dials_of_prepared = ()

    def setup(self, rngs: nnx.Rngs) -> None:
        self.tokenizer = GeneTokenizer(self.config.n_genes, rngs=rngs)

    def prepare(self, expression: np.ndarray) -> None:
        self.tokenizer.fit(expression)

    def __call__(self, expression: jax.Array) -> dict[str, jax.Array]:
        k = min(self.config.max_tokens, expression.shape[1])
        columns, values, ranks = self.tokenizer.first(
            jnp.asarray(expression, float), k, self.dial("temperature")
        )
        tokens = jnp.where(values > 0, columns, -1).astype(jnp.int32)
        return {"tokens": tokens, "token_values": values, "token_ranks": ranks}
