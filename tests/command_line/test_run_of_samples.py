"""A run of few bulk samples, from the table to what goes home, and new samples placed by it."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from diffbio_engine.errors import UserError
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.open_run import check_run
from tests.command_line.small_run import cells, pipeline_document, run_of, said


def samples_in(path, n, seed=0):
    """A table of so few genes that nothing but a person says that its rows are samples."""
    table = cells(n, seed)
    names = [f"P{i}" for i in range(n)]
    pd.DataFrame(table.X.toarray().astype(int), names, table.var_names).to_csv(path)


def test_a_run_of_eight_samples_speaks_of_samples_and_places_new_ones(tmp_path):
    samples_in(tmp_path / "old.csv", 8)
    samples_in(tmp_path / "new.csv", 5, seed=1)
    document = pipeline_document()
    document["blocks"][1]["config"]["n_clusters"] = 2
    (tmp_path / "pipeline.json").write_text(json.dumps(document))
    out, way = tmp_path / "run", ("--rows", "samples", "--orientation", "cells")
    code, told, mistakes = said(
        "run", "--pipeline", tmp_path / "pipeline.json", "--data", tmp_path / "old.csv", *way,
        "--out", out, "--steps", 60, "--quiet",
    )  # fmt: skip
    assert code == 0, mistakes
    assert "With 8 samples a network learns them by heart" in told
    result = anndata.read_h5ad(out / "result.h5ad")
    assert result.shape == (8, 30) and np.isfinite(result.obsm["X_latent"]).all()
    table = pd.read_csv(out / "result_samples.csv")
    assert list(table["sample"]) == [f"P{i}" for i in range(8)]
    assert list(table["cluster_diffbio"]) == list(result.obs["cluster_diffbio"].astype(int))
    made = tmp_path / "placed.h5ad"
    code, told, mistakes = said("apply", out / "bundle", tmp_path / "new.csv", "--out", made, *way)
    assert code == 0, mistakes
    assert "5 samples placed" in told and "trained on" not in told
    assert (tmp_path / "placed_samples.csv").exists()
    as_cells = ("--rows", "cells", "--orientation", "cells")
    code, told, _ = said(
        "apply", out / "bundle", tmp_path / "new.csv", "--out", tmp_path / "cells.h5ad", *as_cells
    )
    assert code == 0 and "was trained on samples; the rows of new.csv are cells" in told


def test_a_run_of_three_samples_is_refused_before_it_begins(tmp_path):
    samples_in(tmp_path / "few.csv", 3)
    way = {"rows": "samples", "orientation": "cells in rows"}
    data = {"path": str(tmp_path / "few.csv"), "name": "few.csv", "fields": {"counts": "X"}}
    with pytest.raises(UserError, match=r"few\.csv has 3 samples; a run needs 4 at least"):
        check_run(RunSpec.from_json(run_of(tmp_path, dataset={**data, "reading": way})))
