"""Cell types and doublets beside CellTypist, CellAssign, SCANVI and SOLO.

3k PBMC, 2000 genes (../shared/data): celltypist trained on half, tested on the other; CellAssign
on a few well-known markers; SCANVI with 5 % or 50 a type of the labels known, tested on the others.
SOLO: 3000 simulated cells with known doublets. The peers' figures are stored with the scripts that
made them (``tests/references/singlecell/make_{cell_annotator,annotation_peers}.py``). Run:

    .venv/bin/python tests/benchmarks/annotation_vs_peers.py [celltypist cellassign scanvi solo]
        [--epochs 0] [--seeds 0 1 2]

``--epochs`` of training after the start (scanvi, solo).
"""

import argparse
import json
import sys
import time
from pathlib import Path

import anndata
import jax
import numpy as np
from flax import nnx
from sklearn.metrics import roc_auc_score

from diffbio_engine.data import CellSource
from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of, prepare
from diffbio_engine.training import fit

ROOT = Path(__file__).parents[2]
SHARED, REFERENCES = ROOT.parent / "shared/data", ROOT / "tests/references/singlecell"
sys.path[:0] = [str(SHARED), str(REFERENCES)]
from annotation_cases import MARKERS, known_number, known_share
from gen_scale import generate

PEERS = json.loads((REFERENCES / "annotation_peers.json").read_text())


def fitted(operator: str, settings: dict, data: dict, seed: int, epochs: int) -> nnx.Module:
    """The block, prepared and trained on these arrays as the workbench would."""
    spec = PipelineSpec(
        name="One block",
        blocks=(Block("block", operator, settings),),
        wires=tuple(Wire(f"data.{name}", f"block.{name}") for name in data),
        training={"stages": [{"epochs": max(epochs, 1)}]},
    )
    n_classes = {"labels": int(data["labels"].max()) + 1} if "labels" in data else {}
    per_cell = {n: v for n, v in data.items() if n == "labels"}
    fixed = {n: v for n, v in data.items() if n == "marker_matrix"}
    cells = CellSource(data["counts"], per_cell, fixed)
    pipeline = Pipeline(plan(spec, ports_of(cells, n_classes)), seed=seed)
    if epochs:
        fit(pipeline, data, batch_size=128, seed=seed)
    else:
        prepare(pipeline, cells, seed=seed)
    return pipeline.blocks["block"]


def output(block: nnx.Module, name: str, x: np.ndarray, *more: np.ndarray | None) -> np.ndarray:
    """One output of all cells, 512 at a time."""
    run = nnx.jit(lambda block, x: block(x, *more)[name])
    return np.concatenate([np.asarray(run(block, x[i : i + 512])) for i in range(0, len(x), 512)])


def annotate(mode: str, seed: int, epochs: int) -> dict[str, float]:
    """Accuracy of our three forms on the cells that were not known."""
    data = anndata.read_h5ad(SHARED / "pbmc3k_hvg2000_counts.h5ad")
    x, kinds = data.X.toarray(), data.obs["cell_type"].astype(str).to_numpy()
    names = np.unique(kinds)
    truth, operator = np.searchsorted(names, kinds), "singlecell.cell_annotator"
    if mode == "cellassign":
        marks = [[float(g in MARKERS[n]) for g in data.var_names] for n in names]
        marks = np.array(marks, np.float32)
        given = {"counts": x, "marker_matrix": marks}
        block = fitted(operator, {"annotation_mode": mode}, given, seed, 0)
        return {"accuracy": (output(block, "cell_type_labels", x, None, marks) == truth).mean()}
    cases = {"5 % known": known_share, "50 a type known": known_number}
    settings: dict = {"annotation_mode": mode}
    if mode == "scanvi":
        settings["gene_likelihood"] = "nb"
    else:
        half = np.random.default_rng(0).permutation(len(x))[: len(x) // 2]
        cases["half known"] = lambda kinds, _: np.isin(np.arange(len(kinds)), half)
    found = {}
    for case, choose in cases.items():
        known = choose(kinds, seed)
        labels = np.where(known, truth, -1).astype(np.int32)
        block = fitted(operator, settings, {"counts": x, "labels": labels}, seed, epochs)
        called = output(block, "cell_type_labels", x)
        found[case] = (called == truth)[~known].mean()
    return found


def solo(seed: int, epochs: int) -> dict[str, float]:
    """AUROC of the known doublets among 3000 simulated droplets."""
    counts, obs, _, _ = generate(3000, seed=seed)
    x = counts.toarray()
    block = fitted("singlecell.solo_detector", {}, {"counts": x}, seed, epochs)
    return {"AUROC": roc_auc_score(obs["doublet"], output(block, "doublet_probabilities", x))}


def main() -> None:
    parser = argparse.ArgumentParser()
    forms = ("celltypist", "cellassign", "scanvi", "solo")
    parser.add_argument("forms", nargs="*", default=forms)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="*", default=(0,))
    asked = parser.parse_args()
    print("celltypist, half known:", float(np.load(REFERENCES / "cell_annotator.npz")["accuracy"]))
    for name, figures in PEERS.items():
        print(f"{name}:", figures)
    for form in asked.forms:
        for seed in asked.seeds:
            epochs = asked.epochs if form in ("scanvi", "solo") else 0
            begin = time.process_time()
            figures = solo(seed, epochs) if form == "solo" else annotate(form, seed, epochs)
            said = ", ".join(f"{k} {float(v):.4f}" for k, v in figures.items())
            spent = time.process_time() - begin
            print(f"ours, {form}, seed {seed}, {epochs} epochs: {said}; {spent:.0f} CPU s")
            jax.clear_caches()


if __name__ == "__main__":
    main()
