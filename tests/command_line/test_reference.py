"""A run with a second data set: cells named by its types, and applied without it afterwards."""

import json

import anndata
import numpy as np
import pytest

from diffbio_engine.errors import DataError, RunError
from diffbio_engine.runs.folder.paths import RunFolder
from diffbio_engine.runs.folder.preview_folder import PreviewFolder
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.open_run import open_run
from diffbio_engine.runs.worker.preview import Previewing
from tests.command_line.small_run import N_CELLS, N_GENES, cells, pipeline_document, said

BY_REFERENCE = pipeline_document(
    blocks=[
        {
            "id": "annotate",
            "operator": "singlecell.cell_annotator",
            "config": {"annotation_mode": "singler"},
        },
        {"id": "cluster", "operator": "singlecell.soft_kmeans", "config": {"n_clusters": 3}},
    ],
    wires=[
        {"source": "data.counts", "target": "annotate.counts"},
        {"source": "reference.profiles", "target": "annotate.reference_profiles"},
        {"source": "data.embeddings", "target": "cluster.embeddings"},
    ],
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Cells without labels; a reference with other genes too, in another order, its types known."""
    folder = tmp_path_factory.mktemp("inputs")
    new = cells()
    new.obs = new.obs.rename(columns={"kind": "truth"})[["batch", "truth"]]
    new.obsm["X_pca"] = np.random.default_rng(0).normal(size=(N_CELLS, 4)).astype(np.float32)
    new.write_h5ad(folder / "cells.h5ad")
    # The same rates by the same gene: it lacks two, and has five that the cells have not.
    known = cells(n=90, seed=5)
    known.var_names = [f"GENE{g}" if g < N_GENES - 2 else f"OTHER{g}" for g in range(N_GENES)]
    known = known[:, np.random.default_rng(1).permutation(N_GENES)].copy()
    known.write_h5ad(folder / "atlas.h5ad")
    (folder / "pipeline.json").write_text(json.dumps(BY_REFERENCE))
    return folder


def arguments(folder, out, *more):
    where = "--pipeline", folder / "pipeline.json", "--data", folder / "cells.h5ad"
    return "run", *where, "--out", out, "--steps", 4, "--quiet", *more


def test_cells_get_types_of_the_reference_and_new_ones_do_without_it(inputs, tmp_path):
    out = tmp_path / "run"
    chosen = "--reference", inputs / "atlas.h5ad", "--field", "reference.labels=obs/kind"
    chosen += "--reference-read", "rows=cells"
    code, told, mistakes = said(*arguments(inputs, out, *chosen))
    assert code == 0, mistakes
    assert "Reference: atlas.h5ad (counts <- X, labels <- obs/kind)" in told
    assert "28 of 30 genes of the data are in the reference atlas.h5ad." in mistakes
    result = anndata.read_h5ad(out / "result.h5ad")
    named = result.obs["cell_type_diffbio"].astype(str)
    assert np.mean(named == result.obs["truth"].astype(str)) > 0.95
    beside = json.loads(result.uns["diffbio"]["beside"])
    assert beside["reference"]["name"] == "atlas.h5ad"
    assert beside["reference"]["fields"] == {"counts": "X", "labels": "obs/kind"}
    (inputs / "atlas.h5ad").rename(inputs / "away.h5ad")
    try:
        again = tmp_path / "again.h5ad"
        code, _, mistakes = said("apply", out / "bundle", inputs / "cells.h5ad", "--out", again)
    finally:
        (inputs / "away.h5ad").rename(inputs / "atlas.h5ad")
    assert code == 0, mistakes
    placed = anndata.read_h5ad(again)
    assert list(placed.obs["cell_type_diffbio"].astype(str)) == list(named)
    (out / "preview").mkdir()
    preview = Previewing(PreviewFolder(RunFolder(out)))
    assert preview._trained()[0].plan.spec.name == "Small"
    (inputs / "atlas.h5ad").rename(inputs / "away.h5ad")
    try:
        other = anndata.read_h5ad(inputs / "away.h5ad")
        other.X = other.X * 2
        other.write_h5ad(inputs / "atlas.h5ad")
        with pytest.raises(RunError, match="the profiles of the reference are others"):
            preview._trained()
    finally:
        (inputs / "away.h5ad").replace(inputs / "atlas.h5ad")


def test_of_variable_genes_it_is_said_how_many_a_reference_has(inputs):
    data = {
        "path": str(inputs / "cells.h5ad"),
        "fields": {"counts": "X", "embeddings": "obsm/X_pca"},
    }
    atlas = {"path": str(inputs / "atlas.h5ad"), "fields": {"counts": "X", "labels": "obs/kind"}}
    document = {**BY_REFERENCE, "variable_genes": 12}
    spec = RunSpec(document, data, {"reference": atlas})
    opened = open_run(spec)
    profiles = opened.cells.per_dataset["reference.profiles"]
    n = int((profiles > 0).any(axis=0).sum())
    n_genes = profiles.shape[1]  # three more at most tell the types apart
    assert 12 <= n_genes <= 15 and 8 < n <= n_genes
    assert (
        opened.cells.notes[-1]
        == f"{n} of the {n_genes} genes that are trained on are in the reference."
    )
    gone = {**atlas, "path": str(inputs / "gone.h5ad")}
    with pytest.raises(DataError, match=r"reference: There is no file .*gone"):
        open_run(RunSpec(document, data, {"reference": gone}))
    told = json.loads(json.dumps(spec.to_json())) | {"beside": ["what another version wrote"]}
    with pytest.raises(RunError, match="needs the reference, a second data set"):
        open_run(RunSpec.from_json(told))


def test_what_is_wrong_with_a_reference_is_said_before_a_run_begins(inputs, tmp_path):
    out, atlas = tmp_path / "none", inputs / "atlas.h5ad"
    mistakes = {
        (): "reference: The pipeline needs the reference, a second data set.",
        ("--field", "reference.labels=obs/kind"): "--field names reference. Add --reference FILE.",
        ("--reference", atlas, "--field", "reference.labels="): "labels: It is not known where",
        ("--reference", atlas, "--field", "reference.labels=obs/no"): "no",
        ("--reference", atlas, "--field", "atlas.labels=obs/kind"): "there is no field",
        ("--reference-read", "rows=cells"): "--reference-read names reference. Add --reference",
        ("--reference", atlas, "--reference-read", "rows"): "does not say how a file is read",
        ("--reference", atlas, "--reference-read", "rowz=cells"): "Did you mean 'rows'?",
    }
    for more, words in mistakes.items():
        code, _, wrong = said(*arguments(inputs, out, *more))
        assert code == 1 and words in wrong and not out.exists(), (more, wrong)
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(pipeline_document()))
    code, _, wrong = said(
        *("run", "--pipeline", plain, "--data", inputs / "cells.h5ad", "--out", out),
        *("--reference", atlas),
    )
    assert code == 1 and "Nothing in the pipeline 'Small' is wired to reference" in wrong
