"""Each mistake has its own sentence, and the sentence says what to do."""

import gzip

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
import zoo

from diffbio_engine.data import Dataset, Fields, inspect, open_source, read, require_counts
from diffbio_engine.errors import DataError

# Without a time stamp: it would be in the test's name, and two workers collect at different times.
CUT_GZIP = gzip.compress(b"\ta\nc0\t1\n" * 999, mtime=0)[:40]


@pytest.fixture
def whole(tmp_path):
    zoo.new_anndata().write_h5ad(tmp_path / "whole.h5ad")
    return tmp_path / "whole.h5ad"


@pytest.mark.parametrize("use", [inspect, read])
@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("x.h5ad", b"", r"x\.h5ad is empty \(0 bytes\)"),
        ("x.h5ad", b"\x89PNG\r\n\x1a\n" + bytes(99), r"not an HDF5 file but looks like a PNG"),
        ("x.h5", b"hello", r"x\.h5 is not an HDF5 file, whatever its name says"),
        ("x.csv", b"\x89PNG\r\n\x1a\n" + bytes(99), r"x\.csv is not a table of text"),
        ("x.csv", b"only\n", r"has 0 rows and 1 columns"),
        ("x.csv", b"Counts of,our experiment\n", r"has 0 rows and 2 columns"),
        ("x.csv", b",a,b\nc0,1,2\nc1,3\nc2,1,2,3,4\n", r"cannot be read as a table"),
        ("x.csv", b",a,b\nc0,one,two\nc1,three,four\n", r"holds words where numbers are expected"),
        ("x.tsv.gz", CUT_GZIP, r"was cut off or is damaged"),
        ("x.zip", b"PK\x03\x04 and no more", r"x\.zip is damaged or was cut off"),
        ("x.rds", b"RDX3", r"cannot be opened here\. In R: "),
        ("x.docx", b"x", r"Choose one of: h5ad, 10x h5, mtx"),
    ],
)
def test_a_file_that_is_something_else_is_named(tmp_path, use, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        use(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*nowhere\.h5ad\. Check the name"):
        read(tmp_path / "nowhere.h5ad")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_h5ad_is_recognised(tmp_path, whole, share):
    data = whole.read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"cut\.h5ad was cut off: its header promises more bytes"):
        inspect(tmp_path / "cut.h5ad")


def test_a_damaged_middle_is_a_sentence_and_not_a_crash(tmp_path, whole):
    data = whole.read_bytes()
    random, refused = np.random.default_rng(0), 0
    for _ in range(25):
        hurt = bytearray(data)
        start = random.integers(96, len(data) - 64)
        hurt[start : start + 64] = random.bytes(64)
        (tmp_path / "hurt.h5ad").write_bytes(hurt)
        try:
            read(tmp_path / "hurt.h5ad").matrix("X")
        except DataError:
            refused += 1
    assert refused > 0


def test_other_hdf5_files_are_told_apart(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as f:
        f["pictures"] = [1]
    with pytest.raises(DataError, match=r"neither an h5ad nor a 10x file; it holds pictures"):
        read(tmp_path / "x.h5")


@pytest.mark.parametrize("cells, genes, what", [(0, 5, "cells"), (5, 0, "genes")])
def test_nothing_in_it_is_refused(tmp_path, cells, genes, what):
    import anndata

    anndata.AnnData(np.zeros((cells, genes), np.float32)).write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(DataError, match=rf"x\.h5ad has no {what}"):
        inspect(tmp_path / "x.h5ad")


def test_a_tenx_folder_whose_barcodes_were_cut_off_says_both_numbers(tmp_path):
    folder = zoo.tenx_folder(tmp_path / "B", barcodes=39)
    sentence = r"matrix\.mtx says 40 cells, but barcodes\.tsv has 39 lines"
    with pytest.raises(DataError, match=sentence):
        inspect(folder)
    with pytest.raises(DataError, match=sentence):
        read(folder)


def test_a_tenx_folder_without_features_or_with_a_cut_matrix_says_so(tmp_path):
    folder = zoo.tenx_folder(tmp_path / "C")
    text = (folder / "matrix.mtx").read_text()
    (folder / "matrix.mtx").write_text(text[: len(text) // 2].rsplit("\n", 1)[0] + "\n")
    for use in (inspect, lambda path: read(path).matrix("X")):
        with pytest.raises(DataError, match=r"matrix\.mtx promises \d+ values"):
            use(folder)
    (folder / "features.tsv").unlink()
    with pytest.raises(DataError, match=r"genes\.tsv\), the names of the genes, is missing"):
        inspect(folder / "matrix.mtx")
    with pytest.raises(DataError, match=r"C lacks features\.tsv \(or genes\.tsv\)"):
        inspect(folder)


def test_a_matrix_that_comes_alone_says_which_two_files_are_missing(tmp_path):
    (tmp_path / "matrix.mtx.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError) as refused:
        inspect(tmp_path / "matrix.mtx.gz")
    said = str(refused.value)
    assert "features.tsv (or genes.tsv), the names of the genes, and barcodes.tsv, the na" in said
    assert "Choose the three files together" in said


def test_names_that_come_alone_are_no_table_of_counts(tmp_path):
    names = tmp_path / "sample_barcodes.tsv"
    names.write_text("".join(f"AAAC{i}-1\n" for i in range(40)))
    with pytest.raises(DataError) as refused:
        inspect(names)
    said = str(refused.value)
    assert "sample_barcodes.tsv holds names alone: matrix.mtx, the counts," in said
    assert "Choose the three files together" in said


def changed(value):
    counts = zoo.COUNTS.copy()
    counts[3, 4] = value
    return sp.csr_matrix(counts)


@pytest.mark.parametrize(
    "matrix, sentence",
    [
        (changed(np.nan), r"X holds 1 values that are not numbers \(NaN\)"),
        (changed(np.inf), r"X holds 1 infinite values"),
        (changed(-2), r"X holds 1 negative numbers .*counts cannot be negative"),
        (np.log1p(zoo.COUNTS), r"X holds log-normalised values, but a likelihood of counts needs"),
        (zoo.COUNTS / 7 * 100, r"X holds normalised values"),
        (zoo.COUNTS - 0.5, r"X holds scaled values"),
        (zoo.COUNTS * 0, r"X holds only zeros"),
    ],
)
def test_what_is_not_raw_counts_is_refused_where_raw_counts_are_needed(matrix, sentence):
    with pytest.raises(DataError, match=sentence):
        require_counts(matrix, "X")


def test_the_refusal_names_the_layer_that_has_the_counts():
    adata = zoo.new_anndata()
    adata.layers["counts"] = adata.X.copy()
    adata.X = np.log1p(zoo.COUNTS)
    dataset = Dataset.from_anndata(adata)
    with pytest.raises(DataError, match=r"counts: X holds .* Use layers/counts, which holds raw"):
        open_source(dataset, Fields({"counts": "X"}), ["counts"])
    loose = open_source(dataset, {"counts": "X"}, ["counts"], counts_must_be_raw=False)
    assert loose.n_genes == 12
    require_counts(adata.layers["counts"], "layers/counts")
