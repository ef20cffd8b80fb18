"""A data set and a pipeline so small that a run of them takes the time of its imports."""

import contextlib
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.command_line import main

N_CELLS, N_GENES = 120, 30


def cells(n=N_CELLS, seed=0, genes=None):
    """Three types of cells with rates of their own, in two batches."""
    import anndata

    genes = [f"GENE{g}" for g in range(N_GENES)] if genes is None else genes
    rates = np.random.default_rng(9).gamma(1.0, 2.0, (3, len(genes))) + 0.05
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, n)
    counts = random.poisson(rates[kind]).astype(np.float32)
    counts[:, 0] += 1  # no cell is empty
    obs = pd.DataFrame(
        {
            "batch": pd.Categorical(np.where(np.arange(n) % 2, "a", "b")),
            "kind": pd.Categorical([f"type {k}" for k in kind]),
            "only": pd.Categorical(["one"] * n),
        },
        index=[f"cell{i}" for i in range(n)],
    )
    return anndata.AnnData(sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes))


def pipeline_document(**changes):
    """A count autoencoder and soft k-means on its latent mean."""
    document = {
        "format": "diffbio-pipeline",
        "schema": 1,
        "name": "Small",
        "blocks": [
            {
                "id": "vae",
                "operator": "normalization.vae_normalizer",
                "config": {"latent_dim": 4, "hidden_dims": [16]},
            },
            {"id": "cluster", "operator": "singlecell.soft_kmeans", "config": {"n_clusters": 3}},
        ],
        "wires": [
            {"source": "data.counts", "target": "vae.counts"},
            {"source": "vae.latent_mean", "target": "cluster.embeddings"},
        ],
        "training": {"stages": [{"name": "joint", "epochs": 20}], "batch_size": 32},
    }
    return document | changes


def write_inputs(folder: Path):
    """``cells.h5ad`` and ``pipeline.json`` in a folder."""
    cells().write_h5ad(folder / "cells.h5ad")
    (folder / "pipeline.json").write_text(json.dumps(pipeline_document()))


def run_of(folder: Path, **changes):
    """The content of a run.json for the two."""
    dataset = {"path": str(folder / "cells.h5ad"), "name": "cells.h5ad", "fields": {"counts": "X"}}
    return {"pipeline": pipeline_document(), "dataset": dataset, "steps": 600, **changes}


def said(*arguments) -> tuple[int, str, str]:
    """One command in this process: exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(a) for a in arguments])
    return code, out.getvalue(), err.getvalue()


def until(true: Callable[[], object], seconds: float = 240.0) -> None:
    """Waits until something is true, and fails if it does not become so."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "this did not happen in time"
        time.sleep(0.005)
