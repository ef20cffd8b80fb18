"""Addresses are taken apart in one place: by ``Address`` and ``Place``, never by hand."""

import ast
import copy
import json
import pickle
from pathlib import Path

import pytest

from app.style.colour_key import ColourKey
from diffbio_engine.ports import Address, DialName, Ends, Place

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ("pipelines", "training", "bundles", "runs/worker", "runs/queue")
PAGE = (
    *("canvas", "geometry", "inspector", "losses", "map", "plots", "results", "runs", "session"),
    "style",
)
FOLDERS = [*(f"diffbio_engine/{f}" for f in ENGINE), *(f"app/{f}" for f in PAGE)]
# Ids of operators have points, too.
NO_ADDRESSES = {"operator"}


OF_DATA = ("data/dataset", "data/fields", "data/inspection", "data/writers", "bundles", "pipelines")
OF_PLACES = [
    *(f"diffbio_engine/{f}" for f in (*OF_DATA, "runs/worker")),
    *(f"app/{f}" for f in (*PAGE, "data")),
]
CUTS = {"split", "rsplit", "partition", "rpartition"}
BEGINNINGS = {"startswith", "removeprefix"}
# How the texts of places, dials and colour keys begin.
KNOWN_BEGINNINGS = {
    *("obs/", "obsm/", "var/", "layers/", "uns/", "ambient:", "counts:", "genes:"),
    *("weight:", "gene/", "class/", "score/"),
}
PUT_TOGETHER = {"weight:", "gene/", "class/", "score/"}


def taken_apart_by_hand(path: Path, sign: str) -> list[int]:
    """Lines on which a text is cut at a sign, or asked whether it begins as a known one does."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else None
        if isinstance(first, ast.Constant) and first.value in PUT_TOGETHER:
            found.append(first.lineno)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        at = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        cut = node.func.attr in CUTS and at == sign
        of = node.func.value
        if cut and not (isinstance(of, ast.Name) and of.id in NO_ADDRESSES):
            found.append(node.lineno)
        if node.func.attr in BEGINNINGS and at in KNOWN_BEGINNINGS:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "folder, sign",
    [
        *((f, ".") for f in FOLDERS),
        *((f, "/") for f in OF_PLACES),
        *((f, sign) for f in ("app/canvas", "app/runs", "app/session") for sign in (">", ":")),
    ],
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


MADE = [
    *(Address("a", "b"), Address.parse("learning_rate"), Place("X"), Ends("a.b", "c.d")),
    *(ColourKey("gene", "CD3D"), DialName.of_loss("a.b")),
]


@pytest.mark.parametrize("made", MADE)
def test_it_is_the_same_after_a_copy_or_another_process(made):
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other == made and type(other) is type(made)


def test_a_place_knows_its_table_and_what_is_inside():
    assert (Place("obs", "batch").table, Place.parse("uns/a/b").name) == ("obs", "a/b")
    assert (Place("X"), Place("X").name) == ("X", "")
    assert Place.parse("uns/a/b").keys == ["a", "b"]
    computed = Place.parse("counts:total")
    assert (computed.computed_from, computed.recipe) == ("counts", "total")
    assert not Place.parse("obs/a:b").computed_from  # a column may be called so


def test_a_dial_knows_what_it_turns():
    weight = DialName.of_loss(Address("vae", "kl_loss"))
    assert weight == "weight:vae.kl_loss" and weight.is_weight and not weight.is_setting
    assert weight.address.parts == ("vae", "kl_loss")
    assert DialName("k.temperature").is_setting and not DialName("learning_rate").is_setting
    assert DialName("learning_rate").address.port == ""


def test_a_colour_key_and_the_ends_of_a_wire_are_their_texts():
    key = ColourKey.parse("gene/layers/counts/CD3D")
    assert (key.kind, key.name) == ("gene", "layers/counts/CD3D")
    assert ColourKey("score", "a.b") == "score/a.b" and ColourKey("cluster") == "cluster"
    assert Ends("data.counts", "vae.counts").parts == ("data.counts", "vae.counts")
