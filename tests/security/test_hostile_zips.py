"""Zips with members that no folder could hold are refused by what is wrong with them."""

import zipfile

import hostile_text as hostile
import pytest

from diffbio_engine.apart import Readers
from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError


def members_of(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return path


FINE = (
    ("matrix.mtx", hostile.FINE),
    ("barcodes.tsv", hostile.CELLS),
    ("features.tsv", hostile.GENES),
)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "members, sentence",
    [
        ([*FINE, ("matrix.mtx", "other")], r"holds 'matrix\.mtx' twice"),
        ([*FINE, ("./matrix.mtx", "other")], r"holds 'matrix\.mtx' twice"),
        ([("x", "1"), ("x/matrix.mtx", hostile.FINE)], r"holds 'x' twice"),
        ([*FINE, ("", "x")], r"a file without a name"),
        ([("a\nb/" + n, t) for n, t in FINE], r"signs in its name that cannot be shown"),
        ([("\x1b[31m.csv", "a,b\n1,2\n")], r"signs in its name that cannot be shown"),
        ([("a" * 300 + "/matrix.mtx", hostile.FINE)], r"a name of more than 240 letters"),
        ([("a/" * 1200 + "matrix.mtx", hostile.FINE)], r"a name of more than 240 letters"),
        ([("inner.zip", "PK\x05\x06" + "\0" * 18)], r"inner\.zip"),
        ([("/etc/x.csv", "a,b\n1,2\n")], r"would write outside its folder"),
    ],
)
def test_an_odd_member_is_named(tmp_path, members, sentence):
    path = members_of(tmp_path / "x.zip", *members)
    for use in (inspect, read):
        with pytest.raises(DataError, match=sentence):
            use(path)


@pytest.mark.parametrize("use", [inspect, read])
@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda b: b[:150], r"is damaged or was cut off"),
        (lambda b: b[:60] + bytes([b[60] ^ 0xFF, b[61] ^ 0xFF]) + b[62:], r"damaged"),
        (lambda b: b.replace(b"PK\x01\x02", b"PK\x01\x03"), r"damaged"),
    ],
)
def test_a_damaged_zip_is_a_sentence(tmp_path, damage, sentence, use):
    path = members_of(tmp_path / "x.zip", *FINE)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=sentence):
        use(path)


def test_a_locked_zip_says_so(tmp_path):
    path = members_of(tmp_path / "x.zip", *FINE)
    raw = bytearray(path.read_bytes())
    raw[6] |= 1
    raw[raw.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"x\.zip is locked"):
        inspect(path)


def test_members_that_lie_over_each_other_are_refused(tmp_path):
    path = members_of(tmp_path / "x.zip", *[(f"{i}.csv", "a,b\n" * 500) for i in range(9)])
    raw, at = bytearray(path.read_bytes()), 0
    while (at := raw.find(b"PK\x01\x02", at)) >= 0:
        raw[at + 20 : at + 24] = (5000).to_bytes(4, "little")  # packed sizes beyond the file's
        at += 4
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"lie over each other|damaged"):
        inspect(path)


def test_a_good_zip_is_read_within_the_limits_of_a_reader(tmp_path):
    readers = Readers(scratch=tmp_path / "scratch")
    try:
        told = readers.inspect(hostile.zip_of(tmp_path / "x.zip"))
        assert (told["n_cells"], told["n_genes"]) == (3, 3)
        values = readers.opened(tmp_path / "x.zip").ask("gene", gene="G1", place="X")[1]["values"]
        assert values[0] > 0 and values[1] == values[2] == 0
    finally:
        readers.close()
    assert list((tmp_path / "scratch").iterdir()) == []
