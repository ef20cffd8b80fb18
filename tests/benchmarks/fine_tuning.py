"""Types of cells from few labels: the foundation model fine-tuned end to end, and frozen, as twins.

A model is pre-trained on all cells without labels, once for each seed. From these weights it learns
types of ``--labels-a-type`` labelled cells twice, with the same draws of batches, as the ready
pipeline does it: hidden genes go on being asked for, and the cross-entropy of the labelled cells
counts a tenth. Frozen, only the classes learn from it. Judged by the balanced accuracy of all cells
without a label; beside it logistic regression on 30 components of the same cells, on the embedding
before fine-tuning, and on it after.

    python -m tests.benchmarks.fine_tuning shared/data/pbmc3k_hvg2000_counts.h5ad cell_type \
        [--labels-a-type 5] [--epochs 6] [--steps 100] [--seeds 0 1]
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

from diffbio_engine.operators.foundation_models import (
    DifferentiableFoundationModel,
    FoundationModelConfig,
)
from tests.benchmarks.expression_pretraining import BATCH, SETTINGS, trained

WEIGHT = 0.1  # as in diffbio_engine/pipelines/presets/pretrain_expression.py


def fine_tuned(block, how, counts, labels, steps, seed, rate=1e-3):
    """The block after so many steps on labels and hidden genes; it is left as it was."""
    config = FoundationModelConfig.from_dict(block.config.to_dict() | {"fine_tune": how})
    twin = DifferentiableFoundationModel(config, rngs=nnx.Rngs(0))
    nnx.update(twin, nnx.state(block))
    graph, weights, rest = nnx.split(twin, nnx.Param, ...)
    adam = optax.adam(rate)

    @jax.jit
    def step(weights, moments, some, told, key):
        def objective(weights):
            found = nnx.merge(graph, weights, rest)(some, labels=told, key=key)
            return found["masked_loss"] + WEIGHT * found["label_loss"]

        move, moments = adam.update(jax.grad(objective)(weights), moments)
        return optax.apply_updates(weights, move), moments

    moments, random = adam.init(weights), np.random.default_rng(seed)
    for i in range(steps):
        rows = random.integers(0, len(counts), BATCH)
        weights, moments = step(weights, moments, counts[rows], labels[rows], jax.random.key(i))
    return nnx.merge(graph, weights, rest)


def right(told, types, taught):
    others = np.setdiff1d(np.arange(len(types)), taught)
    return balanced_accuracy_score(types[others], told[others])


def by_regression(features, types, taught):
    scaled = (features - features.mean(axis=0)) / features.std()
    regression = LogisticRegression(max_iter=1000).fit(scaled[taught], types[taught])
    return right(regression.predict(scaled), types, taught)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("column")
    parser.add_argument("--labels-a-type", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    asked = parser.parse_args()
    data = anndata.read_h5ad(asked.file)
    counts = np.asarray(data.X.toarray() if hasattr(data.X, "toarray") else data.X, np.float32)
    names, types = np.unique(data.obs[asked.column].astype(str), return_inverse=True)
    depth = counts.sum(axis=1)
    values = np.log1p(counts * (np.median(depth) / depth)[:, None])
    components = PCA(30, random_state=0).fit_transform(values)
    say = nnx.jit(lambda b: {k: b(counts)[k] for k in ("embeddings", "class_labels")})
    print(
        f"{asked.file.name}: {counts.shape}, {len(names)} types, {asked.labels_a_type} labels each"
    )
    for seed in asked.seeds:
        began = time.process_time()
        random = np.random.default_rng(seed)
        few = [random.permutation(np.flatnonzero(types == t)) for t in range(len(names))]
        taught = np.concatenate([f[: asked.labels_a_type] for f in few])
        labels = np.full(len(types), -1, np.int32)
        labels[taught] = types[taught]
        config = FoundationModelConfig(n_genes=counts.shape[1], n_classes=len(names), **SETTINGS)
        block = DifferentiableFoundationModel(config, rngs=nnx.Rngs(seed))
        block.prepare_from({"counts": counts, "labels": labels}, jax.random.key(seed))
        block = trained(block, counts, asked.epochs, seed)
        before = np.asarray(say(block)["embeddings"])
        print(
            f"seed {seed}: 30 components {by_regression(components, types, taught):.3f},"
            f" embedding {by_regression(before, types, taught):.3f}",
            flush=True,
        )
        for how in ("frozen", "end_to_end"):
            after = fine_tuned(block, how, counts, jnp.asarray(labels), asked.steps, seed)
            found = {k: np.asarray(v) for k, v in say(after).items()}
            own = right(found["class_labels"], types, taught)
            again = by_regression(found["embeddings"], types, taught)
            spent = time.process_time() - began
            print(
                f"    {how:10s} {own:.3f}, its embedding {again:.3f} {spent:.0f} CPU s", flush=True
            )


if __name__ == "__main__":
    main()
