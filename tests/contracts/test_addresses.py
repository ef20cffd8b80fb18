"""Addresses are taken apart in one place: by ``Address`` and ``Place``, never by hand."""

import ast
import copy
import json
import pickle
from pathlib import Path

import pytest

from diffbio_engine.ports import Address, Place

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ("pipelines", "training", "bundles", "runs/worker", "runs/queue")
PAGE = ("canvas", "geometry", "inspector", "losses", "map", "results", "session", "style")
FOLDERS = [*(f"diffbio_engine/{f}" for f in ENGINE), *(f"app/{f}" for f in PAGE)]
# Ids of operators have points, too.
NO_ADDRESSES = {"operator"}


OF_PLACES = [
    *(f"diffbio_engine/{f}" for f in ("data/fields", "data/inspection", "bundles", "runs/worker")),
    "app/session",
]
CUTS = {"split", "rsplit", "partition", "rpartition"}
BEGINNINGS = {"startswith", "removeprefix"}
TABLES = {"obs/", "obsm/", "var/", "layers/", "uns/"}


def taken_apart_by_hand(path: Path, sign: str) -> list[int]:
    """Lines on which a text is cut at a sign, or asked whether it begins with a table."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        at = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        cut = node.func.attr in CUTS and at == sign
        of = node.func.value
        if cut and not (isinstance(of, ast.Name) and of.id in NO_ADDRESSES):
            found.append(node.lineno)
        if node.func.attr in BEGINNINGS and sign == "/" and at in TABLES:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "folder, sign", [*((f, ".") for f in FOLDERS), *((f, "/") for f in OF_PLACES)]
)
def test_neither_an_address_nor_a_place_is_taken_apart_by_hand(folder, sign):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    by_hand = {str(p.relative_to(ROOT)): n for p in files if (n := taken_apart_by_hand(p, sign))}
    assert not by_hand


def test_an_address_is_its_text_in_every_file_and_key():
    address = Address("harmony", "latent")
    assert address == "harmony.latent" and {"harmony.latent": 1}[address] == 1
    assert json.dumps({address: address}) == '{"harmony.latent": "harmony.latent"}'
    assert (address.block, address.port) == ("harmony", "latent")
    assert Address.parse("weight").parts == ("weight", "")


@pytest.mark.parametrize("made", [Address("a", "b"), Address.parse("learning_rate"), Place("X")])
def test_it_is_the_same_after_a_copy_or_another_process(made):
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other == made and type(other) is type(made) and other.parts == made.parts


def test_a_place_knows_its_table_and_what_is_inside():
    assert (Place("obs", "batch").table, Place.parse("uns/a/b").name) == ("obs", "a/b")
    assert (Place("X"), Place("X").name) == ("X", "")
