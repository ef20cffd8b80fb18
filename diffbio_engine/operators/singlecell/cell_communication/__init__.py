"""Cell communication: attention over a cell's neighbours, trained to foretell its expression."""

from dataclasses import replace

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
    contract,
    dial,
    normalize_setting,
    operator,
    setting,
    size,
    warn_untrained,
)
from diffbio_engine.operators.singlecell._complexes import genes_of, least_of, require_positions
from diffbio_engine.operators.singlecell._ligand_receptor import column_shares, hill
from diffbio_engine.operators.singlecell._sending_neighbours import Senders
from diffbio_engine.operators.singlecell._stored_senders import log_of_all
from diffbio_engine.operators.singlecell.cell_communication._niche_network import (
    NicheNetwork,
    Signals,
    as_edges,
    heard,
    heard_between,
    nearness_on,
    pathways_of_pairs,
    ridge_start,
)
from diffbio_engine.operators.singlecell.cell_communication._stored_niches import StoredNiches
from diffbio_engine.parts.log_normalized_counts import log_expression

_CHUNK = 512


class CellCommunicationConfig(Config):
    """Settings of cell communication."""

    hidden_dim: int = setting(64, low=4, high=512, log=True, doc="Width of a niche embedding.")
    num_heads: int = setting(4, low=1, high=16, doc="Attention heads.", advanced=True)
    num_gnn_layers: int = setting(
        2,
        low=1,
        high=6,
        doc="Graph attention layers: a niche reaches as many neighbours far.",
        advanced=True,
    )
    n_pathways: int = setting(
        20, low=1, high=200, doc="Number of pathways that the pairs are grouped in."
    )
    dropout_rate: float = setting(
        0.1, low=0.0, high=0.9, doc="Dropout rate of the attention in training.", advanced=True
    )
    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    n_lr_pairs: int = size("pairs", default=10, doc="How many ligand-receptor pairs there are.")
    n_classes: int = size("classes", default=10, doc="How many types of cells there are.")
    edge_features_dim: int = setting(
        8, low=1, high=128, doc="Number of features of an edge between neighbours.", advanced=True
    )
    n_neighbors: int = setting(
        15, low=1, high=100, doc="From how many neighbours a cell receives signals."
    )
    kh: float = dial(
        0.5,
        low=0.001,
        high=10.0,
        log=True,
        doc="Half-maximal constant of the Hill curve: the signal at which a score is one "
        "half, in units of the highest expression, squared.",
    )
    normalize: bool = normalize_setting()
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")


@operator(title="Cell communication")
class DifferentiableCellCommunication(Operator):
    """Learns which neighbours and which signals explain a cell's expression beyond its type.

    Neighbours are the nearest in the tissue (in expression, where no places are wired). Layers of
    GATv2 attention read their ligands and types, and what runs along each edge: ligand of the
    neighbour times the mean receptor of the cell's type. The cell's expected log expression is
    the mean of its type, plus linear effects of the signals that it hears, plus a linear function
    of its state; ``expression_loss`` is ``mean (x - expected)^2 / (2 variance within types)``, so
    below 1/2 neighbours explain something. Of its own expression only the type goes in.

    With mean attention ``a_ij``, ligand ``l_j``, receptor ``r_i`` and highest value ``m``, a pair's
    score is ``s / (kh + s)`` with ``s_i = sum_j a_ij l_j r_i / m^2``. A pathway's activity is
    the mean of its pairs' scores, weighted by how much their effects explain; pathways are
    ``pair_pathways`` (positions), or pairs that share genes, the largest group first, the last for
    all the rest. ``communication_by_type[A, B]`` is how much of ``s`` type B hears from type A.

    ``spatial_graph`` (source, target) among the cells given may replace nearest neighbours. Else
    cells, old or new, are placed among at most 50 000 stored ones (place, type and ligands).

    Softens: nothing; attention shares are part of the model and have no limit to compare with.
    Hard limit: untrained but prepared, attention is even and the model is linear (NCEM's).
    Gradients: reach ``counts``, all weights and the places; not the choice of neighbours.
    Cost: O(cells * (stored + neighbours * pairs * heads * width + pairs * genes)) time,
    O(cells * (neighbours * (pairs + heads * width) + genes)) memory.
    Start: ridge regression of what types leave unexplained on the mean signals of the neighbours;
    principal axes of these signals as embedding.

    References:
        Brody, Alon, Yahav (2022), How attentive are graph attention networks?, ICLR.
        Fischer, Schaar, Theis (2023), Modeling intercellular communication in tissues using
        spatial graphs of cells (NCEM), Nature Biotechnology 41.
    """

    Config = CellCommunicationConfig
    inputs = (
        COUNTS,
        LR_PAIRS,
        replace(SPATIAL_COORDS, optional=True),
        replace(LABELS, optional=True, also=("cell_type_labels",)),
        Port(
            "spatial_graph",
            "2 edges",
            Kind.INDEX,
            "Source and target of each edge, as positions of the cells given.",
            optional=True,
        ),
        Port("pair_pathways", "pairs", Kind.INDEX, "Pathway of each pair, from 0.", optional=True),
        TOTAL_COUNTS,
    )
    outputs = (
        Port(
            "communication_scores",
            "cells pairs",
            Kind.FEATURES,
            "How strongly each cell is signalled to by each pair, 0 to 1.",
            result="obsm/communication_diffbio",
        ),
        Port(
            "signaling_activity",
            "cells pathways",
            Kind.FEATURES,
            "Activity of each pathway in each cell, 0 to 1.",
            result="obsm/signaling_diffbio",
        ),
        Port(
            "niche_embeddings",
            "cells hidden",
            Kind.FEATURES,
            "What a cell hears from its neighbours, as coordinates.",
            result="obsm/X_niche",
        ),
        Port("pair_effects", "pairs genes", Kind.NETWORK, "What each pair's signal does to genes."),
        Port(
            "neighbour_explained",
            "genes",
            Kind.PROFILE,
            "Share of a gene's variance within types that the linear effects of neighbours"
            " explain, as estimated for cells left out.",
            result="var/neighbour_explained_diffbio",
        ),
        Port(
            "communication_by_type",
            "classes classes pairs",
            Kind.NETWORK,
            "What each type (columns) hears from each type (rows).",
            optional=True,
        ),
        Port("expression_loss", "", Kind.LOSS, "Misfit of the expression, in units of its noise."),
    )
    reach = "population"
    needs_training = True
    prepare_cells = 50_000
    example = {"n_neighbors": 3, "hidden_dim": 4, "num_heads": 2, "n_pathways": 2}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n_types, n_pairs = config.n_classes, config.n_lr_pairs
        self.network = NicheNetwork(
            n_pairs,
            n_types,
            config.n_genes,
            hidden=config.hidden_dim,
            heads=config.num_heads,
            n_layers=config.num_gnn_layers,
            n_edge=config.edge_features_dim,
            rngs=rngs,
        )
        self.stored = StoredNiches(Buffer, n_pairs, n_types, n_axes=30)
        self.groups = Buffer(jnp.zeros(n_pairs, jnp.int32))
        self.noise = Buffer(jnp.ones(config.n_genes))
        self.explained = Buffer(jnp.zeros(config.n_genes))
        self.by_type = Buffer(jnp.zeros((n_types, n_types, n_pairs)))

    def prepare(
        self,
        counts: np.ndarray,
        lr_pairs: np.ndarray,
        spatial_coords: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        total_counts: np.ndarray | None = None,
        *,
        first: bool,
    ) -> None:
        require_positions(lr_pairs, self.config.n_genes, labels, self.config.n_classes)
        x = log_of_all(counts, self.config.normalize, total_counts)
        self.stored.store(x, lr_pairs, spatial_coords)
        codes = np.zeros(len(x), np.int32) if labels is None else np.asarray(labels, np.int32)
        receptor = np.asarray(least_of(x, genes_of(lr_pairs).receptor))
        sizes = self.stored.store_types(codes, receptor)
        self.groups = Buffer(pathways_of_pairs(jnp.asarray(lr_pairs), self.config.n_pathways))
        blocks = [slice(i, i + _CHUNK) for i in range(0, len(x), _CHUNK)]
        k, places = self.config.n_neighbors, self.stored.places[...]
        around = jax.jit(lambda some: self.stored.around(some, k))
        near = [around(places[b]) for b in blocks]
        if first:
            mean = jax.jit(self.stored.mean_signal)
            parts = [np.asarray(mean(n, codes[b])) for n, b in zip(near, blocks, strict=True)]
            self._begin(x, np.concatenate(parts), np.asarray(self.stored.types(jnp.asarray(codes))))
        between = jax.jit(self._between)
        each = [between(n, codes[b], receptor[b]) for n, b in zip(near, blocks, strict=True)]
        self.by_type[...] = sum(each) / (sizes[None, :, None] * self.stored.highest[...] ** 2)

    def _begin(self, x: np.ndarray, signal: np.ndarray, types: np.ndarray) -> None:
        """The linear model: means of types, effects of signals on what these leave over."""
        weights = types / np.maximum(types.sum(axis=0), 1e-6)
        centre, expected = weights.T @ signal, weights.T @ x
        signal -= types @ centre
        x -= types @ expected
        scale, noise = signal.std(axis=0), x.var(axis=0)
        unit = np.where(scale > 1e-6, 1 / np.maximum(scale, 1e-6), 0.0).astype(np.float32)
        start = ridge_start(signal * unit, x, self.config.hidden_dim)
        for variable, value in (
            (self.stored.signal_centre, centre),
            (self.stored.signal_unit, unit),
            (self.noise, np.maximum(noise, 0.01 * noise.mean() + 1e-6)),
            (self.explained, start.explained),
            (self.network.type_expression, expected),
            (self.network.effects, start.effects),
            (self.network.axes, start.axes),
        ):
            variable[...] = jnp.asarray(value, variable.dtype)

    def __call__(
        self,
        counts: jax.Array,
        lr_pairs: jax.Array,
        spatial_coords: jax.Array | None = None,
        labels: jax.Array | None = None,
        spatial_graph: jax.Array | None = None,
        pair_pathways: jax.Array | None = None,
        key: jax.Array | None = None,
        total_counts: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        if not self.fitted:
            warn_untrained(type(self).__name__)
        require_positions(lr_pairs, self.config.n_genes, labels, self.config.n_classes)
        x = log_expression(counts, self.config.normalize, total_counts)
        ligand, receptor = (least_of(x, genes) for genes in genes_of(lr_pairs))
        codes = jnp.zeros(len(x), int) if labels is None else labels
        k, types = self.config.n_neighbors, self.stored.types(codes)
        groups, n_pathways = pair_pathways, self.config.n_pathways
        if groups is None:
            groups = self.groups[...] if self.fitted else pathways_of_pairs(lr_pairs, n_pathways)
        if self.fitted:
            highest, competence = self.stored.highest[...], types @ self.stored.type_receptors[...]
        else:
            highest = jnp.maximum(jnp.max(x), 1e-6)
            competence = types @ (column_shares(types).T @ receptor)
        if spatial_graph is None and self.fitted:
            signals = self.stored.signals(self.stored.senders(x, spatial_coords, k), codes)
        else:
            if spatial_graph is None:
                edges, nearness = as_edges(self.stored.among(x, spatial_coords, k))
            else:
                edges, nearness = spatial_graph, nearness_on(spatial_graph, spatial_coords, len(x))
            signals = Signals(edges, ligand, types, competence, types, nearness)
        h, shares = self.network.listen(
            signals, self.stored.standardised, key=key, dropout=self.config.dropout_rate
        )
        arriving = heard(signals, shares, receptor) / highest**2
        scores = hill(arriving, self.dial("kh"), jnp.ones((), x.dtype))
        told = self.stored.standardised(heard(signals, shares, signals.competence), types)
        pathways = self.network.pathways(groups, self.noise[...], n_pathways)
        left = x - self.network.expected(h, told, types)
        outputs = {
            "communication_scores": scores,
            "signaling_activity": scores @ pathways,
            "niche_embeddings": h,
            "pair_effects": self.network.effects[...],
            "neighbour_explained": self.explained[...],
            "expression_loss": 0.5 * jnp.mean(left**2 / self.noise[...]),
        }
        if labels is not None and self.fitted:
            outputs["communication_by_type"] = self.by_type[...]
        elif labels is not None:
            unit = jnp.maximum(jnp.sum(types, axis=0), 1e-6)[None, :, None] * highest**2
            outputs["communication_by_type"] = heard_between(signals, shares, receptor) / unit
        return outputs

    def _between(self, near: Senders, codes: jax.Array, receptor: jax.Array) -> jax.Array:
        signals = self.stored.signals(near, codes)
        _, shares = self.network.listen(signals, self.stored.standardised)
        return heard_between(signals, shares, receptor)
