"""Autoencoders with MMD and WGAN beside Harmony, harmonypy and no correction at all.

    python tests/benchmarks/integration_mmd_wgan_harmony.py [kang] [mesc] [simulated] [FILE.h5ad]

iLISI: batches among neighbours, high is mixed. Types: how many cells get their type from the 15
nearest cells of the OTHER batches (kang, where types are not known: their cluster, found in the
principal components of their own batch, from the 15 nearest of their own batch). cLISI: types among
neighbours, low is pure. FILE needs obs "batch" and "cell_type". Default settings, one seed.
"""

import resource
import sys
import time
from pathlib import Path

import anndata
import harmonypy
import jax
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from diffbio_engine.data.demos.examples import simulate_batches
from diffbio_engine.operators.singlecell import BatchCorrectionConfig, DifferentiableHarmony
from diffbio_engine.operators.singlecell._variable_genes import variable_genes
from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson
from diffbio_engine.pipelines import PipelineSpec, build
from diffbio_engine.pipelines.spec import Block, Wire
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.training import fit

DATA = Path(__file__).resolve().parents[3] / "shared/data"
FILES = {"kang": "kang_pbmc_stim_counts.h5ad", "mesc": "scmerge_mESC_2batch_counts.h5ad"}
MOST_JUDGED = 6000  # cells whose neighbours are looked at


def cells_of(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Logarithmic expression of at most 2000 variable genes, batches, and types if known."""
    if name == "simulated":
        data = simulate_batches()
    else:
        data = anndata.read_h5ad(DATA / FILES[name] if name in FILES else name)
    counts = np.asarray(data.X.todense(), np.float32)
    if counts.shape[1] > 2000:
        counts = counts[:, variable_genes(counts, share=1.0, at_least=2000)[:2000]]
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    expression = np.log1p(1e4 * counts / total)
    batches = np.unique(data.obs["batch"], return_inverse=True)[1].astype(np.int32)
    known = "cell_type" in data.obs
    types = np.unique(data.obs["cell_type"], return_inverse=True)[1] if known else None
    return expression, batches, types


def judged(
    found: np.ndarray, batches: np.ndarray, types: np.ndarray | None, own: np.ndarray
) -> str:
    """iLISI, cLISI and types kept."""
    chosen = np.random.default_rng(0).permutation(len(found))[:MOST_JUDGED]
    found, batches, own = found[chosen], batches[chosen], own[chosen]
    # In 200 cells there are about 30 of a type in a batch.
    perplexity = 30.0 if len(found) > 500 else 10.0
    mixed = local_inverse_simpson(found, batches, perplexity=perplexity).mean()
    if types is None:
        kept = []
        for b in np.unique(batches):
            here = batches == b
            near = KNeighborsClassifier(15).fit(found[here], own[here])
            around = own[here][near.kneighbors(return_distance=False)]  # without the cell itself
            kept += [
                np.bincount(row).argmax() == of for row, of in zip(around, own[here], strict=True)
            ]
        return f"{mixed:6.3f}      -  {np.mean(kept):6.3f}"
    types = types[chosen]
    pure = local_inverse_simpson(found, types, perplexity=perplexity).mean()
    return f"{mixed:6.3f} {pure:6.3f}  {types_from_others(found, batches, types):6.3f}"


def types_from_others(found: np.ndarray, batches: np.ndarray, types: np.ndarray) -> float:
    """Share of cells that have the type of most of their 15 nearest of the other batches."""
    kept = np.zeros(len(found), bool)
    for b in np.unique(batches):
        here = batches == b
        near = KNeighborsClassifier(15).fit(found[~here], types[~here])
        kept[here] = near.predict(found[here]) == types[here]
    return float(kept.mean())


def trained(operator: str, expression: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """Latent coordinates after training as long as the pipeline suggests, at least 500 steps."""
    ports = {
        "expression": DataPort.named("expression", expression.shape[1]),
        "batch_labels": DataPort.named("batch_labels", n_classes=int(batches.max()) + 1),
    }
    wires = tuple(Wire(f"data.{name}", f"block.{name}") for name in ports)
    stages = [{"epochs": 50, "least_steps": 500, "refresh_every": 5}]
    if len(expression) > 5000:
        stages = [{"epochs": 10, "least_steps": 500, "refresh_every": 5}]
    spec = PipelineSpec(
        operator, (Block("block", f"singlecell.{operator}"),), wires, training={"stages": stages}
    )
    pipeline = build(spec, ports)
    fit(pipeline, {"expression": expression, "batch_labels": batches})
    latent, port = [], "block.latent"
    for rows in np.array_split(np.arange(len(expression)), len(expression) // 1024 + 1):
        some = {"expression": expression[rows], "batch_labels": batches[rows]}
        latent.append(np.asarray(pipeline(some, ports=(port,))[port]))
    return np.concatenate(latent)


def harmony(cells: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """Ours, with harmonypy's number of clusters."""
    n_clusters = int(np.clip(len(cells) / 30, 2, 100))
    config = BatchCorrectionConfig(
        n_features=cells.shape[1], n_batches=int(batches.max()) + 1, n_clusters=n_clusters
    )
    block = DifferentiableHarmony(config)
    data = {"embeddings": cells.astype(np.float32), "batch_labels": batches}
    block.prepare_from(data, jax.random.key(0))
    return np.asarray(block(**data)["corrected_embeddings"])


def peer(cells: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """harmonypy."""
    names = pd.DataFrame({"batch": batches.astype(str)})
    return np.asarray(harmonypy.run_harmony(cells, names, "batch", verbose=False).Z_corr)


METHODS = {
    "principal components": lambda _, components, __: components,
    "harmonypy": lambda _, components, batches: peer(components, batches),
    "Harmony": lambda _, components, batches: harmony(components, batches),
    "MMD": lambda expression, _, batches: trained("mmd_batch_correction", expression, batches),
    "WGAN": lambda expression, _, batches: trained("wgan_batch_correction", expression, batches),
}


def main() -> None:
    for name in sys.argv[1:] or ["kang", "mesc", "simulated"]:
        expression, batches, types = cells_of(name)
        components = PCA(50, random_state=0).fit_transform(expression)
        own = np.zeros(len(batches), int)
        for b in np.unique(batches):
            here = batches == b
            own[here] = KMeans(8, n_init=4, random_state=0).fit_predict(components[here, :20])
        print(f"{name}: {expression.shape[0]} x {expression.shape[1]}")
        print(f"  {'':22s} iLISI  cLISI   types  CPU s")
        for row, method in METHODS.items():
            began = time.process_time()
            found = method(expression, components, batches)
            seconds = time.process_time() - began
            print(f"  {row:20s} {judged(found, batches, types, own)} {seconds:6.0f}", flush=True)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"greatest memory: {most:.1f} GB, the data included")


if __name__ == "__main__":
    main()
