"""Folders and zips as programs write them open whole: every sample, the right matrix, layers."""

import io
import shutil
import tarfile

import layouts
import numpy as np
import pytest
import zoo

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError


def counts(dataset, place="X"):
    return dataset.matrix(place).toarray()


def same_numbers(path, **how):
    """Preview and data set agree to the number; gives both."""
    preview, dataset = inspect(path, **how), read(path, **how)
    assert (preview.n_cells, preview.n_genes) == (dataset.n_cells, dataset.n_genes)
    assert [m.place for m in preview.matrices] == dataset.places
    for m in preview.matrices:
        assert (m.n_cells, m.n_genes) == dataset.matrix(m.place).shape
    assert list(preview.warnings)[: len(dataset.warnings)] == dataset.warnings
    return preview, dataset


@pytest.mark.parametrize(
    "make, kind",
    [
        (layouts.kallisto, "kallisto-bustools folder"),
        (layouts.alevin_fry, "alevin-fry folder"),
        (lambda f: layouts.alevin_fry(f, usa=False), "alevin-fry folder"),
        (layouts.parse, "Parse folder"),
        (lambda f: layouts.parse(f, name="count_matrix.mtx"), "Parse folder"),
        (layouts.expression_atlas, "Expression Atlas folder"),
        (layouts.starsolo, "STARsolo folder"),
        (layouts.bustools_of_two_files, "folder of spliced and unspliced counts"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_each_program_s_folder_opens_with_its_cells_and_genes(tmp_path, make, kind, zipped):
    path = make(tmp_path / "run")
    if zipped:
        path = shutil.make_archive(str(tmp_path / "run"), "zip", tmp_path, "run")
    preview, dataset = same_numbers(path)
    assert preview.kind == kind
    assert list(dataset.obs.index) == zoo.CELLS
    assert list(dataset.var["gene_ids"]) == layouts.IDS
    times = 4 if "layers/ambiguous" in dataset.places and kind.startswith("alevin") else 1
    np.testing.assert_array_equal(counts(dataset), times * zoo.COUNTS)
    assert preview.suggested["counts"] == "X"


def test_starsolo_takes_filtered_genes_with_velocyto_s_layers_and_any_part_by_choice(tmp_path):
    path = layouts.starsolo(tmp_path / "run")
    preview, dataset = same_numbers(path)
    choice = preview.choices[0]
    assert (choice.name, choice.taken) == ("part", "Gene/filtered")
    assert "GeneFull/raw" in dict(choice.possible)
    assert any("there is also" in w and "GeneFull/filtered" in w for w in preview.warnings)
    np.testing.assert_array_equal(counts(dataset, "layers/unspliced"), 4 * zoo.COUNTS)
    np.testing.assert_array_equal(counts(dataset, "layers/ambiguous"), 5 * zoo.COUNTS)
    whole = read(path, part="GeneFull/raw")
    assert whole.n_cells == 45 and counts(whole).sum() == 2 * (zoo.COUNTS.sum() + 60)
    assert counts(read(path, part="Gene/raw/multi-em")).sum() == 3 * (zoo.COUNTS.sum() + 60)
    velocyto = read(path, part="Velocyto/filtered")
    np.testing.assert_array_equal(counts(velocyto), zoo.COUNTS)
    with pytest.raises(DataError, match=r"There is no matrix 'Exons' in run; there is Gene/filt"):
        read(path, part="Exons")


def test_layers_of_kallisto_and_alevin_fry_are_spliced_unspliced_and_ambiguous(tmp_path):
    nac = read(layouts.kallisto(tmp_path / "kb", nac=True))
    for place, times in (("X", 1), ("layers/spliced", 1), ("layers/unspliced", 2)):
        np.testing.assert_array_equal(counts(nac, place), times * zoo.COUNTS)
    assert list(nac.var.index) == zoo.GENES
    fry = read(layouts.alevin_fry(tmp_path / "fry"))
    np.testing.assert_array_equal(counts(fry, "layers/unspliced"), 2 * zoo.COUNTS)
    assert any("spliced + ambiguous" in w for w in fry.warnings)


def test_a_parse_folder_is_its_all_sample_matrix_with_samples_from_its_table(tmp_path):
    preview, dataset = same_numbers(layouts.parse(tmp_path / "parse"))
    assert preview.samples == (("xcond_1", 10), ("xcond_2", 30))
    assert dataset.obs["tscp_count"].tolist() == list(range(5, 45))
    assert preview.suggested["batch_labels"] == "obs/sample"


def two(folder, ending=".gz"):
    """Two samples by prefix; the second lacks two genes and has others in another order."""
    layouts.tenx(folder, zoo.COUNTS[:15], zoo.CELLS[:15], prefix="GSM1_a_", ending=ending)
    genes = [11, *range(10)]
    return layouts.tenx(
        folder, zoo.COUNTS[15:, genes], zoo.CELLS[:25], prefix="GSM2_b_", ending=ending, genes=genes
    )


@pytest.mark.parametrize("zipped", [False, True])
def test_all_samples_of_a_folder_are_joined_on_shared_genes_and_what_is_lost_is_said(
    tmp_path, zipped
):
    path = two(tmp_path / "geo")
    if zipped:
        path = shutil.make_archive(str(tmp_path / "geo"), "zip", tmp_path / "geo")
    preview, dataset = same_numbers(path)
    assert preview.samples == (("GSM1_a", 15), ("GSM2_b", 25))
    assert dataset.obs["sample"].value_counts().to_dict() == {"GSM1_a": 15, "GSM2_b": 25}
    assert dataset.obs.index.is_unique and dataset.obs.index[15] == "GSM2_b_cell0"
    kept = [*range(10), 11]
    assert list(dataset.var.index) == [zoo.GENES[g] for g in kept]
    np.testing.assert_array_equal(counts(dataset), zoo.COUNTS[:, kept])
    assert any(w.startswith("11 of 12 genes are in all samples") for w in preview.warnings)
    assert preview.suggested["batch_labels"] == "obs/sample"


def test_samples_in_folders_and_with_a_shared_list_of_genes_are_joined_too(tmp_path):
    for name, rows in (("s1", slice(0, 15)), ("s2", slice(15, 40))):
        for part in ("raw_feature_bc_matrix", "filtered_feature_bc_matrix"):
            there = tmp_path / "runs" / name / "outs" / part
            layouts.tenx(there, zoo.COUNTS[rows], zoo.CELLS[rows], ending=".gz")
    preview, dataset = same_numbers(tmp_path / "runs")
    assert preview.samples == (("s1", 15), ("s2", 25))
    np.testing.assert_array_equal(counts(dataset), zoo.COUNTS)
    preview, dataset = same_numbers(layouts.shared_features(tmp_path / "geo"))
    assert preview.samples == (("GSM1_ctrl", 15), ("GSM2_stim", 25))
    np.testing.assert_array_equal(counts(dataset), zoo.COUNTS)


def test_several_tenx_h5_files_are_joined_and_several_h5ad_are_refused_by_name(tmp_path):
    for name in ("s1", "s2"):
        (tmp_path / "h5" / name).mkdir(parents=True)
        zoo.tenx_v3(tmp_path / "h5" / name / "filtered_feature_bc_matrix.h5")
        zoo.tenx_v3(tmp_path / "h5" / name / "raw_feature_bc_matrix.h5")
    preview, dataset = same_numbers(tmp_path / "h5")
    assert preview.samples == (("s1", 40), ("s2", 40))
    np.testing.assert_array_equal(counts(dataset)[40:], zoo.COUNTS[:, :10])
    (tmp_path / "ads").mkdir()
    for name in ("a", "b"):
        zoo.new_anndata().write_h5ad(tmp_path / "ads" / f"{name}.h5ad")
    with pytest.raises(DataError, match=r"ads holds 2 data sets: a\.h5ad, b\.h5ad"):
        inspect(tmp_path / "ads")


def test_samples_that_share_no_genes_are_refused_with_their_names(tmp_path):
    layouts.tenx(tmp_path / "x", zoo.COUNTS[:, :6], prefix="human_", genes=range(6))
    layouts.tenx(tmp_path / "x", zoo.COUNTS[:, 6:], prefix="mouse_", genes=range(6, 12))
    with pytest.raises(DataError, match="The samples human, mouse share no genes"):
        inspect(tmp_path / "x")


def test_a_zip_is_called_by_its_own_name_in_every_sentence(tmp_path):
    layouts.tenx(tmp_path / "y").joinpath("barcodes.tsv").unlink()
    path = shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path / "y")
    with pytest.raises(DataError, match=r"^mine\.zip lacks barcodes\.tsv; it holds features\.tsv"):
        inspect(path)


@pytest.mark.parametrize(
    "first, sentence",
    [
        ("%%MatrixMarket matrix coordinate integer heneral", "damaged or|of the kind"),
        ("%%MatrixMarket matrix coordinate complex general", "first line of matrix.mtx is damaged"),
        ("%%MatrixMarket matrix array integer general", "of the kind 'array general'"),
        ("%%MatrixMarket matrix coordinate integer symmetric", "of the kind 'coordinate symm"),
        ("hello", "is not a Matrix Market file"),
    ],
)
def test_a_damaged_first_line_is_a_sentence_before_anything_is_read(tmp_path, first, sentence):
    file = layouts.tenx(tmp_path / "z") / "matrix.mtx"
    file.write_text("\n".join([first, *file.read_text().split("\n")[1:]]))
    with pytest.raises(DataError, match=sentence):
        inspect(tmp_path / "z")


@pytest.mark.parametrize("line", ["0 1 3", "13 1 3", "1 41 3", "1 1 x", "1 1", "1 1 1 1"])
def test_a_value_outside_of_the_matrix_or_no_value_is_a_sentence(tmp_path, line):
    file = layouts.tenx(tmp_path / "z") / "matrix.mtx"
    text = file.read_text().split("\n")
    file.write_text("\n".join([*text[:5], line, *text[6:]]))
    with pytest.raises(DataError, match=r"matrix\.mtx"):
        read(tmp_path / "z").matrix("X")


def test_names_of_genes_in_an_order_of_their_own_go_to_their_ids(tmp_path):
    folder = layouts.alevin_fry(tmp_path / "fry", usa=False)
    pairs = [f"{i}\t{n}" for i, n in zip(layouts.IDS, zoo.GENES, strict=True)][::-1]
    layouts.write(folder / "gene_id_to_name.tsv", layouts.lines(pairs))
    dataset = read(folder)
    assert list(dataset.var.index) == zoo.GENES
    assert list(dataset.var["gene_ids"]) == layouts.IDS


def test_normalised_values_of_expression_atlas_open_where_there_are_no_counts(tmp_path):
    folder = layouts.expression_atlas(tmp_path / "atlas")
    for file in list(folder.iterdir()):
        if "_filtered_counts" in file.name:
            new = file.name.replace("_filtered_counts", "_filtered_normalised_counts")
            file.rename(folder / new) if "mtx_" in new else file.unlink()
    np.testing.assert_array_equal(counts(read(folder)), 9 * zoo.COUNTS)


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz"])
def test_a_tar_as_geo_gives_it_opens_with_all_its_samples(tmp_path, ending):
    two(tmp_path / "geo")
    path = tmp_path / f"GSE1_RAW{ending}"
    with tarfile.open(path, "w" if ending == ".tar" else "w:gz") as archive:
        archive.add(tmp_path / "geo", ".")
    preview, dataset = same_numbers(path)
    assert preview.samples == (("GSM1_a", 15), ("GSM2_b", 25)) and preview.name == path.name
    assert counts(dataset).shape == (40, 11)


@pytest.mark.parametrize("odd", ["../up.csv", "/etc/up.csv", "link", "sparse"])
def test_a_tar_writes_nothing_outside_and_follows_no_link(tmp_path, odd):
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("x.csv" if odd in ("link", "sparse") else odd)
        member.size = 4
        if odd == "link":
            member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
        if odd == "sparse":
            member.pax_headers = {"GNU.sparse.map": "0,4", "GNU.sparse.size": str(2**40)}
        archive.addfile(member, io.BytesIO(b"a,b\n"))
    with pytest.raises(DataError, match=r"x\.tar (would write outside|holds a link or another)"):
        inspect(tmp_path / "x.tar")
    assert not (tmp_path.parent / "up.csv").exists()
