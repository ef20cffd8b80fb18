"""A file that could reach out of itself is refused before anything in it is read."""

import io
import shutil
import stat
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import zoo

from diffbio_engine.data import inspect, read, write_result
from diffbio_engine.data.readers import archives
from diffbio_engine.data.readers.archives import unpack
from diffbio_engine.data.readers.tars import unpack_tar
from diffbio_engine.errors import DataError


@pytest.fixture
def secret(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as f:
        f["counts"] = np.full((40, 12), 7.0)
    return tmp_path / "secret.h5"


def external_link(f, secret):
    f["layers/stolen"] = h5py.ExternalLink(str(secret), "/counts")


def soft_link_through_an_external_one(f, secret):
    f["a_way_out"] = h5py.ExternalLink(str(secret), "/")
    f["layers/stolen"] = h5py.SoftLink("/a_way_out/counts")


def external_storage(f, secret):
    f["layers"].create_dataset("stolen", (40, 12), "f8", external=[(str(secret), 0, 40 * 12 * 8)])


def virtual_dataset(f, secret):
    layout = h5py.VirtualLayout((40, 12), "f8")
    layout[:] = h5py.VirtualSource(str(secret), "counts", (40, 12))
    f["layers"].create_virtual_dataset("stolen", layout)


def dangling_soft_link(f, secret):
    f["layers/stolen"] = h5py.SoftLink("/../../etc/passwd")


def soft_links_in_a_circle(f, secret):
    f["layers/a"], f["layers/b"] = h5py.SoftLink("/layers/b"), h5py.SoftLink("/layers/a")


def group_within_itself(f, secret):
    f["uns/around"] = f["uns"]


def root_within_itself(f, secret):
    f["uns/around"] = f["/"]


def soft_group_within_itself(f, secret):
    f["uns/around"] = h5py.SoftLink("/uns")


def opaque_bytes(f, secret):
    f["uns"].create_dataset("model", data=np.array([b"\x80\x04K\x01."], dtype="V5"))


def opaque_bytes_in_a_table(f, secret):
    f["uns"].create_dataset("model", (3,), np.dtype([("a", "i4"), ("b", "V8")]))


def opaque_attribute(f, secret):
    f["obs"].attrs["pickled"] = np.void(b"\x80\x04K\x01.")


def lists_of_bytes(f, secret):
    f["uns"].create_dataset("model", (1,), h5py.vlen_dtype(np.uint8))


@pytest.mark.parametrize(
    "attack, sentence",
    [
        (external_link, r"/layers/stolen is an external link to /counts in another file"),
        (soft_link_through_an_external_one, r"/a_way_out is an external link"),
        (external_storage, r"/layers/stolen keeps its values in external storage"),
        (virtual_dataset, r"/layers/stolen is a virtual data set"),
        (dangling_soft_link, r"/layers/stolen is a soft link to .*, which is not in this file"),
        (soft_links_in_a_circle, r"/layers/[ab] is a soft link"),
        (group_within_itself, r"is another name of a group"),
        (root_within_itself, r"/uns/around is another name of a group"),
        (soft_group_within_itself, r"/uns/around is another name of a group"),
        (opaque_bytes, r"/uns/model holds opaque bytes"),
        (opaque_bytes_in_a_table, r"/uns/model holds opaque bytes"),
        (opaque_attribute, r"/obs \(attribute pickled\) holds opaque bytes"),
        (lists_of_bytes, r"/uns/model holds Python objects or lists of unequal length"),
    ],
)
@pytest.mark.parametrize("use", [inspect, read])
def test_it_is_refused_and_the_sentence_says_what_and_where(
    tmp_path, secret, attack, sentence, use
):
    path = tmp_path / "x.h5ad"
    zoo.new_anndata().write_h5ad(path)
    with h5py.File(path, "a") as f:
        f.require_group("uns")
        f.require_group("layers")
        attack(f, secret)
    with pytest.raises(DataError, match=sentence):
        use(path)
    with pytest.raises(DataError, match=sentence):
        write_result(path, tmp_path / "out.h5ad", {}, {})
    assert not (tmp_path / "out.h5ad").exists()


def test_a_link_to_an_array_within_the_file_is_fine(tmp_path):
    path = tmp_path / "x.h5ad"
    zoo.new_anndata().write_h5ad(path)
    with h5py.File(path, "a") as f:
        f["obsm/X_again"] = h5py.SoftLink("/obsm/X_pca")
        f["obsm/X_third"] = f["obsm/X_pca"]
    dataset = read(path)
    np.testing.assert_array_equal(dataset.obsm["X_again"], zoo.COUNTS[:, :3])
    np.testing.assert_array_equal(dataset.obsm["X_third"], zoo.COUNTS[:, :3])


def test_column_numbers_beyond_the_matrix_are_refused_before_compiled_code_sees_them(tmp_path):
    path = tmp_path / "x.h5ad"
    zoo.new_anndata().write_h5ad(path)
    with h5py.File(path, "a") as f:
        f["X/indices"][5] = 10_000_000
    with pytest.raises(DataError, match=r"X is not a valid sparse matrix"):
        read(path).matrix("X")


def test_a_matrix_that_only_claims_to_be_huge_is_refused(tmp_path):
    path = tmp_path / "x.h5ad"
    zoo.new_anndata().write_h5ad(path)
    with h5py.File(path, "a") as f:
        f["obsm"].create_dataset("X_bomb", (40, 10**12), "f4", chunks=(1, 1000))
    dataset = read(path)
    with pytest.raises(DataError, match=r"X_bomb declares .* stores 0 bytes"):
        dataset.obsm["X_bomb"]


def zip_of(tmp_path, members):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members:
            z.writestr(name, data)
    return tmp_path / "x.zip"


def link():
    info = zipfile.ZipInfo("matrix.mtx")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "members, sentence",
    [
        ([("../../evil.mtx", "x")], r"would write outside its folder \(\.\./\.\./evil\.mtx\)"),
        ([("/etc/evil.mtx", "x")], r"would write outside its folder"),
        ([("..\\evil.mtx", "x")], r"would write outside its folder"),
        ([(link(), "/etc/passwd")], r"holds a link \(matrix\.mtx\)"),
        ([(f"{i}.txt", "") for i in range(2001)], r"holds 2,001 files"),
        ([("matrix.mtx", bytes(100 * 2**20))], r"would unpack from 0\.1 MB to 100 MB"),
        ([], r"is an empty archive"),
    ],
)
def test_a_zip_that_would_do_harm_is_refused(tmp_path, members, sentence):
    with pytest.raises(DataError, match=sentence):
        read(zip_of(tmp_path, members))
    with pytest.raises(DataError, match=sentence):
        unpack(tmp_path / "x.zip", tmp_path / "inside" / "deep")
    assert not (tmp_path / "evil.mtx").exists()


def test_arrays_of_python_objects_are_never_unpickled(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "x.h5ad").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"not an HDF5 file"):
        read(tmp_path / "x.h5ad")


@pytest.mark.parametrize("packed", ["zip", "tar"])
def test_what_a_reader_may_unpack_is_for_all_its_archives_together(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_ALLOWED", [0])
    monkeypatch.setattr(archives, "_COUNTED", [False])
    archives.allow_to_unpack(3_500)
    (tmp_path / "both").mkdir()
    for name in "ab":
        (tmp_path / "both" / name).write_bytes(bytes(1_000))
    file = Path(shutil.make_archive(str(tmp_path / "both"), packed, tmp_path, "both"))
    take = unpack if packed == "zip" else unpack_tar
    there = [take(file, tmp_path / "one", only=["both/a"]), take(file, tmp_path / "two")]
    assert [sorted(p.name for p in f.rglob("?")) for f in there] == [["a"], ["a", "b"]]
    with pytest.raises(DataError, match=r"needs 0 MB|at most 0 MB"):
        take(file, tmp_path / "three")
