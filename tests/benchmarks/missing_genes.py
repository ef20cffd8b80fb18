"""Cells of a file that lacks genes, placed by the expression foundation model.

Types are told by logistic regression on the embedding of 1,000 cells with all genes; 500 others
then have a share of the genes only: missing ones taken for silent, or looked past, as `apply` does
it. The model is prepared and not trained.

    python tests/benchmarks/missing_genes.py FILE.h5ad COLUMN [--seed 0]
"""

import argparse
from pathlib import Path

import anndata
import jax
import numpy as np
from flax import nnx
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from diffbio_engine.operators.foundation_models import (
    DifferentiableFoundationModel,
    FoundationModelConfig,
)

SETTINGS = {"hidden_dim": 32, "num_layers": 1, "max_tokens": 64}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("column")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random, data = np.random.default_rng(asked.seed), anndata.read_h5ad(asked.file)
    rows = random.permutation(data.n_obs)[:1500]
    counts = data.X[rows]
    counts = np.asarray(counts.toarray() if hasattr(counts, "toarray") else counts, np.float32)
    types = data.obs[asked.column].astype(str).to_numpy()[rows]
    known, new = slice(0, 1000), slice(1000, 1500)
    config = FoundationModelConfig(n_genes=counts.shape[1], **SETTINGS)
    block = DifferentiableFoundationModel(config, rngs=nnx.Rngs(0))
    block.prepare_from({"counts": counts[known]}, jax.random.key(0))
    embed = nnx.jit(lambda block, counts: block(counts)["embeddings"])
    whole = np.asarray(embed(block, counts))
    spread = whole[known].std(axis=0) + 1e-9
    regression = LogisticRegression(max_iter=2000).fit(whole[known] / spread, types[known])

    def right(features):
        told = regression.predict(np.asarray(features) / spread)
        return balanced_accuracy_score(types[new], told)

    print(f"{asked.file.name}, seed {asked.seed}: all genes {right(whole[new]):.3f}")
    for share in (0.9, 0.75, 0.5, 0.25):
        missing = np.ones(counts.shape[1], bool)
        missing[random.permutation(len(missing))[: int(share * len(missing))]] = False
        fewer = np.where(missing, 0.0, counts[new])
        past = nnx.clone(block)
        past.look_past(missing)
        silent, looked_past = right(embed(block, fewer)), right(embed(past, fewer))
        print(f"    {share:.0%}: taken for silent {silent:.3f}, looked past {looked_past:.3f}")


if __name__ == "__main__":
    main()
