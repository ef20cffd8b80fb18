"""Pseudotime: how far each cell has come from a root cell, along the shape of the data."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    EMBEDDINGS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    operator,
    setting,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell._diffusion_maps import (
    dense_kernel,
    diffusion_distances,
    from_0_to_1,
    in_metric,
    local_scales,
    slow_waves,
    sparse_diffusion_map,
    without_density,
)
from diffbio_engine.operators.singlecell._kernel_placing import drawn_rows, placed_by_kernel
from diffbio_engine.operators.singlecell.pseudotime import _pseudotime_looks as pseudotime_looks
from diffbio_engine.operators.singlecell.pseudotime import _soft_paths as soft_paths
from diffbio_engine.operators.singlecell.pseudotime._root_cell import n_other_neighbours, root_row
from diffbio_engine.parts.neighbours import nearest_neighbours

_MOST_PREPARED = 20_000  # cells that are kept to place others between


class PseudotimeConfig(Config):
    """Settings of pseudotime."""

    n_neighbors: int = setting(
        15, low=2, high=200, doc="Nearest neighbours in the graph, the cell itself included."
    )
    n_diffusion_components: int = setting(
        10, low=1, high=100, doc="Number of diffusion components."
    )
    root_cell_index: int = setting(
        0,
        low=0,
        high=100_000_000,
        doc="Row of the cell where the process begins, such as a stem cell.",
        picks="cell",
    )
    metric: str = setting(
        "euclidean",
        choices=("euclidean", "cosine"),
        doc="Distance between cells; cosine: between their directions.",
        advanced=True,
    )
    method: str = setting(
        "consensus",
        choices=("consensus", "paths", "diffusion"),
        doc="paths: length of the way through neighbouring cells, as in Palantir; diffusion: "
        "distance over random walks of all lengths (DPT); consensus: what two of three agree on.",
    )
    n_path_components: int = setting(
        3,
        low=1,
        high=100,
        doc="Number of diffusion components in which 'paths' measures; with more, noise counts.",
        advanced=True,
    )
    kernel_width: float = dial(
        1.0,
        low=0.3,
        high=3.0,
        log=True,
        unit="local scales",
        doc="Bandwidth of the kernel. Low: only the nearest count; high: all neighbours evenly.",
    )
    temperature: float = dial(
        0.01,
        low=0.001,
        high=0.5,
        log=True,
        unit="mean steps",
        doc="Low: only the shortest way counts. High: all ways of nearly that length.",
    )
    dense_limit: int = setting(
        1000,
        low=10,
        high=10_000,
        doc="Largest data set computed densely, with gradients through the whole method, when"
        " the block is not fitted.",
        advanced=True,
    )


@operator(title="Pseudotime")
class DifferentiablePseudotime(Operator):
    """Orders cells along a process, such as differentiation, from a cell where it begins.

    A Gaussian kernel with local widths joins each cell to its neighbours; the density of cells is
    divided out (``K = W / (q q')``) and the rows are scaled to a random walk ``T``. Its slowest
    waves, ``T psi_k = l_k psi_k``, are the ``diffusion_components``; each grows away from the root.

    ``method="diffusion"``: ``dpt(i)^2 = sum_k (l_k / (1 - l_k))^2 (u_k(i) - u_k(root))^2`` with the
    eigenvectors ``u`` of the symmetric walk. ``method="paths"``: the first waves, each from 0 to 1,
    are a space in which neighbours are joined; pseudotime is the free energy of the ways to the
    root, ``f_i = -t log mean_j exp(-(|y_i - y_j| + f_j) / t)``, ``t`` in mean steps.
    ``method="consensus"``: the median of three, each over its mean: ways between neighbours of the
    cells themselves, measured in three waves and in all of them, and ``dpt``. A wave that is not
    the process (two conditions), many branches or an odd root each mislead one of them. All are
    scaled: 0 at the root, 1 at the last cell.

    Not prepared: the whole method on the cells given, up to ``dense_limit``, with gradients
    through all of it; cells that no neighbours join to the root come last. Prepared: parts are
    joined by their nearest pair, and every cell, old or new, is placed on its own between the
    nearest prepared ones, by the same kernel and the same ways.

    Softens: the shortest way to the root (``min`` over ways), and the weight of a neighbour (a
    step at the edge of the neighbourhood).
    Hard limit: as ``temperature`` goes to 0, the length of the shortest path (Dijkstra, Isomap).
    Gradients: reach ``embeddings`` and the dials; who is a neighbour is a choice without a slope.
    Equal eigenvalues are safe.
    Cost: not prepared O(cells^3) time; prepared O(cells * neighbours) memory and the time of the
    neighbour search. Placing: O(cells * prepared cells * features).

    References:
        Haghverdi et al. (2016), Diffusion pseudotime, Nature Methods 13.
        Setty et al. (2019), Palantir, Nature Biotechnology 37.
        Coifman, Lafon (2006), Diffusion maps. Kivimaki, Shimbo, Saerens (2014), Developments in
        the theory of randomized shortest paths.
    """

    Config = PseudotimeConfig
    inputs = (
        EMBEDDINGS,
        Port("root_cell", "", Kind.INDEX, "Row of the root, not by the setting.", optional=True),
    )
    outputs = (
        Port(
            "pseudotime",
            "cells",
            Kind.TIME,
            "How far a cell has come: 0 at the root, 1 at the last cell.",
            result="obs/pseudotime_diffbio",
            role=Role.PSEUDOTIME,
        ),
        Port(
            "diffusion_components",
            "cells components",
            Kind.FEATURES,
            "Slow directions, slowest first.",
            result="obsm/X_diffmap_diffbio",
            role=Role.COMPONENTS,
        ),
        Port("transition_matrix", "cells cells", Kind.SIMILARITY, "Chance of a step.", dense=True),
    )
    reach = "population"
    example = {"n_neighbors": 5, "n_diffusion_components": 3, "n_path_components": 2}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n = config.n_diffusion_components
        self.prepared_cells = Buffer(jnp.zeros((1, 1)))
        self.prepared_waves = Buffer(jnp.zeros((1, n)))
        self.prepared_scales = Buffer(jnp.ones(1))
        consensus = config.method == "consensus"
        self.prepared_far = Buffer(jnp.zeros((1, 3) if consensus else 1))
        if consensus:
            self.look_units, self.look_steps = Buffer(jnp.ones((2, n))), Buffer(jnp.ones(2))
        self.wave_gain = Buffer(jnp.ones(n))
        self.wave_span = Buffer(jnp.ones(n))
        self.mean_step = Buffer(jnp.ones(()))
        self.shift_and_longest = Buffer(jnp.array([0.0, 1.0]))

    def prepare(
        self, embeddings: np.ndarray, root_cell: np.ndarray | None = None, *, seed: int
    ) -> None:
        cells = in_metric(np.asarray(embeddings, np.float32), self.config.metric)
        root = self._root(root_cell, len(cells))
        k = n_other_neighbours(self.config.n_neighbors, len(cells))
        n, width = self.config.n_diffusion_components, float(self.dial("kernel_width"))
        values, waves, roots = sparse_diffusion_map(cells, k, n, width, root)
        span = np.where(np.ptp(waves, axis=0) > 0, np.ptp(waves, axis=0), 1.0)
        mean_step, heat = 1.0, float(self.dial("temperature"))
        if self.config.method == "consensus":
            looks = pseudotime_looks.prepared_looks(cells, values, waves, roots, k, heat, root)
            far = looks.far
            self.look_units = Buffer(jnp.asarray(looks.units, float))
            self.look_steps = Buffer(jnp.asarray(looks.steps, float))
        elif self.config.method == "paths":
            places = (waves / span)[:, : self.config.n_path_components]
            far, mean_step = soft_paths.prepared_distances_to_root(places, k, heat, root)
        else:
            of = (jnp.asarray(values), jnp.asarray(waves), jnp.asarray(roots), root)
            far = np.asarray(diffusion_distances(*of))
        keep = drawn_rows(len(cells), _MOST_PREPARED, seed, also=root)
        _, distances = nearest_neighbours(cells[keep], min(k, len(keep) - 1))
        self.prepared_cells = Buffer(jnp.asarray(cells[keep]))
        self.prepared_waves = Buffer(jnp.asarray(waves[keep], float))
        self.prepared_scales = Buffer(local_scales(jnp.asarray(distances, float) ** 2))
        self.prepared_far = Buffer(jnp.asarray(far[keep], float))
        self.wave_span = Buffer(jnp.asarray(span, float))
        self.mean_step = Buffer(jnp.asarray(mean_step, float))
        self.wave_gain = Buffer(jnp.ones(waves.shape[1]))
        # Places between neighbours are drawn together; the waves are stretched back to their size.
        sample = drawn_rows(len(cells), 1000, seed, also=root)
        _, drawn = self._placed(jnp.asarray(cells[sample], float))
        size = np.maximum(np.sum(waves[sample] ** 2, axis=0), 1e-12)
        gain = np.sum(np.asarray(drawn) * waves[sample], axis=0) / size
        self.wave_gain = Buffer(jnp.asarray(np.where(gain > 0.1, gain, 1.0), float))
        far_again, _ = self._placed(jnp.asarray(cells[sample], float))
        at_root = float(far_again[np.searchsorted(sample, root)])
        longest = max(pseudotime_looks.furthest(far) - at_root, 1e-12)
        self.shift_and_longest = Buffer(jnp.asarray([at_root, longest], float))

    def __call__(
        self, embeddings: jax.Array, root_cell: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        cells = in_metric(jnp.asarray(embeddings, float), self.config.metric)
        if self.fitted:
            far, waves = self._placed(cells)
            shift, longest = self.shift_and_longest[...]
            time = jnp.maximum(far - shift, 0.0) / longest
            return {"pseudotime": time, "diffusion_components": waves}
        if len(cells) > self.config.dense_limit:
            raise DataError(
                f"has {len(cells)} cells, more than dense_limit ({self.config.dense_limit}).",
                fix="Prepare the block first: it then places cells between prepared ones.",
                where="embeddings",
            )
        # Compiled, it may be a plan with fewer cells than there will be: `prepare` checks the row.
        planned = isinstance(cells, jax.core.Tracer)
        return self._whole(cells, self._root(root_cell, len(cells), planned))

    def _whole(self, cells: jax.Array, root: int | jax.Array) -> dict[str, jax.Array]:
        """The whole method on the cells given."""
        k = n_other_neighbours(self.config.n_neighbors, len(cells))
        kernel = dense_kernel(cells, k, self.dial("kernel_width"))
        conjugate, roots = without_density(kernel)
        values, waves = slow_waves(conjugate, roots, self.config.n_diffusion_components, root)
        heat = self.dial("temperature")
        if self.config.method == "consensus":
            far = pseudotime_looks.looks_among(cells, values, waves, roots, k, heat, root)
        elif self.config.method == "paths":
            places = from_0_to_1(waves[:, : self.config.n_path_components])
            far = soft_paths.distances_to_root_among(places, k, heat, root)
        else:
            far = diffusion_distances(values, waves, roots, root)
        far = jnp.where(jnp.asarray(root) < len(cells), far, jnp.nan)  # no other cell instead
        return {
            "pseudotime": far / jnp.maximum(jnp.max(far), 1e-12),
            "diffusion_components": waves,
            "transition_matrix": conjugate * roots / roots[:, None],
        }

    def _placed(self, cells: jax.Array) -> tuple[jax.Array, jax.Array]:
        """How far, and where on the waves, each cell is: between its nearest prepared cells."""
        waves, far = self.prepared_waves[...], self.prepared_far[...]
        span, gain = self.wave_span[...], self.wave_gain[...]
        heat = self.dial("temperature") * self.mean_step[...]
        axes = self.config.n_path_components

        def between(nearest: jax.Array, shares: jax.Array) -> tuple[jax.Array, jax.Array]:
            wave = jnp.einsum("ik,ikc->ic", shares, waves[nearest]) / gain
            if self.config.method == "consensus":
                near = waves[nearest], far[nearest], shares
                ways = self.look_units[...], self.dial("temperature") * self.look_steps[...]
                return pseudotime_looks.looks_between(wave, *near, *ways), wave
            if self.config.method == "diffusion":
                return jnp.sum(shares * far[nearest], axis=1), wave
            apart = ((wave[:, None] - waves[nearest]) / span)[..., :axes]
            return soft_paths.soft_ways(apart, far[nearest], heat), wave

        return placed_by_kernel(
            cells,
            self.prepared_cells[...],
            self.prepared_scales[...],
            self.dial("kernel_width"),
            self.config.n_neighbors,
            between,
        )

    def _root(self, given: Any, n_cells: int, planned: bool = False) -> Any:
        return root_row(given, self.config.root_cell_index, n_cells, planned=planned)
