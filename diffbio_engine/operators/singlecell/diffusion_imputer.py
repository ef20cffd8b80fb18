"""Diffusion imputation (MAGIC): what a cell missed is filled in from cells like it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from flax import nnx

from diffbio_engine.declare import (
    COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    TrainingBuffer,
    dial,
    operator,
    setting,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell._value_diffusion import (
    diffuse,
    diffuse_by_lists,
    in_principal_space,
    join,
    leading_axes,
    walk_among,
)
from diffbio_engine.parts.diffusion import walk
from diffbio_engine.parts.diffusion_landmarks import kernel_of_neighbours
from diffbio_engine.parts.neighbours import nearest_neighbours

_REACH = 3  # times the neighbours: beyond them a cell has no affinity, as in the package
_ROUNDS = 1  # more bring the last components nearer, but held-out molecules no better (pbmc3k)


class DiffusionImputerConfig(Config):
    """Settings of diffusion imputation."""

    n_neighbors: int = setting(
        5,
        low=1,
        high=200,
        doc="The distance to this neighbour is the bandwidth of a cell's kernel (knn); three "
        "times as many are reached.",
    )
    diffusion_t: float = dial(
        3.0,
        low=0.0,
        high=20.0,
        unit="steps",
        doc="Diffusion time: how often values are shared with neighbours. 0: not at all; "
        "high: cells blur.",
    )
    n_pca_components: int = setting(
        100,
        low=2,
        high=500,
        doc="Maximum number of principal components in which neighbours are found.",
    )
    decay: float = dial(
        1.0,
        low=0.5,
        high=100.0,
        log=True,
        doc="Decay of the kernel's tail. Low: a soft tail; high: all neighbours alike.",
    )
    metric: str = setting(
        "euclidean",
        choices=("euclidean", "cosine"),
        doc="Distance between cells; cosine: one minus the cosine of the angle.",
        advanced=True,
    )
    normalize: bool = setting(
        True,
        doc="Scale cells to one library size before they are compared and shared. Off: the values"
        " are diffused as they come.",
    )
    scale: str = setting(
        "counts",
        choices=("counts", "log"),
        doc="What is averaged, if normalised. counts: expected counts of each cell; log: log1p of"
        " scaled counts, as in tutorials of MAGIC.",
        advanced=True,
    )
    dense_limit: int = setting(
        2000,
        low=10,
        high=10_000,
        doc="Largest data set computed densely when the block is not fitted.",
        advanced=True,
    )


@operator(
    title="Diffusion imputation (MAGIC)",
    formerly=("singlecell.imputation",),
)
class DifferentiableDiffusionImputer(Operator):
    """Imputes molecules that were missed in a cell, by averaging it with cells of similar
    expression.

    Cells are compared by the principal components of ``log1p`` of their counts, scaled to the
    mean library. ``K[i, j] = exp(-(d[i, j] / s[i])^decay)`` among a cell, for itself 1, and its
    ``3 n_neighbors`` nearest, with ``s[i]`` the exact distance to the ``n_neighbors``-th; 0 below
    1e-4. Made symmetric, ``(K + K') / 2``, and its rows scaled, it is the walk ``M``; imputed is
    ``M^t X`` (between whole steps the mean of the two, by distance).

    ``X`` are counts over library, and the result is scaled back to each cell's library: expected
    counts. A mean of roots or logarithms, as in the usual recipe, comes out too low where a gene
    is often zero (``scale="log"`` has it). ``normalize=False`` diffuses the values that it is
    given, as the package does.

    Not prepared: the whole method on the cells given, up to ``dense_limit``, with gradients
    through all of it. Prepared, by a sparse graph of at most 30 000 cells: a cell of the graph has
    its row of ``M^t X``. A new cell reads from the graph without changing it: with ``m`` the share
    of a step that stays, ``m^t`` its own values and the rest from its nearest in the graph, after
    ``t - 1`` steps. Turning a dial diffuses anew; in a bundle, which leaves the graph out, the
    dials stand still.

    Softens: who is a neighbour: a distance below the width (a step), and the number of steps of
    the walk (a mean of two whole numbers).
    Hard limit: as ``decay`` grows, ``K`` is 1 for a cell and all nearer than its
    ``n_neighbors``-th, exp(-1) for that one and 0 beyond: a plain mean over nearest neighbours.
    Gradients: reach ``counts`` through values, distances and components and, not prepared, the
    dials. Prepared, they are those of a new cell. None pass where a neighbour changes place with
    the first that is not reached.
    Cost: prepared once, cells * features * cells for neighbours and t * cells * neighbours * genes;
    memory O(cells * (genes + neighbours)). Placing: O(cells * graph's cells * components). Not
    prepared: O(cells^3 log t) time, O(cells^2) memory.
    Start: the graph; there are no weights. Components are exact up to 1000 cells or genes.

    References:
        van Dijk et al. (2018), Recovering gene interactions from single-cell data using data
        diffusion, Cell 174.
        Batson, Royer, Webber (2019), Molecular cross-validation for single-cell RNA-seq.
    """

    Config = DiffusionImputerConfig
    inputs = (COUNTS,)
    outputs = (
        Port(
            "imputed_counts",
            "cells genes",
            Kind.EXPRESSION,
            "Expression with what was missed filled in.",
            result="layers/imputed_diffbio",
        ),
        Port(
            "diffusion_operator",
            "cells cells",
            Kind.SIMILARITY,
            "Share that each cell takes from each in one step.",
            dense=True,
        ),
    )
    reach = "population"
    prepare_cells = 30_000

    def setup(self, rngs: nnx.Rngs) -> None:
        # As many as the data give; `prepare` replaces them.
        self.typical_library = Buffer(jnp.ones(()))
        self.centre = Buffer(jnp.zeros(1))
        self.axes = Buffer(jnp.zeros((1, 1)))
        self.places = Buffer(jnp.zeros((1, 1)))
        self.widths = Buffer(jnp.zeros(1))
        self.diffused = Buffer(jnp.zeros((1, 1)))
        self.diffused_before = Buffer(jnp.zeros((1, 1)))
        self.diffused_at = Buffer(jnp.zeros(2))
        self.values = TrainingBuffer(jnp.zeros((1, 1)))
        self.nearest = TrainingBuffer(jnp.zeros((1, 1), jnp.int32))
        self.square = TrainingBuffer(jnp.zeros((1, 1)))

    def prepare(self, counts: np.ndarray, *, seed: int) -> None:
        counts = np.asarray(counts, dtype=np.float32)
        n_cells, n_genes = counts.shape
        if n_cells < 3:
            raise DataError(
                f"has {n_cells} cells, too few to share among.",
                fix="Use at least 3 cells.",
                where="counts",
            )
        typical = float(counts.sum(dtype=np.float64) / n_cells)
        compared, values, _ = (np.asarray(x) for x in _scaled(self.config, counts, typical))
        centre = compared.mean(axis=0)
        compared = compared - centre
        n_axes = min(self.config.n_pca_components, n_cells - 1, n_genes)
        axes = np.eye(n_genes, dtype=np.float32)
        if n_axes < n_genes:
            axes = leading_axes(compared, n_axes, seed, _ROUNDS)
        places = np.asarray(self._directed(jnp.asarray(compared @ axes)))
        k = min(_REACH * self.config.n_neighbors, n_cells - 1)
        nearest, distances = nearest_neighbours(places, k)
        if self.config.metric == "cosine":
            distances = distances**2 / 2
        decay, time = float(self.dial("decay")), float(self.dial("diffusion_t"))
        width = self.config.n_neighbors
        kernel = kernel_of_neighbours(nearest, distances, width, decay, "alpha_decay")
        mass = np.asarray(kernel.sum(axis=1))[:, 0]
        steps = (scipy.sparse.diags(1.0 / mass) @ kernel).astype(np.float32).tocsr()
        diffused, before = diffuse(steps, values, time)
        self.typical_library = Buffer(jnp.asarray(typical))
        self.centre, self.axes = Buffer(jnp.asarray(centre)), Buffer(jnp.asarray(axes))
        self.places = Buffer(jnp.asarray(places))
        self.widths = Buffer(jnp.asarray(distances[:, min(width, k) - 1] ** 2))
        self.diffused = Buffer(jnp.asarray(diffused))
        self.diffused_before = Buffer(jnp.asarray(before))
        self.diffused_at = Buffer(jnp.stack([self.dial("decay"), self.dial("diffusion_t")]))
        self.values = TrainingBuffer(jnp.asarray(values))
        self.nearest = TrainingBuffer(jnp.asarray(nearest))
        self.square = TrainingBuffer(jnp.asarray(distances**2))

    def __call__(self, counts: jax.Array) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, dtype=float)
        if self.fitted:
            return {"imputed_counts": self._joined(counts)}
        if len(counts) > self.config.dense_limit:
            raise DataError(
                f"has {len(counts)} cells, more than dense_limit ({self.config.dense_limit}).",
                fix="Prepare the block first: it then uses a sparse graph.",
                where="counts",
            )
        compared, values, back = _scaled(self.config, counts, jnp.mean(jnp.sum(counts, axis=1)))
        steps = walk_among(
            self._directed(in_principal_space(compared, self.config.n_pca_components)),
            self.dial("decay"),
            **self._kernel(),
        )
        imputed = back * (walk(steps, self.dial("diffusion_t")) @ values)
        return {"imputed_counts": imputed, "diffusion_operator": steps}

    def _joined(self, counts: jax.Array) -> jax.Array:
        compared, own, back = _scaled(self.config, counts, self.typical_library[...])
        places = self._directed((compared - self.centre[...]) @ self.axes[...])
        kept = self.diffused[...], self.diffused_before[...]
        if not self._has_graph():
            return back * self._join(own, places, *kept, *self.diffused_at[...])
        dials = self.dial("decay"), self.dial("diffusion_t")
        held = jax.lax.stop_gradient(jnp.stack(dials))
        turned = jnp.any(held != self.diffused_at[...])

        # Joined within each branch: a choice of diffused values would copy all of them.
        def anew() -> jax.Array:
            return self._join(own, places, *self._diffused_anew(*held), *dials)

        def as_kept() -> jax.Array:
            return self._join(own, places, *kept, *dials)

        if isinstance(turned, jax.core.Tracer):
            return back * jax.lax.cond(turned, anew, as_kept)
        return back * (anew() if turned else as_kept())

    def _join(self, own: jax.Array, places: jax.Array, *walked: jax.Array) -> jax.Array:
        return join(own, places, self.places[...], self.widths[...], *walked, **self._kernel())

    def _diffused_anew(self, decay: jax.Array, time: jax.Array) -> tuple[jax.Array, jax.Array]:
        graph = self.values[...], self.nearest[...], self.square[...]
        return diffuse_by_lists(*graph, decay, time, n_neighbors=self.config.n_neighbors)

    def _directed(self, places: jax.Array) -> jax.Array:
        """For the cosine, only the direction of a cell counts."""
        if self.config.metric == "euclidean":
            return places
        square = jnp.sum(places**2, axis=1, keepdims=True)
        return places / jnp.sqrt(jnp.where(square > 0, square, 1.0))

    def _kernel(self) -> dict[str, Any]:
        n_neighbors, cosine = self.config.n_neighbors, self.config.metric == "cosine"
        return {"n_neighbors": n_neighbors, "n_reached": _REACH * n_neighbors, "cosine": cosine}

    def _has_graph(self) -> bool:
        return self.values[...].shape == self.diffused[...].shape


@partial(jax.jit, static_argnums=0)
def _scaled(
    config: DiffusionImputerConfig, counts: jax.Array, typical: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | float]:
    """What cells are compared by, what is averaged, and what the mean is multiplied with."""
    if not config.normalize:
        return counts, counts, 1.0
    library = jnp.sum(counts, axis=1, keepdims=True)
    typical = jnp.where(typical > 0, typical, 1.0)
    relative = jnp.where(library > 0, library, 1.0) / typical
    scaled = counts / relative
    logs = jnp.log1p(scaled)
    if config.scale == "log":
        return logs, logs, 1.0
    return logs, scaled, relative
