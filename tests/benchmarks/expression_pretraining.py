"""Hidden expression by the foundation model and by linear floors; types from few labels.

A fifth of the cells is kept back, 15 % of their entries are hidden; values are
log(1 + counts per typical cell). Floors are measured in the same run on the same entries: the mean
of each gene, 30 principal components filled in 30 times, and the mean of the 30 nearest cells
(by components of what is seen, and by those filled in). The model is trained by its masked loss
alone. Then logistic regression on its embedding and on 30 components of the same cells, with few
labels a type, and how much the first component of each is the depth of a cell.

    python tests/benchmarks/expression_pretraining.py shared/data/pbmc3k_hvg2000_counts.h5ad \
        --labels cell_type [--epochs 20] [--seed 0] [--most-genes 2000]
"""

import argparse
import time
from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import NearestNeighbors

from diffbio_engine.operators.foundation_models import (
    DifferentiableFoundationModel,
    FoundationModelConfig,
)
from tests.descent import descended

SETTINGS = {"hidden_dim": 64, "mask_ratio": 0.3}
BATCH = 128


def errors(predicted, values, hidden):
    """Mean squared error of hidden values, of those above zero, and correlation."""
    told, truth = predicted[hidden], values[hidden]
    squares = (told - truth) ** 2
    return squares.mean(), squares[truth > 0].mean(), np.corrcoef(told, truth)[0, 1]


def floors(known, new, hidden):
    centre = known.mean(axis=0)
    pca = PCA(30, random_state=0).fit(known)
    first = np.where(hidden, centre, new)
    filled = first
    for _ in range(30):
        by_components = pca.inverse_transform(pca.transform(filled))
        filled = np.where(hidden, by_components, new)
    neighbours = NearestNeighbors(n_neighbors=30).fit(pca.transform(known))

    def nearest(cells):
        rows = neighbours.kneighbors(pca.transform(cells), return_distance=False)
        return known[rows].mean(axis=1)

    return {
        "mean of the gene": np.broadcast_to(centre, new.shape),
        "30 components, filled in": by_components,
        "30 nearest cells": nearest(first),
        "30 nearest cells, filled in": nearest(filled),
    }


def trained(block, counts, epochs, seed, rate=1e-3):
    steps = round(epochs * len(counts) / BATCH)
    adam = optax.adam(optax.warmup_cosine_decay_schedule(0.0, rate, 20, steps))
    return descended(block, counts, "masked_loss", adam, steps=steps, batch=BATCH, seed=seed)


def from_labels(features, types, n_labels, draws=10):
    """Balanced accuracy of the other cells, over draws of ``n_labels`` cells a type."""
    scaled = (features - features.mean(axis=0)) / features.std()  # one scale for all
    found = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        taught = np.concatenate(
            [rng.permutation(np.flatnonzero(types == t))[:n_labels] for t in np.unique(types)]
        )
        others = np.setdiff1d(np.arange(len(types)), taught)
        regression = LogisticRegression(max_iter=1000).fit(scaled[taught], types[taught])
        told = regression.predict(scaled[others])
        found.append(balanced_accuracy_score(types[others], told))
    return np.mean(found), np.std(found)


def depth_in(features, depth):
    axis = PCA(1, random_state=0).fit_transform(features)[:, 0]
    return abs(np.corrcoef(np.log(depth), axis)[0, 1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--labels", default="")
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-genes", type=int, default=2000)
    asked = parser.parse_args()
    data = anndata.read_h5ad(asked.file)
    counts = np.asarray(data.X.toarray() if hasattr(data.X, "toarray") else data.X, np.float32)
    if counts.shape[1] > asked.most_genes:
        varies = np.log1p(1e3 * counts / counts.sum(axis=1, keepdims=True)).var(axis=0)
        counts = counts[:, np.argsort(-varies)[: asked.most_genes]]
    depth = counts.sum(axis=1)
    rng = np.random.default_rng(asked.seed)
    order, n_new = rng.permutation(len(counts)), len(counts) // 5
    new, known = np.sort(order[:n_new]), np.sort(order[n_new:])
    hidden = rng.random((n_new, counts.shape[1])) < 0.15
    values = np.log1p(counts * (np.median(depth[known]) / depth)[:, None])
    print(f"{asked.file.name}: {counts.shape}, seed {asked.seed}, {asked.epochs:g} epochs")
    for name, told in floors(values[known], values[new], hidden).items():
        print(f"{name:28s} {np.round(errors(told, values[new], hidden), 4)}", flush=True)

    config = FoundationModelConfig(n_genes=counts.shape[1], **SETTINGS)
    block = DifferentiableFoundationModel(config, rngs=nnx.Rngs(asked.seed))
    block.prepare_from({"counts": counts[known]}, jax.random.key(asked.seed))
    predict = nnx.jit(lambda b: b.predict_hidden(counts[new], jnp.asarray(hidden, jnp.float32)))
    told = np.asarray(predict(block))
    print(f"{'model, before training':28s} {np.round(errors(told, values[new], hidden), 4)}")
    began = time.process_time()
    after = trained(block, counts[known], asked.epochs, asked.seed)
    seconds = time.process_time() - began
    told = np.asarray(predict(after))
    print(f"{'model':28s} {np.round(errors(told, values[new], hidden), 4)} {seconds:.0f} CPU s")

    embed = nnx.jit(lambda b: b(counts)["embeddings"])
    spaces = {
        "30 components": PCA(30, random_state=0).fit_transform(values),
        "10 components": PCA(10, random_state=0).fit_transform(values),
        "model, before training": np.asarray(embed(block)),
        "model": np.asarray(embed(after)),
    }
    for name, space in spaces.items():
        print(f"{name:28s} |r(depth, first component)| {depth_in(space, depth):.3f}")
        if asked.labels:
            types = data.obs[asked.labels].astype(str).to_numpy()
            for n_labels in (5, 20, 100):
                mean, deviation = from_labels(space, types, n_labels)
                print(f"    {n_labels:3d} labels a type: {mean:.3f} ({deviation:.3f})", flush=True)


if __name__ == "__main__":
    main()
