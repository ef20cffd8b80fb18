"""Slices of a tissue laid on one another."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    COUNTS,
    LABELS,
    SLICE_LABELS,
    SPATIAL_COORDS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.paste_alignment._fused_gromov import (
    Matching,
    best_plan,
    objective,
    profile_divergence,
)
from diffbio_engine.operators.singlecell.paste_alignment._rigid_fit import (
    lower_median,
    plane_distances,
    rigid_fit,
    spacing,
)
from diffbio_engine.operators.singlecell.paste_alignment._slices import spots_of_slices

_PAIR = ("slice1_counts", "slice2_counts", "slice1_coords", "slice2_coords")


class PASTEAlignmentConfig(Config):
    """Settings of the alignment of slices."""

    n_slices: int = size("slices", default=2, doc="Number of slices.")
    n_classes: int = size("classes", default=1, doc="Number of cell types, where they are wired.")
    alpha: float = dial(
        0.1,
        low=0.0,
        high=1.0,
        doc="0: only expression decides which spots match. 1: only the distances between spots.",
    )
    sinkhorn_epsilon: float = dial(
        0.1,
        low=0.001,
        high=10.0,
        log=True,
        unit="nats",
        doc="Entropic regularisation. Low: each spot matches one or two others. High: many.",
    )
    sinkhorn_iters: int = setting(
        100,
        low=1,
        high=10_000,
        doc="Maximum Sinkhorn iterations for one linear cost.",
        advanced=True,
    )
    n_linearizations: int = setting(
        50,
        low=1,
        high=1000,
        doc="Maximum Gromov-Wasserstein iterations.",
        advanced=True,
    )
    spots_apart: bool = setting(
        True,
        doc="Measure distances in steps from a spot to the next (their median). Off: in the unit"
        " of the coordinates, as PASTE does.",
        advanced=True,
    )
    may_mirror: bool = setting(False, doc="A slice may be mirrored.")
    max_spots: int = setting(
        1000,
        low=10,
        high=10_000,
        log=True,
        doc="Maximum number of spots of a slice that are matched; evenly drawn if there are more.",
        advanced=True,
    )


@operator(title="Alignment of slices (PASTE)")
class DifferentiablePASTEAlignment(Operator):
    """Aligns each slice of a tissue with the one before, by expression and by how spots lie.

    The plan ``P`` makes ``(1 - alpha) sum C_ij P_ij + alpha sum (D1_ik - D2_jl)^2 P_ij P_kl
    - epsilon H(P)`` small, where spots of a slice have equal mass, ``C_ij = KL(p_i | q_j)`` of the
    profiles of counts + 0.01 (nats), ``D`` are distances between spots of a slice and ``H`` is the
    entropy. Then ``aligned = R y + t``, the rigid motion for which ``sum P_ij |x_i - R y_j - t|^2``
    is least; motions of several slices are chained, so all lie in the frame of slice 0.

    With ``slice1_counts``, ``slice2_counts``, ``slice1_coords`` and ``slice2_coords``, ``apply``
    gives ``transport_plan``, ``aligned_coords`` of the second slice and its motion. Prepared: the
    plans are found once, of up to ``max_spots`` spots a slice, and each spot, old or new, moves
    with its slice. Wired ``labels`` give how much of each type goes to each (shares of a plan).

    Softens: the choice of the spots of the other slice that a spot goes to.
    Hard limit: as ``sinkhorn_epsilon`` goes to 0, each round solves a transport problem, and the
    rounds are the conditional gradient of PASTE, which then takes whole steps: for distances in
    the plane the second term is concave on plans.
    Gradients: reach counts and coordinates by the plan at which the rounds stand still (implicit,
    one linear system and at most 300 products), wrong in proportion to what is left to move.
    Prepared: reach only the coordinates; dials then act at the next refresh.
    Cost: O(rounds * spots^3) time and O(spots^2) memory for each two slices, once.

    References:
        Zeira, Land, Strzalkowski, Raphael (2022), Alignment and integration of spatial
        transcriptomics data, Nature Methods 19.
        Vayer et al. (2020), Fused Gromov-Wasserstein distance for structured objects.
    """

    Config = PASTEAlignmentConfig
    inputs = (COUNTS, SPATIAL_COORDS, SLICE_LABELS, replace(LABELS, optional=True))
    outputs = (
        Port(
            "aligned_coords",
            "cells 2",
            Kind.COORDINATES,
            "Where each spot lies in the frame of the first slice.",
            result="obsm/spatial_aligned_diffbio",
        ),
        Port("rotation", "slices 2 2", Kind.PARAMETER, "How each slice is turned."),
        Port("translation", "slices 2", Kind.PARAMETER, "How far each slice is moved, then."),
        Port("alignment_costs", "steps", Kind.PARAMETER, "Objective of each plan, no entropy."),
        Port(
            "type_transport",
            "steps classes classes",
            Kind.PLAN,
            "How much of each type goes to each, from a slice to the next.",
            optional=True,
        ),
    )
    reach = "population"

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n, steps = config.n_slices, config.n_slices - 1
        self.rotation = Buffer(jnp.tile(jnp.eye(2), (n, 1, 1)))
        self.translation = Buffer(jnp.zeros((n, 2)))
        self.costs = Buffer(jnp.zeros(steps))
        self.flows = Buffer(jnp.zeros((steps, config.n_classes, config.n_classes)))

    def prepare(
        self,
        counts: np.ndarray,
        spatial_coords: np.ndarray,
        slice_labels: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        seed: int,
    ) -> None:
        config = self.config
        # All slices of one length, so that one shape is compiled.
        taken, mass = spots_of_slices(slice_labels, config.n_slices, config.max_spots, seed)
        find = jax.jit(self._step)
        steps = []
        for s in range(1, len(taken)):
            both = [
                jnp.asarray(array[taken[i]], float)
                for array in (counts, spatial_coords)
                for i in (s - 1, s)
            ]
            types = None
            if labels is not None:
                types = [jnp.asarray(labels[taken[i]]) for i in (s - 1, s)]
            weights = [jnp.asarray(mass[i], float) for i in (s - 1, s)]
            steps.append(find(*both, *weights, types)[1:])
        found = self._chained(steps)
        for variable, value in zip(
            (self.rotation, self.translation, self.costs), found, strict=False
        ):
            variable[...] = value
        if found[3] is not None:
            self.flows[...] = found[3]

    def __call__(
        self,
        counts: jax.Array,
        spatial_coords: jax.Array,
        slice_labels: jax.Array,
        labels: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        if self.fitted:
            found = self.rotation[...], self.translation[...], self.costs[...], self.flows[...]
        else:
            found = self._of_these(counts, spatial_coords, slice_labels, labels)
        rotation, translation, costs, flows = found
        # A spot of no known slice stays where it is.
        known = (slice_labels >= 0) & (slice_labels < self.config.n_slices)
        which = jnp.where(known, slice_labels, 0)
        moved = jnp.einsum("nij,nj->ni", rotation[which], spatial_coords) + translation[which]
        result = {
            "aligned_coords": jnp.where(known[:, None], moved, spatial_coords),
            "rotation": rotation,
            "translation": translation,
            "alignment_costs": costs,
        }
        return result if labels is None else {**result, "type_transport": flows}

    def apply(
        self,
        data: Mapping[str, Any],
        state: Any = None,
        metadata: Any = None,
        *more: Any,
        **named: Any,
    ) -> tuple[dict[str, Any], Any, Any]:
        """As every operator's; with two matrices and their coordinates, the plan between them."""
        if not all(name in data for name in _PAIR):
            return super().apply(data, state, metadata, *more, **named)
        first, second, x, y = (jnp.asarray(data[name], float) for name in _PAIR)
        for name, counts, places in ((_PAIR[0], first, x), (_PAIR[1], second, y)):
            if counts.ndim != 2 or places.shape != (len(counts), 2):
                raise DataError(
                    f"has the form {counts.shape} where its coordinates have {places.shape}.",
                    fix="Give spots by genes, and two coordinates for each spot.",
                    where=name,
                )
        if first.shape[1] != second.shape[1]:
            raise DataError(
                f"has {second.shape[1]} genes where the first slice has {first.shape[1]}.",
                fix="Keep the genes that both slices share, in one order.",
                where=_PAIR[1],
            )
        p, q = (jnp.full(len(side), 1.0 / len(side)) for side in (x, y))
        plan, rotation, translation, cost, _ = self._step(first, second, x, y, p, q, None)
        found = {
            "transport_plan": plan,
            "aligned_coords": y @ rotation.T + translation,
            "rotation": rotation,
            "translation": translation,
            "alignment_costs": cost[None],
        }
        return {**data, **found}, state, metadata

    def _of_these(self, counts, places, slices, labels):
        """Motions, costs and flows of the spots given; a spot of another slice has no mass."""
        most = self.config.max_spots * self.config.n_slices
        if len(counts) > most:
            raise DataError(
                f"has {len(counts)} spots, more than {most}.",
                fix="Prepare the block first: it then matches max_spots of each slice.",
                where="counts",
            )
        counts, places = jnp.asarray(counts, float), jnp.asarray(places, float)
        types = None if labels is None else [labels, labels]
        steps = []
        for s in range(1, self.config.n_slices):
            ones = [(slices == i).astype(places.dtype) for i in (s - 1, s)]
            there = jnp.any(ones[0] > 0) & jnp.any(ones[1] > 0)
            # A slice without spots stays as it is; something finite is computed in its place.
            ones = [jnp.where(there, one, 1.0) for one in ones]
            p, q = (one / jnp.sum(one) for one in ones)
            found = self._step(counts, counts, places, places, p, q, types)
            rotation = found[1] * there + ~there * jnp.eye(2)
            rest = [None if x is None else x * there for x in found[2:]]
            steps.append((rotation, *rest))
        return self._chained(steps)

    def _step(self, first, second, x, y, p, q, types):
        """Plan, motion, cost and, with types, the flow between them, of two slices."""
        apart = plane_distances(x), plane_distances(y)
        if self.config.spots_apart:
            steps = [spacing(d, m) for d, m in zip(apart, (p, q), strict=True)]
            unit = lower_median(jnp.concatenate(steps))
            apart = apart[0] / unit, apart[1] / unit
        alpha, epsilon = self.dial("alpha"), self.dial("sinkhorn_epsilon")
        match = Matching(profile_divergence(first, second), *apart, p, q, alpha, epsilon)
        plan = best_plan(match, self.config.sinkhorn_iters, self.config.n_linearizations)
        rotation, translation = rigid_fit(x, y, plan, may_mirror=self.config.may_mirror)
        flow = None
        if types is not None:
            one, other = (jax.nn.one_hot(t, self.config.n_classes, dtype=x.dtype) for t in types)
            flow = one.T @ plan @ other
        return plan, rotation, translation, objective(plan, match), flow

    def _chained(self, steps):
        """Of motions onto the slice before, those onto slice 0; costs and flows beside them."""
        rotations, translations = [jnp.eye(2)], [jnp.zeros(2)]
        for rotation, translation, _, _ in steps:
            translations.append(rotations[-1] @ translation + translations[-1])
            rotations.append(rotations[-1] @ rotation)
        costs = jnp.stack([s[2] for s in steps]) if steps else jnp.zeros(0)
        n = self.config.n_classes
        with_types = not steps or steps[0][3] is not None
        flows = jnp.stack([s[3] for s in steps]) if steps and with_types else jnp.zeros((0, n, n))
        return jnp.stack(rotations), jnp.stack(translations), costs, flows if with_types else None
