"""Small data for any operator, made from its declaration alone."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import Declaration, Kind, Operator, Port
from diffbio_engine.ports.alphabets import PAST_THE_END

SIZES = {
    "members": 2,
    "cells": 8,
    "genes": 5,
    "features": 4,
    "batches": 2,
    "classes": 3,
    "clusters": 3,
    "sequences": 8,
    "windows": 8,
    "positions": 12,
    "letters": 4,
    "memberships": 8,
}


def example_operator(declared: Declaration, **settings: Any) -> Operator:
    """The operator with sizes of the example and its own example settings."""
    config = declared.make.Config.from_dict(example_settings(declared) | settings)
    return declared.make(config, rngs=nnx.Rngs(0))


def example_settings(declared: Declaration) -> dict[str, Any]:
    """Sizes of the example and what the operator itself names for it."""
    sizes = {s.name: SIZES.get(s.axis, 3) for s in declared.settings if s.role == "size"}
    return {**sizes, **declared.make.example}


def example_inputs(declared: Declaration, *, optional: bool = False) -> dict[str, jax.Array]:
    """An array for every input that is wired."""
    rng = np.random.default_rng(7)
    settings = {s.axis: s for s in declared.settings if s.axis}
    inputs = {}
    for port in declared.inputs:
        if port.drawn or (port.optional and not optional):
            continue
        shape = tuple(_length(name, declared, settings) for name in port.axis_names)
        inputs[port.name] = jnp.asarray(_values(port, shape, rng))
    return inputs


def _length(axis: str, declared: Declaration, settings: Mapping[str, Any]) -> int:
    if axis.isdigit():
        return int(axis)
    if axis in settings and settings[axis].name in declared.make.example:
        return int(declared.make.example[settings[axis].name])
    return SIZES.get(axis, 3)


def _values(port: Port, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if port.kind == Kind.LABELS:
        n_classes = SIZES.get(port.classes, 2)
        return (np.arange(int(np.prod(shape))) % n_classes).reshape(shape).astype(np.int32)
    if port.kind == Kind.INDEX:
        # Different positions side by side, all of them genes and cells that there are.
        return (np.arange(int(np.prod(shape))) % 4).reshape(shape).astype(np.int32)
    if port.kind == Kind.SEQUENCE:
        # Letters, some that are not told, and ends before the last position.
        codes = rng.integers(0, SIZES["letters"] + 1, shape).astype(np.uint8)
        codes[::2, -3:] = PAST_THE_END
        return codes
    if port.kind == Kind.QUALITY:
        return rng.integers(2, 41, shape).astype(np.uint8)
    if port.kind == Kind.COUNTS:
        return rng.poisson(4.0, shape).astype(float)
    if port.kind in (Kind.PROFILE, Kind.SHARES):
        values = rng.uniform(0.2, 1.0, shape)
        return values / values.sum(axis=-1, keepdims=True)
    if port.kind == Kind.PARAMETER:
        return rng.uniform(0.5, 2.0, shape)
    return rng.normal(size=shape)


def differentiable(declared: Declaration, inputs: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """The inputs that a gradient can be taken of."""
    whole = (Kind.LABELS, Kind.INDEX, Kind.SEQUENCE, Kind.QUALITY)
    fixed = {p.name for p in declared.inputs if p.kind in whole}
    return {name: value for name, value in inputs.items() if name not in fixed}


def total(outputs: Mapping[str, jax.Array]) -> jax.Array:
    """One number whose gradient feels every output; a plain sum of shares would be constant."""
    leaves = [x for x in outputs.values() if jnp.issubdtype(x.dtype, jnp.floating)]
    return sum(
        jnp.sum(x * jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)) for x in leaves
    )
