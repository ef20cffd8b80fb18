"""How a dial moves by itself while a pipeline trains: warm at first, then cool."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp

from diffbio_engine.errors import SettingError, did_you_mean


def temperature_schedule(
    step: Any, initial: float = 10.0, final: float = 0.1, decay_steps: int = 10000
) -> Any:
    """Exponential decay ``initial (final / initial)^(step / decay_steps)``.

    The formula of the field: it goes on falling after ``decay_steps``;
    ``ExponentialTemperature`` stays at ``final``. ``step`` may be traced.
    """
    _check_ratio(initial, final)
    if decay_steps <= 0:
        raise SettingError(
            f"{decay_steps} is not a number of steps.", fix="Use 1 or more.", where="decay_steps"
        )
    return initial * (final / initial) ** (step / decay_steps)


@dataclass(frozen=True)
class Schedule:
    """A value that moves from ``initial`` to ``final`` in ``steps`` steps and stays there.

    ``start``: the step at which it begins to move. A schedule is callable with a step, as optax
    schedules are: a plain number gives a plain number, at once (so the training loop asks, between
    compiled steps); an array, traced or not, gives an array.
    """

    initial: float
    final: float
    steps: int = 10_000
    start: int = 0

    kind = ""

    def __post_init__(self) -> None:
        """Refuses ends between which it cannot go."""

    def __call__(self, step: Any) -> Any:
        share = (step - self.start) / max(self.steps, 1)
        if isinstance(share, jax.Array):
            return jnp.asarray(self.between(jnp.clip(share, 0.0, 1.0)), share.dtype)
        return self.between(min(max(share, 0.0), 1.0))

    def between(self, share: Any) -> Any:
        """The value when this share of the way is done."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it stands in a pipeline or run file."""
        return {"kind": self.kind, **asdict(self)}


class ExponentialTemperature(Schedule):
    """``initial (final / initial)^share``: equal ratios in equal times; both must be > 0."""

    kind = "exponential"

    def __post_init__(self) -> None:
        _check_ratio(self.initial, self.final)

    def between(self, share: Any) -> Any:
        return self.initial * (self.final / self.initial) ** share


class LinearTemperature(Schedule):
    """``initial + (final - initial) share``."""

    kind = "linear"

    def between(self, share: Any) -> Any:
        return self.initial + (self.final - self.initial) * share


class CosineTemperature(Schedule):
    """``final + (initial - final) (1 + cos(pi share)) / 2``: slow, fast, slow."""

    kind = "cosine"

    def between(self, share: Any) -> Any:
        cos = jnp.cos if isinstance(share, jax.Array) else math.cos
        return self.final + (self.initial - self.final) * 0.5 * (1 + cos(math.pi * share))


class ConstantTemperature(Schedule):
    """``initial``, always."""

    kind = "constant"

    def __init__(self, initial: float, final: float | None = None, **moves: int) -> None:
        super().__init__(initial, initial if final is None else final, **moves)

    def between(self, share: Any) -> Any:
        return self.initial


def _check_ratio(initial: float, final: float) -> None:
    """Equal ratios lead only from one number above 0 to another."""
    if not (initial > 0 and final > 0):
        raise SettingError(
            f"an exponential schedule cannot go from {initial:g} to {final:g}.",
            fix="Use values above 0, or a linear schedule.",
        )


_KINDS = {
    cls.kind: cls
    for cls in (ExponentialTemperature, LinearTemperature, CosineTemperature, ConstantTemperature)
}


def schedule_from(values: Mapping[str, Any]) -> Schedule:
    """The schedule of plain data, ``{"kind": "exponential", "initial": 10, ...}``."""
    facts = dict(values)
    kind = str(facts.pop("kind", ""))
    if kind not in _KINDS:
        raise SettingError(
            f"there is no schedule '{kind}'.",
            fix=did_you_mean(kind, _KINDS) or f"Choose one of {', '.join(_KINDS)}.",
        )
    try:
        return _KINDS[kind](**facts)
    except TypeError:
        raise SettingError(
            f"a schedule has initial, final, steps and start; this one has {', '.join(facts)}.",
            fix="Correct the names.",
        ) from None


def warm_up(steps: int, final: float = 1.0) -> LinearTemperature:
    """From 0 to ``final`` in ``steps`` steps: for the weight of a KL term."""
    return LinearTemperature(0.0, final, steps)
