"""UMAP as a network: cells that are near in feature space come near in a map, new cells too."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    FEATURES,
    NEIGHBOUR,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    TrainingBuffer,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import SettingError
from diffbio_engine.operators.normalization.umap._embedding_head import (
    EmbeddingHead,
    placed_in_chunks,
)
from diffbio_engine.operators.normalization.umap._fuzzy_graph import (
    FuzzyGraph,
    dense_fuzzy_graph,
    find_ab,
    fuzzy_graph,
)
from diffbio_engine.operators.normalization.umap._map_objective import (
    cross_entropy,
    nearness,
    objective_of_batch,
    objective_of_graph,
    sq_distances,
    unit_rows,
)
from diffbio_engine.operators.normalization.umap._projection_training import train_on_graph
from diffbio_engine.parts.neighbours import nearest_neighbours

_UNITS_PER_WIDTH = 32
# Cells that are laid out one by one for the start; the network places the others.
_CELLS_LAID_OUT = 12_000


class UMAPConfig(Config):
    """Settings of UMAP."""

    n_components: int = setting(2, low=1, high=50, doc="Dimensions of the map.")
    n_neighbors: int = setting(
        15,
        low=2,
        high=200,
        doc="Nearest neighbours in the graph, the cell itself among them. More: broader structure.",
    )
    metric: str = setting(
        "euclidean",
        choices=("euclidean", "cosine"),
        doc="Distance between cells: euclidean, or cosine (by the angle between their features).",
    )
    input_features: int = size("features", default=64, doc="Features of a cell.")
    hidden_dim: int = setting(
        32,
        low=1,
        high=512,
        doc="Width of the network, which has 32 units for each. More: finer maps, slower.",
    )
    min_dist: float = setting(
        0.1, low=0.0, high=0.99, doc="How tightly cells may pack. Less: denser islands."
    )
    spread: float = setting(
        1.0, low=0.1, high=10.0, doc="Size of the whole map against min_dist.", advanced=True
    )
    negative_sample_rate: int = setting(
        5,
        low=1,
        high=50,
        doc="Negative samples for each positive edge of the neighbour graph.",
        advanced=True,
    )
    learnable_curve: bool = setting(
        False, doc="Let training change the curve that min_dist and spread give.", advanced=True
    )
    n_epochs: int = setting(
        200, low=10, high=2000, doc="Epochs of the layout that training starts from.", advanced=True
    )
    dense_limit: int = setting(
        2000,
        low=2,
        high=20_000,
        unit="cells",
        doc="Largest number of cells for which the similarities of all pairs are given.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_dist > self.spread:
            raise SettingError(
                f"{self.min_dist:g} is more than the spread, {self.spread:g}.",
                fix="Lower it, or raise the spread.",
                where="min_dist",
            )


@operator(title="UMAP")
class DifferentiableUMAP(Operator):
    """Embeds cells in a map by a neural network: neighbours in the data are neighbours on the map.

    ``p``: ``exp(-max(0, d[i, j] - rho[i]) / sigma[i])`` over the nearest neighbours, ``sigma`` such
    that a row's sum is ``log2(n_neighbors)``, then the fuzzy union ``p + p.T - p * p.T``.
    ``q[i, j] = 1 / (1 + a |y[i] - y[j]|^(2 b))`` in the map ``y = network(features)``.
    The loss is the cross-entropy ``-sum [p log q + (1 - p) log(1 - q)]`` per edge, the second term
    weighted as in the published descent: ``negative_sample_rate`` strangers for each neighbour.
    With a drawn ``neighbour`` for each cell it is estimated from these pairs and from strangers in
    the batch; without, computed from all pairs, of every m-th cell above ``dense_limit``.

    Start: the fuzzy graph of the data is laid out cell by cell, as UMAP does (above 12 000 cells,
    of a sample), and the network is solved for these coordinates by least squares. As long as
    the network is the one that was solved, these cells are anchors: what it leaves over at them is
    added, and around them by inverse distance. The first training step ends that, and the map is
    the network's; a refresh relaxes the layout from there and makes anchors anew.

    Softens: who is a neighbour: a cell beyond the nearest one belongs by a share (a step).
    Hard limit: the neighbour graph itself is hard: as ``sigma`` goes to 0, ``p`` joins a cell to
    its nearest only. With ``n_neighbors`` of at least the number of cells all pairs are joined.
    Gradients: reach the features through the network, and through ``p`` where it is computed from
    all pairs; the network; and the curve, if it is learnable. What anchors add counts as constant.
    Finite where cells coincide.
    Cost: O(cells * hidden_dim * features) to place cells; O(dense_limit^2) for the similarities.
    Preparing: O(cells * n_neighbors) memory.

    References:
        McInnes, Healy, Melville (2018), UMAP, arXiv:1802.03426.
        Sainburg, McInnes, Gentner (2021), Parametric UMAP embeddings, Neural Computation 33.
    """

    Config = UMAPConfig
    inputs = (replace(FEATURES, after=(Role.CORRECTED, Role.DRAWN)), NEIGHBOUR)
    outputs = (
        Port(
            "embedding",
            "cells components",
            Kind.MAP,
            "The map.",
            result="obsm/X_umap_diffbio",
            role=Role.MAP,
        ),
        Port("high_dim_similarities", "cells cells", Kind.SIMILARITY, "In features.", dense=True),
        Port("low_dim_similarities", "cells cells", Kind.SIMILARITY, "In the map.", dense=True),
        Port("umap_loss", "", Kind.LOSS, "How much map and features disagree."),
    )
    needs_training = True
    learns_from_neighbours = True

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        self.embedding_head = EmbeddingHead(
            config.input_features,
            _UNITS_PER_WIDTH * config.hidden_dim,
            config.n_components,
            curve=find_ab(config.min_dist, config.spread),
            learnable_curve=config.learnable_curve,
            rngs=rngs,
        )
        none = (0, max(config.n_neighbors - 1, 1))
        self.graph_indices = TrainingBuffer(jnp.zeros(none, jnp.int32))
        self.graph_weights = TrainingBuffer(jnp.zeros(none, jnp.float32))

    # -- the mathematics -------------------------------------------------------------------

    def __call__(
        self, features: jax.Array, neighbour: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        a, b = self.embedding_head.curve()
        negatives = self.config.negative_sample_rate
        if neighbour is not None:
            places = self.embedding_head.by_network(self._seen(features))
            loss = objective_of_batch(places, neighbour, a, b, negatives)
            return {"embedding": places, "umap_loss": loss}
        places = self.place(features)
        every = -(-len(features) // self.config.dense_limit)
        squares = sq_distances(places[::every])
        p = self.fuzzy_similarities(features[::every])
        outputs = {
            "embedding": places,
            "umap_loss": objective_of_graph(p, squares, a, b, negatives),
        }
        if every == 1:
            outputs["high_dim_similarities"] = p
            outputs["low_dim_similarities"] = nearness(squares, a, b)
        return outputs

    def place(self, features: jax.Array) -> jax.Array:
        """The map of cells, old or new: (cells, features) to (cells, components)."""
        return self.embedding_head.place(self._seen(features))

    def fuzzy_similarities(self, features: jax.Array) -> jax.Array:
        """The fuzzy graph of these cells, (cells, cells), differentiable."""
        if len(features) < 2:
            return jnp.zeros((len(features), len(features)), features.dtype)
        if self.config.metric == "cosine":
            squares = sq_distances(unit_rows(features))
            # The graph is made of distances, and 1 - cos is half the square between unit vectors.
            squares = (squares / 2) ** 2
        else:
            squares = sq_distances(features)
        return dense_fuzzy_graph(squares, self._n_others(len(features)))

    def umap_loss(self, p: jax.Array, q: jax.Array) -> jax.Array:
        """The published cross-entropy of two (cells, cells) similarities, summed over pairs."""
        return cross_entropy(p, q)

    _compute_umap_loss = umap_loss

    # -- the data-driven start -------------------------------------------------------------

    def prepare(self, features: np.ndarray, *, seed: int, first: bool) -> bool:
        features = np.asarray(features, np.float32)
        if len(features) < 3:
            return False
        graph = self._graph(features, seed)
        self.graph_indices = TrainingBuffer(jnp.asarray(graph.indices))
        self.graph_weights = TrainingBuffer(jnp.asarray(graph.shares))
        self._lay_out(features, graph, seed, first=first)
        return True

    def laid_out_again(self, arrays: Mapping[str, np.ndarray], key: jax.Array) -> np.ndarray | None:
        """The map as a refresh would make it now; None where the block gives that one anyway."""
        if not self.fitted or self.embedding_head.is_as_laid_out:
            return None
        features = np.asarray(arrays["features"], np.float32)
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        copy = nnx.clone(self)
        copy._lay_out(features, None, seed, first=False)
        return copy.transform(features)

    def _lay_out(
        self, features: np.ndarray, graph: FuzzyGraph | None, seed: int, *, first: bool
    ) -> None:
        if len(features) > _CELLS_LAID_OUT:
            random = np.random.default_rng(seed)
            chosen = random.choice(len(features), _CELLS_LAID_OUT, replace=False)
            features, graph = features[np.sort(chosen)], None
        graph = graph or self._graph(features, seed)
        self.embedding_head.lay_out(
            np.asarray(self._seen(features)),
            graph,
            curve=find_ab(self.config.min_dist, self.config.spread),
            n_epochs=self.config.n_epochs,
            negative_sample_rate=self.config.negative_sample_rate,
            seed=seed,
            first=first,
        )

    def neighbour_graph(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Neighbours and shares, (cells, k) each: a cell drawn evenly and then its neighbour by
        share is an edge drawn by its weight. None before ``prepare``."""
        if not self.graph_indices.shape[0]:
            return None
        return np.asarray(self.graph_indices[...]), np.asarray(self.graph_weights[...])

    def fit(
        self, features: Any, *, epochs: int = 0, batch_size: int = 512, seed: int = 0
    ) -> "DifferentiableUMAP":
        """Prepares, and trains the network further on edges; for use without a pipeline.

        Args:
            features: (cells, features).
            epochs: In each, as many cells are drawn as there are. Without any, the network is as
                the layout made it, which is the quickest; some make it better far from the data.
            batch_size: Cells in a step, half of them drawn as neighbours of the others.
            seed: Of the layout and of the drawing.
        """
        arrays = {"features": np.asarray(features, np.float32)}
        self.prepare_from(arrays, jax.random.key(seed))
        graph = self.neighbour_graph()
        if graph is not None and epochs:
            train_on_graph(
                self, arrays["features"], graph, epochs=epochs, batch_size=batch_size, seed=seed
            )
            self.prepare_from(arrays, jax.random.key(seed), first=False)
        self.transform(arrays["features"][:1])  # compiled now, so that placing cells is quick
        return self

    def transform(self, features: Any) -> np.ndarray:
        """The map of cells, old or new, as numpy: (cells, components)."""
        return placed_in_chunks(self, features)

    def _graph(self, features: np.ndarray, seed: int) -> FuzzyGraph:
        k = self._n_others(len(features))
        return fuzzy_graph(*nearest_neighbours(features, k, metric=self.config.metric, seed=seed))

    def _n_others(self, n_cells: int) -> int:
        """Neighbours besides the cell itself; all others where nearly all are asked for."""
        wanted = self.config.n_neighbors
        return n_cells - 1 if wanted >= n_cells - 1 else wanted - 1

    def _seen(self, features: Any) -> Any:
        """The features as the distance sees them."""
        return unit_rows(features) if self.config.metric == "cosine" else features
