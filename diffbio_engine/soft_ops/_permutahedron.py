"""Projection onto the permutahedron: soft sorted values and soft ranks in O(n log n).

``y = argmax <z, y> - R(y)`` over all mixtures of the permutations of ``w``; with both in ascending
order, ``y_i = h(z_i - g_B)`` in blocks ``B`` of neighbours, and ``g_B`` such that a block's sum is
that of ``w``. By mode:

* smooth: entropic, in logarithms: ``h(t) = t`` and the sums are of ``exp``;
* c0: Euclidean, ``h(t) = t``;
* c1, c2: p-norms 3/2 and 4/3, ``h(t) = sign(t) |t|^2`` and ``t^3``.

Blocks are found by pooling: neighbours whose ``g`` are out of order become one block, all such
neighbours at a time, until none are. Within a block only distances to its first value are used, so
no digits are lost where the softness is small and ``z`` is large.

References:
    Blondel, Teboul, Berthet, Djolonga (2020), Fast differentiable sorting and ranking.
    Best, Chakravarti (1990), Active set algorithms for isotonic regression.
"""

from functools import partial

import jax
import jax.numpy as jnp

from diffbio_engine.soft_ops._modes import SoftMode

_MOST_STEPS = 60
_POWERS = {"c1": 2, "c2": 3}


def project_onto_permutahedron(
    z: jax.Array, w: jax.Array, scale: jax.Array, counted: jax.Array, mode: SoftMode
) -> tuple[jax.Array, jax.Array]:
    """``y`` (..., n), and which of its values stand alone, so that they are those of ``w``.

    Args:
        z, w: (..., n), ascending as far as they count.
        scale: (..., 1); the projection is of ``scale * z``.
        counted: (..., n), the first of each row.
        mode: One of the soft modes.
    """
    n, lead = z.shape[-1], jnp.broadcast_shapes(z.shape, w.shape)[:-1]

    def rows(a: jax.Array, width: int) -> jax.Array:
        return jnp.broadcast_to(a, (*lead, width)).reshape(-1, width)

    z, w, scale, counted = rows(z, n), rows(w, n), rows(scale, 1), rows(counted, n)
    start = jax.vmap(partial(_blocks, mode=mode))(*jax.lax.stop_gradient((z, w, scale)), counted)
    alone = jnp.ones_like(counted).at[:, 1:].set(start[:, 1:] != start[:, :-1])
    alone = alone & jnp.roll(alone, -1, axis=1).at[:, -1].set(True)
    # At a small softness nothing is pooled, and nothing remains to be done.
    y = jax.lax.cond(
        jnp.all(alone),
        lambda z, w, scale, start: w,
        jax.vmap(lambda *row: _values(*row, mode)),
        z, w, scale, start,
    )  # fmt: skip
    return y.reshape(*lead, n), alone.reshape(*lead, n)


@partial(jax.custom_jvp, nondiff_argnums=(4,))
def _values(
    z: jax.Array, w: jax.Array, scale: jax.Array, start: jax.Array, mode: SoftMode
) -> jax.Array:
    """``y`` for known blocks; each value carries the place where its block starts."""
    t = _above_first(z, w, scale, start, mode) + (z - z[start]) * scale
    return _h(t, mode)


@_values.defjvp
def _values_jvp(mode: SoftMode, primals: tuple, tangents: tuple) -> tuple:
    z, w, scale, start = primals
    dz, dw, dscale, _ = tangents
    y = _values(z, w, scale, start, mode)
    moved = dz * scale + (z - z[start]) * dscale
    if mode == "smooth":
        in_z, in_w = _softmax(y, start), _softmax(w, start)
        return y, moved - _sum(in_z * moved, start) + _sum(in_w * dw, start)
    slope = jnp.ones_like(y)
    if mode in _POWERS:
        power = _POWERS[mode]
        slope = power * jnp.abs(y) ** ((power - 1) / power)
    total = _sum(slope, start)
    size = _sum(jnp.ones_like(y), start)
    # A block of zeros has no slope anywhere; alone, a value follows its `w`.
    share = jnp.where(total > 0, slope / jnp.where(total > 0, total, 1.0), 1.0 / size)
    return y, slope * (moved - _sum(share * moved, start)) + share * _sum(dw, start)


def _blocks(
    z: jax.Array, w: jax.Array, scale: jax.Array, counted: jax.Array, mode: SoftMode
) -> jax.Array:
    """Where the block of each value starts, (n,)."""
    place = jnp.arange(z.shape[0])
    before = jnp.maximum(place - 1, 0)

    def joined(start: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
        # g = scale z[first] - t; the block before should have the smaller one.
        risen = (z - z[start[before]]) * scale
        joins = (place > 0) & (start == place) & counted & (t - t[before] > risen)
        return jax.lax.cummax(jnp.where((start == place) & ~joins, place, 0)), jnp.any(joins)

    def pool(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return joined(state[0], _above_first(z, w, scale, state[0], mode))

    # At first every value is a block.
    first = joined(place, _root(w, mode))
    return jax.lax.while_loop(lambda state: state[1], pool, first)[0]


def _above_first(
    z: jax.Array, w: jax.Array, scale: jax.Array, start: jax.Array, mode: SoftMode
) -> jax.Array:
    """``scale z[first] - g`` of each value's block: ``h`` of it is the first ``y``."""
    away = (z - z[start]) * scale
    if mode == "smooth":
        return _log_sum_exp(w, start) - _log_sum_exp(away, start)
    if mode == "c0":
        return _sum(w - away, start) / _sum(jnp.ones_like(w), start)
    return _solved(away, w, start, mode)


def _solved(away: jax.Array, w: jax.Array, start: jax.Array, mode: SoftMode) -> jax.Array:
    """``t`` with ``sum h(away + t) = sum w`` in each block: Newton's method between two bounds.

    No ``y`` of a block lies below its smallest ``w`` nor above its largest, which bounds ``t``.
    """
    power = _POWERS[mode]
    root = _root(w, mode)
    last = jax.ops.segment_max(jnp.arange(w.shape[0]), start, w.shape[0])[start]
    wanted = _sum(w, start)

    def step(state: tuple) -> tuple:
        t, low, high, _, i = state
        over = _sum(_h(away + t, mode), start) - wanted
        low, high = jnp.where(over <= 0, t, low), jnp.where(over >= 0, t, high)
        slope = _sum(power * jnp.abs(away + t) ** (power - 1), start)
        new = t - over / jnp.where(slope > 0, slope, 1.0)
        inside = (new > low) & (new < high) & (slope > 0)
        new = jnp.where(inside, new, 0.5 * (low + high))
        tiny = 2 * jnp.finfo(t.dtype).eps * jnp.abs(t)
        return new, low, high, jnp.any(jnp.abs(new - t) > tiny), i + 1

    def moving(state: tuple) -> jax.Array:
        return state[3] & (state[4] < _MOST_STEPS)

    low, high = root[start], root[last] - away[last]
    first = (0.5 * (low + high), low, high, jnp.asarray(True), 0)
    found = jax.lax.while_loop(moving, step, first)[0]
    return jnp.where(last == start, root, found)


def _h(t: jax.Array, mode: SoftMode) -> jax.Array:
    return t * jnp.abs(t) ** (_POWERS[mode] - 1) if mode in _POWERS else t


def _root(y: jax.Array, mode: SoftMode) -> jax.Array:
    """The way back from ``_h``."""
    return jnp.sign(y) * jnp.abs(y) ** (1.0 / _POWERS[mode]) if mode in _POWERS else y


def _sum(x: jax.Array, start: jax.Array) -> jax.Array:
    """The sum over each value's block."""
    return jax.ops.segment_sum(x, start, x.shape[0], indices_are_sorted=True)[start]


def _log_sum_exp(x: jax.Array, start: jax.Array) -> jax.Array:
    """Likewise of ``exp``, in logarithms."""
    most = jax.ops.segment_max(x, start, x.shape[0], indices_are_sorted=True)[start]
    return most + jnp.log(_sum(jnp.exp(x - most), start))


def _softmax(x: jax.Array, start: jax.Array) -> jax.Array:
    return jnp.exp(x - _log_sum_exp(x, start))
