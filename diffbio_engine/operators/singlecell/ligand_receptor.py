"""Ligand-receptor scores: which cells, and which types of cells, can signal to each other."""

from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    COUNTS,
    LABELS,
    LR_PAIRS,
    SPATIAL_COORDS,
    TOTAL_COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    normalize_setting,
    operator,
    setting,
    size,
)
from diffbio_engine.operators.singlecell._complexes import (
    columns_in_turn,
    columns_of,
    genes_of,
    least_of,
    require_positions,
    rows_of_types,
)
from diffbio_engine.operators.singlecell._ligand_receptor import (
    TypeLevels,
    both_speak,
    formula_p_values,
    hill,
    neighbour_p_values,
    pair_statistic,
    permuted_p_values,
    type_levels,
)
from diffbio_engine.operators.singlecell._sending_neighbours import Senders, soft_adjacency
from diffbio_engine.operators.singlecell._stored_senders import StoredSenders, log_of_all
from diffbio_engine.parts.log_normalized_counts import log_expression

_CHUNK = 1024


class LRScoringConfig(Config):
    """Settings of ligand-receptor scores."""

    n_genes: int = size("genes", default=0, doc="How many genes are measured.")
    n_lr_pairs: int = size("pairs", default=0, doc="How many ligand-receptor pairs there are.")
    n_classes: int = size("classes", default=0, doc="How many types of cells there are.")
    n_neighbors: int = setting(
        15, low=1, high=200, doc="From how many neighbours a cell receives ligands."
    )
    temperature: float = dial(
        1.0,
        low=0.01,
        high=10.0,
        log=True,
        learnable=True,
        unit="mean squared distances",
        doc="Low: only the nearest neighbour signals. High: all neighbours alike.",
    )
    metric: Literal["euclidean", "cosine"] = setting(
        "euclidean",
        choices=("euclidean", "cosine"),
        advanced=True,
        doc="How near cells are in expression; places in the tissue are always euclidean.",
    )
    kh: float = dial(
        0.5,
        low=0.001,
        high=10.0,
        log=True,
        doc="Half-maximal constant of the Hill curve: the signal at which a score is one "
        "half, in units of the highest expression, squared.",
    )
    hill_n: float = dial(
        1.0,
        low=0.5,
        high=5.0,
        doc="Hill coefficient: steepness of the score about its half.",
        advanced=True,
    )
    statistic: Literal["mean", "hill"] = setting(
        "mean",
        choices=("mean", "hill"),
        doc="Between types: mean of ligand and receptor (CellPhoneDB), or the Hill curve of their"
        " product (CellChat).",
    )
    average: Literal["mean", "trimean"] = setting(
        "mean",
        choices=("mean", "trimean"),
        doc="Level of a gene in a type; the trimean is 0 where under a quarter express it.",
        advanced=True,
    )
    n_permutations: int = setting(
        1000,
        low=0,
        high=20_000,
        doc="Permutations of the type labels for p-values; 0: a formula instead.",
    )
    normalize: bool = normalize_setting()
    n_axes: int = setting(
        30, low=2, high=100, doc="Axes of expression in which neighbours are found.", advanced=True
    )


@operator(title="Ligand-receptor scores")
class DifferentiableLigandReceptor(Operator):
    """Scores which cells, and which types of cells, can signal to each other by known pairs.

    With log expression ``x``, highest value ``m`` and ``w_ij`` the shares of a cell's neighbours
    (in the tissue if ``spatial_coords`` are wired, else in expression), the signal of ligand ``l``
    and receptor ``r`` is ``s_i = (sum_j w_ij x_jl) x_ir / m^2`` and
    ``score_i = s_i^hill_n / (kh^hill_n + s_i^hill_n)``;
    ``w_i = softmax_j(-d_ij^2 / (mean_j d_ij^2 temperature))`` over ``n_neighbors``.
    With types wired (labels, or shares), ``lr_scores_by_type[A, B]`` is ``(l_A + r_B) / 2``, 0 if
    either is 0, or the Hill curve of ``l_A r_B / m^2``, of the averages in each type.

    P-values are of the unsaturated statistic against the same statistic of shuffled cells. Between
    types: prepared, by ``n_permutations``; else by the normal distribution with the exact
    permutation moments (to first order for ``hill``; a trimean has none and gives 1). Of a pair:
    with types and without places, that of its strongest types, corrected for the choice; else of
    ``sum_i s_i``, by its exact moments. Nearness in expression joins cells of one type, so there
    a small value says that both genes are of the same types. A complex counts as its scarcest
    gene (CellPhoneDB): in each cell, and between types by the averages of its genes.

    Not prepared: neighbours among the cells given, in all genes. Prepared: cells, old or new, are
    placed among at most 50 000 stored ones by their coordinates or principal axes.

    Softens: the choice of the neighbour that signals.
    Hard limit: as ``temperature`` goes to 0, only the nearest neighbour signals; as it grows, all
    ``n_neighbors`` alike. Which are the ``n_neighbors`` is a hard choice throughout.
    Gradients: reach ``counts``, ``spatial_coords``, shares of types, the temperature; not the
    choice of neighbours. Of a prepared block, statistics between types and p-values are constants.
    Cost: O(cells * stored * axes) time, O(cells * (neighbours + pairs)) memory; preparing also
    O(permutations * types * cells * pairs) time.

    References:
        Efremova et al. (2020), CellPhoneDB, Nature Protocols 15.
        Jin et al. (2021), Inference and analysis of cell-cell communication using CellChat.
        Hoeffding (1951), A combinatorial central limit theorem.
        Li et al. (2023), SpatialDM, Nature Communications 14.
    """

    Config = LRScoringConfig
    inputs = (
        COUNTS,
        LR_PAIRS,
        replace(LABELS, optional=True, also=("cell_type_labels",)),
        Port(
            "cell_type_probabilities",
            "cells classes",
            Kind.SHARES,
            "Share of each cell in each type, in place of labels.",
            optional=True,
            after=(Role.TYPES,),
        ),
        replace(SPATIAL_COORDS, optional=True),
        TOTAL_COUNTS,
    )
    outputs = (
        Port(
            "lr_scores",
            "cells pairs",
            Kind.FEATURES,
            "How strongly each cell is signalled to by each pair, 0 to 1.",
            result="obsm/lr_scores_diffbio",
        ),
        Port("lr_pvalues", "pairs", Kind.PARAMETER, "Whether a pair is more than chance."),
        Port(
            "lr_scores_by_type",
            "classes classes pairs",
            Kind.NETWORK,
            "How strongly each type (rows) can signal to each type (columns).",
            optional=True,
        ),
        Port(
            "lr_pvalues_by_type",
            "classes classes pairs",
            Kind.PARAMETER,
            "Whether that is more than if cells had their types by chance.",
            optional=True,
        ),
    )
    reach = "population"
    prepare_cells = 50_000
    example = {"n_neighbors": 3, "n_permutations": 50}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n_types, n_pairs = config.n_classes, config.n_lr_pairs
        self.stored = StoredSenders(Buffer, n_pairs, n_axes=config.n_axes, metric=config.metric)
        self.type_ligands = Buffer(jnp.zeros((n_types, n_pairs)))
        self.type_receptors = Buffer(jnp.zeros((n_types, n_pairs)))
        self.unlikely = Buffer(jnp.ones(n_pairs))
        self.unlikely_by_type = Buffer(jnp.ones((n_types, n_types, n_pairs)))

    def prepare(
        self,
        counts: np.ndarray,
        lr_pairs: np.ndarray,
        labels: np.ndarray | None = None,
        cell_type_probabilities: np.ndarray | None = None,
        spatial_coords: np.ndarray | None = None,
        total_counts: np.ndarray | None = None,
        *,
        seed: int,
    ) -> None:
        require_positions(lr_pairs, self.config.n_genes, labels, self.config.n_classes)
        x = log_of_all(counts, self.config.normalize, total_counts)
        self.stored.store(x, lr_pairs, spatial_coords)
        if (types := self._types(labels, cell_type_probabilities)) is not None:
            self._compare_types(x, lr_pairs, types, seed)
        if types is None or spatial_coords is not None:
            self._compare_neighbours(x, lr_pairs)

    def _compare_types(self, x: np.ndarray, pairs: np.ndarray, types: jax.Array, seed: int) -> None:
        """Levels of each type, and the p-values of pairs of types and of their strongest."""
        statistic, average = self.config.statistic, self.config.average
        genes, where = columns_of(pairs)
        columns = x[:, genes]
        levels = (Buffer(t) for t in type_levels(jnp.asarray(columns), where, types, average))
        self.type_ligands, self.type_receptors = levels
        if not self.config.n_permutations:
            found = formula_p_values(jnp.asarray(columns), where, types, statistic, average)
        else:
            found = permuted_p_values(  # type: ignore[assignment]
                columns,
                where,
                np.asarray(types),
                statistic=statistic,
                average=average,
                n_permutations=self.config.n_permutations,
                seed=seed,
            )
        self.unlikely_by_type, self.unlikely = (Buffer(jnp.asarray(p, float)) for p in found)

    def _compare_neighbours(self, x: np.ndarray, pairs: np.ndarray) -> None:
        """The p-value of each pair among neighbours."""
        k, places = self.config.n_neighbors, self.stored.places[...]
        near = jax.jit(lambda some: self._heard(self.stored.around(some, k), None))
        chunks = [places[i : i + _CHUNK] for i in range(0, len(x), _CHUNK)]
        incoming = np.concatenate([np.asarray(near(some)) for some in chunks])
        p = neighbour_p_values(jnp.asarray(incoming), least_of(x, genes_of(pairs).receptor))
        self.unlikely = Buffer(jnp.asarray(p, float))

    def __call__(
        self,
        counts: jax.Array,
        lr_pairs: jax.Array,
        labels: jax.Array | None = None,
        cell_type_probabilities: jax.Array | None = None,
        spatial_coords: jax.Array | None = None,
        total_counts: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        require_positions(lr_pairs, self.config.n_genes, labels, self.config.n_classes)
        x = log_expression(counts, self.config.normalize, total_counts)
        ligand, receptor = (least_of(x, genes) for genes in genes_of(lr_pairs))
        types = self._types(labels, cell_type_probabilities)
        k = self.config.n_neighbors
        if self.fitted:
            highest = self.stored.highest[...]
            incoming = self._heard(self.stored.senders(x, spatial_coords, k), None)
            levels = TypeLevels(self.type_ligands[...], self.type_receptors[...])
            unlikely, unlikely_by_type = self.unlikely[...], self.unlikely_by_type[...]
        else:
            highest = jnp.maximum(jnp.max(x), 1e-6)
            incoming = self._heard(self.stored.among(x, spatial_coords, k), ligand)
            unlikely = neighbour_p_values(incoming, receptor)
            if types is not None:
                columns, where = columns_in_turn(x, lr_pairs)
                levels = type_levels(columns, where, types, self.config.average)
                unlikely_by_type, strongest = formula_p_values(
                    columns, where, types, self.config.statistic, self.config.average
                )
                unlikely = strongest if spatial_coords is None else unlikely
        kh, power = self.dial("kh"), self.dial("hill_n")
        scores = hill(incoming * receptor / highest**2, kh, power)
        outputs = {"lr_scores": scores, "lr_pvalues": unlikely}
        if types is not None:
            by_type = pair_statistic(levels, self.config.statistic) * both_speak(levels)
            if self.config.statistic == "hill":
                by_type = hill(by_type / highest**2, kh, power)
            outputs |= {"lr_scores_by_type": by_type, "lr_pvalues_by_type": unlikely_by_type}
        return outputs

    def _heard(self, near: Senders, ligand: jax.Array | None) -> jax.Array:
        """Ligand that reaches each cell from its neighbours, stored ones or one another."""
        shares = soft_adjacency(near.squares, self.dial("temperature"))
        sent = (self.stored.ligands[...] if ligand is None else ligand)[near.rows]
        return jnp.einsum("ik,ikp->ip", shares, sent)

    def _types(self, labels: Any | None, shares: Any | None) -> jax.Array | None:
        """Rows of types, (cells, types); None if not wired."""
        if shares is not None:
            return jnp.asarray(shares, float)
        n_types = self.config.n_classes or len(self.type_ligands[...])
        return None if labels is None else rows_of_types(labels, n_types)
