"""Soft choice of highly variable genes."""

from dataclasses import replace
from enum import StrEnum
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    TOTAL_COUNTS,
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
from diffbio_engine.operators.singlecell.soft_hvg._binned_dispersions import normalized_dispersions
from diffbio_engine.parts.log_normalized_counts import normalize_total

_ROWS = 2048


class HVGFlavor(StrEnum):
    """How dispersions are compared."""

    SEURAT = "seurat"
    CELL_RANGER = "cell_ranger"


class SoftHVGConfig(Config):
    """Settings of the choice of variable genes."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    n_top_genes: int = setting(
        2000, low=1, high=50_000, log=True, doc="How many genes to keep; at most all."
    )
    flavor: Literal["seurat", "cell_ranger"] = setting(
        HVGFlavor.SEURAT,
        choices=("seurat", "cell_ranger"),
        doc="Which dispersion: of logarithms by mean and spread, or by median and deviation.",
    )
    n_bins: int = setting(
        20, low=1, high=200, doc="Bins of genes by mean (flavor seurat).", advanced=True
    )
    softness: float = dial(
        0.1,
        low=0.001,
        high=10.0,
        log=True,
        unit="normalised dispersion",
        doc="Low: a gene is in or out. High: genes near the edge are in by shares.",
    )
    hard: bool = setting(True, doc="Genes are in or out, and only gradients are soft.")
    normalize: bool = setting(
        True, doc="Scale cells to 10 000 counts first. Off: what comes in is log-normalised."
    )


@operator(title="Variable genes (soft)")
class SoftHVG(Operator):
    """Keeps the genes that vary most between cells, and sets the others to zero.

    Variance over mean of counts per 10 000 (``cell_ranger``: of their logarithms), compared with
    genes of about the same mean: the normalised dispersion of scanpy. To it is added a learnable
    number for each gene, 0 at the start. ``weights`` are the projection of these scores, divided
    by ``softness``, onto ``{0 <= w <= 1, sum w = n_top_genes}``, or 0 and 1 with the gradient of
    that projection.

    Not prepared: of the cells given. Prepared: dispersions of all cells, so every cell keeps the
    same genes. The input is left as it is; gated counts are ``selected_features``, also called
    ``gated_features``. In ``apply``, ``features`` may stand for ``counts``.

    Softens: whether a gene is among the most variable (``top_k_mask``).
    Hard limit: as ``softness`` goes to 0, the genes that ``scanpy.pp.highly_variable_genes``
    chooses; of a tie, as many as asked for, where scanpy takes all.
    Gradients: reach the scores of genes near the edge, and through them the cells' values where
    not prepared; bins are choices.
    Cost: O(cells * genes) time and memory.
    Start: dispersions from the data.

    References:
        Satija et al. (2015), Spatial reconstruction of single-cell gene expression data.
        Blondel, Teboul, Berthet, Djolonga (2020), Fast differentiable sorting and ranking.
    """

    Config = SoftHVGConfig
    inputs = (replace(COUNTS, also=("features",)), TOTAL_COUNTS)
    outputs = (
        Port(
            "selected_features",
            "cells genes",
            Kind.COUNTS,
            "What came in, with genes that vary little set to 0.",
            also=("gated_features",),
        ),
        Port(
            "hvg_weights",
            "genes",
            Kind.PROFILE,
            "1 for genes that are kept.",
            result="var/hvg_weight_diffbio",
            ranks="large",
        ),
        Port(
            "hvg_dispersion",
            "genes",
            Kind.PROFILE,
            "How much a gene varies, next to those of its mean.",
            result="var/hvg_dispersion_diffbio",
            ranks="large",
        ),
    )
    example = {"n_top_genes": 2, "hard": False, "n_bins": 1}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        self.gene_scores = nnx.Param(jnp.zeros(config.n_genes))
        self.dispersion = Buffer(jnp.zeros(config.n_genes))
        self.known = Buffer(jnp.ones(config.n_genes, bool))

    def prepare(self, counts: np.ndarray, total_counts: np.ndarray | None = None) -> None:
        n = len(counts)
        total, squares = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for start in range(0, n, _ROWS):
            rows = slice(start, start + _ROWS)
            sizes = None if total_counts is None else jnp.asarray(total_counts[rows])
            some = np.asarray(self._scaled(jnp.asarray(counts[rows]), sizes), float)
            total += some.sum(axis=0)
            squares += np.einsum("ij,ij->j", some, some)
        mean = total / n
        variance = np.maximum(squares / n - mean**2, 0.0) * n / max(n - 1, 1)
        with jax.enable_x64(True):  # genes at the edge are close
            found = normalized_dispersions(
                jnp.asarray(mean), jnp.asarray(variance), self.config.flavor, self.config.n_bins
            )
            dispersion, known = (np.asarray(x) for x in found)
        self.dispersion[...] = jnp.asarray(dispersion, self.dispersion.dtype)
        self.known[...] = jnp.asarray(known)

    def __call__(
        self, counts: jax.Array, total_counts: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        if self.fitted:
            dispersion, known = self.dispersion[...], self.known[...]
        else:
            scaled = self._scaled(counts, total_counts)
            n = len(counts)
            mean = jnp.mean(scaled, axis=0)
            variance = jnp.sum((scaled - mean) ** 2, axis=0) / max(n - 1, 1)
            dispersion, known = normalized_dispersions(
                mean, variance, self.config.flavor, self.config.n_bins
            )
        choose = soft_ops.top_k_mask_st if self.config.hard else soft_ops.top_k_mask
        weights = choose(
            dispersion + self.gene_scores[...],
            min(self.config.n_top_genes, len(dispersion)),
            softness=self.dial("softness"),
            where=known,
        )
        return {
            "selected_features": counts * weights,
            "hvg_weights": weights,
            "hvg_dispersion": dispersion,
        }

    def _scaled(self, counts: jax.Array, total_counts: jax.Array | None) -> jax.Array:
        """Counts per 10 000, or for cell_ranger, as scanpy has it, their logarithm."""
        logged = self.config.flavor == "cell_ranger"
        if not self.config.normalize:
            return counts if logged else jnp.expm1(counts)
        scaled = normalize_total(counts, total_counts)
        return jnp.log1p(jnp.maximum(scaled, 0.0)) if logged else scaled
