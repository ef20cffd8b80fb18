"""Ready pipelines: each file here holds one, as a configuration and a function to a document."""

import importlib
import pkgutil
from functools import cache

from diffbio_engine.errors import UnknownNameError, did_you_mean
from diffbio_engine.pipelines.presets.preset import Preset


@cache
def presets() -> dict[str, Preset]:
    """Every ready pipeline by id: found in the files of this folder."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, Preset):
                found[value.id] = value
    return dict(sorted(found.items(), key=lambda item: (item[1].place, item[0])))


def find_preset(name: str) -> Preset:
    """The ready pipeline of this id."""
    if name not in presets():
        raise UnknownNameError(
            f"There is no ready pipeline '{name}'.",
            fix=did_you_mean(name, presets()) or f"There are {', '.join(presets())}.",
        )
    return presets()[name]
