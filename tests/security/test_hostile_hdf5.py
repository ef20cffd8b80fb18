"""HDF5 files that declare more than they hold, or other shapes than they should, cost nothing."""

import time

import anndata
import h5py
import numpy as np
import pytest

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError


@pytest.fixture
def path(tmp_path):
    anndata.AnnData(np.ones((20, 10), np.float32)).write_h5ad(tmp_path / "x.h5ad")
    return tmp_path / "x.h5ad"


def many_attributes(file):
    for i in range(600):
        file["obs"].attrs[f"a{i}"] = i


def names_that_are_not_there(file):
    del file["obs/_index"]
    file["obs"].create_dataset("_index", (50_000_000,), h5py.string_dtype(), chunks=(10**6,))


def names_of_fixed_length(file):
    del file["obs/_index"]
    file["obs"].create_dataset("_index", (50_000_000,), "S8", chunks=(10**6,), compression="gzip")


def numbers_that_are_not_there(file):
    file["obs"].create_dataset("big", (500_000_000,), "f8", chunks=(10**7,), compression="gzip")
    file["obs"].attrs["column-order"] = np.array(["big"], dtype=object)


def codes_that_are_not_there(file):
    kind = file["obs"].create_group("kind")
    kind.attrs["encoding-type"] = "categorical"
    kind.create_dataset("codes", (500_000_000,), "i1", chunks=(10**7,), compression="gzip")
    kind["categories"] = np.array([b"a"])
    file["obs"].attrs["column-order"] = np.array(["kind"], dtype=object)


def pointers_that_are_not_there(file):
    del file["X"]
    group = file.create_group("X")
    group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", [400_000_000, 10]
    group.create_dataset("indptr", (400_000_001,), "i8", chunks=(10**6,), compression="gzip")
    group["data"], group["indices"] = np.zeros(0, "f4"), np.zeros(0, "i4")


def one_chunk_for_all(file):
    del file["X"]
    shape = (20_000, 30_000)
    file.create_dataset("X", shape, "f4", chunks=shape, compression="gzip")


@pytest.mark.parametrize(
    "attack, sentence",
    [
        (many_attributes, r"/obs has 60\d attributes; at most 500 are read"),
        (names_that_are_not_there, r"_index declares 50,000,000 values .* stores 0 bytes"),
        (names_of_fixed_length, r"_index declares 50,000,000 values .* stores 0 bytes"),
        (numbers_that_are_not_there, r"big declares 500,000,000 values .* stores 0 bytes"),
        (codes_that_are_not_there, r"codes declares 500,000,000 values .* stores 0 bytes"),
        (pointers_that_are_not_there, r"indptr declares 400,000,001 values .* stores 0 bytes"),
        (one_chunk_for_all, r"/X is stored in pieces of 2\.2 GB"),
    ],
)
def test_a_small_file_that_declares_much_is_refused_at_once(path, attack, sentence):
    with h5py.File(path, "a") as file:
        attack(file)
    began = time.process_time()
    for use in (inspect, read):
        with pytest.raises(DataError, match=sentence):
            use(path)
    assert time.process_time() - began < 1


def tenx(path, **other):
    parts = {
        "barcodes": np.array([b"a", b"b"]), "data": np.array([1, 2]), "indices": np.array([0, 1]),
        "indptr": np.array([0, 1, 2]), "shape": np.array([3, 2]),
    } | other  # fmt: skip
    names = np.array([b"g1", b"g2", b"g3"])
    features = {"id": names, "name": names, "feature_type": np.array([b"Gene Expression"] * 3)}
    with h5py.File(path, "w") as file:
        for name, value in parts.items():
            if value is None:
                file.create_group(f"matrix/{name}")
            elif name not in features:
                file[f"matrix/{name}"] = value
        for name, value in features.items():
            file[f"matrix/features/{name}"] = other.get(name, value)
    return path


@pytest.mark.parametrize(
    "part, value",
    [
        ("shape", np.array([3])), ("shape", np.int64(3)), ("shape", np.array([3, 2, 1])),
        ("shape", np.array([-3, 2])), ("shape", np.array([b"3", b"2"])), ("shape", None),
        ("data", np.ones((2, 2))), ("data", np.array([b"a", b"b"])), ("data", np.array([1])),
        ("data", None), ("barcodes", np.array([[b"a", b"b"]])), ("barcodes", np.bytes_(b"a")),
        ("barcodes", np.array([b"a"])), ("indptr", np.array([0, 1])),
        ("indptr", np.array([0.5] * 3)),
        ("indptr", np.array([0, -1, 2])), ("indices", np.array([0.5, 1.5])),
        ("indices", np.array([0, 9_999_999])), ("indices", np.array([-1, 0])), ("indices", None),
        ("id", np.array([b"g1"])), ("name", np.array([[b"g1"] * 3])),
        ("feature_type", np.arange(9)),
    ],
)  # fmt: skip
def test_a_10x_file_with_a_wrong_shape_is_told_which_part_is_wrong(tmp_path, part, value):
    path = tenx(tmp_path / "x.h5", **{part: value})
    with pytest.raises(DataError, match=part.split("/")[-1] + "|matrix|x.h5") as caught:
        inspect(path)
    assert "Error" not in caught.value.what and "tuple" not in caught.value.what


def test_a_10x_file_as_it_should_be_is_read(tmp_path):
    assert inspect(tenx(tmp_path / "x.h5")).n_cells == 2
