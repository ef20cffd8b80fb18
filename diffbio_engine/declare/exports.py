"""Names that a folder of operators offers: found in its files, never listed by hand."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from typing import Any


def exported(package: str, path: Iterable[str]) -> dict[str, Any]:
    """Public classes and functions defined in the public files directly inside a package.

    Write in the package's ``__init__.py``::

        globals().update(exported(__name__, __path__))
    """
    names: dict[str, Any] = {}
    for info in pkgutil.iter_modules(path):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{info.name}")
        for name, value in vars(module).items():
            public = not name.startswith("_") and (
                inspect.isclass(value) or inspect.isroutine(value)
            )
            if public and value.__module__ == module.__name__:
                names[name] = value
    return names
