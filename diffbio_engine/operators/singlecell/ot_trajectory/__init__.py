"""Trajectories by transport: where the cells of a time point go next, and how they grow."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    EMBEDDINGS,
    LABELS,
    TIME_POINTS,
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
from diffbio_engine.operators.singlecell.ot_trajectory._transport_course import (
    FIELDS,
    Course,
    course_of,
    drawn_support,
    find_course,
    placed_by_course,
)
from diffbio_engine.operators.singlecell.ot_trajectory._unbalanced_transport import (
    Strengths,
    joined,
)


class OTTrajectoryConfig(Config):
    """Settings of trajectories by transport."""

    n_genes: int = size("features", default=200, doc="Width of an embedding, or number of genes.")
    n_times: int = size("times", default=2, doc="Number of time points.")
    n_classes: int = size("classes", default=2, doc="Number of cell types.")
    sinkhorn_epsilon: float = dial(
        0.1,
        low=0.0001,
        high=10.0,
        log=True,
        unit="median squared distances",
        doc="Entropic regularisation. Low: each cell goes to one cell. High: it spreads among"
        " many.",
    )
    sinkhorn_iters: int = setting(
        100,
        low=1,
        high=20_000,
        advanced=True,
        doc="Sinkhorn iterations before the last ones (Newton's).",
    )
    growth_rate_regularization: float = dial(
        1.0,
        low=0.01,
        high=10_000.0,
        log=True,
        unit="median squared distances",
        doc="Penalty of growth that differs from the expected (unbalanced transport). Low: as"
        " the data say.",
    )
    target_regularization: float = dial(
        50.0,
        low=0.1,
        high=10_000.0,
        log=True,
        unit="median squared distances",
        doc="Penalty where cells of the next time point are not reached (unbalanced transport).",
        advanced=True,
    )
    interpolation_time: float = dial(
        0.5, low=0.0, high=1.0, doc="How far on the way to the next time point: 0 here, 1 there."
    )
    growth_iterations: int = setting(
        3, low=1, high=20, advanced=True, doc="How often the growth found becomes that expected."
    )
    n_support: int = setting(
        1500,
        low=100,
        high=5000,
        advanced=True,
        doc="Maximum number of cells of a time point in the transport plans.",
    )


@operator(title="Trajectories by transport")
class DifferentiableOTTrajectory(Operator):
    """Tells where the cells of one time point go at the next, how fast they grow and what they
    become.

    Between each two time points ``P`` minimises ``<P, C> + e KL(P | a g x b) + k1 KL(P1 | a g)
    + k2 KL(P'1 | b)``: ``C`` squared distances over their median, ``a`` and ``b`` equal masses,
    ``e`` the ``sinkhorn_epsilon``, ``k1`` the ``growth_rate_regularization``, ``k2`` the
    ``target_regularization``. The growth ``g`` starts at the prior (1) and becomes the row mass
    of ``P`` relative to ``a``, ``growth_iterations`` times (Waddington-OT); its mean is 1 at each
    time point. ``descendants`` are a cell's mean place at the next time point (at the last: its
    own place, growth 1), ``ancestors`` at the one before. ``interpolated``: ``(1 - s) x + s
    descendant``. ``type_transitions``: into which types the descendants of each type fall, by
    mass (a row of zeros where the type is not seen); ``fate_shares``: at the last time
    point, plans chained (equal shares where no known type is reached).

    Not prepared: the plans of the cells given, up to ``n_support`` at a time point. Prepared: of
    as many, drawn evenly (``cells_used`` says how many of how many); every cell, old or new, then
    has its own row of the plan from the dual potentials. All dials but ``interpolation_time`` then
    act at the next refresh. ``apply`` also takes ``counts_t1`` and ``counts_t2`` (any features,
    as they are; with ``growth_prior``, if wanted) and gives ``transport_plan``, ``growth_rates``
    and ``interpolated_counts``.

    Softens: to which cell each cell goes (the linear programme of transport).
    Hard limit: as ``sinkhorn_epsilon`` goes to 0 with both regularizations high, the plan is the
    optimal assignment.
    Gradients: reach ``embeddings``, ``growth_prior``, counts and dials, by the implicit function
    theorem at the plan's end: one linear system for each solution. Prepared: through the placing.
    Cost: O(sweeps * support^2) for each interval; placing O(times * cells * support) time and
    O(chunk * support) memory.

    References:
        Schiebinger et al. (2019), Waddington-OT, Cell 176.
        Chizat, Peyre, Schmitzer, Vialard (2018), Scaling algorithms for unbalanced transport,
        Mathematics of Computation 87.
        Pooladian and Niles-Weed (2021), Entropic estimation of optimal transport maps.
    """

    Config = OTTrajectoryConfig
    inputs = (
        EMBEDDINGS,
        TIME_POINTS,
        replace(LABELS, optional=True),
        Port(
            "growth_prior",
            "cells",
            Kind.SCORE,
            "How much each cell is expected to grow until the next time point, above 0.",
            optional=True,
        ),
    )
    outputs = (
        Port(
            "growth_rates",
            "cells",
            Kind.SCORE,
            "Descendants at the next time point; the mean cell of its time point has 1.",
            result="obs/growth_diffbio",
        ),
        Port(
            "descendants",
            "cells features",
            Kind.FEATURES,
            "Mean place of its descendants at the next time point.",
            result="obsm/X_descendants_diffbio",
        ),
        Port("ancestors", "cells features", Kind.FEATURES, "Mean place of those it comes from."),
        Port(
            "interpolated",
            "cells features",
            Kind.FEATURES,
            "On its way to the next time point.",
            also=("interpolated_counts",),
        ),
        Port("cells_used", "times 2", Kind.PARAMETER, "Cells that the plans join, of how many."),
        Port(
            "type_transitions",
            "intervals classes classes",
            Kind.PLAN,
            "Into which types the descendants of each type fall, from each time to the next.",
            optional=True,
        ),
        Port(
            "fate_shares",
            "cells classes",
            Kind.SHARES,
            "Into which types a cell's descendants fall at the last time point.",
            optional=True,
            result="obsm/transport_fate_diffbio_prob",
        ),
    )
    reach = "population"
    example = {"n_times": 2, "n_classes": 3}

    def setup(self, rngs: nnx.Rngs) -> None:
        self.course = nnx.Dict({name: Buffer(jnp.zeros((1, 1))) for name in FIELDS})
        self.used = Buffer(jnp.zeros((self.config.n_times, 2)))

    def prepare(
        self,
        embeddings: np.ndarray,
        time_points: np.ndarray,
        labels: np.ndarray | None = None,
        growth_prior: np.ndarray | None = None,
        *,
        seed: int,
    ) -> None:
        present = np.bincount(time_points + 1, minlength=self.config.n_times + 1)[1:]
        if len(present) < 2 or np.any(present == 0):
            raise DataError(
                f"has cells at {np.count_nonzero(present)} of {len(present)} time points.",
                fix="Wire the column that says when cells were taken: two times or more.",
                where="time_points",
            )
        rows, masses = drawn_support(time_points, present, self.config.n_support, seed)
        found = jax.jit(self._find)(
            jnp.asarray(embeddings[rows], float),
            jnp.asarray(masses, float),
            jnp.ones(rows.shape)
            if growth_prior is None
            else jnp.asarray(growth_prior[rows], float),
            None if labels is None else jnp.asarray(labels[rows]),
        )
        for name, value in found.flat().items():
            self.course[name] = Buffer(value)
        self.used = Buffer(jnp.asarray(np.column_stack([masses.sum(axis=1), present]), float))

    def __call__(
        self,
        embeddings: jax.Array,
        time_points: jax.Array,
        labels: jax.Array | None = None,
        growth_prior: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        cells = jnp.asarray(embeddings, float)
        prior = jnp.ones(len(cells)) if growth_prior is None else jnp.asarray(growth_prior, float)
        if self.fitted:
            course, used = course_of({n: b[...] for n, b in self.course.items()}), self.used[...]
        else:
            if len(cells) > self.config.n_support:
                raise DataError(
                    f"has {len(cells)} cells, more than n_support ({self.config.n_support}).",
                    fix="Prepare the block first: it then places cells by the plans of some.",
                    where="embeddings",
                )
            there = (time_points == jnp.arange(self.config.n_times)[:, None]).astype(cells.dtype)
            each = jnp.broadcast_to(cells, (len(there), *cells.shape))
            types = None if labels is None else jnp.broadcast_to(labels, there.shape)
            course = self._find(each, there, jnp.broadcast_to(prior, there.shape), types)
            used = jnp.repeat(jnp.sum(there, axis=1)[:, None], 2, axis=1)
        n_classes, s = course.fates.shape[-1], self.dial("interpolation_time")
        own = jnp.zeros((len(cells), n_classes))
        if labels is not None and n_classes:
            own = jax.nn.one_hot(labels, n_classes)
        placed = placed_by_course(cells, time_points, prior, own, course, used[:, 0])
        found = {
            "growth_rates": placed.growth,
            "descendants": placed.descendants,
            "ancestors": placed.ancestors,
            "interpolated": (1.0 - s) * cells + s * placed.descendants,
            "cells_used": used,
        }
        if n_classes:
            found |= {"type_transitions": course.transitions, "fate_shares": placed.fates}
        return found

    def apply(
        self,
        data: Mapping[str, Any],
        state: Any = None,
        metadata: Any = None,
        *more: Any,
        **named: Any,
    ) -> tuple[dict[str, Any], Any, Any]:
        """As every operator's; with ``counts_t1`` and ``counts_t2`` the plan between these two."""
        if "counts_t1" not in data or "counts_t2" not in data:
            return super().apply(data, state, metadata, *more, **named)
        one, two = (jnp.asarray(data[n], float) for n in ("counts_t1", "counts_t2"))
        if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1]:
            raise DataError(
                f"has the form {two.shape}, and counts_t1 {one.shape}.",
                fix="Give cells by genes, with the same genes at both times.",
                where="counts_t2",
            )
        given = data.get("growth_prior")
        prior = jnp.ones(len(one)) if given is None else jnp.asarray(given, float)
        plan, there = joined(one, two, prior, *self._how())
        mass, s = jnp.sum(plan, axis=1), self.dial("interpolation_time")
        found = {
            "transport_plan": plan,
            "growth_rates": mass / jnp.mean(mass),
            "interpolated_counts": (1.0 - s) * one + s * there,
        }
        return {**data, **found}, state, metadata

    def _how(self) -> tuple[Strengths, int, int]:
        """How strongly, and how often, masses are held to."""
        strengths = Strengths(
            self.dial("sinkhorn_epsilon"),
            self.dial("growth_rate_regularization"),
            self.dial("target_regularization"),
        )
        return strengths, self.config.sinkhorn_iters, self.config.growth_iterations

    def _find(
        self, cells: jax.Array, masses: jax.Array, prior: jax.Array, types: jax.Array | None
    ) -> Course:
        """The plans between the rows of ``cells`` (times, support, features) that have a mass."""
        member = jnp.zeros((*masses.shape, 0))
        if types is not None:
            member = jax.nn.one_hot(types, self.config.n_classes) * masses[..., None]
        return find_course(cells, masses, prior, member, *self._how())
