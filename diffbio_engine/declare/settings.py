"""Settings, dials and sizes: what an operator can be told, with limits, units and help."""

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, dataclass_transform

from diffbio_engine.errors import SettingError, did_you_mean

_KEY = "diffbio_setting"
Role = Literal["setting", "dial", "size", "contract"]


@dataclass(frozen=True)
class Setting:
    """One field of a configuration, as plain data.

    Attributes:
        role: ``setting`` is chosen before a run, ``dial`` can be turned during one, ``size`` is
            read from the data, ``contract`` is for programs only and is not shown.
        log: The slider moves in equal ratios.
        axis: For a size: the axis of the operator's ports that it measures.
        advanced: Shown only when the person asks for more.
        picks: ``"cell"`` where the number is the row of a cell, which can be picked on the map.
    """

    name: str
    type: str
    default: Any
    role: Role = "setting"
    low: float | None = None
    high: float | None = None
    log: bool = False
    unit: str = ""
    choices: tuple[Any, ...] = ()
    doc: str = ""
    axis: str = ""
    optional: bool = False
    advanced: bool = False
    picks: str = ""

    @property
    def live(self) -> bool:
        """Whether it can be turned while the pipeline trains."""
        return self.role == "dial"

    @property
    def shown(self) -> bool:
        """Whether a person edits it."""
        return self.role in ("setting", "dial")

    def check(self, value: Any) -> Any:
        """The value in its right type, or a ``SettingError`` that says what is allowed."""
        if value is None:
            if self.optional:
                return None
            raise self._refuse("is empty", "Give it a value.")
        value = self._typed(value)
        if self.choices and value not in self.choices:
            raise self._refuse(
                f"{value!r} is not one of {', '.join(map(repr, self.choices))}",
                did_you_mean(str(value), map(str, self.choices)) or "Choose one of these.",
            )
        for number in value if isinstance(value, tuple) else (value,):
            self._check_range(number)
        return value

    def _typed(self, value: Any) -> Any:
        if self.type == "bool" and isinstance(value, bool):
            return value
        if self.type == "int" and _is_number(value) and float(value).is_integer():
            return int(value)
        if self.type == "float" and _is_number(value) and math.isfinite(value):
            return float(value)
        if self.type == "str" and isinstance(value, str):
            return value
        if self.type == "tuple" and _are_whole(value):
            return tuple(int(v) for v in value)
        words = {
            "bool": "true or false",
            "int": "a whole number",
            "float": "a number",
            "str": "text",
            "tuple": "a list of whole numbers",
        }
        raise self._refuse(f"{value!r} is not {words[self.type]}", "Give it such a value.")

    def _check_range(self, value: Any) -> None:
        if not _is_number(value):
            return
        low, high = self.low, self.high
        if (low is not None and value < low) or (high is not None and value > high):
            unit = f" {self.unit}" if self.unit else ""
            if low is not None and high is not None:
                limits = f"outside {low:g} to {high:g}{unit}"
            elif low is not None:
                limits = f"below {low:g}{unit}"
            else:
                limits = f"above {high:g}{unit}"
            raise self._refuse(f"{value:g} is {limits}", "Choose a value inside the range.")

    def _refuse(self, what: str, fix: str) -> SettingError:
        return SettingError(f"{what}.", fix=fix, where=self.name)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float | _numpy_numbers())


def _are_whole(values: Any) -> bool:
    if not isinstance(values, list | tuple) or not values:
        return False
    return all(_is_number(v) and float(v).is_integer() for v in values)


@cache
def _numpy_numbers() -> type:
    import numpy as np

    return np.number


def _declare(default: Any, **facts: Any) -> Any:
    return field(default=default, metadata={_KEY: facts})


def setting(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    unit: str = "",
    choices: tuple[Any, ...] = (),
    doc: str,
    advanced: bool = False,
    picks: str = "",
) -> Any:
    """A configuration field that is chosen before a run; changing it builds the pipeline anew."""
    return _declare(
        default,
        role="setting",
        low=low,
        high=high,
        log=log,
        unit=unit,
        choices=choices,
        doc=doc,
        advanced=advanced,
        picks=picks,
    )


def normalize_setting() -> Any:
    """Whether counts come in, which are brought to one size of cell, or log-normalised values."""
    return setting(
        True,
        doc="Take log(1 + counts per 10 000) of the cell's total_counts, or where these are not"
        " wired of the genes given. Off: it is log-normalised already.",
    )


def dial(
    default: float,
    *,
    low: float,
    high: float,
    log: bool = False,
    unit: str = "",
    doc: str,
    advanced: bool = False,
) -> Any:
    """A number that can be turned while the pipeline trains, without recompiling."""
    return _declare(
        default, role="dial", low=low, high=high, log=log, unit=unit, doc=doc, advanced=advanced
    )


def size(axis: str, *, default: int, doc: str) -> Any:
    """A length that is read from the data: the axis of the operator's ports that it measures.

    Args:
        default: 0 where the operator needs no number beforehand: it then takes any data.
    """
    return _declare(default, role="size", low=min(default, 1), axis=axis, doc=doc)


def contract(default: Any, *, doc: str) -> Any:
    """A field that programs rely on and people do not see."""
    return _declare(default, role="contract", doc=doc)


@dataclass_transform(frozen_default=True, kw_only_default=True)
@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of an operator: frozen, comparable, hashable, checked as they are made.

    A subclass is such a data class by itself, and takes no decorator.
    """

    stochastic: bool = contract(False, doc="Whether a training step draws random numbers.")
    stream_name: str | None = contract(None, doc="Which random stream a training step draws from.")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        for setting in settings_of(type(self)):
            value = setting.check(getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)
        if self.stochastic and self.stream_name is None:
            object.__setattr__(self, "stream_name", "sample")
        if not self.stochastic and self.stream_name is not None:
            raise SettingError(
                f"a stream name ({self.stream_name!r}) is given for a block that draws nothing.",
                fix="Leave it out, or set stochastic to true.",
                where="stream_name",
            )

    def dials(self) -> "tuple[Setting, ...]":
        """What a person turns during a run; a temperature that is learned is not among them."""
        learned = {"temperature"} if getattr(self, "learnable_temperature", False) else set()
        return tuple(s for s in settings_of(type(self)) if s.live and s.name not in learned)

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON data."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "typing.Self":
        """The configuration with these fields; the others keep their defaults."""
        known = {s.name for s in settings_of(cls)}
        for name in values:
            if name not in known:
                raise SettingError(
                    f"there is no setting '{name}'.",
                    fix=did_you_mean(name, known)
                    or f"The settings are {', '.join(sorted(known))}.",
                    where=name,
                )
        return cls(**values)


def settings_of(config: type[Config]) -> tuple[Setting, ...]:
    """The settings that a configuration class declares, in order; contract fields last."""
    hashable: Any = config  # every class is; mypy sees the hash of its instances instead
    return _settings_of(hashable)


@cache
def _settings_of(config: Any) -> tuple[Setting, ...]:
    hints = typing.get_type_hints(config)
    found = []
    for f in dataclasses.fields(config):
        kind, optional = _kind(hints[f.name])
        facts = f.metadata.get(_KEY)
        if facts is None:
            raise TypeError(f"{config.__name__}.{f.name} is not declared with setting/dial/size.")
        found.append(Setting(f.name, kind, f.default, optional=optional, **facts))
    return tuple(sorted(found, key=lambda s: s.role == "contract"))


def _kind(hint: Any) -> tuple[str, bool]:
    """The simple name of a field's type, and whether it may be None."""
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = [a for a in typing.get_args(hint) if a is not type(None)]
        optional = True
    origin = typing.get_origin(hint) or hint
    if origin is Literal:
        return "str", optional
    return origin.__name__, optional
