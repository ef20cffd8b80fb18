"""Quality control: scanpy's metrics, the published rule's limits, and what is left of the data."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import median_abs_deviation

from diffbio_engine.data import Dataset, open_source, read, write_result
from diffbio_engine.data.matrix import matrices
from diffbio_engine.data.quality import (
    automatic_limits,
    filtered,
    judged,
    measured,
    methods_text,
)
from diffbio_engine.errors import DataError, PipelineError
from diffbio_engine.ports.quality_control import Limit, QualityControl

GENES = ["MT-ND1", "MTOR", "mt-Co1", "MT1A", *(f"GENE{i}" for i in range(40))]
MITO = ["MT-ND1", "mt-Co1"]
CONTROL = QualityControl(
    (
        Limit("n_genes_by_counts", 12.0),
        Limit("pct_counts_mt", None, 12.0),
        Limit("pct_counts_mt", None, 7.0, "B"),
        Limit("doublet_score", None, 0.9),
    ),
    samples="obs/sample",
    least_cells=9,
)


def cells(dtype=np.float32, n=300):
    """Cells of three samples, some of which are empty, broken or doublets."""
    random = np.random.default_rng(4)
    depth = random.gamma(3.0, 0.4, n)
    counts = random.poisson(random.gamma(0.7, 1.0, len(GENES)) * depth[:, None])
    counts[:, 0] += random.poisson(3.0, n) * (random.random(n) < 0.4)
    counts[5] = 0
    matrix = sp.csr_matrix(counts.astype(dtype))
    matrix.data[7] = 0  # a zero that is stored is no gene
    adata = anndata.AnnData(
        matrix,
        obs=pd.DataFrame(
            {
                "sample": pd.Categorical(np.array(list("ABC"))[random.integers(0, 3, n)]),
                "rare": pd.Categorical(["gone" if i == 5 else "kept" for i in range(n)]),
                "doublet_score": random.random(n),
            },
            index=[f"cell{i}" for i in range(n)],
        ),
        var=pd.DataFrame({"chromosome": ["MT", "1", "MT", *"2" * 41]}, index=GENES),
        layers={"twice": matrix * 2, "dense": counts.astype(np.float32)},
        obsm={"X_pca": random.normal(size=(n, 3))},
        varm={"PCs": random.normal(size=(len(GENES), 3))},
        obsp={"distances": sp.random(n, n, 0.02, "csr", rng=1)},
        uns={"rare_colors": np.array(["#112233", "#445566"], dtype=object)},
    )
    return adata


def by_scanpy(adata):
    import scanpy

    adata = adata.copy()
    adata.var["mt"] = adata.var_names.isin(MITO)
    scanpy.pp.calculate_qc_metrics(
        adata, qc_vars=["mt"], percent_top=None, log1p=False, inplace=True
    )
    return adata


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_the_metrics_are_those_of_scanpy_to_the_last_digit(tmp_path, dtype):
    cells(dtype).write_h5ad(tmp_path / "cells.h5ad")
    dataset, expected = read(tmp_path / "cells.h5ad"), by_scanpy(cells(dtype)).obs
    for _ in range(2):  # asked again, the counts are in memory, in 32 bits
        found = measured(dataset)
        for name in ("n_genes_by_counts", "total_counts", "pct_counts_mt"):
            np.testing.assert_array_equal(found.values[name], expected[name], err_msg=name)
    assert found.values["pct_counts_mt"].dtype == (np.float32 if dtype == np.float32 else float)
    assert np.isnan(found.values["pct_counts_mt"]).tolist().index(True) == 5
    assert found.mitochondrial == (
        "2 mitochondrial genes were found by their names (MT- and mt-...)."
    )
    marked = measured(dataset, mitochondrial="var/chromosome")
    np.testing.assert_array_equal(marked.values["pct_counts_mt"], expected["pct_counts_mt"])
    plain = Dataset.from_anndata(cells()[:, 3:].copy())
    assert "No mitochondrial gene was found: no name begins" in measured(plain).mitochondrial


def test_automatic_limits_remove_what_the_published_rule_calls_outliers():
    found = measured(Dataset.from_anndata(cells(n=900))).values
    codes = np.arange(900) % 2
    limits = automatic_limits(found, codes, ["A", "B"], mads=2.0, mads_mitochondrial=2.0)
    for name, rows in (("", slice(None)), ("A", codes == 0), ("B", codes == 1)):
        for metric in ("n_genes_by_counts", "total_counts"):
            values = np.log1p(found[metric][rows].astype(float))
            away = np.abs(values - np.median(values)) > 2.0 * median_abs_deviation(values)
            limit = QualityControl(limits).limit(metric, name)
            alone = QualityControl((Limit(metric, limit.least, limit.most),))
            kept = judged(alone, {metric: found[metric][rows]}).kept
            np.testing.assert_array_equal(kept, ~away)
            assert 0 < away.sum() < len(away) / 2
    share = found["pct_counts_mt"].astype(float)
    share = share[np.isfinite(share)]
    most = min(np.median(share) + 2.0 * median_abs_deviation(share), 20.0)
    assert most <= QualityControl(limits).limit("pct_counts_mt").most <= most + 0.01
    # Numbers so large that one more is the same end, too.
    huge = {m: 10.0 ** np.arange(38) for m in ("n_genes_by_counts", "total_counts")}
    assert automatic_limits(huge | {"pct_counts_mt": np.zeros(38)})[0].most > 1e60


def test_a_limit_is_compared_in_the_precision_of_the_file_as_pandas_does():
    share = pd.Series([12.34, 12.35, np.nan], dtype=np.float32)
    control = QualityControl((Limit("pct_counts_mt", None, 12.34),))
    kept = judged(control, {"pct_counts_mt": share.to_numpy()}).kept
    assert kept.tolist() == (share <= 12.34).tolist() == [True, False, False]


@pytest.mark.parametrize("on_disk", [False, True])
def test_what_is_left_is_what_scanpy_leaves(tmp_path, monkeypatch, on_disk):
    import scanpy

    cells().write_h5ad(tmp_path / "cells.h5ad")
    if on_disk:
        monkeypatch.setattr(matrices, "IN_MEMORY_LIMIT", 0)
    left = filtered(read(tmp_path / "cells.h5ad"), CONTROL)
    obs = (whole := by_scanpy(cells())).obs
    limit = np.where(obs["sample"] == "B", 7.0, 12.0)
    expected = whole[
        (obs["n_genes_by_counts"] >= 12) & (obs["pct_counts_mt"] <= limit)
        & (obs["doublet_score"] <= 0.9)
    ].copy()  # fmt: skip
    scanpy.pp.filter_genes(expected, min_cells=9)
    assert 100 < expected.n_obs < 280 and expected.n_vars < len(GENES)

    written = write_result(left.dataset, tmp_path / "out.h5ad", {}, {})
    got = anndata.read_h5ad(written.path)
    assert got.obs_names.equals(expected.obs_names) and got.var_names.equals(expected.var_names)
    for here, there in ((got.X, expected.X), (got.layers["twice"], expected.layers["twice"])):
        np.testing.assert_array_equal(here.toarray(), there.toarray())
    np.testing.assert_array_equal(got.layers["dense"], expected.layers["dense"])  # dense as before
    np.testing.assert_array_equal(got.obsm["X_pca"], expected.obsm["X_pca"])
    np.testing.assert_array_equal(got.varm["PCs"], expected.varm["PCs"])
    assert (got.obsp["distances"] != expected.obsp["distances"]).nnz == 0
    # The category that only a removed cell had is gone, and its colour.
    assert list(got.obs["rare"].cat.categories) == list(expected.obs["rare"].cat.categories)
    assert list(got.uns["rare_colors"]) == ["#445566"]

    n, of = expected.n_obs, whole.n_obs
    assert left.notes[0].startswith(f"Quality control keeps {n} of {of} cells: ")
    assert "larger share of mitochondrial counts than the limit of their sample" in left.notes[0]
    assert f"{expected.n_vars} of 44 genes are kept" in " ".join(left.notes)
    assert left.facts["per_sample"]["B"][1] == (expected.obs["sample"] == "B").sum()
    assert json.loads(json.dumps(left.facts))["kept"] == n
    # Rows are drawn from as they lie in the file.
    records = open_source(left.dataset, {"counts": "X"}, ["counts"])
    assert records.backed == on_disk
    np.testing.assert_array_equal(
        records.rows("counts", [7, 0, 99]), expected.X[[7, 0, 99]].todense()
    )
    assert records.record_names[7] == f"cell{records.in_file(None)[7]}"


def test_new_data_are_held_against_the_same_limits_and_what_they_lack_is_said():
    new = cells()
    new.obs = new.obs.drop(columns=["doublet_score", "sample"])
    left = filtered(Dataset.from_anndata(new), CONTROL, is_new=True)
    obs = by_scanpy(cells()).obs
    assert left.dataset.n_cells == ((obs.n_genes_by_counts >= 12) & (obs.pct_counts_mt <= 12)).sum()
    assert left.dataset.n_genes == len(GENES)  # those are matched with the trained ones
    said = " ".join(left.notes)
    assert (
        "has no column of doublet scores, of which there is a limit: by doublet scores, no" in said
    )
    assert "has no obs/sample: the limits for all samples are used" in said
    with pytest.raises(DataError, match=r"cannot be done: .* no column of doublet scores"):
        filtered(Dataset.from_anndata(new), CONTROL)
    own = QualityControl((Limit("total_counts", 1.0, None, "A"),), samples="obs/sample")
    said = filtered(Dataset.from_anndata(cells()), own, is_new=True).notes[1]
    assert said.startswith("Samples without limits of their own (B, C): none is removed, as no")
    # Without mitochondrial genes the empty cell is not removed for its share, nor any other.
    unknown = QualityControl((Limit("pct_counts_mt", 1.0, 12.0),))
    left = filtered(Dataset.from_anndata(cells()[:, 3:].copy()), unknown, is_new=True)
    assert left.dataset.n_cells == 300 and "By mitochondrial counts, no cell is" in left.notes[1]
    nobody = QualityControl((Limit("total_counts", 1e6),))
    with pytest.raises(DataError, match="Quality control keeps 0 of 300 cells: 300 have fewer"):
        filtered(Dataset.from_anndata(cells()), nobody)
    logged = cells()
    logged.X = np.log1p(logged.X.toarray())
    with pytest.raises(DataError, match="needs raw counts"):
        filtered(Dataset.from_anndata(logged), CONTROL)


def test_the_document_keeps_the_limits_and_refuses_what_cannot_be():
    again = QualityControl.from_json(json.loads(json.dumps(CONTROL.to_json())))
    assert again == CONTROL and QualityControl.from_json({}) == QualityControl()
    limit = {"metric": "total_counts", "least": 1, "most": None}
    for wrong, sentence in [
        ({"limits": [{**limit, "metric": "total_count"}]}, "Did you mean 'total_counts'?"),
        ({"limits": [{**limit, "least": float("inf")}]}, "total_counts, least is inf"),
        ({"limits": [{**limit, "most": 0}]}, "cannot be at least 1 and at most 0"),
        ({"limits": [limit, limit]}, "total_counts has 2 limits"),
        ({"limits": [{**limit, "sample": "A"}]}, "and no column names the samples"),
        ({"samples": "/etc/passwd"}, "is no column of obs"),
        ({"least_cells": -1}, "-1 is no number of cells"),
        (["no"], "is no quality control"),
    ]:
        with pytest.raises(PipelineError) as refused:
            QualityControl.from_json(wrong)
        assert sentence in str(refused.value)


def test_the_paragraph_for_a_paper_has_every_number():
    found = measured(Dataset.from_anndata(cells()))
    names, codes = ["A", "B", "C"], cells().obs["sample"].cat.codes.to_numpy()
    result = judged(CONTROL, found.values, codes, names)
    text = methods_text(CONTROL, result, n_mitochondrial=found.n_mitochondrial, genes=(30, 44))
    a, *_ = result.samples
    for words in (
        "For each of 300 cells of 3 samples",
        "share of mitochondrial counts (2 genes)",
        "detected genes of at least 12 (limits set by hand, the same for all samples)",
        "B: of at most 7 %",
        f"{result.n} of 300 cells were kept (A: {a[2]} of {a[1]};",
        "Genes detected in fewer than 9 of these cells were removed (30 of 44 were kept)",
        "Genome Biol 19, 15 (2018)",
    ):
        assert words in text
    assert "[2]" not in text  # no limit is automatic
    own = QualityControl((Limit("pct_counts_mt", None, 7.0),), mitochondrial="obs/percent_mt")
    assert "was taken from the column 'percent_mt'" in methods_text(own, result)
