"""A random walk that goes forward in time over neighbours, its ends, and where it ends."""

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine import soft_ops
from diffbio_engine.operators.singlecell._diffusion_maps import (
    gaussian_weights,
    local_scales,
    neighbour_lists,
)

_BACK = 1e-3  # share of a step back that is left, so that no cell is without a way out
LOST = 1e-5  # chance a step that a walk is lost; so cells with no way to an end are undecided


def forward_walk(
    places: jax.Array,
    time: jax.Array,
    k: int,
    temperature: jax.Array,
    slack: jax.Array | float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """Probability of each step, (cells, cells), and each cell's neighbours.

    ``affinity(i, j) * (time_j > time_i - slack)``, softly, rows scaled; slack and softness are in
    units of the mean difference of time between neighbours.
    """
    nearest, square = neighbour_lists(places, k)
    scales = local_scales(square)
    near = gaussian_weights(square, scales[:, None], scales[nearest])
    later = time[nearest] - time[:, None]
    step = jnp.mean(jnp.abs(later))
    onward = soft_ops.greater(later, -slack * step, softness=temperature * step + 1e-12)
    steps = (near + 1e-9) * (onward + _BACK)
    steps = steps / jnp.sum(steps, axis=1, keepdims=True)
    n = len(places)
    return jnp.zeros((n, n), steps.dtype).at[jnp.arange(n)[:, None], nearest].set(steps), nearest


def absorption(steps: jax.Array, ends: jax.Array, lost: float = 0.0) -> jax.Array:
    """Chance that a walk from each cell stops at each end, (cells, ends): ``(I - Q) B = R``.

    Args:
        lost: Chance a step that the walk stops where it is, to be shared evenly among the ends.
            Above 0, the equations have an answer whatever the graph.
        ends: (ends,) cells, or (cells, ends) membership, a cell in one at most. A walk stops there.
    """
    n = len(steps)
    if ends.ndim == 1:
        member = jnp.zeros((n, len(ends)), steps.dtype).at[ends, jnp.arange(len(ends))].set(1.0)
    else:
        member = ends.astype(steps.dtype)
    going_on = 1.0 - jnp.sum(member, axis=1, keepdims=True)
    stopping = member + lost * going_on / member.shape[1]
    walking = (1.0 - lost) * going_on * steps
    return jnp.linalg.solve(jnp.eye(n, dtype=steps.dtype) - walking, stopping)


def without_a_way(steps: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The cells from which no walk comes to an end."""
    reached = ends.any(axis=1) if ends.ndim == 2 else np.isin(np.arange(len(steps)), ends)
    while True:
        more = reached | ((steps > 0) @ reached.astype(float) > 0)
        if (more == reached).all():
            return np.flatnonzero(~reached)
        reached = more


def lasting_peaks(time: np.ndarray, nearest: np.ndarray, n: int) -> np.ndarray:
    """The ``n`` cells at which time peaks over the graph, those first that outlast most.

    Cells are taken from the latest on. A cell later than its neighbours begins a peak; where two
    meet, the earlier ends, and how far it fell from its top is its persistence. Where there are
    fewer peaks than asked, the latest other cells follow.

    References:
        Chazal, Guibas, Oudot, Skraba (2013), Persistence-based clustering in Riemannian manifolds.
    """
    neighbours: list[set[int]] = [set(map(int, row)) for row in nearest]
    for i, row in enumerate(nearest):
        for j in row:
            neighbours[int(j)].add(i)
    order = np.argsort(-time, kind="stable")
    peak = np.full(len(time), -1)
    lasted: dict[int, float] = {}

    def top(i: int) -> int:
        while peak[i] != i:
            peak[i] = peak[peak[i]]
            i = int(peak[i])
        return i

    for cell in map(int, order):
        met = sorted({top(j) for j in neighbours[cell] if peak[j] >= 0}, key=lambda i: -time[i])
        peak[cell] = met[0] if met else cell
        for ended in met[1:]:
            lasted[ended] = float(time[ended] - time[cell])
            peak[ended] = met[0]
    for i in range(len(time)):
        lasted.setdefault(top(i), float(np.inf))
    found = sorted(lasted, key=lambda i: (-lasted[i], -time[i]))[:n]
    found += [int(i) for i in order if int(i) not in found][: n - len(found)]
    return np.asarray(sorted(found, key=lambda i: -time[i]), np.int32)


def find_ends(time: jax.Array, nearest: jax.Array, n: int) -> jax.Array:
    """The lasting peaks, also inside a compiled function: a choice without a slope."""
    held = jax.lax.stop_gradient(time)
    return jax.pure_callback(
        lambda t, near: lasting_peaks(np.asarray(t), np.asarray(near), n),
        jax.ShapeDtypeStruct((n,), jnp.int32),
        held,
        nearest,
        vmap_method="sequential",
    )
