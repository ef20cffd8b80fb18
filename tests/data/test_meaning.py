"""Columns and matrices are taken for what they are, by their names and by what is in them."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from diffbio_engine.data import (
    Dataset,
    Fields,
    batch_candidates,
    inspect,
    open_source,
    simulate_batches,
)
from diffbio_engine.data.dataset.name_words import head_of, words_of
from diffbio_engine.data.fields.suggestions import suggest
from diffbio_engine.data.inspection.column_names import called_batches, called_labels, called_times
from diffbio_engine.data.inspection.preview import ColumnPreview, preview_of
from diffbio_engine.data.readers import mtx


def case(shared_data, name):
    path = shared_data.parent / "cases" / name
    if not path.exists():
        pytest.skip(f"the case {name} is not on this machine")
    return inspect(path)


def columns(*names, n=3):
    return [ColumnPreview(name, "categorical", n, 0, (), tuple("abc")[:n]) for name in names]


@pytest.fixture(scope="module")
def simulated():
    """Three batches, six types in each, and strong batches."""
    data = simulate_batches(n_cells=400, n_genes=200)
    return data


def told(data, **obs):
    data = data.copy()
    data.obs = data.obs[[]].assign(**obs)
    preview = preview_of(Dataset.from_anndata(data))
    return preview, suggest(preview)


def test_names_are_read_by_whole_words():
    assert words_of("donorID.2") == ["donor", "id", "2"]
    assert [head_of(n) for n in ("sample_id", "sample_type", "BatchLabels", "orig.ident")] == [
        "sample", "type", "batch", "orig"]  # fmt: skip
    batches = ["batch", "sample_id", "SampleID", "donor_id", "orig.ident", "patient.number",
               "treatment_batch", "sequencing_batch", "gem_group", "library"]  # fmt: skip
    assert set(called_batches(columns(*batches))) == set(batches)
    others = ["original_annotation", "origin", "sample_type", "donor_status", "original", "techno",
              "batch_corrected_clusters", "example", "subsample_weight", "donor_age", "assays_type",
              "sampled", "matched"]  # fmt: skip
    assert called_batches(columns(*others)) == []
    assert called_labels(columns("tissue_type", "suspension_type", "sample_type")) == []
    assert (
        called_labels(columns("original_annotation", "cell_type", "known_type"))[0] == "cell_type"
    )
    assert called_times(columns("today", "timer", "pseudotime", "latent_time", "daylight")) == []


def test_a_column_whose_groups_are_the_cell_types_is_no_batch(simulated):
    types = simulated.obs["cell_type"].astype(str).to_numpy()
    for obs in (
        {"sample": types, "cell_type": types},  # the same labels
        {"sample": types},  # nobody says so but the expression
        {"donor": np.isin(types, list(dict.fromkeys(types))[:3]).astype(str), "cell_type": types},
    ):
        preview, found = told(simulated, **obs)
        assert "batch_labels" not in found.fields, obs.keys()
        assert "looks like biology" in " ".join(found.notes)
        assert preview.as_dict()["obs"][0]["biology"]


def test_values_that_are_called_like_types_are_no_batches(simulated):
    half = np.arange(simulated.n_obs) % 2
    for names in (["T cells", "B cells"], ["CD14 Mono", "NK"], ["Astrocytes", "Neurons"]):
        _, found = told(simulated, sample=np.array(names)[half])
        assert "batch_labels" not in found.fields and "called like types" in found.notes[0]
    _, found = told(simulated, sample=np.array(["jurkat", "t293"])[half])
    assert found.fields["batch_labels"] == "obs/sample"


def test_cells_without_a_batch_are_counted(simulated):
    data = simulated.copy()
    data.obs["batch"] = pd.Categorical(["a", "b", None, "b"] * 100)
    fields = Fields({"batch_labels": "obs/batch"})
    cells = open_source(Dataset.from_anndata(data), fields, fields)
    assert "100 of 400 cells have no value in obs/batch" in cells.notes[0]


def test_strong_batches_are_batches_with_and_without_known_types(simulated):
    batch, types = simulated.obs["batch"].to_numpy(), simulated.obs["cell_type"].to_numpy()
    shifted = simulated.copy()
    for b, name in enumerate(np.unique(batch)):
        counts = shifted.X.toarray()
        counts[np.ix_(batch == name, np.arange(b * 20, b * 20 + 20))] += 3
        shifted.X = sp.csr_matrix(counts)
    for data in (simulated, shifted):
        for obs in ({"sample": batch, "cell_type": types}, {"sample": batch}):
            _, found = told(data, **obs)
            assert found.fields.get("batch_labels") == "obs/sample", obs.keys()
            assert found.notes == ()


@pytest.mark.parametrize(
    ("values", "is_batch"),
    [(("WT", "KO"), False), (("Ctrl", "Treated", "Drug"), False), (("p1", "p2"), True),
     (("WT1", "WT2", "KO1", "KO2"), True), (("tumour_1", "normal_1"), False)],
)  # fmt: skip
def test_conditions_are_no_batches_unless_there_are_replicates(simulated, values, is_batch):
    names = np.random.default_rng(0).choice(values, simulated.n_obs)
    _, found = told(simulated, **{"orig.ident": names})
    assert (found.fields.get("batch_labels") == "obs/orig.ident") == is_batch
    assert any("looks like a condition" in note for note in found.notes) != is_batch
    # Who calls it batch means it; that it reads like a condition is said.
    _, found = told(simulated, batch=names)
    assert found.fields["batch_labels"] == "obs/batch"


def with_layers(counts, **layers):
    data = anndata.AnnData(sp.csr_matrix(np.log1p(counts)))
    data.layers = {k: sp.csr_matrix(v) for k, v in layers.items()}
    found = preview_of(Dataset.from_anndata(data))
    return found, suggest(found)


def test_the_layer_that_holds_counts_wins_whatever_its_name():
    random = np.random.default_rng(0)
    counts = random.poisson(random.gamma(0.4, 3.0, (80, 60))).astype(np.float32)
    million = counts / counts.sum(1, keepdims=True) * 1e6
    binary, few = (counts > 0).astype(np.float32), random.binomial(counts.astype(int), 0.05)
    preview, found = with_layers(
        counts, aaa=binary, cpm=np.round(million), counts_log=few, z=counts
    )
    assert found.fields["counts"] == "layers/z"
    told = {m.place: m for m in preview.matrices}
    assert told["layers/aaa"].holds == "zeros and ones"
    assert "rounded normalised values" in told["layers/cpm"].sentence
    assert "5% of the molecules of layers/z" in told["layers/counts_log"].sentence
    notes = " ".join(found.notes)
    assert "layers/aaa is not taken for counts: it holds zeros and ones only." in notes
    assert "layers/cpm is not taken for counts: these whole numbers look like rounded" in notes
    # For want of better it is taken, and doubted.
    _, found = with_layers(counts, aaa=binary)
    assert found.fields["counts"] == "layers/aaa" and "zeros and ones only" in found.notes[0]
    part = np.round(million * random.uniform(0.2, 0.9, (80, 1)))
    assert with_layers(counts, x=part)[0].matrices[1].holds == "normalised"
    depth = int(counts.sum(1).min())
    thinned = np.array([random.multivariate_hypergeometric(c.astype(int), depth) for c in counts])
    assert with_layers(counts, x=thinned)[0].matrices[1].holds == "raw counts"


def test_molecules_are_the_counts_and_reads_only_where_there_are_no_others():
    random = np.random.default_rng(0)
    umis = random.poisson(1.0, (50, 40)).astype(np.float32)
    reads = umis * random.poisson(9.0, umis.shape)
    for name in ("umi_counts", "raw_counts", "umi_reads", "z"):
        preview, found = with_layers(umis, **{name: umis, "reads": reads})
        assert found.fields["counts"] == f"layers/{name}"
        assert not any(m.doubt for m in preview.matrices)
        assert "not from layers/reads" in found.notes[0]
    assert with_layers(umis, read_counts=reads)[1].fields["counts"] == "layers/read_counts"


@pytest.mark.parametrize("form", ["csr", "csc", "by_cell.mtx", "by_gene.mtx", "begun.mtx"])
def test_rounded_counts_per_ten_thousand_are_none_however_they_are_stored(
    tmp_path, monkeypatch, form
):
    random = np.random.default_rng(0)
    counts = random.poisson(random.gamma(0.4, 3.0, (80, 60)) * random.uniform(0.3, 2, (80, 1)))
    part = np.round(counts / counts.sum(1, keepdims=True) * 1e4)
    if form == "begun.mtx":
        sample = mtx.sample_mtx
        monkeypatch.setattr(
            "diffbio_engine.data.readers.mtx_folder.sample_mtx",
            lambda p, **k: sample(p, n_entries=900, **k),
        )
    for values, holds in ((part, "normalised"), (counts, "raw counts")):
        folder = tmp_path / holds
        folder.mkdir()
        if form.endswith("mtx"):
            turned = sp.coo_matrix(values.T)
            by = np.argsort(turned.row if form == "by_gene.mtx" else turned.col, kind="stable")
            lines = [f"{turned.row[i] + 1} {turned.col[i] + 1} {int(turned.data[i])}" for i in by]
            head = f"%%MatrixMarket matrix coordinate integer general\n60 80 {len(lines)}\n"
            (folder / "matrix.mtx").write_text(head + "\n".join(lines) + "\n")
            names = "\n".join(f"ENSG{i:011d}\tG{i}\tGene Expression" for i in range(60))
            (folder / "features.tsv").write_text(names + "\n")
            (folder / "barcodes.tsv").write_text("".join(f"c{i}-1\n" for i in range(80)))
            seen = inspect(folder)
        else:
            form_of = sp.csc_matrix if form == "csc" else sp.csr_matrix
            anndata.AnnData(form_of(values.astype(np.float32))).write_h5ad(folder / "x.h5ad")
            seen = inspect(folder / "x.h5ad")
        assert seen.matrices[0].holds == holds, seen.matrices[0].sentence


def test_counts_come_from_spliced_and_what_is_left_out_is_said():
    random = np.random.default_rng(0)
    whole = random.poisson(3.0, (50, 40)).astype(np.float32)
    parts = {
        "ambiguous": random.poisson(4.0, whole.shape),
        "unspliced": random.poisson(1.0, whole.shape),
    }
    _, found = with_layers(whole, spliced=whole, **parts)
    assert found.fields["counts"] == "layers/spliced"
    assert "layers/unspliced (13% of the molecules)" in found.notes[0]


def test_an_ambient_profile_is_found_among_the_genes():
    data = simulate_batches(n_cells=80, n_genes=50)
    data.var["ambient_rank"] = np.arange(50.0)
    data.var["soup_profile"] = np.full(50, 0.02)
    fields = suggest(preview_of(Dataset.from_anndata(data))).fields
    assert fields["ambient_profile"] == "var/soup_profile"
    del data.var["soup_profile"]
    fields = suggest(preview_of(Dataset.from_anndata(data))).fields
    assert fields["ambient_profile"].startswith("ambient:")


def test_the_age_of_a_donor_is_no_time_of_a_course():
    data = simulate_batches(n_cells=80, n_genes=50)
    data.obs["development_stage"] = ["25-year-old stage", "3-month-old stage"] * 40
    assert "time_points" not in suggest(preview_of(Dataset.from_anndata(data))).fields
    data.obs["development_stage"] = ["E10.5", "E8.5"] * 40
    found = suggest(preview_of(Dataset.from_anndata(data)))
    assert found.fields["time_points"] == "obs/development_stage"
    assert "E8.5 → E10.5" in " ".join(found.notes)
    data.obs["stage"] = ["a", "b"] * 40
    del data.obs["development_stage"]
    assert "time_points" not in suggest(preview_of(Dataset.from_anndata(data))).fields


@pytest.mark.parametrize(
    ("name", "port", "place"),
    [
        ("b_original_annotation.h5ad", "batch_labels", None),
        ("l_velocyto_lognorm_X.h5ad", "counts", "layers/spliced"),
        ("l_binary_before_raw.h5ad", "counts", "layers/raw_count"),
        ("t_day_text.h5ad", "time_points", "obs/day"),
        ("c_cellxgene_like.h5ad", "time_points", None),
        ("c_cellxgene_like.h5ad", "counts", "raw/X"),
        ("c_cellxgene_like.h5ad", "batch_labels", "obs/donor_id"),
    ],
)
def test_files_that_people_really_have_are_understood(shared_data, name, port, place):
    preview = case(shared_data, name)
    assert preview.suggested.get(port) == place
    if name.startswith("b_"):
        said = {c.name: c.biology for c in preview.obs}
        assert said["original_annotation"] == "it says nearly the same as cell_type"
    if name.startswith("t_"):
        assert "day 2 → day 10 → day 21" in " ".join(preview.warnings)


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("scmerge_mESC_2batch_counts", "obs/batch"),
        ("kang_pbmc_stim_counts", "obs/batch"),
        ("harmony_cell_lines_pcs", "obs/dataset"),
        ("pbmc3k_hvg2000_counts", None),
        ("paul_myeloid_tradeseq_counts", None),
    ],
)
def test_real_batches_are_found_and_real_types_are_none(shared_data, name, batch):
    preview = inspect(shared_data / f"{name}.h5ad")
    assert preview.suggested.get("batch_labels") == batch
    # The same cells, if their types were called samples.
    if "labels" in preview.suggested and batch is None:
        data = anndata.read_h5ad(shared_data / f"{name}.h5ad")
        types = data.obs[preview.suggested["labels"].removeprefix("obs/")].to_numpy()
        data.obs = pd.DataFrame({"sample": types}, index=data.obs_names)
        found = preview_of(Dataset.from_anndata(data))
        assert batch_candidates(found) == [] and found.obs[0].biology
