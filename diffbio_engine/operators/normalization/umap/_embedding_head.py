"""A map: the network that places cells, its curve, and the cells whose places are known."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import Buffer
from diffbio_engine.operators.normalization.umap._fuzzy_graph import FuzzyGraph
from diffbio_engine.operators.normalization.umap._graph_layout import lay_out, smoothed_start
from diffbio_engine.operators.normalization.umap._map_anchors import (
    anchor_spacing,
    place_among_anchors,
)
from diffbio_engine.operators.normalization.umap._projection_network import ProjectionNetwork

_SMALLEST_CURVE = 1e-2
_PLACED_AT_ONCE = 1024


class EmbeddingHead(nnx.Module):
    """Places cells by a network, and by anchors for as long as the network is as they found it.

    Attributes:
        projection_backbone: From standardised features to the map.
        curve_params: ``[a, b]`` of ``q = 1 / (1 + a d^(2 b))``.

    Args:
        n_features, n_units, n_components: Widths of input, hidden layer and map.
        curve: The first ``(a, b)``.
        learnable_curve: Whether training may change them.
    """

    def __init__(
        self,
        n_features: int,
        n_units: int,
        n_components: int,
        *,
        curve: tuple[float, float],
        learnable_curve: bool,
        rngs: nnx.Rngs,
    ) -> None:
        self.projection_backbone = ProjectionNetwork(n_features, n_units, n_components, rngs=rngs)
        self.curve_params = nnx.Param(jnp.asarray(curve, float))
        self.learnable_curve = learnable_curve
        self.feature_mean = Buffer(jnp.zeros(n_features))
        self.feature_scale = Buffer(jnp.ones(()))
        self.anchor_features = Buffer(jnp.zeros((0, n_features)))
        self.anchor_sq_spacing = Buffer(jnp.zeros(0))
        self.anchor_places = Buffer(jnp.zeros((0, n_components)))
        # The output weights that the anchors were made with; any training step changes them.
        self.anchored_weights = Buffer(jnp.zeros((0, n_components)))

    def curve(self) -> tuple[jax.Array, jax.Array]:
        """``a`` and ``b``, positive whatever training did to them."""
        a, b = jnp.maximum(self.curve_params[...], _SMALLEST_CURVE)
        return (a, b) if self.learnable_curve else jax.lax.stop_gradient((a, b))

    @property
    def is_as_laid_out(self) -> bool:
        """Whether the network is still the one that the anchors were made with."""
        now, then = self.projection_backbone.output.kernel[...], self.anchored_weights[...]
        return now.shape == then.shape and bool(jnp.array_equal(now, then))

    def by_network(self, features: jax.Array) -> jax.Array:
        """The network's places, (cells, components)."""
        return self.projection_backbone(self._standardised(features))

    def place(self, features: jax.Array) -> jax.Array:
        """Places of cells, (cells, components); the gradient is the network's."""
        places = self.by_network(features)
        if not self.anchor_places.shape[0]:
            return places
        return places + jax.lax.stop_gradient(self._beyond_network(features, places))

    def lay_out(
        self,
        features: np.ndarray,
        graph: FuzzyGraph,
        *,
        curve: tuple[float, float],
        n_epochs: int,
        negative_sample_rate: int,
        seed: int,
        first: bool,
    ) -> None:
        """Lays the graph out cell by cell and makes these cells the anchors.

        Args:
            first: Begin anew and solve the network for the layout; else begin at the network's
                places, relax them for a quarter of the epochs, and leave the network alone.
        """
        if first:
            # One scale for all: the network sees the distances that the graph was made of.
            mean = features.mean(axis=0)
            scale = np.sqrt(np.mean((features - mean) ** 2)) or 1.0
            self.feature_mean[...] = jnp.asarray(mean, self.feature_mean.dtype)
            self.feature_scale[...] = jnp.asarray(scale, self.feature_scale.dtype)
        seen = (features - np.asarray(self.feature_mean[...])) / np.asarray(self.feature_scale[...])
        network, edges = self.projection_backbone, graph.matrix()
        if first:
            start, first_step = smoothed_start(edges, seen, self.anchor_places.shape[1]), 1.0
        else:
            start, first_step = np.asarray(network(jnp.asarray(seen))), 0.25
            n_epochs = max(n_epochs // 4, 10)
        places = lay_out(
            edges,
            start,
            a=curve[0],
            b=curve[1],
            n_epochs=n_epochs,
            first_step=first_step,
            negative_sample_rate=negative_sample_rate,
            seed=seed,
        )
        if first:
            places -= places.mean(axis=0)
            network.start_from(seen, places, seed=seed)
        spacing = anchor_spacing(seen, graph.indices[:, 0])
        dtype = self.anchor_features.dtype
        self.anchor_features = Buffer(jnp.asarray(seen, dtype))
        self.anchor_sq_spacing = Buffer(jnp.asarray(spacing, dtype))
        self.anchor_places = Buffer(jnp.asarray(places, dtype))
        self.anchored_weights = Buffer(jnp.array(network.output.kernel[...]))

    def _standardised(self, features: jax.Array) -> jax.Array:
        return (features - self.feature_mean[...]) / self.feature_scale[...]

    def _beyond_network(self, features: jax.Array, places: jax.Array) -> jax.Array:
        """What the anchors add to the network's places; nothing once it has learned on."""

        def added() -> jax.Array:
            found, certain = place_among_anchors(
                self._standardised(features),
                self.anchor_features[...],
                self.anchor_sq_spacing[...],
                self.anchor_places[...],
            )
            return (certain * (found - places)).astype(places.dtype)

        output = self.projection_backbone.output.kernel[...]
        unchanged = jnp.all(output == self.anchored_weights[...])
        return jax.lax.cond(unchanged, added, lambda: jnp.zeros_like(places))


@nnx.jit
def _place(block: Any, features: jax.Array) -> jax.Array:
    return block.place(jnp.asarray(features))


def placed_in_chunks(block: Any, features: Any) -> np.ndarray:
    """What ``block.place`` gives for any number of cells, as numpy: (cells, components)."""
    features = np.asarray(features, np.float32)
    n_whole = -(-len(features) // _PLACED_AT_ONCE) * _PLACED_AT_ONCE
    padded = np.zeros((n_whole, features.shape[1]), np.float32)
    padded[: len(features)] = features
    # Always the same shape, so that it is compiled once for any number of cells.
    chunks = np.split(padded, range(_PLACED_AT_ONCE, n_whole, _PLACED_AT_ONCE))
    return np.concatenate([_place(block, jnp.asarray(chunk)) for chunk in chunks])[: len(features)]
