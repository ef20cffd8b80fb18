"""Turning every temperature of a pipeline at once."""

import math
from collections.abc import Iterator, Mapping

from flax import nnx

from diffbio_engine.declare.one_setting import Setting
from diffbio_engine.declare.operator import Operator
from diffbio_engine.declare.settings import settings_of
from diffbio_engine.errors import SettingError, did_you_mean

_NAME = "temperature"


def set_temperature(module: nnx.Module, value: float | Mapping[str, float]) -> dict[str, float]:
    """Turns the temperature of an operator, or of every operator in a pipeline or other module.

    Only numbers that a compiled function takes as arguments change, so nothing is compiled anew,
    and a learnable temperature goes on being learned from there. Call it outside ``jit``. A
    pipeline that is being trained takes its dials from its training: use ``Training.turn`` there.

    Args:
        module: An operator, a pipeline, or any module that holds operators.
        value: One number above 0 for all, of which each takes as much as its range allows
            (counts without ambient RNA are no warmer than 1). Or by block, ``{"cluster": 0.5}``:
            the others stay, and a value outside the range is refused.

    Returns:
        What was turned, by name (``"cluster.temperature"``), and the value that it has now.

    Example:
        ``set_temperature(pipeline, temperature_schedule(step))``
    """
    found = dict(_temperatures(module))
    if not found:
        raise SettingError(
            f"{type(module).__name__} has no temperature.",
            fix="Add an operator that has one: `python -m diffbio_engine operators --json` has the"
            " dials of each.",
        )
    values = _by_name(value, found) if isinstance(value, Mapping) else _for_all(value, found)
    for name, number in values.items():
        operator, _ = found[name]
        operator.turn(_NAME, number)
    return values


def _temperatures(module: nnx.Module) -> Iterator[tuple[str, tuple[Operator, Setting]]]:
    for path, node in nnx.iter_graph(module):
        if isinstance(node, Operator):
            setting = next((s for s in settings_of(type(node.config)) if s.name == _NAME), None)
            if setting is not None and setting.live:
                # A pipeline keeps its blocks in ``blocks``; people know them by their own names.
                names = [str(part) for part in path if part != "blocks"]
                yield ".".join([*names, _NAME]), (node, setting)


def _for_all(value: float, found: Mapping[str, tuple[Operator, Setting]]) -> dict[str, float]:
    number = _positive(value)
    held = {}
    for name, (_, setting) in found.items():
        low = number if setting.low is None else setting.low
        high = number if setting.high is None else setting.high
        held[name] = min(max(number, low), high)
    return held


def _by_name(
    values: Mapping[str, float], found: Mapping[str, tuple[Operator, Setting]]
) -> dict[str, float]:
    chosen = {}
    for given, value in values.items():
        name = given if given in found else f"{given}.{_NAME}"
        if name not in found:
            blocks = [known.removesuffix(f".{_NAME}") for known in found]
            raise SettingError(
                f"there is no temperature of '{given}'.",
                fix=did_you_mean(given, blocks) or f"There is one of {', '.join(blocks)}.",
                where=given,
            )
        number = _positive(value, name)
        try:
            chosen[name] = found[name][1].check(number)
        except SettingError as error:
            raise error.at(name.removesuffix(f".{_NAME}")) from None
    return chosen


def _positive(value: float, where: str = _NAME) -> float:
    number = float(value)
    if not (number > 0 and math.isfinite(number)):
        raise SettingError(
            f"{number:g} is not a temperature.", fix="Use a number above 0.", where=where
        )
    return number
