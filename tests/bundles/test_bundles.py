"""A bundle gives the same results elsewhere, refuses what was changed, and never runs its code."""

import json
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from flax import nnx

from diffbio_engine.bundles import load_bundle, place_cells, result_arrays, save_bundle
from diffbio_engine.bundles.genes_of_file import of_all_genes
from diffbio_engine.bundles.new_cells import _looking_past
from diffbio_engine.bundles.place import result_places
from diffbio_engine.data import CellSource, Dataset, Fields, open_source
from diffbio_engine.declare import DATA_PORTS, Buffer, Dial
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell._doublet_scores import RULES
from diffbio_engine.pipelines import (
    Block,
    DataPort,
    Pipeline,
    PipelineSpec,
    Wire,
    build,
    plan,
    ports_of,
    prepare,
    presets,
)
from diffbio_engine.pipelines.presets.preset import assembled
from diffbio_engine.training import Stage, Training
from diffbio_engine.training.state import named_arrays

FIELDS = {"counts": "X", "batch_labels": "obs/donor"}


def cells_of(seed, n_cells=60, donors=("a", "b")):
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2.0, 2.0, (3, 12))[rng.integers(3, size=n_cells)]
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(rates).astype(np.float32)))
    adata.var_names = [f"GENE{i}" for i in range(12)]
    adata.obs["donor"] = [donors[i % len(donors)] for i in range(n_cells)]
    return adata


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    spec = PipelineSpec(
        name="Small",
        blocks=(
            Block("normalize", "normalization.vae_normalizer", {"latent_dim": 4, "hidden_dim": 16}),
            Block("harmony", "singlecell.harmony", {"n_clusters": 3, "n_iterations": 2}),
            Block("cluster", "singlecell.soft_kmeans", {"n_clusters": 3}),
        ),
        wires=(
            Wire("data.counts", "normalize.counts"),
            Wire("normalize.latent", "harmony.embeddings"),
            Wire("data.batch_labels", "harmony.batch_labels"),
            Wire("harmony.corrected_embeddings", "cluster.embeddings"),
        ),
    )
    source = open_source(Dataset.from_anndata(cells_of(0)), Fields(FIELDS), tuple(FIELDS))
    pipeline = Pipeline(plan(spec, ports_of(source, {"batch_labels": 2})), seed=1)
    training = Training(pipeline, source, (Stage(steps=10),), batch_size=32)
    list(training)
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    save_bundle(folder, training.sync(), source, FIELDS, {"steps": 10})
    return folder, training.sync(), source


def test_genes_that_one_file_lacks_are_looked_at_again_in_the_next():
    told = []
    block = SimpleNamespace(look_past=lambda missing: told.append(missing.tolist()) or True)
    pipeline = SimpleNamespace(plan=SimpleNamespace(blocks=["m"]), blocks={"m": block})
    (said,) = _looking_past(pipeline, np.array([True, False]))
    assert said == "m does not look at missing genes, nor take them for silent."
    assert _looking_past(pipeline, np.array([False, False])) == []
    assert told == [[True, False], [False, False]]


def test_the_loaded_pipeline_gives_the_same_numbers(trained):
    folder, pipeline, source = trained
    here = result_arrays(pipeline, source).arrays
    there = place_cells(load_bundle(folder), Dataset.from_anndata(cells_of(0))).arrays
    assert set(here) == set(there) and "obsm/X_latent" in here
    for place in here:
        # To the last bit but one: two compilations may add in another order.
        np.testing.assert_allclose(here[place], there[place], rtol=1e-5, atol=1e-6, err_msg=place)


def test_dense_layers_above_50_mb_are_left_out_unless_asked_for(trained, monkeypatch):
    _, pipeline, source = trained
    assert "normalized_diffbio" in result_arrays(pipeline, source).layers
    monkeypatch.setattr("diffbio_engine.bundles.place._LAYER_LIMIT", source.n_cells * 12 * 4 - 1)
    found = result_arrays(pipeline, source)
    assert not found.layers
    assert "The layer normalized_diffbio was left out: 60 cells x 12 genes" in found.sentence
    assert "--layers all" in found.sentence
    assert "normalized_diffbio" in result_arrays(pipeline, source, layers="all").layers


def test_cells_without_counts_are_in_no_cluster(trained):
    folder, _, _ = trained
    new = cells_of(3)
    new.X[4] = 0
    placed = place_cells(load_bundle(folder), Dataset.from_anndata(new))
    shares = placed.arrays["obsm/cluster_diffbio_prob"]
    assert np.flatnonzero(np.isnan(shares).all(axis=1)).tolist() == [4]
    assert "1 of 60 cells have no counts in these genes: they are in no cluster" in placed.sentence


def test_genes_in_another_order_make_no_difference(trained):
    folder, _, _ = trained
    new = cells_of(3)
    order = np.random.default_rng(0).permutation(new.n_vars)
    one = place_cells(load_bundle(folder), Dataset.from_anndata(new)).arrays
    two = place_cells(load_bundle(folder), Dataset.from_anndata(new[:, order].copy())).arrays
    np.testing.assert_allclose(one["obsm/X_latent"], two["obsm/X_latent"], atol=1e-6)


def test_missing_genes_are_stated_and_no_shared_genes_is_an_error(trained):
    folder, _, _ = trained
    new = cells_of(3)[:, :9].copy()
    placed = place_cells(load_bundle(folder), Dataset.from_anndata(new))
    assert "3" in placed.sentence and "9" in placed.sentence
    other = cells_of(3)
    other.var_names = [f"other{i}" for i in range(12)]
    with pytest.raises(DataError, match="GENE0"):
        place_cells(load_bundle(folder), Dataset.from_anndata(other))


def test_batches_are_matched_by_name_and_unknown_ones_are_stated(trained):
    folder, _, _ = trained
    swapped = cells_of(3, donors=("b", "a"))
    renamed = swapped.copy()
    renamed.obs["donor"] = renamed.obs["donor"].replace("a", "c")
    known = place_cells(load_bundle(folder), Dataset.from_anndata(swapped))
    unknown = place_cells(load_bundle(folder), Dataset.from_anndata(renamed))
    assert "did not see" not in known.sentence
    assert "30 of 60 cells are of batch labels that training did not see ('c')" in unknown.sentence
    same = (swapped.obs["donor"] == "b").to_numpy()
    place = "obsm/X_corrected_diffbio"
    np.testing.assert_allclose(known.arrays[place][same], unknown.arrays[place][same], atol=1e-6)
    np.testing.assert_allclose(
        unknown.arrays[place][~same], unknown.arrays["obsm/X_latent"][~same], atol=1e-6
    )


def test_a_file_without_the_batch_column_is_placed_uncorrected_and_says_so(trained):
    new = cells_of(3)
    del new.obs["donor"]
    placed = place_cells(load_bundle(trained[0]), Dataset.from_anndata(new))
    assert "--field batch_labels=obs/COLUMN" in placed.sentence


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "pipeline.json", "genes.tsv", "example.py", "README.md"]
)
def test_a_changed_file_is_refused(trained, tmp_path, name):
    import shutil

    copy = shutil.copytree(trained[0], tmp_path / "bundle")
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    with pytest.raises(DataError, match=f"{name} of the bundle is missing or was changed"):
        load_bundle(copy)


def test_the_example_is_never_run_and_an_older_bundle_without_its_hash_still_opens(
    trained, tmp_path, monkeypatch
):
    import shutil

    copy = shutil.copytree(trained[0], tmp_path / "bundle")
    manifest = json.loads((copy / "manifest.json").read_text())
    for name in ("example.py", "README.md"):
        del manifest["sha256"][name]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "example.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(copy)
    load_bundle(copy)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_bundle_or_a_newer_one_is_refused_in_words(trained, tmp_path):
    import shutil

    with pytest.raises(DataError, match="is not a bundle"):
        load_bundle(tmp_path)
    copy = shutil.copytree(trained[0], tmp_path / "bundle")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"schema": 2}))
    with pytest.raises(DataError, match="has schema 2; this workbench reads up to 1"):
        load_bundle(copy)


def test_of_several_maps_the_result_of_the_pipeline_has_the_plain_name():
    data = {
        "counts": DataPort(DATA_PORTS["counts"], (200,), 0),
        "batch_labels": DataPort(DATA_PORTS["batch_labels"], (), 3),
    }
    pipeline = Pipeline(plan(presets()["integration"].make(None), data), seed=0)
    places = result_places(pipeline)
    assert places["umap_harmony.embedding"] == "obsm/X_umap_diffbio"
    assert places["umap_uncorrected.embedding"] == "obsm/X_umap_diffbio_umap_uncorrected"
    assert len(set(places.values())) == len(places)


def test_a_phate_map_goes_home_with_the_result():
    data = {
        "counts": DataPort(DATA_PORTS["counts"], (200,), 0),
        "time_points": DataPort(DATA_PORTS["time_points"], (), 0),
        "labels": DataPort(DATA_PORTS["labels"], (), 3),
    }
    pipeline = Pipeline(plan(presets()["trajectory"].make(None), data), seed=0)
    assert result_places(pipeline)["phate.embedding"] == "obsm/X_phate_diffbio"


@pytest.mark.parametrize("operator", ["mmd_batch_correction", "wgan_batch_correction"])
def test_single_numbers_are_single_numbers_again_and_the_block_that_has_them_is_applied(
    operator, tmp_path
):
    settings = {"latent_dim": 3, "hidden_dim": 8}
    blocks = {"correct": (f"singlecell.{operator}", settings)}
    wires = {"correct.expression": "data.counts", "correct.batch_labels": "data.batch_labels"}
    source = open_source(Dataset.from_anndata(cells_of(0)), Fields(FIELDS), tuple(FIELDS))
    spec = assembled("Correct", blocks, wires, None)
    pipeline = Pipeline(plan(spec, ports_of(source, {"batch_labels": 2})), seed=1)
    prepare(pipeline, source)
    save_bundle(tmp_path / "bundle", pipeline, source, FIELDS, {"steps": 0})
    bundle = load_bundle(tmp_path / "bundle")
    kinds = (nnx.Param, Dial, Buffer)
    before, after = (named_arrays(p, kinds) for p in (pipeline, bundle.pipeline))
    assert {k: v.shape for k, v in before.items()} == {k: v.shape for k, v in after.items()}
    here = result_arrays(pipeline, source)
    there = place_cells(bundle, Dataset.from_anndata(cells_of(0)))
    for key, value in {**here.arrays, **here.layers}.items():
        found = there.arrays.get(key, there.layers.get(key))
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5, err_msg=key)


def test_scores_of_gene_pairs_go_home_under_the_names_of_the_pairs():
    counts = np.random.default_rng(0).poisson(3.0, (30, 6)).astype(np.float32)
    pairs = np.array([[0, 1], [2, 3], [0, 1]], np.int32)
    cells = CellSource(
        counts,
        {"labels": (np.arange(30) % 2).astype(np.int32)},
        {"lr_pairs": pairs},
        label_names={"labels": ["T", "B"], "lr_pairs": ["L1_R1", "L2/R2", "L1_R1"]},
    )
    blocks = {"talk": ("singlecell.ligand_receptor", {"n_neighbors": 3, "n_permutations": 50})}
    wires = {f"talk.{n}": f"data.{n}" for n in ("counts", "labels", "lr_pairs")}
    spec = assembled("Talk", blocks, wires, None)
    pipeline = build(spec, ports_of(cells, {"labels": 2, "lr_pairs": 3}))
    prepare(pipeline, cells)
    table = result_arrays(pipeline, cells).arrays["obsm/lr_scores_diffbio"]
    assert list(table.columns) == ["L1_R1", "L2|R2", "L1_R1-1"] and len(table) == 30


def test_the_rule_of_a_call_goes_home_with_the_result(monkeypatch):
    from diffbio_engine.operators.singlecell import DifferentiableDoubletScorer

    monkeypatch.setattr(DifferentiableDoubletScorer, "prepare_cells", 20)
    counts = np.random.default_rng(0).poisson(3.0, (40, 12)).astype(np.float32)
    cells = CellSource(counts)
    settings = {"n_neighbors": 3, "n_pca_components": 4}
    blocks = {"doublets": ("singlecell.doublet_scorer", settings)}
    spec = assembled("Doublets", blocks, {"doublets.counts": "data.counts"}, None)
    pipeline = build(spec, ports_of(cells, {}))
    prepare(pipeline, cells)
    # Half of the cells were looked at: the expected rate is told of all of them.
    assert pipeline.blocks["doublets"].share_seen == 0.5
    rules = result_arrays(pipeline, cells).provenance["rules"]["doublets"]
    assert rules["expected_rate"] == pytest.approx(0.008)
    assert rules["threshold_rule"] in RULES and 0 < rules["threshold"] <= 1


def test_a_table_of_the_genes_trained_on_is_laid_among_all_genes_of_the_file():
    every = SimpleNamespace(n_genes=4)
    cells = SimpleNamespace(columns=np.array([2, 0]), n_genes=2, of_all_genes=every)
    few = pd.DataFrame({"a": [1e-300, 2.0], "b": [3.0, 4.0]}).rename_axis(columns="cluster")
    wide = of_all_genes(cells, few)
    np.testing.assert_array_equal(wide["a"], [2.0, np.nan, 1e-300, np.nan])
    assert wide.columns.name == "cluster"
