"""A run whose document has limits trains on the cells that pass them, and so does `apply`."""

import json
import runpy
import sys

import anndata
import numpy as np
import pytest

from diffbio_engine.bundles import load_bundle, save_bundle
from diffbio_engine.data import read
from diffbio_engine.data.quality import filtered
from diffbio_engine.errors import SettingError
from diffbio_engine.pipelines import Block, PipelineSpec
from diffbio_engine.ports.quality_control import Limit, QualityControl
from diffbio_engine.runs.folder.paths import RunFolder
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.folder.snapshots import load_snapshot
from diffbio_engine.runs.folder.writer import EXIT_DONE
from diffbio_engine.runs.worker.chosen_cells import cells_that_are_kept, chosen_by_nobody
from diffbio_engine.runs.worker.open_run import open_run
from diffbio_engine.runs.worker.train import work
from tests.command_line.small_run import cells, pipeline_document, run_of, said

CONTROL = QualityControl((Limit("total_counts", 40.0, 75.0),), least_cells=60)


def passes(adata):
    totals = np.asarray(adata.X.sum(axis=1)).ravel()
    return (totals >= 40) & (totals <= 75)


def test_a_run_and_its_bundle_leave_out_what_the_limits_remove(tmp_path, monkeypatch):
    whole = cells()
    whole.write_h5ad(tmp_path / "cells.h5ad")
    document = pipeline_document(schema=2, quality_control=CONTROL.to_json())
    facts = run_of(tmp_path, pipeline=document, steps=3, title="Small on cells")
    folder = RunFolder.create(tmp_path / "run", facts)
    assert work(folder.path) == EXIT_DONE

    kept = passes(whole)
    assert 40 < kept.sum() < 110
    shown = load_snapshot(folder.snapshots)
    np.testing.assert_array_equal(shown.rows, np.flatnonzero(kept))  # rows of the file
    result = anndata.read_h5ad(folder.result)
    expected = whole[kept]
    expected = expected[:, np.asarray((expected.X > 0).sum(axis=0)).ravel() >= 60]
    assert result.obs_names.equals(expected.obs_names) and expected.n_vars < 30
    assert result.var_names.equals(expected.var_names)
    np.testing.assert_array_equal(result.X.toarray(), expected.X.toarray())
    told = json.loads(result.uns["diffbio"]["quality_control"])
    assert (told["kept"], told["of"]) == (kept.sum(), 120)
    assert json.loads(result.uns["diffbio"]["pipeline"])["quality_control"]["least_cells"] == 60
    events = map(json.loads, folder.events_file.read_text().splitlines())
    (left,) = [e for e in events if e["kind"] == "results"]
    said_of_it = f"Quality control keeps {kept.sum()} of 120 cells: "
    assert any(note.startswith(said_of_it) for note in left["notes"])

    new = cells(50, seed=3)
    new.write_h5ad(tmp_path / "new.h5ad")
    code, out, mistakes = said(
        "apply", folder.bundle, tmp_path / "new.h5ad", "--out", tmp_path / "placed.h5ad"
    )
    assert code == 0, mistakes
    assert f"Quality control keeps {passes(new).sum()} of 50 cells" in out
    assert f"{passes(new).sum()} cells placed" in out
    placed = anndata.read_h5ad(tmp_path / "placed.h5ad")
    assert placed.obs_names.equals(new.obs_names[passes(new)]) and placed.n_vars == 30
    assert np.isfinite(placed.obsm["X_latent"]).all()
    # The example in the bundle is carried out as it stands there.
    files = [str(tmp_path / name) for name in ("new.h5ad", "own.h5ad")]
    monkeypatch.setattr(sys, "argv", ["example.py", *files])
    runpy.run_path(str(folder.bundle / "example.py"))
    assert anndata.read_h5ad(tmp_path / "own.h5ad").obs_names.equals(placed.obs_names)


def test_a_chosen_cell_is_a_row_of_the_file_and_must_be_kept(tmp_path):
    whole = cells()
    whole.write_h5ad(tmp_path / "cells.h5ad")
    left = filtered(read(tmp_path / "cells.h5ad"), CONTROL).dataset
    kept, gone = np.flatnonzero(passes(whole)), np.flatnonzero(~passes(whole))

    def rooted(cell):
        root = Block("time", "singlecell.pseudotime", {"root_cell_index": int(cell)})
        document = cells_that_are_kept(PipelineSpec("p", (root,)), left.rows_kept)
        return document.block("time").config["root_cell_index"]

    assert rooted(kept[9]) == 9 and rooted(0) == 0
    with pytest.raises(SettingError, match=r"time.root_cell_index: cell .* was removed"):
        rooted(gone[gone > 0][2])

    document = pipeline_document(schema=2, quality_control=CONTROL.to_json())
    order = {"id": "order", "operator": "singlecell.pseudotime"}
    document["wires"] += [{"source": "vae.latent_mean", "target": "order.embeddings"}]
    document["blocks"] += [order | {"config": {"root_cell_index": int(kept[9])}}]
    opened = open_run(RunSpec.from_json(run_of(tmp_path, pipeline=document, steps=3)))
    pipeline = opened.pipeline
    assert pipeline.plan.blocks["order"].config.root_cell_index == 9
    save_bundle(tmp_path / "bundle", pipeline, opened.cells, opened.fields.as_dict(), {})
    carried = load_bundle(tmp_path / "bundle").pipeline.plan.spec
    assert carried.block("order").config["root_cell_index"] == kept[9]  # a row of the file again

    unset = PipelineSpec("p", (Block("order", "singlecell.pseudotime"),))
    (told,) = chosen_by_nobody(unset, np.array([3, 5]))
    assert told.startswith("order.root_cell_index was not set: it is cell 3 of the file, as")
    assert chosen_by_nobody(unset, np.array([0, 5])) == chosen_by_nobody(unset, None) == ()
    first = PipelineSpec("p", (Block("order", "singlecell.pseudotime", {"root_cell_index": 0}),))
    with pytest.raises(SettingError, match="cell 0 was removed"):
        cells_that_are_kept(first, np.array([3, 5]))
