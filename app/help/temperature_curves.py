"""Curves of the soft operations and of their gradients, from the functions themselves."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app.help.temperature_examples import OPTIONS, Example, examples, moded
from diffbio_engine.soft_ops import MODES

LOWEST, HIGHEST = 1e-3, 10.0
_EVEN = 181
# How far from a corner points lie: in equal ratios, so that the smallest softness has some too.
_NEAR = np.geomspace(5e-5, 0.45, 40)
# Beside a corner, to see whether the hard operation jumps there; and by how much it must.
_APART, _SEEN = 1e-4, 1e-2

type Curve = tuple[np.ndarray, np.ndarray]
"""Values and slopes at the places of an example."""

_compiled: set[tuple[str, str]] = set()


@cache
def places(name: str) -> np.ndarray:
    """Where an operation is computed: evenly, and closely around its corners, (n,) float32."""
    example = examples()[name]
    near = [c + s * _NEAR for c in example.corners for s in (-1, 1)]
    x = np.concatenate([np.linspace(example.low, example.high, _EVEN), *near, example.corners])
    x = x[(x >= example.low) & (x <= example.high)]
    return np.unique(x.astype(np.float32))


@cache
def modes_of(name: str) -> tuple[str, ...]:
    """The modes that an operation has, found by asking it for each."""
    found = []
    for mode in MODES:
        try:
            jax.eval_shape(_function(examples()[name], mode), jnp.zeros(()), jnp.ones(()))
        except ValueError:  # refused in words
            continue
        found.append(mode)
    return tuple(found)


def is_compiled(name: str, mode: str) -> bool:
    """Whether a curve can be had at once."""
    return (name, mode) in _compiled


def curve(name: str, mode: str, softness: float) -> Curve:
    """Values and slopes of one mode. A first call compiles; another softness never does.

    Cost: about a millisecond; the first call of an operation and mode up to about a second.
    """
    value, slope = _traced(name, mode)(places(name), np.float32(softness))
    _compiled.add((name, mode))
    return np.asarray(value), np.asarray(slope)


@cache
def hard(name: str) -> dict[str, np.ndarray]:
    """The hard operation as a person draws it: broken at jumps, with what it is at the jump.

    Returns:
        ``x``, ``value`` and ``slope``, NaN at each break; ``point_x`` and ``point``, the values
        that stand alone. All empty where there is no hard mode.
    """
    if "hard" not in modes_of(name):
        return {key: np.empty(0) for key in ("x", "value", "slope", "point_x", "point")}
    example, x = examples()[name], places(name)
    corners = np.array(sorted(example.corners), np.float32)
    sides = np.concatenate([corners - _APART, corners + _APART])
    drawn = np.unique(np.concatenate([x[~np.isin(x, corners)], sides]).astype(np.float32))
    value, slope = _traced(name, "hard")(np.concatenate([drawn, corners]), np.float32(1.0))
    value, slope = np.asarray(value), np.asarray(slope)
    at, value, slope = value[len(drawn) :], value[: len(drawn)], slope[: len(drawn)]
    right = np.searchsorted(drawn, corners)
    left = right - 1
    jumps = np.abs(value[right] - value[left]) > _SEEN
    alone = np.minimum(np.abs(value[left] - at), np.abs(value[right] - at)) > _SEEN
    turns = np.abs(slope[right] - slope[left]) > _SEEN
    breaks = jumps | alone | turns
    return {
        "x": np.insert(drawn, right[breaks], corners[breaks]),
        "value": np.insert(value, right[breaks], np.where(jumps | alone, np.nan, at)[breaks]),
        "slope": np.insert(slope, right[breaks], np.nan),
        "point_x": corners[alone],
        "point": at[alone],
    }


def _function(example: Example, mode: str) -> Callable[[Any, Any], jax.Array]:
    """The drawn number as a function of the one that moves, and of the softness."""
    operation = moded()[example.name]
    more: Mapping[str, Any] = OPTIONS.get(example.name, {})

    def drawn(x: jax.Array, softness: jax.Array) -> jax.Array:
        if example.standing:
            x = jnp.concatenate([x[None], jnp.asarray(example.standing, x.dtype)])
        answer = operation(x, *example.then, softness=softness, mode=mode, **more)
        return (answer[0] if isinstance(answer, tuple) else answer)[example.part]

    return drawn


@cache
def _traced(name: str, mode: str) -> Callable[..., Any]:
    one = jax.value_and_grad(_function(examples()[name], mode))
    return jax.jit(jax.vmap(one, (0, None)))
