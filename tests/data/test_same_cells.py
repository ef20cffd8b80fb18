"""Matrices of the same cells are read one at a time: no cell is there twice."""

import layouts
import numpy as np
import pandas as pd
import pytest
import zoo

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError

BARCODES = ["".join("ACGT"[(i // 4**k) % 4] for k in range(12)) + "-1" for i in range(40)]


def lists(folder, prefix=""):
    layouts.write(folder / f"{prefix}barcodes.tsv", layouts.lines(BARCODES))
    layouts.write(folder / f"{prefix}features.tsv", layouts.features())
    return folder


@pytest.mark.parametrize(
    "names, first",
    [
        (("reads", "umi"), "umi"),
        (("counts", "logcounts"), "counts"),
        (("tpm", "counts"), "counts"),
        (("intron", "exon"), "exon"),
        (("GSM1_reads", "GSM1_umi"), "umi"),
        (("reads/matrix", "umi/matrix"), "umi/matrix"),
    ],
)
def test_matrices_with_one_list_of_cells_are_parts_of_one_sample(tmp_path, names, first):
    folder = lists(tmp_path / "run", "GSM1_" if "GSM1" in names[0] else "")
    for name in names:
        times = 1 if f"_{name}".endswith(("_" + first, "/" + first)) else 2
        layouts.mtx(folder / f"{name}.mtx", times * zoo.COUNTS.T)
    preview, dataset = inspect(folder), read(folder)
    assert preview.n_cells == dataset.n_cells == 40 and not dataset.samples
    choice = dataset.choices[0]
    assert (choice.name, choice.taken) == ("part", first)
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    other = next(v for v, _ in choice.possible if v != first)
    assert f"The matrix {first} is used; there is also {other}." in dataset.warnings
    np.testing.assert_array_equal(read(folder, part=other).matrix("X").toarray(), 2 * zoo.COUNTS)


def test_a_second_matrix_without_a_name_of_its_own_is_not_passed_over(tmp_path):
    folder = lists(tmp_path)
    for name in ("counts", "matrix"):
        layouts.mtx(folder / f"{name}.mtx", zoo.COUNTS.T)
    assert len(read(folder).choices[0].possible) == 2


def test_two_samples_with_two_matrices_each_are_two_samples(tmp_path):
    for n, cells in ((1, BARCODES[:25]), (2, BARCODES[25:])):
        layouts.write(tmp_path / f"GSM{n}_barcodes.tsv", layouts.lines(cells))
        layouts.write(tmp_path / f"GSM{n}_features.tsv", layouts.features())
        for name in ("umi", "reads"):
            layouts.mtx(tmp_path / f"GSM{n}_{name}.mtx", zoo.COUNTS[: len(cells)].T)
    dataset = read(tmp_path)
    assert dict(dataset.samples) == {"GSM1": 25, "GSM2": 15}
    assert dataset.choices[0].taken == "umi"


def table(path, times, cells=BARCODES):
    pd.DataFrame(times * zoo.COUNTS.T.astype(int), zoo.GENES, cells).to_csv(path)


def test_tables_of_the_same_cells_are_parts_too(tmp_path):
    table(tmp_path / "intron-matrix.csv", 2)
    table(tmp_path / "exon-matrix.csv", 1)
    preview, dataset = inspect(tmp_path), read(tmp_path)
    assert preview.n_cells == dataset.n_cells == 40
    assert "The matrix exon is used; there is also intron, of the same cells." in dataset.warnings
    chosen = read(tmp_path, part="intron").matrix("X").toarray()
    np.testing.assert_array_equal(chosen, 2 * zoo.COUNTS)
    with pytest.raises(DataError, match="There is no matrix 'exons'"):
        read(tmp_path, part="exons")


def test_the_same_cells_in_two_of_three_samples_are_refused_in_words(tmp_path):
    table(tmp_path / "one.csv", 1)
    table(tmp_path / "two.csv", 2)
    table(tmp_path / "three.csv", 2, [f"T{c}" for c in BARCODES])
    with pytest.raises(DataError, match=r"hold the same cells .*would be there twice"):
        read(tmp_path)


def test_wells_of_two_plates_are_different_cells_and_that_is_said(tmp_path):
    wells = [f"{row}{column:02d}" for row in "ABCD" for column in range(1, 11)]
    table(tmp_path / "plate1.csv", 1, wells)
    table(tmp_path / "plate2.csv", 1, wells)
    dataset = read(tmp_path)
    assert dataset.n_cells == 80
    assert any("were taken for different cells" in w for w in dataset.warnings)
