"""No two modules import each other, directly or through others: each can be read on its own."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _modules() -> dict[str, Path]:
    """Every module but the facades, which gather what lies beside them."""
    found = [path for folder in ("app", "diffbio_engine") for path in (ROOT / folder).rglob("*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in found
        if path.name != "__init__.py"
    }


def _imported(path: Path) -> set[str]:
    """What a module names in an import, also inside a function and for types alone."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def _circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_one_that_imports_it():
    modules = _modules()
    imports = {name: _imported(path) & modules.keys() for name, path in modules.items()}
    assert len(imports) > 300
    assert _circle(imports) == []


def test_a_circle_through_a_third_module_is_one():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
