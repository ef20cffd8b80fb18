"""Finds every operator by walking the folders, and turns it into plain data."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from diffbio_engine.declare.one_setting import Setting
from diffbio_engine.declare.operator import Operator
from diffbio_engine.declare.settings import settings_of
from diffbio_engine.errors import UnknownNameError, did_you_mean
from diffbio_engine.ports import Kind, Port

_FOLDERS = ("diffbio_engine.operators", "diffbio_engine.losses")
_MARK = "_diffbio_facts"


@dataclass(frozen=True)
class Declaration:
    """All that is known of an operator, as plain data (``make`` apart)."""

    id: str
    title: str
    summary: str
    doc: str
    settings: tuple[Setting, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    reach: str
    needs_training: bool
    learns_from_neighbours: bool
    version: int
    formerly: tuple[str, ...]
    make: type[Operator]

    @property
    def domain(self) -> str:
        """The folder, which is the heading in the palette."""
        return self.id.rsplit(".", 1)[0]

    @property
    def losses(self) -> tuple[Port, ...]:
        """The terms that it can add to an objective."""
        return tuple(p for p in self.terms if not p.floor_of)

    @property
    def terms(self) -> tuple[Port, ...]:
        """The same, and those that simpler methods would have: what is told of each step."""
        return tuple(p for p in self.outputs if p.kind == Kind.LOSS)

    def as_data(self) -> dict[str, Any]:
        """JSON data: what `operators --json` prints."""
        facts = {
            name: getattr(self, name)
            for name in ("id", "title", "summary", "doc", "reach", "version", "formerly")
        }
        facts |= {"domain": self.domain, "class": self.make.__name__}
        facts["needs_training"] = self.needs_training
        facts["settings"] = [asdict(s) for s in self.settings if s.role != "contract"]
        facts["inputs"] = [_as_data(p) for p in self.inputs]
        facts["outputs"] = [_as_data(p) for p in self.outputs]
        return facts


def _as_data(port: Port) -> dict[str, Any]:
    """What an operator says of a port; how a data set offers it is not the operator's."""
    return {name: value for name, value in asdict(port).items() if name != "offer"}


def operator(
    *,
    title: str,
    name: str = "",
    version: int = 1,
    formerly: tuple[str, ...] = (),
) -> Callable[[type[Operator]], type[Operator]]:
    """Marks a class as an operator of the palette; its id is ``<folder>.<name>``.

    Args:
        title: What a biologist calls it.
        name: Last part of the id, where one file holds several (losses); else the file's name.
        version: Rises when a saved pipeline would give other results.
        formerly: Ids that it had before; saved pipelines with these open.
    """

    def mark(cls: type[Operator]) -> type[Operator]:
        facts = {
            "title": title,
            "name": name,
            "version": version,
            "formerly": formerly,
        }
        setattr(cls, _MARK, facts)
        return cls

    return mark


def _declaration(module: str, cls: type[Operator]) -> Declaration:
    facts = dict(cls.__dict__[_MARK])
    folder, file = module.split(".")[-2:]
    name = facts.pop("name") or file
    doc = inspect.cleandoc(cls.__doc__ or "")
    return Declaration(
        id=f"{folder}.{name}",
        summary=doc.split("\n\n")[0].replace("\n", " "),
        doc=doc,
        settings=settings_of(cls.Config),
        inputs=cls.inputs,
        outputs=cls.outputs,
        reach=cls.reach,
        needs_training=cls.needs_training,
        learns_from_neighbours=cls.learns_from_neighbours,
        make=cls,
        **facts,
    )


@cache
def operators() -> dict[str, Declaration]:
    """Every operator by id, in the order of folders and titles.

    A file that cannot be imported stops here and is named by Python's own traceback.
    """
    found: list[Declaration] = []
    for folder in _FOLDERS:
        package = importlib.import_module(folder)
        for info in pkgutil.walk_packages(package.__path__, folder + "."):
            module = importlib.import_module(info.name)
            for cls in vars(module).values():
                if not inspect.isclass(cls) or not issubclass(cls, Operator):
                    continue
                if cls.__module__ == info.name and _MARK in cls.__dict__:
                    found.append(_declaration(info.name, cls))
    found.sort(key=lambda d: (d.domain, d.title))
    by_id: dict[str, Declaration] = {}
    for declared in found:
        if declared.id in by_id:
            raise TypeError(f"{declared.id} is declared twice; give each a name of its own.")
        by_id[declared.id] = declared
    return by_id


@cache
def _ids() -> dict[str, str]:
    """Present and former ids, each with the present one."""
    known = {}
    for declared in operators().values():
        for name in (declared.id, *declared.formerly):
            known[name] = declared.id
    return known


def find_operator(name: str) -> Declaration:
    """The operator of this id, present or former."""
    try:
        return operators()[_ids()[name]]
    except KeyError:
        raise UnknownNameError(
            f"There is no operator '{name}'.", fix=did_you_mean(name, _ids())
        ) from None


@cache
def domains() -> dict[str, str]:
    """The headings of the palette: folder name and its one-sentence docstring."""
    headings = {}
    for declared in operators().values():
        parent = declared.make.__module__.rsplit(".", 1)[0]
        text = inspect.cleandoc(importlib.import_module(parent).__doc__ or "")
        headings[declared.domain] = text.split("\n")[0]
    return headings
