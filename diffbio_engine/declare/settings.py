"""Settings, dials and sizes: what an operator can be told, with limits, units and help."""

import dataclasses
import inspect
import types
import typing
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, dataclass_transform

from diffbio_engine.declare.one_setting import Setting
from diffbio_engine.errors import SettingError, did_you_mean

_KEY = "diffbio_setting"


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
    learnable: bool = False,
) -> Any:
    """A number that can be turned while the pipeline trains, without recompiling.

    Args:
        learnable: Training may find it instead: the configuration then also has a setting
            ``learnable_<name>``. It is learned as its logarithm, within its range above 0.
    """
    if learnable and low <= 0:
        raise TypeError("A dial that is learned as its logarithm has a range above 0.")
    return _declare(
        default,
        role="dial",
        low=low,
        high=high,
        log=log,
        unit=unit,
        doc=doc,
        advanced=advanced,
        learnable=learnable,
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
        _let_learn(cls)
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
        """What a person turns during a run; what training finds is not among them."""
        return tuple(s for s in settings_of(type(self)) if s.live and not self._learns(s))

    def learned_dials(self) -> "tuple[Setting, ...]":
        """What training finds instead of a person."""
        return tuple(s for s in settings_of(type(self)) if s.live and self._learns(s))

    def _learns(self, setting: Setting) -> bool:
        return setting.learnable and getattr(self, f"learnable_{setting.name}")

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


def _let_learn(config: type[Config]) -> None:
    """Puts beside each learnable dial the setting that lets training find it."""
    hints = {}
    for name, hint in inspect.get_annotations(config).items():
        hints[name] = hint
        facts = getattr(config.__dict__.get(name), "metadata", {}).get(_KEY, {})
        if facts.get("learnable"):
            doc = f"Let training find the {name.replace('_', ' ')}."
            hints[f"learnable_{name}"] = bool
            setattr(config, f"learnable_{name}", setting(False, doc=doc, advanced=True))
    config.__annotations__ = hints


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
