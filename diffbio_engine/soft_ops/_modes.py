"""What all soft operations share: modes, types, and how their arguments are read."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.errors import SettingError, did_you_mean

Mode = Literal["hard", "smooth", "c0", "c1", "c2"]
SoftMode = Literal["smooth", "c0", "c1", "c2"]
MODES: tuple[Mode, ...] = ("hard", "smooth", "c0", "c1", "c2")
SOFT_MODES: tuple[SoftMode, ...] = ("smooth", "c0", "c1", "c2")

type SoftBool = jax.Array
"""How true a statement is: a float array with values from 0 to 1."""

type SoftIndex = jax.Array
"""A place that is not sure yet: along the last axis, shares of every position, adding up to 1."""


def as_float(x: Any) -> jax.Array:
    """The array; whole numbers and truth values as floats of the default width."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def check_softness(softness: float | jax.Array) -> float | jax.Array:
    """The softness; refused where it is known not to be positive. Inside a transform it is not."""
    if isinstance(softness, jax.core.Tracer):
        return softness
    numbers = np.asarray(softness)
    if not np.all(numbers > 0):
        raise SettingError(
            f"{numbers} is not a softness.",
            fix="Use a number above 0, or mode='hard' for the classical answer.",
            where="softness",
        )
    return softness


def check_choice(value: str, choices: tuple[str, ...], where: str) -> None:
    """Refuses what is not among the choices."""
    if value not in choices:
        raise SettingError(
            f"'{value}' is not known here.",
            fix=did_you_mean(value, choices) or f"Use one of {', '.join(choices)}.",
            where=where,
        )
