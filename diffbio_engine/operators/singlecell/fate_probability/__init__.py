"""Fate probabilities: in which end of a process each cell is likely to arrive."""

from collections.abc import Mapping
from dataclasses import replace
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
from diffbio_engine.operators.singlecell._diffusion_maps import local_scales
from diffbio_engine.operators.singlecell._kernel_placing import drawn_rows, placed_by_kernel
from diffbio_engine.operators.singlecell.fate_probability._directed_chain import (
    LOST,
    absorption,
    find_ends,
    forward_walk,
    without_a_way,
)
from diffbio_engine.parts.neighbours import nearest_neighbours


class FateProbabilityConfig(Config):
    """Settings of fate probabilities."""

    n_macrostates: int = setting(
        2, low=1, high=50, doc="Number of terminal states to find, where they are not given."
    )
    n_neighbors: int = setting(
        30,
        low=2,
        high=200,
        doc="Neighbours of a cell in the Markov chain: among so many it takes its next step.",
    )
    temperature: float = dial(
        0.3,
        low=0.01,
        high=10.0,
        log=True,
        unit="mean steps of pseudotime",
        doc="Low: cells only go forward in pseudotime. High: they may step back.",
    )
    slack: float = dial(
        1.0,
        low=0.0,
        high=20.0,
        unit="mean steps of pseudotime",
        doc="A step back by less than this counts as forward: pseudotime is not exact to a cell.",
        advanced=True,
    )
    n_waypoints: int = setting(
        1500,
        low=10,
        high=5000,
        doc="Maximum number of waypoints, the cells through which the chain runs; others lie "
        "between them.",
        advanced=True,
    )


@operator(title="Fate probabilities")
class DifferentiableFateProbability(Operator):
    """Tells for each cell how likely it is to become each of the final cell types.

    Cells step to one of their nearest neighbours, with chance
    ``P_ij ~ affinity_ij * greater(time_j, time_i - slack)``, until they stop at an end. With ``Q``
    the steps among the others and ``R`` those into ends, the fates ``B`` solve ``(I - Q) B = R``;
    an end's own row is one-hot. Their entropy, in nats, is high where cells have not decided yet.

    Ends are given (``terminal_states``: cells, or a 0/1 matrix of cells by ends), or they are the
    ``n_macrostates`` peaks of pseudotime that outlast the others as cells are taken away from the
    latest on; the latest is fate 0. With a ``transition_matrix`` of one's own (such as that of
    CellRank) and ``terminal_states``, ``apply`` needs nothing else.

    Not prepared: the chain of the cells given, up to ``n_waypoints``. Prepared: of as many cells,
    drawn evenly; every cell, old or new, is placed between its nearest. Temperature and slack then
    act at the next refresh.

    Softens: whether a neighbour is later in pseudotime, or not much earlier (``greater``).
    Hard limit: as ``temperature`` goes to 0, a step back by more than ``slack`` is a thousand times
    rarer than another: the directed chain of Palantir, that can still leave a wrong peak. Its slack
    is a distance between cells, here it is in steps of pseudotime, whatever the units of both.
    A cell with no way to any end has equal shares.
    Gradients: reach ``embeddings``, ``pseudotime``, ``transition_matrix`` and the temperature,
    through one more solve; which cells are ends is a choice without a slope.
    Cost: O(waypoints^3) time and O(waypoints^2) memory once. Placing: O(cells * waypoints).

    References:
        Setty et al. (2019), Palantir, Nature Biotechnology 37.
        Lange et al. (2022), CellRank for directed single-cell fate mapping, Nature Methods 19.
        Kemeny, Snell (1960), Finite Markov Chains, chapter 3.
    """

    Config = FateProbabilityConfig
    inputs = (
        replace(EMBEDDINGS, after=(Role.COMPONENTS,)),
        Port(
            "pseudotime",
            "cells",
            Kind.TIME,
            "How far each cell has come.",
            after=(Role.PSEUDOTIME,),
        ),
        Port(
            "terminal_states",
            "fates",
            Kind.INDEX,
            "Rows of the cells at which the process ends.",
            optional=True,
        ),
    )
    outputs = (
        Port(
            "fate_probabilities",
            "cells fates",
            Kind.SHARES,
            "Chance of each cell to arrive at each end.",
            result="obsm/fate_diffbio_prob",
        ),
        Port("macrostates", "cells", Kind.LABELS, "The likeliest end.", classes="fates"),
        Port(
            "fate_entropy",
            "cells",
            Kind.SCORE,
            "How undecided a cell is: 0 if its fate is sealed.",
            result="obs/fate_entropy_diffbio",
        ),
    )
    reach = "population"
    example = {"n_neighbors": 4, "n_macrostates": 2}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        self.waypoints = Buffer(jnp.zeros((1, 1)))
        self.waypoint_scales = Buffer(jnp.ones(1))
        self.waypoint_fates = Buffer(jnp.ones((1, config.n_macrostates)) / config.n_macrostates)

    def prepare(
        self,
        embeddings: np.ndarray,
        pseudotime: np.ndarray,
        terminal_states: np.ndarray | None = None,
        *,
        seed: int,
    ) -> None:
        cells = np.asarray(embeddings, np.float32)
        time = np.asarray(pseudotime, float)
        rows = drawn_rows(len(cells), self.config.n_waypoints, seed, also=int(np.argmax(time)))
        ends = None
        if terminal_states is not None:
            rows = np.union1d(rows, terminal_states)
            ends = jnp.asarray(np.searchsorted(rows, terminal_states))
        k = self._n_neighbours(len(rows))
        self.waypoints = Buffer(jnp.asarray(cells[rows], float))
        _, distances = nearest_neighbours(cells[rows], k)
        self.waypoint_scales = Buffer(local_scales(jnp.asarray(distances, float) ** 2))
        places, times = jnp.asarray(cells[rows], float), jnp.asarray(time[rows], float)
        self.waypoint_fates = Buffer(jax.jit(self._fates)(places, times, ends))

    def __call__(
        self,
        embeddings: jax.Array,
        pseudotime: jax.Array,
        terminal_states: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        embeddings = jnp.asarray(embeddings, float)
        if self.fitted:
            fates = self.waypoint_fates[...]
            return _read(
                placed_by_kernel(
                    embeddings,
                    self.waypoints[...],
                    self.waypoint_scales[...],
                    jnp.asarray(1.0),
                    max(2, self.config.n_neighbors // 3),
                    lambda nearest, shares: jnp.einsum("ik,ikm->im", shares, fates[nearest]),
                )
            )
        if len(embeddings) > self.config.n_waypoints:
            raise DataError(
                f"has {len(embeddings)} cells, more than n_waypoints ({self.config.n_waypoints}).",
                fix="Prepare the block first: it then places cells between waypoints.",
                where="embeddings",
            )
        time = jnp.asarray(pseudotime, float)
        return _read(self._fates(embeddings, time, terminal_states))

    def apply(
        self,
        data: Mapping[str, Any],
        state: Any = None,
        metadata: Any = None,
        *more: Any,
        **named: Any,
    ) -> tuple[dict[str, Any], Any, Any]:
        """As every operator's; a ``transition_matrix`` in ``data`` is taken as the chain."""
        if "transition_matrix" not in data or "terminal_states" not in data:
            return super().apply(data, state, metadata, *more, **named)
        steps, ends = jnp.asarray(data["transition_matrix"]), jnp.asarray(data["terminal_states"])
        if steps.ndim != 2 or steps.shape[0] != steps.shape[1]:
            raise DataError(
                f"has the form {steps.shape}, not cells by cells.",
                fix="Give the chance of each step between the same cells.",
                where="transition_matrix",
            )
        if not any(isinstance(x, jax.core.Tracer) for x in (steps, ends)):
            stuck = without_a_way(np.asarray(steps), np.asarray(ends))
            if len(stuck):
                raise DataError(
                    f"leaves {len(stuck)} cells without a way to an end (cell {stuck[0]} first).",
                    fix="Give an end among them, or join them to the others.",
                    where="transition_matrix",
                )
        return {**data, **_read(absorption(steps, ends))}, state, metadata

    def _fates(self, places: jax.Array, time: jax.Array, ends: jax.Array | None) -> jax.Array:
        k = self._n_neighbours(len(places))
        steps, nearest = forward_walk(places, time, k, self.dial("temperature"), self.dial("slack"))
        if ends is None:
            ends = find_ends(time, nearest, self.config.n_macrostates)
        return absorption(steps, ends, LOST)

    def _n_neighbours(self, n_cells: int) -> int:
        if n_cells > self.config.n_macrostates + 1:
            return min(self.config.n_neighbors, n_cells - 1)
        raise DataError(
            f"has {n_cells} cells, too few for {self.config.n_macrostates} ends.",
            fix="Use more cells, or prepare the block first.",
            where="embeddings",
        )


def _read(fates: jax.Array) -> dict[str, jax.Array]:
    """The outputs: shares that add up to one but for rounding, the likeliest, their entropy."""
    shares = jnp.maximum(fates, 0.0)
    return {
        "fate_probabilities": shares,
        "macrostates": jnp.argmax(shares, axis=1).astype(jnp.int32),
        "fate_entropy": -jnp.sum(shares * jnp.log(shares + 1e-12), axis=1),
    }
