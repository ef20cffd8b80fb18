"""PHATE: a map that keeps trajectories and branches, through diffusion over the cells."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    FEATURES,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    contract,
    dial,
    operator,
    setting,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.normalization.phate._classical_scaling import (
    centred_products,
    classical,
    distances_of,
    metric,
)
from diffbio_engine.parts.diffusion import (
    entropy_knee,
    place_between,
    potential,
    random_walk,
    walk,
)
from diffbio_engine.parts.diffusion_landmarks import find_landmarks


class PHATEConfig(Config):
    """Settings of PHATE."""

    n_components: int = setting(2, low=1, high=10, doc="Dimensions of the map.")
    n_neighbors: int = setting(
        5,
        low=1,
        high=200,
        doc="The distance to this neighbour is the bandwidth of a cell's kernel (knn).",
    )
    decay: float = dial(
        40.0,
        low=1.0,
        high=200.0,
        log=True,
        doc="Decay of the kernel's tail (alpha); high: affinity ends sharply at the bandwidth.",
    )
    diffusion_t: float = dial(
        10.0,
        low=0.0,
        high=100.0,
        unit="steps",
        doc="Diffusion time; longer: smoother, coarser. 0: found from the data.",
    )
    gamma: float = dial(
        1.0,
        low=-1.0,
        high=1.0,
        doc="Informational distance: 1: logarithm of the diffusion probabilities; 0: their "
        "square root; -1: as they are.",
    )
    kernel: str = setting(
        "alpha_decay",
        choices=("alpha_decay", "exponential"),
        doc="alpha_decay: exp(-(d/width)^decay), as published; "
        "exponential: exp(-decay (d/width)^2), which wants a decay near 1.",
        advanced=True,
    )
    mds: str = setting(
        "metric",
        choices=("metric", "classical"),
        doc="Multidimensional scaling. metric: distances on the map are fitted; classical: "
        "only projected.",
        advanced=True,
    )
    mds_iterations: int = setting(
        60, low=1, high=1000, doc="Iterations of metric multidimensional scaling.", advanced=True
    )
    dense_limit: int = setting(
        2000,
        low=10,
        high=10_000,
        doc="Largest number of cells that are embedded without landmarks.",
        advanced=True,
    )
    n_landmarks: int = setting(
        1000, low=10, high=10_000, doc="Maximum number of landmarks.", advanced=True
    )
    input_features: int = contract(64, doc="Accepted for older callers; read from the data.")
    hidden_dim: int = contract(32, doc="Accepted for older callers: PHATE has no network.")


@operator(title="PHATE map")
class DifferentiablePHATE(Operator):
    """Draws cells so that distances follow how information would diffuse among them.

    The width of a cell's kernel is the exact distance to its ``n_neighbors``-th neighbour; the
    kernel ``K`` is made symmetric, ``(K + K') / 2``, and its rows are scaled to a random walk
    ``M``. After ``diffusion_t`` steps each cell has a potential ``U = -log(M^t + 1e-7)``
    (``gamma = 1``; else ``M^t`` to the power ``c = (1 - gamma) / 2``, over ``c``). Distances
    between rows of ``U`` are drawn by classical scaling, then, with ``mds="metric"``, by SMACOF.
    Between whole steps ``M^t`` is the mean of the two walks, by distance. With ``diffusion_t = 0``
    the time is the knee of the von Neumann entropy of the walk.

    Not prepared: the whole method on the cells given, up to ``dense_limit``, with gradients
    through all of it. Prepared: every cell, old or new, is placed on its own between the nearest
    landmarks, by the same kernel; up to ``dense_limit`` every cell is a landmark. Turning a dial
    then redraws the landmarks, from where they were, so the map moves without jumping.
    ``kernel="exponential"`` with a decay near 40 hardly joins any cells: its map is near random.

    Softens: who is a neighbour: a distance below the width (a step), and the number of steps of
    the walk (a mean of two whole numbers).
    Hard limit: as ``decay`` grows, ``alpha_decay`` becomes the ball of the nearest neighbours.
    Gradients: reach ``features`` and, not prepared, the dials; they are zero between cells
    whose affinity is zero. Equal eigenvalues are safe: no eigenvectors of the walk are taken.
    Cost: O(landmarks^3 log t) once; memory O(cells * neighbours + landmarks^2). Placing:
    O(cells * landmarks * features).

    References:
        Moon et al. (2019), Visualizing structure and transitions in high-dimensional biological
        data, Nature Biotechnology 37.
        de Leeuw, Heiser (1980), Multidimensional scaling with restrictions on the configuration.
    """

    Config = PHATEConfig
    inputs = (FEATURES,)
    outputs = (
        Port("embedding", "cells components", Kind.MAP, "The map.", result="obsm/X_phate_diffbio"),
        Port(
            "potential_distances",
            "cells cells",
            Kind.SIMILARITY,
            "Distance between the potentials of two cells.",
            dense=True,
        ),
        Port(
            "diffusion_operator",
            "cells cells",
            Kind.SIMILARITY,
            "Probability of walking from cell to cell in the diffusion time.",
            dense=True,
        ),
    )
    reach = "population"

    def setup(self, rngs: nnx.Rngs) -> None:
        # As many as the data give; `prepare` replaces them.
        self.landmarks = Buffer(jnp.zeros((1, 1)))
        self.landmark_walk = Buffer(jnp.ones((1, 1)))
        self.landmark_map = Buffer(jnp.zeros((1, self.config.n_components)))
        self.drawn_at = Buffer(jnp.zeros(2))
        self.found_time = Buffer(jnp.ones(()))

    def prepare(self, features: np.ndarray, *, seed: int, first: bool) -> None:
        cells = np.asarray(features, dtype=np.float32)
        if len(cells) < 3:
            raise DataError(
                f"has {len(cells)} cells, too few for a map.",
                fix="Use at least 3 cells.",
                where="features",
            )
        if len(cells) <= self.config.dense_limit:
            landmarks = jnp.asarray(cells)
            steps = _random_walk(
                landmarks, self.dial("decay"), self.config.n_neighbors, self.config.kernel
            )
        else:
            found = find_landmarks(
                cells,
                n_landmarks=self.config.n_landmarks,
                n_neighbors=self.config.n_neighbors,
                decay=float(self.dial("decay")),
                kernel=self.config.kernel,
                seed=seed,
            )
            landmarks, steps = jnp.asarray(found[0]), jnp.asarray(found[1])
        if float(self.dial("diffusion_t")) == 0.0:
            self.found_time = Buffer(jax.jit(entropy_knee)(steps))
        time, gamma = self._time(), self.dial("gamma")
        drawn = _draw(steps, time, gamma, None, **self._drawing())["embedding"]
        if not first and self.fitted and self.landmark_map[...].shape == drawn.shape:
            drawn = drawn * _same_sides(drawn, self._placed(landmarks))
        self.landmarks, self.landmark_walk = Buffer(landmarks), Buffer(steps)
        self.landmark_map, self.drawn_at = Buffer(drawn), Buffer(jnp.stack([time, gamma]))

    def __call__(self, features: jax.Array) -> dict[str, jax.Array]:
        features = jnp.asarray(features, dtype=float)
        if self.fitted:
            return {"embedding": self._placed(features)}
        if len(features) > self.config.dense_limit:
            raise DataError(
                f"has {len(features)} cells, more than dense_limit ({self.config.dense_limit}).",
                fix="Prepare the block first: it then draws the map through landmarks.",
                where="features",
            )
        steps = random_walk(
            features, self.config.n_neighbors, self.dial("decay"), self.config.kernel
        )
        given = self.dial("diffusion_t")
        time = jax.lax.cond(given == 0, lambda: entropy_knee(steps), lambda: given)
        return _draw(steps, time, self.dial("gamma"), None, **self._drawing())

    def _placed(self, features: jax.Array) -> jax.Array:
        """Each cell between its nearest landmarks, by their affinity to it."""
        return place_between(
            features,
            self.landmarks[...],
            self._present_map(),
            self.dial("decay"),
            k=self.config.n_neighbors,
            kernel=self.config.kernel,
        )

    def _present_map(self) -> jax.Array:
        """Where the landmarks are with the dials as they stand."""
        time, gamma, drawn = self._time(), self.dial("gamma"), self.landmark_map[...]
        steps, settings = self.landmark_walk[...], self._drawing()
        turned = jnp.any(jnp.stack([time, gamma]) != self.drawn_at[...])
        if not isinstance(turned, jax.core.Tracer) and not turned:
            return drawn
        return jax.lax.cond(
            turned,
            lambda: _draw(steps, time, gamma, drawn, **settings)["embedding"],
            lambda: drawn,
        )

    def _time(self) -> jax.Array:
        given = self.dial("diffusion_t")
        return jnp.where(given == 0, self.found_time[...], given)

    def _drawing(self) -> dict[str, int]:
        iterations = self.config.mds_iterations if self.config.mds == "metric" else 0
        return {"n_components": self.config.n_components, "iterations": iterations}


_random_walk = jax.jit(
    lambda cells, decay, k, kernel: random_walk(cells, k, decay, kernel),
    static_argnames=("k", "kernel"),
)


@jax.jit(static_argnames=("n_components", "iterations"))
def _draw(
    steps: jax.Array,
    time: jax.Array,
    gamma: jax.Array,
    before: jax.Array | None,
    *,
    n_components: int,
    iterations: int,
) -> dict[str, jax.Array]:
    """The map of a random walk, turned like the map before, if there is one."""
    walked = walk(steps, time)
    products = centred_products(potential(walked, gamma))
    distances = distances_of(products)
    embedding = classical(products, n_components, before)
    if iterations:
        embedding = metric(distances, embedding, iterations)
    return {
        "embedding": embedding,
        "potential_distances": distances,
        "diffusion_operator": walked,
    }


def _same_sides(drawn: jax.Array, before: jax.Array) -> jax.Array:
    """Signs of the axes with which a redrawn map lies as the map before did."""
    return jnp.where(jnp.sum(drawn * before, axis=0) < 0, -1.0, 1.0)
