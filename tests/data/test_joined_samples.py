"""Several files, a sample each, become one data set: equal to anndata's, what is lost is said."""

import json
import shutil
import zipfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from diffbio_engine.data import inspect, read
from diffbio_engine.data.reading import Reading
from diffbio_engine.data.samples import (
    Sample,
    compare,
    join,
    look_at_sample,
    proposed_names,
    samples_inside,
)
from diffbio_engine.errors import DataError

GENES = [f"GENE{i}" for i in range(40)]


def cells(name, genes=GENES, n=30, seed=0, **obs):
    """Counts of a sample whose cells have barcodes of their own."""
    random = np.random.default_rng([seed, *name.encode()])
    counts = sp.csr_matrix(random.poisson(1.5, (n, len(genes))).astype(np.float32))
    letters = random.choice(list("ACGT"), (n, 16))
    index = [f"{''.join(word)}-1" for word in letters]
    ids = [f"ENSG{int(g[4:]):011d}" for g in genes]
    table = pd.DataFrame(obs, index) if obs else pd.DataFrame(index=index)
    return anndata.AnnData(counts, table, pd.DataFrame({"gene_ids": ids}, genes))


def mtx(adata, folder):
    """The folder that Cell Ranger writes."""
    folder.mkdir(parents=True)
    at = sp.coo_matrix(adata.X.T)
    lines = [f"{i + 1} {j + 1} {int(v)}" for i, j, v in zip(at.row, at.col, at.data, strict=True)]
    head = [
        "%%MatrixMarket matrix coordinate integer general",
        f"{at.shape[0]} {at.shape[1]} {at.nnz}",
    ]
    (folder / "matrix.mtx").write_text("\n".join(head + lines) + "\n")
    (folder / "barcodes.tsv").write_text("\n".join(adata.obs_names) + "\n")
    rows = zip(adata.var["gene_ids"], adata.var_names, strict=True)
    (folder / "features.tsv").write_text("".join(f"{i}\t{g}\tGene Expression\n" for i, g in rows))
    return folder


def tenx(adata, path):
    """The h5 that Cell Ranger writes."""
    matrix = sp.csr_matrix(adata.X)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"] = matrix.data.astype(np.int32), matrix.indices
        group["indptr"], group["shape"] = matrix.indptr, np.array(matrix.shape[::-1])
        group["barcodes"] = np.array(list(adata.obs_names), "S")
        features = group.create_group("features")
        features["id"] = np.array(list(adata.var["gene_ids"]), "S")
        features["name"] = np.array(list(adata.var_names), "S")
        features["feature_type"] = np.array(["Gene Expression"] * adata.n_vars, "S")
        features["genome"] = np.array(["GRCh38"] * adata.n_vars, "S")
    return path


@pytest.fixture
def three(tmp_path):
    """An h5 of 10x, a folder of text and an h5ad, in that order; each lacks some genes."""
    a, b = cells("a"), cells("b", [*GENES[3:], "GENE90"])
    c = cells("c", GENES[::-1][5:], donor=[f"d{i % 2}" for i in range(30)])
    c.layers["spliced"] = c.X.copy()
    c.obsm["X_pca"] = np.zeros((30, 4), np.float32)
    c.write_h5ad(tmp_path / "c.h5ad")
    paths = [tenx(a, tmp_path / "a.h5"), mtx(b, tmp_path / "b"), tmp_path / "c.h5ad"]
    return dict(zip("abc", zip(paths, (a, b, c), strict=True), strict=True))


def told(paths):
    """Each sample looked at as the page looks at it; a sentence where it cannot be read."""
    found = []
    for path in paths:
        try:
            found.append((path.stem, look_at_sample(path, Reading())))
        except DataError as error:
            found.append((path.stem, error))
    return found


def test_joined_files_equal_what_anndata_joins_in_counts_and_names(three, tmp_path):
    samples = [Sample(path, name) for name, (path, _) in three.items()]
    made = join(samples, tmp_path / "joined.h5ad", column="donor_sample")
    expected = anndata.concat(
        {name: adata for name, (_, adata) in three.items()}, join="inner", label="donor_sample",
        index_unique="_",
    )  # fmt: skip
    joined = anndata.read_h5ad(made.path)
    assert list(joined.obs_names) == list(expected.obs_names)
    assert list(joined.var_names) == list(expected.var_names) and joined.n_vars == 32
    assert (joined.X != expected.X).nnz == 0 and joined.X.format == "csr"
    assert list(joined.obs["donor_sample"]) == list(expected.obs["donor_sample"])
    assert list(joined.obs["donor_sample"].cat.categories) == ["a", "b", "c"]
    assert list(joined.var.columns) == ["gene_ids"]
    assert list(joined.var["gene_ids"]) == list(three["a"][1][:, joined.var_names].var["gene_ids"])
    assert (made.n_genes, made.n_any, made.samples[2]) == (32, 41, ("c", 30))
    assert made.said[0].startswith("32 of 41 genes are in all 3 samples, matched by their ids")
    assert any("layers/spliced is not in all samples" in said for said in made.said)
    assert any("X_pca" in said for said in made.said) and "X_pca" not in joined.obsm
    assert joined.obs["donor"].isna().sum() == 60 and "donor (not in a, b)" in " ".join(made.said)


def test_a_joined_set_is_an_ordinary_one_that_says_where_it_comes_from(three, tmp_path):
    samples = [Sample(path, name, file=f"{name} of mine") for name, (path, _) in three.items()]
    join(samples, tmp_path / "joined.h5ad")
    preview = inspect(tmp_path / "joined.h5ad")
    assert preview.suggested["counts"] == "X" and preview.suggested["batch_labels"] == "obs/sample"
    assert preview.samples == (("a", 30), ("b", 30), ("c", 30))
    assert "a (a of mine, 30 cells)" in preview.origin[0] and "32 of 41 genes" in preview.origin[1]
    kept = json.loads(read(tmp_path / "joined.h5ad").uns["joined_samples"])
    assert [s["file"] for s in kept["samples"]][1] == "b of mine" and kept["of_genes"] == 41
    assert all(len(s["sha256"]) == 64 for s in kept["samples"])


def test_genes_that_some_lack_may_stay_as_zeros_and_that_is_said(three, tmp_path):
    samples = [Sample(path, name) for name, (path, _) in three.items()]
    made = join(samples, tmp_path / "joined.h5ad", genes="all")
    expected = anndata.concat(
        {name: adata for name, (_, adata) in three.items()}, join="outer", fill_value=0,
        label="sample", index_unique="_",
    )  # fmt: skip
    joined = anndata.read_h5ad(made.path)
    assert set(joined.var_names) == set(expected.var_names)
    assert (joined.X != expected[:, joined.var_names].X).nnz == 0
    assert "9 of them some samples lack: they are 0 there" in made.said[0]


def test_what_does_not_belong_is_named_for_itself_and_the_others_are_joined(tmp_path):
    a, b = cells("a"), cells("b")
    paths = [tenx(x, tmp_path / f"{name}.h5") for name, x in (("a", a), ("b", b))]
    tenx(a[::-1], tmp_path / "again.h5")  # the same cells in another order
    (tmp_path / "cut.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:3000])
    (tmp_path / "nothing.csv").write_bytes(b"")
    other = cells("m")
    other.var = pd.DataFrame({"gene_ids": [f"ENSMUSG{i:011d}" for i in range(40)]},
                             [f"Gene{i}" for i in range(40)])  # fmt: skip
    tenx(other, tmp_path / "mouse.h5")
    logged = cells("l")
    logged.X = np.log1p(logged.X * 1.7)
    logged.write_h5ad(tmp_path / "logged.h5ad")
    (tmp_path / "letters.fasta").write_text(">one\nACGTACGT\n")
    names = ["again", "cut", "nothing", "mouse", "logged", "letters"]
    ends = {"nothing": "csv", "logged": "h5ad", "letters": "fasta"}
    paths += [tmp_path / f"{n}.{ends.get(n, 'h5')}" for n in names]
    found = told(paths)
    assert {name for name, one in found if isinstance(one, DataError)} == {"cut", "nothing"}
    readable = [(name, one) for name, one in found if not isinstance(one, DataError)]
    said = compare(readable)
    problems = {n: v.problem for (n, _), v in zip(readable, said.verdicts, strict=True)}
    assert [readable[i][0] for i in said.good] == ["a", "b"] and said.n_shared == 40
    assert problems["again"].startswith("It holds the same cells as a")
    assert problems["mouse"].startswith("Its genes look like those of mouse, those of a like human")
    assert problems["logged"].startswith("It holds log-normalised values, the others raw counts")
    assert problems["letters"].startswith("It holds sequences")
    with pytest.raises(DataError, match="mouse: Its genes look like"):
        join([Sample(paths[i], paths[i].stem) for i in (0, 1, 5)], tmp_path / "joined.h5ad")
    assert not (tmp_path / "joined.h5ad").exists()


def test_ids_and_symbols_are_told_apart_and_ids_join_where_names_differ(tmp_path):
    renamed = cells("b")
    renamed.var_names = [f"NEW{i}" for i in range(40)]  # a later annotation
    ids_alone = cells("c")
    ids_alone.var = pd.DataFrame(index=list(ids_alone.var["gene_ids"]))
    tenx(cells("a"), tmp_path / "a.h5")
    tenx(renamed, tmp_path / "b.h5")
    ids_alone.write_h5ad(tmp_path / "c.h5ad")
    symbols = cells("d")
    del symbols.var["gene_ids"]
    symbols.write_h5ad(tmp_path / "d.h5ad")
    paths = [tmp_path / f for f in ("a.h5", "b.h5", "c.h5ad", "d.h5ad")]
    said = compare(told(paths))
    assert said.by == "ids" and said.good == [0, 1, 2]
    assert "Its genes are human symbols (GENE0), those of a" in said.verdicts[3].problem
    for three in (paths[:3], paths[2::-1]):  # whichever is the first, both names stay
        made = join([Sample(p, p.stem) for p in three], tmp_path / "joined.h5ad")
        var = anndata.read_h5ad(made.path).var
        assert list(var["gene_ids"]) == list(cells("a").var["gene_ids"])
        assert list(var.index) == (GENES if three[0] == paths[0] else list(renamed.var_names))


def test_counts_that_lie_in_different_places_are_found_in_each(tmp_path):
    a, b = cells("a"), cells("b")
    b.layers["counts"] = b.X.copy()
    b.X = np.log1p(b.X * 1.7)
    a.write_h5ad(tmp_path / "a.h5ad")
    b.write_h5ad(tmp_path / "b.h5ad")
    made = join([Sample(tmp_path / f"{n}.h5ad", n) for n in "ab"], tmp_path / "joined.h5ad")
    counts = sp.vstack([a.X, b.layers["counts"]])
    assert (counts != anndata.read_h5ad(made.path).X).nnz == 0
    assert any("X of the joined set is X of a and layers/counts of b" in s for s in made.said)


def of_kind(name, path, layer, **obs):
    """Counts in a layer, X and another layer of a kind of their own."""
    adata = cells(name, n=60, **obs)
    adata.layers["counts"], adata.layers["normed"] = adata.X.copy(), layer(adata.X.toarray())
    adata.X = adata.layers["normed"]
    adata.write_h5ad(path)
    return Sample(path, name)


def test_values_of_two_kinds_are_not_stacked_and_what_only_looks_alike_is_told(tmp_path):
    samples = [
        of_kind("a", tmp_path / "a.h5ad", lambda x: np.log1p(x / x.sum(1, keepdims=True) * 1e4),
                leiden=["0", "1"] * 30, age=[5] * 60),
        of_kind("b", tmp_path / "b.h5ad", lambda x: (x - x.mean(0)) / x.std(0),
                leiden=["1", "2"] * 30, age=["old"] * 60),
    ]  # fmt: skip
    made = join(samples, tmp_path / "joined.h5ad")
    joined, said = anndata.read_h5ad(made.path), " ".join(made.said)
    counts = [anndata.read_h5ad(s.path).layers["counts"] for s in samples]
    assert (sp.vstack(counts) != joined.X).nnz == 0 and not joined.layers
    assert "X of the samples holds log-normalised values and scaled values" in said
    assert "normed holds log-normalised and scaled in different samples and was left out" in said
    assert "leiden: clusters of each file by itself" in said
    assert "words now: age." in said


@pytest.mark.parametrize("numbers", [np.int32, np.float64])
def test_a_part_of_a_sample_is_there_twice_and_spots_of_two_slides_are_not(tmp_path, numbers):
    whole = cells("w", n=60)
    whole.write_h5ad(tmp_path / "whole.h5ad")
    whole[:20].copy().write_h5ad(tmp_path / "part.h5ad")
    for n, part in (("one", whole[:55].copy()), ("two", whole[3:].copy())):
        part.obsm["spatial"] = np.arange(2 * part.n_obs, dtype=numbers).reshape(-1, 2)
        part.write_h5ad(tmp_path / f"{n}.h5ad")
    cells_, spots = (
        compare(told([tmp_path / f"{n}.h5ad" for n in names]))
        for names in (("whole", "part"), ("one", "two"))
    )
    assert cells_.verdicts[1].problem.startswith("The cells of part are among those of whole")
    assert spots.good == [0, 1] and "the same names as those of one" in spots.verdicts[1].notes[0]
    made = join([Sample(tmp_path / f"{n}.h5ad", n) for n in ("one", "two")], tmp_path / "j.h5ad")
    places = anndata.read_h5ad(made.path).obsm["spatial"]
    one, two = places[:55], places[55:]  # none has neighbours on the other slide
    assert two[:, 0].min() - one[:, 0].max() > np.ptp(one) - 2 and "side by side" in made.said[-1]
    assert (two - two[0] == np.arange(2 * 57).reshape(-1, 2) - [0, 1]).all()


def test_slides_as_space_ranger_writes_them_are_joined(tmp_path):
    for name in "AB":
        slide = cells("a", seed=0)  # a barcode is a place, the same on each slide
        outs = tmp_path / "run" / name / "outs"
        (outs / "spatial").mkdir(parents=True)
        tenx(slide, outs / "filtered_feature_bc_matrix.h5")
        told_of = {"in_tissue": 1, "array_row": range(30), "array_col": 2}
        told_of |= {"pxl_row_in_fullres": range(0, 3000, 100), "pxl_col_in_fullres": 200}
        table = pd.DataFrame(told_of, pd.Index(slide.obs_names, name="barcode"))
        table.to_csv(outs / "spatial" / "tissue_positions.csv")
    assert samples_inside(tmp_path / "run") == ["A", "B"]
    samples = [Sample(tmp_path / "run", name, {"sample": name}) for name in "AB"]
    made = join(samples, tmp_path / "joined.h5ad")
    joined = anndata.read_h5ad(made.path)
    assert "side by side" in made.said[-1] and joined.n_obs == 60
    np.testing.assert_array_equal(joined.obsm["spatial"][:30, 1], range(0, 3000, 100))
    assert set(joined.obsm["spatial"][:, 0]) == {200, 200 + 2900}


def test_raw_and_layers_that_all_have_are_joined_with_their_own_genes(tmp_path):
    both = {}
    for name in "ab":
        whole = cells(name, GENES if name == "a" else GENES[2:])
        both[name] = whole[:, whole.var_names[:20]].copy()
        both[name].layers["twice"] = both[name].X * 2
        both[name].raw = whole
        both[name].write_h5ad(tmp_path / f"{name}.h5ad")
    made = join([Sample(tmp_path / f"{n}.h5ad", n) for n in "ab"], tmp_path / "joined.h5ad")
    joined = anndata.read_h5ad(made.path)
    expected = anndata.concat(both, join="inner", label="sample", index_unique="_")
    assert (joined.layers["twice"] != expected.layers["twice"]).nnz == 0
    assert list(joined.raw.var_names) == list(expected.raw.var_names) and joined.raw.n_vars == 38
    assert (joined.raw.X != expected.raw.X).nnz == 0


def test_a_zip_of_samples_is_told_by_its_names_and_one_broken_sample_hides_no_other(
    shared_data, tmp_path
):
    two = shared_data.parent / "cases/m_geo_two_samples.zip"
    if not two.exists():
        pytest.skip("the cases are not on this machine")
    from diffbio_engine.data.readers.samples_apart import names_below, samples_in_names

    names = list(samples_in_names(names_below(two)))
    assert proposed_names(names) == ["tumor1", "tumor2"]
    parts = [Sample(two, n, {"sample": s}) for s, n in zip(names, ("t1", "t2"), strict=True)]
    made = join(parts, tmp_path / "joined.h5ad")
    whole = read(two)  # the same cells, joined as the reader of a zip does
    joined = anndata.read_h5ad(made.path)
    assert (whole.matrix("X") != joined.X).nnz == 0
    assert list(joined.var_names) == list(whole.var.index)
    for one in ("m_kb", "m_velocyto"):  # several matrices of one sample
        assert samples_in_names(names_below(two.with_name(f"{one}.zip"))) == {}
    with zipfile.ZipFile(two) as archive:
        archive.extractall(tmp_path / "there")
    (tmp_path / f"there/outs/{names[0]}_barcodes.tsv.gz").write_bytes(b"")
    shutil.make_archive(str(tmp_path / "broken"), "zip", tmp_path / "there")
    with pytest.raises(DataError, match=r"barcodes\.tsv\.gz"):
        inspect(tmp_path / "broken.zip", sample=names[0])
    assert inspect(tmp_path / "broken.zip", sample=names[1]).n_cells == 100


def test_tables_of_the_same_cells_and_files_of_other_kinds_are_no_samples(tmp_path):
    a, b = (cells(name).to_df() for name in "ab")
    for where, tables in (("same", {"counts": a, "lognorm": np.log1p(a * 1.7)}),
                          ("two", {"GSM1_a_counts": a, "GSM2_b_counts": b})):  # fmt: skip
        (tmp_path / where).mkdir()
        for name, table in tables.items():
            table.to_csv(tmp_path / where / f"{name}.csv")
    assert samples_inside(tmp_path / "same") == []
    assert samples_inside(tmp_path / "two") == ["GSM1_a", "GSM2_b"]
    (tmp_path / "two/GSM2_b_counts.csv").write_text("cut")  # a broken one leaves them apart
    assert samples_inside(tmp_path / "two") == ["GSM1_a", "GSM2_b"]
    (tmp_path / "letters").mkdir()
    for name in "ab":
        lines = [f"{name}{i},{'ACGT' * 5},{i % 2}" for i in range(12)]
        text = "\n".join(["id,sequence,class", *lines])
        (tmp_path / f"letters/{name}.csv").write_text(text + "\n")
    assert samples_inside(tmp_path / "letters") == []


def test_names_are_proposed_without_what_all_begin_and_end_with():
    h5 = "outs/filtered_feature_bc_matrix.h5"
    assert proposed_names([f"run1/ctrl/{h5}", f"run1/stim/{h5}"]) == ["ctrl", "stim"]
    assert proposed_names(["GSM1_ctrl_rep1.h5", "GSM2_stim_rep1.h5"]) == ["ctrl", "stim"]
    assert proposed_names(["ctrl.h5ad", "ctrl_2.h5ad"]) == ["ctrl", "ctrl_2"]
    assert proposed_names(["a.h5", "a.h5ad"]) == ["a", "a_2"]
    assert proposed_names(["filtered_feature_bc_matrix.h5"] * 2) == ["sample", "sample_2"]


def test_the_command_joins_what_processes_of_their_own_read_and_says_each_line(
    three, tmp_path, capsys
):
    from diffbio_engine.command_line import main

    (tmp_path / "cut.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:3000])
    to, files = tmp_path / "joined.h5ad", [str(path) for path, _ in three.values()]
    asked = ["join", *files, str(tmp_path / "cut.h5"), "--to", str(to), "--name", f"{files[1]}=B"]
    assert main(asked) == 1 and not to.exists()
    said = capsys.readouterr()
    assert "x cut " in said.out and "was cut off" in said.out and "+ B (" in said.out
    assert "32 of its 38 genes are in all" in said.out
    assert "1 of 4 samples cannot be joined" in said.err
    assert main(["join", files[0], *asked[1:], "--skip"]) == 0  # of what is there twice one stays
    assert "x a_2 (" in capsys.readouterr().out
    by_itself = join([Sample(p, n) for (p, _), n in zip(three.values(), "aBc", strict=True)],
                     tmp_path / "again.h5ad")  # fmt: skip
    one, other = (anndata.read_h5ad(p) for p in (to, by_itself.path))
    assert (one.X != other.X).nnz == 0 and list(one.obs_names) == list(other.obs_names)
