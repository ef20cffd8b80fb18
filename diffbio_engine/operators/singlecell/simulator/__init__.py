"""Splat: synthetic cells whose parameters come from data, and can be learned."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    BATCH_LABELS,
    COUNTS,
    LABELS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    contract,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.operators.singlecell.simulator import _splat_cells as splat_cells
from diffbio_engine.operators.singlecell.simulator._splat_cells import (
    KEYS,
    Genes,
    Softening,
    draw_cells,
)
from diffbio_engine.operators.singlecell.simulator._splat_draws import cell_keys, normal_of
from diffbio_engine.operators.singlecell.simulator._splat_estimates import (
    NO_DROPOUT,
    estimate_splat,
)
from diffbio_engine.operators.singlecell.simulator._splat_moments import (
    Variation,
    model_moments,
    moment_distance,
    observed_moments,
)
from diffbio_engine.parts.count_autoencoder import put


class SimulationConfig(Config):
    """Settings of the Splat simulation; those of the model hold until data are looked at."""

    dropout_mid: float = setting(
        -1.0, low=-30.0, high=20.0, unit="log count", doc="Mean at which half the counts are lost."
    )
    dropout_shape: float = setting(
        -0.5, low=-20.0, high=0.0, doc="How fast losses fall as means rise."
    )
    mean_shape: float = setting(0.6, low=0.01, high=100.0, doc="Shape of the Gamma of gene means.")
    mean_rate: float = setting(0.3, low=0.001, high=100.0, doc="Rate of the Gamma of gene means.")
    lib_loc: float = setting(
        11.0, low=0.0, high=20.0, unit="log counts", doc="Mean log library size."
    )
    lib_scale: float = setting(
        0.2, low=0.0, high=3.0, unit="log counts", doc="Spread of log library sizes."
    )
    de_prob: float = setting(0.1, low=0.0, high=1.0, doc="Share of genes that a group changes.")
    de_fac_loc: float = setting(0.1, low=0.0, high=5.0, doc="Mean log change of such a gene.")
    de_fac_scale: float = setting(0.4, low=0.0, high=5.0, doc="Spread of the log changes.")
    batch_fac_loc: float = setting(
        0.1, low=0.0, high=5.0, doc="Mean log change of a gene by a batch.", advanced=True
    )
    batch_fac_scale: float = setting(
        0.1, low=0.0, high=5.0, doc="Spread of the log changes by a batch.", advanced=True
    )
    outlier_prob: float = setting(
        0.05, low=0.0, high=1.0, doc="Share of genes with very high means.", advanced=True
    )
    outlier_loc: float = setting(
        4.0, low=0.0, high=10.0, doc="Log of how many times the median they have.", advanced=True
    )
    outlier_scale: float = setting(0.5, low=0.0, high=5.0, doc="Its spread.", advanced=True)
    bcv_common: float = setting(
        0.1, low=0.0, high=5.0, doc="Biological coefficient of variation of abundant genes."
    )
    bcv_df: float = setting(
        60.0, low=2.1, high=1e6, log=True, doc="Low: genes differ in variation.", advanced=True
    )
    dropout: bool = setting(True, doc="Lose counts of low means, beyond those never counted.")
    sampling: Literal["straight_through", "hard", "soft"] = setting(
        "straight_through",
        choices=("straight_through", "hard", "soft"),
        doc="Whole counts with soft gradients, whole counts without any, or soft counts.",
    )
    temperature: float = dial(
        0.1,
        low=0.01,
        high=1.0,
        log=True,
        unit="logits",
        doc="Low: counts, groups and losses are whole. High: they blur.",
    )
    n_cells: int = setting(
        500, low=1, high=1_000_000, log=True, doc="How many cells, where none are given."
    )
    n_genes: int = size("genes", default=200, doc="How many genes.")
    n_groups: int = size("classes", default=3, doc="How many groups of cells.")
    n_batches: int = size("batches", default=1, doc="How many batches.")
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")


@operator(title="Simulated cells (Splat)")
class DifferentiableSimulator(Operator):
    """Makes synthetic cells like those of a data set, whose groups and means are known.

    ``mean[i, g] = library_i p_g``, where the shares ``p`` are gene means times log-normal factors
    of group and batch; ``L ~ Gamma(mean, bcv)`` with ``bcv = (common + trend / sqrt(mean)) s_g``;
    ``count ~ Poisson(L)``, lost with probability ``1 / (1 + exp(-shape (log L - mid)))``, which
    falls with ``L`` as ``shape`` is below 0. Published ``trend``: 1; ``s_g^2 ~ df / chi2(df)``.

    Given no cells: ``n_cells`` of genes drawn from the settings. Prepared with counts: all is
    estimated from them, and for each given cell one synthetic cell is made, of its label and batch
    if these are wired. ``moment_loss`` compares mean, variance and zeros of each gene between
    model and data, so that training fits the means, the shares of groups and the batches' depths.
    Without a key the draws follow from the seed and the cell's own counts: cells beside it, and
    where chunks are cut, change nothing. ``apply`` also returns ``counts`` where none were given.

    Softens: the steps of the Poisson distribution, the choice of a group, and what is lost.
    Hard limit: as ``temperature`` goes to 0, whole Poisson counts, one group, lost or not.
    Gradients: reach means, group shares, batch depths through counts (soft ones, or straight
    through) and through ``moment_loss``; that of the Gamma is implicit.
    Cost: O(cells * genes) time and memory, about a microsecond a count.

    References:
        Zappia, Phipson, Oshlack (2017), Splatter: simulation of single-cell RNA sequencing data.
        Figurnov, Mohamed, Mnih (2018), Implicit reparameterization gradients.
    """

    Config = SimulationConfig
    inputs = (
        replace(COUNTS, optional=True, after=()),
        replace(LABELS, optional=True),
        replace(BATCH_LABELS, optional=True),
    )
    outputs = (
        Port(
            "simulated_counts",
            "cells genes",
            Kind.COUNTS,
            "Counts of the synthetic cells.",
            result="layers/simulated_diffbio",
        ),
        Port(
            "group_labels",
            "cells",
            Kind.LABELS,
            "Group of each synthetic cell.",
            classes="classes",
            result="obs/simulated_group_diffbio",
        ),
        Port("batch_labels", "cells", Kind.LABELS, "Its batch.", classes="batches"),
        Port(
            "gene_means",
            "genes",
            Kind.PROFILE,
            "Mean of each gene, before groups, batches and losses.",
            result="var/simulated_mean_diffbio",
        ),
        Port("de_mask", "groups genes", Kind.PARAMETER, "1 where a group changes a gene."),
        Port("true_means", "cells genes", Kind.EXPRESSION, "Mean of each count, before losses."),
        Port("dropout_mask", "cells genes", Kind.PARAMETER, "1 where a count was lost."),
        Port("library_size", "cells", Kind.SCORE, "Expected total of each cell, before losses."),
        Port(
            "splat_parameters",
            "9",
            Kind.PARAMETER,
            "Mean shape and rate, library location and scale, variation (common, trend, df),"
            " dropout midpoint and shape.",
        ),
        Port(
            "moment_loss",
            "",
            Kind.LOSS,
            "Distance of mean, variance and zeros of each gene from the data's.",
            optional=True,
        ),
    )
    example = {"n_cells": 8, "sampling": "soft", "lib_loc": 3.0}

    def setup(self, rngs: nnx.Rngs) -> None:
        c, genes = self.config, self.config.n_genes
        self.seed = Buffer(jax.random.key_data(rngs.params()))
        self.gene_means_logits = nnx.Param(jnp.zeros(genes))
        self.group_logits = nnx.Param(jnp.zeros(c.n_groups))
        self.batch_shift = nnx.Param(jnp.zeros(c.n_batches))
        self.group_log_factors = Buffer(jnp.zeros((c.n_groups, genes)))
        self.batch_log_factors = Buffer(jnp.zeros((c.n_batches, genes)))
        self.group_shift = Buffer(jnp.zeros(c.n_groups))
        self.gene_scale = Buffer(jnp.ones(genes))
        mid, shape = (c.dropout_mid, c.dropout_shape) if c.dropout else (NO_DROPOUT, -1.0)
        lib, bcv = (c.lib_loc, c.lib_scale), (c.bcv_common, 1.0, c.bcv_df)
        self.parameters = Buffer(jnp.array([c.mean_shape, c.mean_rate, *lib, *bcv, mid, shape]))

    def prepare(
        self,
        counts: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        batch_labels: np.ndarray | None = None,
        *,
        first: bool,
    ) -> bool:
        if counts is None:
            return False  # the settings stand
        c = self.config
        found = estimate_splat(
            counts, labels, c.n_groups, batch_labels, c.n_batches, dropout=c.dropout
        )
        if first:
            put(self.gene_means_logits, np.log(found.gene_means))
            put(self.group_logits, np.log(found.group_shares))
            put(self.batch_shift, found.batch_shift)
        put(self.group_log_factors, np.log(found.group_factors))
        put(self.batch_log_factors, np.log(found.batch_factors))
        put(self.group_shift, found.group_shift)
        put(self.gene_scale, found.gene_scale)
        put(self.parameters, found.parameters)
        return True

    def __call__(
        self,
        counts: jax.Array | None = None,
        labels: jax.Array | None = None,
        batch_labels: jax.Array | None = None,
        key: jax.Array | Mapping[str, jax.Array] | None = None,
    ) -> dict[str, jax.Array]:
        given = next((x for x in (counts, labels, batch_labels) if x is not None), None)
        n_cells = self.config.n_cells if given is None else len(given)
        soften = Softening(self.config.sampling, self.dial("temperature"))
        keys = self._keys(key)
        genes = self._genes(keys)
        profiles = jax.nn.softmax(  # (batches, groups, genes)
            jnp.log(genes.means) + genes.changes[None] + genes.shifts[:, None], axis=-1
        )
        draws = splat_cells.draw_uniform(
            cell_keys(keys, n_cells, counts), self.config.n_groups, self.config.n_genes
        )
        n_batches, in_order = self.config.n_batches, counts is None
        batch = splat_cells.batches_of(n_batches, batch_labels, draws.batch, in_order=in_order)
        group, shares = splat_cells.groups_of(self.group_logits[...], labels, draws.groups, soften)
        lib_loc, lib_scale, variation = self._variation(genes.scale)
        # Cells of a large type hold more of everything (not in Splat).
        depth = lib_loc + self.batch_shift[batch] + shares @ self.group_shift[...]
        log_library = depth + lib_scale * normal_of(draws.library)
        outputs = {
            **draw_cells(profiles, shares, batch, log_library, variation, draws, soften),
            "group_labels": group,
            "batch_labels": batch,
            "gene_means": genes.means,
            "de_mask": (genes.changes != 0).astype(profiles.dtype),
            "splat_parameters": self.parameters[...],
        }
        if counts is not None:
            outputs["moment_loss"] = self._loss(counts, batch, profiles, genes.scale)
        return outputs

    def apply(
        self, data: Mapping[str, Any], *more: Any, **named: Any
    ) -> tuple[dict[str, Any], Any, Any]:
        """As every operator's; the counts are also called ``counts`` where none were given."""
        result, state, metadata = super().apply(data, *more, **named)
        if data.get("counts") is None:
            result["counts"] = result["simulated_counts"]
        return result, state, metadata

    def _keys(self, key: jax.Array | Mapping[str, jax.Array] | None) -> jax.Array:
        """Six keys, one for each kind of draw."""
        if isinstance(key, Mapping):
            return jnp.stack([key[name] for name in KEYS])
        if key is None:
            key = jax.random.wrap_key_data(self.seed[...])
        return jax.random.split(key, len(KEYS))

    def _genes(self, keys: jax.Array) -> Genes:
        learned = jnp.exp(self.gene_means_logits[...])
        if not self.fitted:
            drawn = splat_cells.draw_genes(self.config, keys)
            return drawn._replace(means=learned * drawn.means)
        changes, shifts = self.group_log_factors[...], self.batch_log_factors[...]
        return Genes(learned, changes, shifts, self.gene_scale[...])

    def _variation(self, scale: jax.Array) -> tuple[jax.Array, jax.Array, Variation]:
        _, _, lib_loc, lib_scale, common, trend, _, mid, shape = self.parameters[...]
        return lib_loc, lib_scale, Variation(common, trend, scale, mid, shape)

    def _loss(
        self, counts: jax.Array, batch: jax.Array, profiles: jax.Array, scale: jax.Array
    ) -> jax.Array:
        n_batches, _, n_genes = profiles.shape
        lib_loc, lib_scale, variation = self._variation(scale)
        in_batch = jax.nn.one_hot(batch, n_batches, dtype=profiles.dtype).mean(axis=0)
        weights = in_batch[:, None] * jax.nn.softmax(self.group_logits[...])
        depth = (lib_loc + self.batch_shift[:, None] + self.group_shift[...]).reshape(-1)
        model = model_moments(
            profiles.reshape(-1, n_genes), weights.reshape(-1), depth, lib_scale, variation
        )
        return moment_distance(model, observed_moments(counts))
