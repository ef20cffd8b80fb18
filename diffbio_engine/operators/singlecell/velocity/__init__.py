"""RNA velocity: where each cell is going, from unspliced and spliced molecules."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    DATA_PORTS,
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
    size,
)
from diffbio_engine.operators.singlecell.velocity._bent_rates import BentRates
from diffbio_engine.operators.singlecell.velocity._gene_clocks import (
    by_blocks,
    clocks_of,
    told_time,
)
from diffbio_engine.operators.singlecell.velocity._neighbour_moments import (
    components,
    mean_around,
    moments,
    nearest_prepared,
    scaled_to,
    typical_total,
)
from diffbio_engine.operators.singlecell.velocity._splicing_kinetics import (
    Kinetics,
    after,
    in_time_of,
    place,
    spread_of,
    start_of_kinetics,
    steady_state,
)
from diffbio_engine.operators.singlecell.velocity._velocity_directions import (
    cosines,
    moves_on_map,
    time_of_flow,
)
from diffbio_engine.parts.neighbours import nearest_neighbours

_LEAST_FIT = 0.01  # genes whose steady state explains less say nothing about direction


class VelocityConfig(Config):
    """Settings of RNA velocity."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    hidden_dim: int = setting(
        64, low=4, high=512, log=True, doc="Width of the network (cell_rates only).", advanced=True
    )
    dt: float = dial(
        0.1, low=0.001, high=1.0, log=True, doc="Length of a step ahead, in splicing times."
    )
    n_steps: int = setting(10, low=1, high=1000, doc="How many steps ahead are projected.")
    kinetics_model: str = setting(
        "standard",
        choices=("standard", "cell_rates"),
        doc="standard: a gene has the same splicing and degradation in all cells. cell_rates: a"
        " network bends both for each cell (to be trained).",
    )
    n_neighbors: int = setting(
        30,
        low=2,
        high=200,
        doc="Nearest neighbours over which moments are averaged, the cell itself included.",
    )
    n_pca_components: int = setting(
        30, low=2, high=100, doc="Principal components in which neighbours are found."
    )
    temperature: float = dial(
        0.1,
        low=0.005,
        high=2.0,
        log=True,
        doc="Low: a cell has one place on each gene's curve and moves to one neighbour. High: it"
        " is spread over several.",
    )


@operator(title="RNA velocity")
class DifferentiableVelocity(Operator):
    """Tells from unspliced and spliced molecules where each cell is going.

    ``du/dt = alpha(t) - beta u`` and ``ds/dt = beta u - gamma s``; the velocity is
    ``v = beta u - gamma s`` of the first moments: means over a cell and its nearest neighbours.
    Start: ``beta = 1`` (time in splicing times of each gene), ``gamma`` the slope through the
    origin of the 5 % of cells with most of both: the steady-state model, deterministic as in
    scVelo. Training then fits the curve of the two equations, on until a switch and off after it,
    solved exactly, to the moments (``reconstruction_loss``: free energy of the squared distance
    with the time on the curve left open, so each gene's cells may be anywhere on it).

    ``latent_time`` (0 to 1) is the mean of the genes' clocks: a cell's place on each gene's curve,
    brought to one time by regression on the time that grows along the velocities among neighbours;
    a gene weighs as much as this explains. ``projected_spliced`` are the equations ``n_steps * dt``
    ahead, transcription as it is. ``velocity_on_map``, with ``embeddings``, are arrows: the mean
    step to neighbours in whose direction a cell moves.

    Counts (whole numbers) are first scaled to the median total, each layer by its own. Not
    prepared: arrays are taken as they come (moments, say), rates are the steady state of the cells
    given, and genes weigh by it. Prepared on at most 20 000 cells, each cell, old or new, is
    averaged with its nearest of them.

    Softens: the nearest point of a curve, and the neighbour to which a cell goes next (``argmax``).
    Hard limit: as ``temperature`` goes to 0, the nearest point of each gene's curve and the
    neighbour best in line.
    Gradients: reach both layers, rates, switches and the network; neighbours and extremes are
    choices.
    Cost: O(cells * genes * (neighbours + points of a curve)) time and O(cells * genes) memory;
    neighbours O(cells * prepared cells * components).

    References:
        La Manno et al. (2018), RNA velocity of single cells, Nature 560.
        Bergen et al. (2020), Generalizing RNA velocity to transient cell states through dynamical
        modeling, Nature Biotechnology 38.
        Li et al. (2024), cellDancer, Nature Biotechnology 42 (rates of each cell).
    """

    Config = VelocityConfig
    inputs = (
        DATA_PORTS["spliced"],
        DATA_PORTS["unspliced"],
        replace(
            EMBEDDINGS,
            also=(),
            doc="Places on a map, for arrows.",
            optional=True,
            after=(Role.MAP,),
        ),
    )
    outputs = (
        Port(
            "velocity",
            "cells genes",
            Kind.EXPRESSION,
            "Change of spliced molecules per splicing time.",
            result="layers/velocity_diffbio",
            role=Role.VELOCITY,
        ),
        Port(
            "latent_time",
            "cells",
            Kind.TIME,
            "How far each cell has come, 0 to 1.",
            result="obs/latent_time_diffbio",
        ),
        *(
            Port(name, "genes", Kind.PROFILE, doc, result=f"var/velocity_{name}_diffbio", ranks=r)
            for name, doc, r in (
                ("alpha", "Transcription while on, per splicing time.", ""),
                ("beta", "Splicing; only direction_loss moves it from 1.", ""),
                ("gamma", "Degradation, per splicing time.", ""),
                ("fit", "Share of what is unspliced that the steady state explains.", "large"),
            )
        ),
        Port("projected_spliced", "cells genes", Kind.EXPRESSION, "Spliced, n_steps * dt ahead."),
        Port(
            "velocity_on_map",
            "cells features",
            Kind.FEATURES,
            "Arrow of each cell on the map.",
            optional=True,
            result="obsm/velocity_map_diffbio",
        ),
        Port("reconstruction_loss", "", Kind.LOSS, "Distance of the moments to the curves."),
        Port("direction_loss", "", Kind.LOSS, "1 - cosine with ways to neighbours.", weight=0.0),
    )
    reach = "population"
    prepare_cells = 20_000
    example = {"n_neighbors": 3}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        genes, axes = config.n_genes, config.n_pca_components
        self.log_rates = nnx.Param(jnp.zeros((3, genes)))  # alpha, gamma, switch; in 1 / beta
        self.log_beta = nnx.Param(jnp.zeros(genes))  # curves do not tell a gene's unit of time
        self.fit = Buffer(jnp.zeros(genes))
        self.noise = Buffer(jnp.ones((2, genes)))
        self.totals = Buffer(jnp.zeros(2))  # median totals; 0: taken as they come
        self.centre, self.axes = Buffer(jnp.zeros(genes)), Buffer(jnp.zeros((genes, axes)))
        self.places = Buffer(jnp.zeros((1, axes)))
        self.layers = Buffer(jnp.zeros((2, 1, genes)))
        self.flow_axes = Buffer(jnp.zeros((genes, axes)))
        self.flow_places = Buffer(jnp.zeros((1, axes)))
        self.spots = Buffer(jnp.zeros((1, 1)))
        self.clocks = Buffer(jnp.zeros((3, genes)))  # begin, pace, weight
        self.clock_range = Buffer(jnp.asarray([0.0, 1.0]))
        own_rates = config.kinetics_model == "cell_rates"
        self.bends = BentRates(axes, config.hidden_dim, genes, rngs=rngs) if own_rates else None

    def prepare(
        self,
        spliced: np.ndarray,
        unspliced: np.ndarray,
        embeddings: np.ndarray | None = None,
        *,
        seed: int,
        first: bool,
    ) -> None:
        layers = [np.asarray(x, np.float32) for x in (spliced, unspliced)]
        k = self.config.n_neighbors
        totals = [typical_total(x) for x in layers]
        self.totals[...] = jnp.asarray(totals)
        scaled = [np.asarray(scaled_to(*pair)) for pair in zip(layers, totals, strict=True)]
        logs = np.log1p(np.maximum(scaled[0], 0.0))
        centre, axes = components(logs, self.config.n_pca_components, seed)
        places = (logs - centre) @ axes
        self.centre, self.axes = Buffer(jnp.asarray(centre)), Buffer(jnp.asarray(axes))
        self.places, self.layers = Buffer(jnp.asarray(places)), Buffer(jnp.asarray(scaled))
        nearest, _ = nearest_neighbours(places, k - 1)
        spliced, unspliced = (moments(x, nearest) for x in scaled)
        ratio, top, fit = jax.jit(steady_state)(spliced, unspliced)
        if first:
            alpha, _, gamma, switch = start_of_kinetics(ratio, top)
            self.log_rates[...] = jnp.log(jnp.stack([alpha, gamma, switch]))
            self.log_beta[...] = jnp.zeros_like(gamma)
        self.fit[...] = jnp.where(ratio > _LEAST_FIT, jnp.maximum(fit, 0.0), 0.0)
        spread = np.stack([x.std(axis=0) for x in (unspliced, spliced)])
        self.noise[...] = jnp.asarray(np.maximum(spread, 1e-3 * spread.max() + 1e-6))
        scale = np.asarray((self.fit[...] > _LEAST_FIT) / self.noise[...][1])
        _, axes = components(spliced * scale, self.config.n_pca_components, seed)
        axes = scale[:, None] * axes
        self.flow_axes, self.flow_places = Buffer(jnp.asarray(axes)), Buffer(spliced @ axes)
        spots = np.zeros((1, 1)) if embeddings is None else embeddings
        self.spots = Buffer(jnp.asarray(spots, float))
        flow, phases = self._looked_at(places, spliced, unspliced, nearest)
        clocks = clocks_of(phases, time_of_flow(nearest, flow), np.asarray(self.fit[...]))
        self.clocks[...], self.clock_range[...] = map(jnp.asarray, clocks)

    def _looked_at(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Cosines with the ways to the neighbours, and phases of the genes, of prepared cells."""

        @nnx.jit
        def look(block: Any, *some: jax.Array) -> tuple[jax.Array, jax.Array]:
            places, spliced, unspliced, around, own = some
            moves = block._velocity(block._kinetics(), places, spliced, unspliced)
            softness, known = block.dial("temperature"), block.flow_places[...]
            placed = place(block._curves(), unspliced, spliced, block.noise[...], softness)
            return cosines(own, moves @ block.flow_axes[...], known[around]), placed.phase

        return by_blocks(lambda *some: look(self, *some), *arrays, self.flow_places[...])

    def __call__(
        self, spliced: jax.Array, unspliced: jax.Array, embeddings: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        s, u = jnp.asarray(spliced, float), jnp.asarray(unspliced, float)
        if self.fitted:
            s, u = (scaled_to(x, self.totals[...][i]) for i, x in enumerate((s, u)))
            places = (jnp.log1p(jnp.maximum(s, 0.0)) - self.centre[...]) @ self.axes[...]
            near = nearest_prepared(places, self.places[...], self.config.n_neighbors)
            s, u = (mean_around(x, self.layers[...][i], near) for i, x in enumerate((s, u)))
            curves, fit, noise = self._curves(), self.fit[...], self.noise[...]
            kinetics = self._kinetics()
        else:
            places, near = jnp.zeros((len(s), self.config.n_pca_components)), None
            ratio, top, fit = steady_state(s, u)
            kinetics = curves = start_of_kinetics(ratio, top)
            fit = jnp.maximum(fit, 0.0)
            noise = jnp.stack([spread_of(u), spread_of(s)])
        velocity = self._velocity(kinetics, places, s, u)
        placed = place(curves, u, s, noise, self.dial("temperature"))
        ahead = self.dial("dt") * self.config.n_steps
        projected = after(kinetics, kinetics.alpha * placed.on, u, s, ahead)[1]
        rates = {name: getattr(kinetics, name) for name in ("alpha", "beta", "gamma")}
        out = rates | {
            "velocity": velocity,
            "latent_time": self._latent_time(placed.phase, fit),
            "fit": fit,
            "projected_spliced": projected,
            "reconstruction_loss": jnp.sum(placed.misfit * fit) / (len(s) * jnp.sum(fit) + 1e-9),
        }
        if near is None:
            own, moves = s / noise[1], velocity / noise[1]
            known, spots = own, embeddings
            rows = nearest_prepared(own, own, self.config.n_neighbors).rows
        else:
            own, moves = s @ self.flow_axes[...], velocity @ self.flow_axes[...]
            known, spots, rows = self.flow_places[...], self.spots[...], near.rows
        along = cosines(own, moves, known[rows])
        softness = self.dial("temperature")
        toward = soft_ops.argmax(along, axis=1, softness=softness, standardize=False)
        out["direction_loss"] = 1.0 - jnp.mean(jnp.sum(toward * along, axis=1))
        if embeddings is not None and spots is not None and spots.shape[1] == embeddings.shape[1]:
            here = jnp.asarray(embeddings, float)
            out["velocity_on_map"] = moves_on_map(toward, here, spots[rows])
        return out

    def _latent_time(self, phase: jax.Array, fit: jax.Array) -> jax.Array:
        if not self.fitted:
            return phase @ fit / (2.0 * jnp.sum(fit) + 1e-9)
        return told_time(phase, self.clocks[...], self.clock_range[...])

    def _kinetics(self) -> Kinetics:
        return in_time_of(jnp.exp(self.log_beta[...]), self._curves())

    def _curves(self) -> Kinetics:
        alpha, gamma, switch = jnp.exp(self.log_rates[...])
        return Kinetics(alpha, jnp.ones_like(gamma), gamma, switch)

    def _velocity(
        self, kinetics: Kinetics, places: jax.Array, s: jax.Array, u: jax.Array
    ) -> jax.Array:
        spliced, degraded = kinetics.beta * u, kinetics.gamma * s
        if self.bends is not None:
            faster = self.bends(places)
            spliced, degraded = spliced * faster[0], degraded * faster[1]
        return spliced - degraded
