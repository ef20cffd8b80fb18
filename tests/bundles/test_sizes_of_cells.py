"""Which counts levels are per 10,000 of: trained, gone home, applied to new cells, and said."""

import json

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from diffbio_engine.bundles import load_bundle, place_cells, result_arrays, save_bundle
from diffbio_engine.bundles.sizes_of_cells import silent_pairs, told_of_sizes
from diffbio_engine.data import Dataset, Fields, open_source
from diffbio_engine.pipelines import build, ports_of, prepare
from diffbio_engine.pipelines.presets.preset import assembled
from diffbio_engine.runs.worker.open_run import with_variable_genes

PLACES = {"counts": "X", "labels": "obs/type", "lr_pairs": "genes:ligand-receptor-pairs"}
GENES = ["CXCL12", "CXCR4", "CCL5", "CCR5", *(f"G{i}" for i in range(36))]


def cells(n_genes=40, loud=8.0):
    rng = np.random.default_rng(0)
    rates = np.full((60, 40), 2.0)
    rates[:, 4:20] *= rng.gamma(0.5, 2.0, (2, 16))[np.arange(60) % 2]
    rates[::3, 20:] *= loud
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(rates)[:, :n_genes].astype(np.float32)))
    adata.var_names = GENES[:n_genes]
    adata.obs["type"] = [f"type {i % 2}" for i in range(60)]
    return adata


def talk(*, with_totals):
    wires = {f"talk.{n}": f"data.{n}" for n in ("counts", "labels", "lr_pairs")}
    if with_totals:
        wires["talk.total_counts"] = "data.total_counts"
    settings = {"n_permutations": 20, "n_neighbors": 3}
    return assembled("Talk", {"talk": ("singlecell.ligand_receptor", settings)}, wires, None)


def prepared(adata, *, with_totals, n_genes=10):
    fields = (*PLACES, "total_counts") if with_totals else tuple(PLACES)
    source = open_source(Dataset.from_anndata(adata), Fields(PLACES), fields)
    seen = with_variable_genes(source, n_genes)
    pipeline = build(talk(with_totals=with_totals), ports_of(seen, {"labels": 2}), seed=0)
    prepare(pipeline, seen)
    return pipeline, seen


def levels(pipeline):
    return np.asarray(pipeline.blocks["talk"].type_ligands[...])


@pytest.fixture(scope="module")
def trained():
    return prepared(cells(), with_totals=True)


def test_a_pipeline_on_chosen_genes_has_the_levels_that_it_has_on_all(trained):
    pipeline, seen = trained
    assert seen.n_genes < 20 and {"CXCL12", "CCR5"} <= set(seen.var_names)
    on_all, _ = prepared(cells(), with_totals=False, n_genes=0)
    np.testing.assert_allclose(levels(pipeline), levels(on_all), rtol=1e-5)
    as_before, _ = prepared(cells(), with_totals=False)
    assert np.abs(levels(as_before) / levels(on_all) - 1).max() > 0.1


def test_a_result_says_of_which_counts_levels_are(trained):
    pipeline, seen = trained
    middle = float(np.median(cells().X.toarray().sum(axis=1)))
    assert f"in talk are per 10,000 of all counts of a cell (median {middle:,.0f})" in (
        " ".join(result_arrays(pipeline, seen).notes)
    )
    before, some = prepared(cells(), with_totals=False)
    said = " ".join(told_of_sizes(before, some))
    assert f"in talk are per 10,000 counts of the {some.n_genes} genes trained on, not of" in said
    assert "wire total_counts of the data block into talk" in said
    assert told_of_sizes(*prepared(cells(), with_totals=False, n_genes=0)) == []


def test_new_cells_have_the_totals_of_all_genes_of_their_file(trained, tmp_path):
    pipeline, seen = trained
    save_bundle(tmp_path / "bundle", pipeline, seen, PLACES, {"steps": 0})
    bundle = load_bundle(tmp_path / "bundle")
    here = result_arrays(pipeline, seen).arrays["obsm/lr_scores_diffbio"]
    same = place_cells(bundle, Dataset.from_anndata(cells()))
    np.testing.assert_allclose(same.arrays["obsm/lr_scores_diffbio"], here, rtol=1e-4, atol=1e-5)
    assert "Total counts of cells are over" not in same.sentence
    fewer = place_cells(bundle, Dataset.from_anndata(cells(n_genes=30)))
    assert "over the 30 genes of the new file; in training they were over 40" in fewer.sentence


def test_a_bundle_from_before_there_were_totals_opens_and_says_how_it_counts(tmp_path):
    pipeline, seen = prepared(cells(), with_totals=False)
    save_bundle(tmp_path / "bundle", pipeline, seen, PLACES, {"steps": 0})
    fields = json.loads((tmp_path / "bundle/fields.json").read_text())
    assert "total_counts" not in fields
    placed = place_cells(load_bundle(tmp_path / "bundle"), Dataset.from_anndata(cells()))
    here = result_arrays(pipeline, seen).arrays["obsm/lr_scores_diffbio"]
    np.testing.assert_allclose(placed.arrays["obsm/lr_scores_diffbio"], here, rtol=1e-4, atol=1e-5)
    assert (
        f"per 10,000 counts of the {seen.n_genes} genes trained on, not of all" in placed.sentence
    )


def test_pairs_whose_genes_a_new_file_lacks_are_counted_and_said(trained, tmp_path):
    pairs = np.array([[0, 1, -1, -1], [1, 2, 3, -1]])
    assert silent_pairs(pairs, np.array([True] * 4)) == []
    (said,) = silent_pairs(pairs, np.array([True, True, True, False]))
    assert said.startswith("1 of 2 ligand-receptor pairs need a gene that the new file lacks")
    pipeline, seen = trained
    save_bundle(tmp_path / "bundle", pipeline, seen, PLACES, {"steps": 0})
    new = cells()[:, 1:]
    placed = place_cells(load_bundle(tmp_path / "bundle"), Dataset.from_anndata(new.copy()))
    assert "1 of 2 ligand-receptor pairs need a gene" in placed.sentence


def test_arrays_without_totals_need_no_other_document():
    with_totals, without = talk(with_totals=True), talk(with_totals=False)
    source = open_source(Dataset.from_anndata(cells()), Fields(PLACES), tuple(PLACES))
    ports = ports_of(source, {"labels": 2})
    here, there = build(with_totals, ports), build(without, ports)
    assert here.plan.needed_fields == there.plan.needed_fields == ("counts", "labels", "lr_pairs")
