"""Does joint training pay? The same blocks, seeds and steps; trained together, and one by one.

    python tests/benchmarks/joint_vs_staged.py [CASE ...]

Staged is what one does today: each block is trained by its own losses on what the finished block
before it gives (it is frozen then). Joint: one objective, every block learns from every loss; each
block takes as many steps as in its stage, half of them all in all, or as many all in all ("2x").

Cases, each with real labels or a known truth:

- annotation: PBMC 3k with 15 % ambient RNA added and 10 labelled cells of each type;
  ambient removal -> cell types; accuracy on the other cells.
- clusters: PBMC 3k, cell_type; count autoencoder -> soft k-means; adjusted Rand index.
- doublets: gen_scale.py 3000, doublet; Solo's autoencoder and classifier; AUROC.
- trajectory: Paul, slingshot's lineage 1; count autoencoder -> pseudotime -> switch genes;
  Spearman.
- integration: mouse stem cells of two studies, and gen_scale.py 3000; count autoencoder -> Harmony
  with a loss of unmixed batches behind it (weight 10 000, about the reconstruction's size, chosen
  on the stem cells). In stages nothing can learn from that loss. iLISI; accuracy of a cell's type
  from its 15 nearest of other batches.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
from integration_mmd_wgan_harmony import types_from_others
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score, roc_auc_score

from diffbio_engine.data import CellSource
from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson
from diffbio_engine.pipelines import PipelineSpec, build, ports_of, values_of_cells
from diffbio_engine.pipelines.presets.preset import assembled
from diffbio_engine.training import Training
from diffbio_engine.training.stages import Stage

DATA = Path(__file__).resolve().parents[3] / "shared/data"
SEEDS = range(2)
NETWORK = {"latent_dim": 10, "hidden_dims": (128, 128)}
STEPS = 150


def trained(
    spec: PipelineSpec, cells: CellSource, stages: list[Stage], port: str, seed: int
) -> np.ndarray:
    """The value of a port for all cells after these stages."""
    classes = {name: len(names) for name, names in cells.label_names.items()}
    pipeline = build(spec, ports_of(cells, classes), seed=seed)
    training = Training(
        pipeline, cells, tuple(stages), seed=seed, batch_size=256, learning_rate=1e-3
    )
    for _ in training:
        pass
    training.settle()
    pipeline.eval_mode()
    return values_of_cells(pipeline, cells, (port,))[port]


def compared(
    name: str,
    spec: PipelineSpec,
    cells: CellSource,
    ways: dict[str, list[Stage]],
    port: str,
    *scores: Callable[[np.ndarray], float],
) -> None:
    """Prints the scores of each way, by seed."""
    for way, stages in ways.items():
        values = [trained(spec, cells, stages, port, seed) for seed in SEEDS]
        for score in scores:
            found = [score(value) for value in values]
            each = " ".join(f"{v:.3f}" for v in found)
            print(f"{name:11} {way:9} {np.mean(found):.3f}  ({each})", flush=True)


def two_stages(first: str, second: str, losses_of_second: tuple[str, ...]) -> dict:
    """Joint and staged training of two blocks with as many steps for each."""
    none = dict.fromkeys(losses_of_second, 0.0)
    return {
        "joint": [Stage("joint", steps=STEPS, refresh_every=3)],
        "joint, 2x": [Stage("joint", steps=2 * STEPS, refresh_every=3)],
        "staged": [
            Stage("first", steps=STEPS, learns=(first,), weights=none, refresh_every=3),
            Stage("second", steps=STEPS, learns=(second,), prepare=(second,)),
        ],
    }


def annotation() -> None:
    """Ambient RNA hides types; the labels can teach the removal what it is."""
    real = ad.read_h5ad(DATA / "pbmc3k_hvg2000_counts.h5ad")
    rng = np.random.default_rng(0)
    counts = np.asarray(real.X.todense(), np.float32)
    profile = counts.sum(0) / counts.sum()
    soup = rng.poisson(0.15 / 0.85 * counts.sum(1, keepdims=True) * profile)
    names = list(real.obs["cell_type"].astype("category").cat.categories)
    truth = real.obs["cell_type"].astype("category").cat.codes.to_numpy()
    known = np.full(len(truth), -1, np.int32)
    for k in range(len(names)):
        some = rng.permutation(np.flatnonzero(truth == k))[:10]
        known[some] = k
    cells = CellSource(
        counts + soup, {"labels": known}, {"ambient_profile": profile},
        label_names={"labels": names},
    )  # fmt: skip
    spec = assembled(
        "Annotation",
        {
            "ambient": ("singlecell.ambient_removal", {}),
            "annotate": ("singlecell.cell_annotator", {}),
        },
        {
            "ambient.counts": "data.counts",
            "ambient.ambient_profile": "data.ambient_profile",
            "annotate.counts": "ambient.decontaminated_counts",
            "annotate.labels": "data.labels",
        },
        None,
    )
    hidden = known < 0
    losses = tuple(f"annotate.{p}_loss" for p in ("classification", "elbo", "penalty"))
    losses = tuple(p for p in losses if p in _losses(spec, cells))
    compared(
        "annotation", spec, cells, two_stages("ambient", "annotate", losses),
        "annotate.cell_type_probabilities",
        lambda shares: float((shares.argmax(1) == truth)[hidden].mean()),
    )  # fmt: skip


def clusters() -> None:
    """Clusters pull on the space in which they are formed."""
    real = ad.read_h5ad(DATA / "pbmc3k_hvg2000_counts.h5ad")
    cells = CellSource(real.X)
    spec = assembled(
        "Clusters",
        {
            "normalize": ("normalization.vae_normalizer", NETWORK),
            "cluster": ("singlecell.soft_kmeans", {"n_clusters": 9}),
        },
        {"normalize.counts": "data.counts", "cluster.embeddings": "normalize.latent_mean"},
        None,
    )
    compared(
        "clusters", spec, cells, two_stages("normalize", "cluster", ("cluster.clustering_loss",)),
        "cluster.cluster_assignments",
        lambda shares: adjusted_rand_score(real.obs["cell_type"], shares.argmax(1)),
    )  # fmt: skip


def simulated_cells() -> ad.AnnData:
    """Of gen_scale.py: types, batches and doublets are known."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        command = [sys.executable, str(DATA / "gen_scale.py"), "3000", str(path), "--seed", "0"]
        subprocess.run(command, check=True, capture_output=True)
        return ad.read_h5ad(path)


def doublets() -> None:
    """Solo trains its autoencoder first and its classifier then; here also both at once."""
    simulated = simulated_cells()
    truth = simulated.obs["doublet"].to_numpy().astype(bool)
    cells = CellSource(simulated.X)
    spec = assembled(
        "Doublets",
        {"solo": ("singlecell.solo_detector", {})},
        {"solo.counts": "data.counts"},
        None,
    )
    of_autoencoder = dict.fromkeys(("solo.reconstruction_loss", "solo.kl_loss"), 0.0)
    ways = {
        "joint": [Stage("joint", steps=STEPS)],
        "joint, 2x": [Stage("joint", steps=2 * STEPS)],
        "staged": [
            Stage("autoencoder", steps=STEPS, weights={"solo.classifier_loss": 0.0}),
            Stage("classifier", steps=STEPS, weights=of_autoencoder),
        ],
    }
    compared(
        "doublets", spec, cells, ways, "solo.doublet_probabilities",
        lambda found: float(roc_auc_score(truth, found)),
    )  # fmt: skip


def trajectory() -> None:
    """Genes that switch pull on the order of the cells, and through it on the latent space."""
    real = ad.read_h5ad(DATA / "paul_myeloid_tradeseq_counts.h5ad")
    weight = real.obs["slingshot_w_curve1"].to_numpy()
    curve = real.obs["slingshot_pt_curve1"].to_numpy()
    on = (weight > 0.5) & np.isfinite(curve)
    root = int(np.argmin(np.where(on, curve, np.inf)))
    cells = CellSource(real.X)
    spec = assembled(
        "Trajectory",
        {
            "normalize": ("normalization.vae_normalizer", NETWORK),
            "order": ("singlecell.pseudotime", {"root_cell_index": root}),
            "switches": ("singlecell.switch_de", {}),
        },
        {
            "normalize.counts": "data.counts",
            "order.embeddings": "normalize.latent_mean",
            "switches.counts": "data.counts",
            "switches.pseudotime": "order.pseudotime",
        },
        None,
    )
    ways = two_stages("normalize", "switches", ("switches.switch_loss",))
    ways["staged"][1] = Stage(
        "second", steps=STEPS, learns=("switches",), prepare=("order", "switches")
    )
    compared(
        "trajectory", spec, cells, ways, "order.pseudotime",
        lambda time: float(spearmanr(time[on], curve[on]).statistic),
    )  # fmt: skip


def integration() -> None:
    """A loss behind Harmony can only teach the latent space through Harmony."""
    simulated = simulated_cells()
    stem_cells = ad.read_h5ad(DATA / "scmerge_mESC_2batch_counts.h5ad")
    for name, real in {"stem cells": stem_cells, "simulated": simulated}.items():
        batch = np.unique(real.obs["batch"], return_inverse=True)[1].astype(np.int32)
        kind = np.unique(real.obs["cell_type"], return_inverse=True)[1]
        names = [str(i) for i in range(batch.max() + 1)]
        cells = CellSource(real.X, {"batch_labels": batch}, label_names={"batch_labels": names})
        spec = assembled(
            "Integration",
            {
                "normalize": ("normalization.vae_normalizer", NETWORK),
                "harmony": ("singlecell.harmony", {}),
                "mixing": ("losses.batch_mixing", {}),
            },
            {
                "normalize.counts": "data.counts",
                "harmony.embeddings": "normalize.latent_mean",
                "harmony.batch_labels": "data.batch_labels",
                "mixing.embeddings": "harmony.corrected_embeddings",
                "mixing.batch_labels": "data.batch_labels",
            },
            None,
        )
        weight, alone = {"mixing.loss": 1e4}, {"mixing.loss": 0.0}
        ways = {
            "joint": [Stage("joint", steps=STEPS, weights=weight, refresh_every=3)],
            "staged": [Stage("alone", steps=STEPS, weights=alone, refresh_every=3)],
        }
        perplexity = min(30, len(kind) // 12)
        compared(
            name, spec, cells, ways, "harmony.corrected_embeddings",
            lambda x, b=batch, p=perplexity: local_inverse_simpson(x, b, perplexity=p).mean(),
            lambda x, b=batch, k=kind: types_from_others(x, b, k),
        )  # fmt: skip


def _losses(spec: PipelineSpec, cells: CellSource) -> dict[str, float]:
    classes = {name: len(names) for name, names in cells.label_names.items()}
    return build(spec, ports_of(cells, classes)).plan.losses


if __name__ == "__main__":
    every = {f.__name__: f for f in (annotation, clusters, doublets, trajectory, integration)}
    for chosen in sys.argv[1:] or every:
        every[chosen]()
