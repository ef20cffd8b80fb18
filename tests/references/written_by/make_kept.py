"""Writes, with the version that is checked out, one of each thing that people keep.

Run once for a version whose files are to open for ever, never again for the same name:
``python tests/references/written_by/make_kept.py 2026-11``

It makes ``data_dir/`` (a workspace: two data sets, a saved pipeline in two versions, a run of
cells that was stopped at step 12 of 20, a finished run of samples), ``presets.json`` (the documents
of all ready pipelines), and ``golden.npz``, computed by the version that wrote them: what the two
bundles say of ``new_cells.csv`` and ``new_samples.csv``, and the losses of the stopped run when it
goes on. Paths in it are those of ``DATA_DIR``.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from diffbio_engine.bundles import load_bundle, place_cells
from diffbio_engine.data import read
from diffbio_engine.pipelines import presets
from diffbio_engine.runs import Engine, RunFolder, RunReader
from diffbio_engine.runs.worker.train import work
from diffbio_engine.workspace import Store

HERE, DATA_DIR, OWNER = Path(__file__).resolve().parent, Path("/tmp/kept-diffbio"), "local"
STEPS, STOPPED_AT = 20, 12
AS_SAMPLES = {"rows": "samples", "orientation": "cells in rows"}
# What nobody reads again, or what says nothing but when and where.
LEFT_OUT = (
    "cache", "active", "trash", "worker.log", "lock", "*.lock", "served.json", "spare.log",
    "000000000.safetensors",
)  # fmt: skip


def counts(n: int, seed: int, depth: float = 1.0) -> pd.DataFrame:
    """Three types with rates of their own, 16 genes."""
    rates = np.random.default_rng(3).gamma(1.0, 3.0, (3, 16)) + 0.1
    random = np.random.default_rng(seed)
    table = random.poisson(depth * rates[np.arange(n) % 3])
    table[:, 0] += 1  # none is empty
    names = [f"GENE{g}" for g in range(16)]
    return pd.DataFrame(table, [f"row{seed}_{i}" for i in range(n)], names)


def cells_file(folder: Path) -> Path:
    """48 cells of two batches, as h5ad."""
    import anndata

    table = counts(48, 0)
    obs = pd.DataFrame({"batch": pd.Categorical(["a", "b"] * 24)}, table.index)
    path = folder / "cells.h5ad"
    cells = anndata.AnnData(table.to_numpy(np.float32), obs, pd.DataFrame(index=table.columns))
    cells.write_h5ad(path, compression="gzip")
    return path


def document(name: str, n_clusters: int, *, batches: bool) -> dict:
    """Counts to a latent space, corrected for batches, clustered and drawn."""
    blocks = [
        {"id": "vae", "operator": "normalization.vae_normalizer",
         "config": {"latent_dim": 3, "hidden_dims": [8]}},
        {"id": "cluster", "operator": "singlecell.soft_kmeans",
         "config": {"n_clusters": n_clusters, "temperature": 0.5}},
        {"id": "umap", "operator": "normalization.umap",
         "config": {"n_neighbors": 4, "hidden_dim": 1}},
    ]  # fmt: skip
    latent = "vae.latent_mean"
    wires = [{"source": "data.counts", "target": "vae.counts"}]
    if batches:
        blocks.append({"id": "harmony", "operator": "singlecell.harmony",
                       "config": {"n_clusters": 3, "n_iterations": 2}})  # fmt: skip
        wires += [
            {"source": latent, "target": "harmony.embeddings"},
            {"source": "data.batch_labels", "target": "harmony.batch_labels"},
        ]
        latent = "harmony.corrected_embeddings"
    wires += [
        {"source": latent, "target": "cluster.embeddings"},
        {"source": latent, "target": "umap.features", "stop_gradient": True},
    ]
    return {
        "format": "diffbio-pipeline", "schema": 1, "name": name, "blocks": blocks, "wires": wires,
        "outputs": {"map": "umap.embedding", "clusters": "cluster.cluster_assignments"},
        "weights": {"vae.kl_loss": 0.5},
        "training": {
            "stages": [{"name": "joint", "epochs": 20, "refresh_every": 3}],
            "batch_size": 16 if batches else 8,
            "schedules": {
                "cluster.temperature": {"kind": "linear", "initial": 1, "final": 0.2, "steps": 20}
            },
        },
    }  # fmt: skip


def uploaded(store: Store, path: Path, name: str):
    """A data set as the page's upload leaves it."""
    dataset = store.new_upload(OWNER, name)
    shutil.copyfile(path, dataset.partial_path)
    return store.finish_upload(OWNER, dataset.id)


def until(engine: Engine, run: str, state: str) -> None:
    """Waits for a state of a run."""
    for _ in range(3000):
        summary = engine.summary(run, OWNER)
        if summary.state == state:
            return
        if summary.state in ("failed", "lost", "done"):
            break
        time.sleep(0.1)
    raise SystemExit(f"{run} is {summary.state}, not {state}: {summary.error}")


def main(name: str) -> None:
    """Makes all of it in a folder of this name beside the script."""
    out = HERE / name
    if out.exists() or DATA_DIR.exists():
        raise SystemExit(f"{out} or {DATA_DIR} is there: what was kept is never made again")
    out.mkdir()
    DATA_DIR.mkdir()
    store, engine = Store(DATA_DIR), Engine(DATA_DIR, max_running=1)
    cells_at, samples_at = cells_file(out), out / "samples.csv"
    counts(8, 1, depth=400.0).to_csv(samples_at)
    cells, samples = (
        uploaded(store, cells_at, "cells.h5ad"),
        uploaded(store, samples_at, "samples.csv"),
    )
    for path in (cells_at, samples_at):
        path.unlink()
    counts(9, 2).to_csv(out / "new_cells.csv")
    counts(5, 3, depth=400.0).to_csv(out / "new_samples.csv")
    of_cells, of_samples = (
        document("Of cells", 3, batches=True),
        document("Of samples", 2, batches=False),
    )
    store.save_pipeline(OWNER, "Of cells", of_samples, "Add UMAP")
    store.save_pipeline(OWNER, "Of cells", of_cells, "Add Harmony")
    fields = {"counts": "X", "batch_labels": "obs/batch"}
    first = engine.start({
        "title": "Stopped", "pipeline": of_cells, "steps": STEPS,
        "dials": {"cluster.temperature": 0.4},
        "dataset": {"path": str(cells.path), "name": cells.name, "fields": fields},
    }, OWNER)  # fmt: skip
    engine.step(first, OWNER, STOPPED_AT)
    until(engine, first, "paused")
    engine.stop(first, OWNER)
    until(engine, first, "stopped")
    second = engine.start({
        "title": "Samples", "pipeline": of_samples, "steps": 8, "layers": "none",
        "dataset": {"path": str(samples.path), "name": samples.name, "fields": {"counts": "X"},
                    "reading": AS_SAMPLES},
    }, OWNER)  # fmt: skip
    until(engine, second, "done")
    time.sleep(5)  # until the engine has seen that its worker is gone
    engine.close()
    again = DATA_DIR / "again"
    shutil.copytree(engine.folder(first, OWNER).path, again)
    RunFolder(again).request("run")
    if work(again):
        raise SystemExit("the stopped run cannot go on")
    golden = {"resumed": RunReader(again).metrics()["total"]}
    shutil.rmtree(again)
    for run, file, how in (
        (first, "new_cells.csv", {"orientation": "cells in rows"}),
        (second, "new_samples.csv", AS_SAMPLES),
    ):
        bundle = load_bundle(engine.folder(run, OWNER).bundle)
        placed = place_cells(bundle, read(out / file, **how))
        golden |= {
            f"{file}:{place}": np.asarray(v)
            for place, v in placed.arrays.items()
            if place.startswith("obsm/")
        }
    np.savez_compressed(out / "golden.npz", **golden)
    documents = {preset.id: preset.make(None).to_json() for preset in presets().values()}
    (out / "presets.json").write_text(json.dumps(documents))
    shutil.copytree(DATA_DIR, out / "data_dir", ignore=shutil.ignore_patterns(*LEFT_OUT))
    # The run of samples is there to be looked at and applied; one result and checkpoint is enough.
    shutil.rmtree(out / "data_dir/runs" / second / "checkpoints")
    (out / "data_dir/runs" / second / "result.h5ad").unlink()
    shutil.rmtree(DATA_DIR)


if __name__ == "__main__":
    main(sys.argv[1])
