"""Bricks lie where they are used: in the operator's own folder, in its domain, or in parts."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = "diffbio_engine.operators"
PARTS = "diffbio_engine.parts"
# What tests and benchmarks alone ask: how well batches are mixed, by the published measure.
FOR_MEASURING = {f"{PARTS}.neighbourhood_metrics"}


def _modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "diffbio_engine").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _importers(modules: dict[str, Path]) -> dict[str, set[str]]:
    """Of each module, which import it."""
    found = defaultdict(set)
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found[inner if inner in modules else node.module].add(name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.name].add(name)
    return found


def _is_brick(module: str) -> bool:
    private = module.rpartition(".")[2].startswith("_")
    return module.startswith(f"{PARTS}.") or (module.startswith(f"{OPERATORS}.") and private)


def _users(brick: str, importers: dict[str, set[str]]) -> set[str]:
    """What imports a brick, itself or through other bricks."""
    users, seen, waiting = set(), set(), [brick]
    while waiting:
        for user in importers[waiting.pop()]:
            if not _is_brick(user):
                users.add(user)
            elif user not in seen:
                seen.add(user)
                waiting.append(user)
    return users


def _home(users: set[str]) -> str:
    """The folder in which a brick with these users belongs."""
    if len(users) == 1 and (only := next(iter(users))).startswith(f"{OPERATORS}."):
        return only
    domains = {
        ".".join(user.split(".")[:3]) if user.startswith(f"{OPERATORS}.") else user
        for user in users
    }
    only = next(iter(domains)) if len(domains) == 1 else ""
    return only if only.startswith(f"{OPERATORS}.") else PARTS


def test_a_brick_of_one_operator_lies_in_its_folder_and_of_one_domain_in_the_domain():
    modules = _modules()
    importers = _importers(modules)
    wrong = {}
    for brick in filter(_is_brick, modules):
        home = _home(_users(brick, importers))
        if brick.rpartition(".")[0] != home and brick not in FOR_MEASURING:
            wrong[brick] = f"belongs in {home}"
    assert not wrong


def test_every_brick_is_used():
    modules = _modules()
    importers = _importers(modules)
    unused = {b for b in filter(_is_brick, modules) if not _users(b, importers)}
    assert unused == FOR_MEASURING
