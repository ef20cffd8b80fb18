"""A time course by transport: plans from each time point to the next, and cells placed by them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.operators.singlecell.ot_trajectory._unbalanced_transport import (
    Passage,
    Strengths,
    backward,
    onward,
    passage,
)

FIELDS = (*Passage._fields, "strengths", "fates", "transitions")


class Course(NamedTuple):
    """The passages between the time points in turn, and what becomes of cell types.

    Attributes:
        ways: One for each interval, stacked.
        strengths: With which they were found.
        fates: How much of each class every joined cell becomes by the last time point, (times,
            support, classes).
        transitions: Shares of the types into which the descendants of each type fall, (intervals,
            classes, classes); a row of zeros where a type is not seen.
    """

    ways: Passage
    strengths: Strengths
    fates: jax.Array
    transitions: jax.Array

    def flat(self) -> dict[str, jax.Array]:
        """Every array by its name in ``FIELDS``."""
        rest = {"fates": self.fates, "transitions": self.transitions}
        return self.ways._asdict() | {"strengths": jnp.stack(self.strengths)} | rest


def course_of(flat: dict[str, jax.Array]) -> Course:
    """The inverse of ``Course.flat``."""
    ways = Passage(**{name: flat[name] for name in Passage._fields})
    return Course(ways, Strengths(*flat["strengths"]), flat["fates"], flat["transitions"])


class Placed(NamedTuple):
    """Of each cell: growth, places of descendants and ancestors, shares of the last types."""

    growth: jax.Array
    descendants: jax.Array
    ancestors: jax.Array
    fates: jax.Array


def find_course(
    cells: jax.Array,
    masses: jax.Array,
    prior: jax.Array,
    member: jax.Array,
    strengths: Strengths,
    n_sweeps: int,
    n_growth: int,
) -> Course:
    """The plans between the rows of ``cells`` (times, support, features) that have a mass.

    Args:
        masses: 0 for the rows of a time point that do not count, (times, support).
        prior: Expected growth, (times, support).
        member: 1 for the class of each row, all 0 if it is not known, (times, support, classes).
    """

    def one(given: tuple) -> Passage:
        return passage(*given, strengths=strengths, n_sweeps=n_sweeps, n_growth=n_growth)

    ways = jax.lax.map(one, (cells[:-1], cells[1:], masses[:-1], masses[1:], prior[:-1]))
    n_classes = member.shape[-1]
    fates, transitions = [member[-1]], []
    for time in reversed(range(len(cells) - 1)):
        way = jax.tree.map(lambda x, t=time: x[t], ways)
        log_growth, shares = onward(cells[time], way, strengths)
        # By mass: a cell that grows much counts for more of its descendants' descendants.
        sent = jnp.exp(log_growth)[:, None] * prior[time][:, None] * shares
        fates.append(sent @ fates[-1])
        transitions.append(_as_shares(member[time].T @ (sent @ member[time + 1]), 0.0))
    none = jnp.zeros((0, n_classes, n_classes))
    chained = jnp.stack(transitions[::-1]) if transitions else none
    return Course(ways, strengths, jnp.stack(fates[::-1]), chained)


def drawn_support(
    times: np.ndarray, present: np.ndarray, limit: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each time point, at most ``limit`` and drawn evenly, and their masses (0: no row).

    Args:
        present: How many cells there are at each time point.
    """
    rng = np.random.default_rng(seed)
    width = int(min(limit, present.max()))
    rows, masses = np.zeros((len(present), width), int), np.zeros((len(present), width))
    for time, n_cells in enumerate(present):
        all_rows = np.flatnonzero(times == time)
        drawn = rng.choice(all_rows, min(width, int(n_cells)), replace=False)
        rows[time, : len(drawn)], masses[time, : len(drawn)] = np.sort(drawn), 1.0
    return rows, masses


def placed_by_course(
    cells: jax.Array,
    times: jax.Array,
    prior: jax.Array,
    own: jax.Array,
    course: Course,
    seen: jax.Array,
) -> Placed:
    """Each cell's own row of the plan; one interval after the other, to spare memory.

    Args:
        own: Class of each cell, as 1 and 0: what is seen last is its own fate.
        seen: How many cells each time point has; an interval without any at an end is left out.
    """

    def interval(known: Placed, given: tuple) -> tuple[Placed, None]:
        time, way, fates = given
        joined = (seen[time] > 0) & (seen[time + 1] > 0)
        here, there = (times == time) & joined, (times == time + 1) & joined
        log_growth, shares = onward(cells, way, course.strengths)
        # The power is taken only where it is wanted: elsewhere it may be infinite.
        grown = prior * jnp.exp(jnp.where(here, jnp.clip(log_growth, -50.0, 50.0), 0.0))
        comes = backward(cells, way, course.strengths) @ way.source
        return Placed(
            jnp.where(here, grown, known.growth),
            jnp.where(here[:, None], shares @ way.target, known.descendants),
            jnp.where(there[:, None], comes, known.ancestors),
            jnp.where(here[:, None], shares @ fates, known.fates),
        ), None

    start = Placed(jnp.ones(len(cells)), cells, cells, own)
    intervals = jnp.arange(len(seen) - 1), course.ways, course.fates[1:]
    placed, _ = jax.lax.scan(interval, start, intervals)
    return placed._replace(fates=_as_shares(placed.fates, 1.0 / max(own.shape[1], 1)))


def _as_shares(amounts: jax.Array, otherwise: float) -> jax.Array:
    total = jnp.sum(amounts, axis=-1, keepdims=True)
    return jnp.where(total > 0, amounts / jnp.where(total > 0, total, 1.0), otherwise)
