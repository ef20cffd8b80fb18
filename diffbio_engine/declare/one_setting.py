"""One setting of a block, as plain data, and what it says of a value that it does not allow."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from diffbio_engine.errors import SettingError, did_you_mean

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
        learnable: For a dial: training may find it, where the setting ``learnable_<name>`` is on.
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
    learnable: bool = False

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
