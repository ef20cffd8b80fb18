"""Denoising beside MAGIC and scVI. Run: python tests/benchmarks/denoising_vs_peers.py [--epochs 10]

PBMC 3k (2638 x 2000). Molecular cross-validation (Batson 2019), as in imputation_vs_magic.py: each
molecule goes to training with probability 0.9; the loss is the mean of p - y log(p + 1e-6) over
cells and genes for the held-out counts y. Then hidden entries: a tenth of the entries of each cell
is set to 0 before anything is fitted and told to our block as hidden, and the mean Poisson loss of
these is taken, beside each gene's mean over the cells in which it was not hidden. scVI (scvi-tools
1.4.2, its defaults) runs in a Python of its own: --scvi-python PYTHON, --scvi-epochs 100.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from diffbio_engine.operators.singlecell import (
    DifferentiableDiffusionImputer,
    DifferentiableTransformerDenoiser,
    DiffusionImputerConfig,
    TransformerDenoiserConfig,
)

DATA = Path(__file__).parents[3] / "shared/data"
HELD_OUT = 0.1
SCVI = """
import sys, numpy as np, anndata, scvi, torch
torch.set_num_threads(1)
scvi.settings.seed = 0
data = anndata.AnnData(np.load(sys.argv[1]))
scvi.model.SCVI.setup_anndata(data)
model = scvi.model.SCVI(data)
model.train(max_epochs=int(sys.argv[3]), accelerator="cpu", enable_progress_bar=False)
np.save(sys.argv[2], model.get_normalized_expression(return_numpy=True, library_size=1))
"""


def started(counts, **settings):
    config = TransformerDenoiserConfig(n_genes=counts.shape[1], **settings)
    block = DifferentiableTransformerDenoiser(config, rngs=nnx.Rngs(0))
    block.prepare_from({"counts": counts}, jax.random.key(0))
    return block


def trained(block, counts, epochs, seed=0, rate=1e-3, size=128, tell=None):
    """Adam along a cosine, every cell once an epoch."""
    graph, weights, rest = nnx.split(block, nnx.Param, ...)
    n_steps = epochs * (len(counts) // size)
    adam = optax.adam(optax.cosine_decay_schedule(rate, max(n_steps, 1)))
    moments = adam.init(weights)

    @jax.jit
    def step(weights, moments, cells, key):
        def loss(weights):
            return nnx.merge(graph, weights, rest)(cells, key=key)["masked_loss"]

        value, slope = jax.value_and_grad(loss)(weights)
        move, moments = adam.update(slope, moments)
        return optax.apply_updates(weights, move), moments, value

    rng, done = np.random.default_rng(seed), 0
    for epoch in range(epochs):
        order, values = rng.permutation(len(counts)), []
        for start in range(0, len(counts) - size + 1, size):
            cells, key = counts[order[start : start + size]], jax.random.key(done)
            weights, moments, value = step(weights, moments, cells, key)
            values.append(float(value))
            done += 1
        if tell:
            tell(epoch, np.mean(values), nnx.merge(graph, weights, rest))
    return nnx.merge(graph, weights, rest)


def expected(block, counts):
    run = nnx.jit(lambda block, cells: block(cells)["imputed_counts"])
    size = 256
    found = []
    for start in range(0, len(counts), size):
        rows = np.arange(start, start + size)
        part = run(block, counts[np.where(rows < len(counts), rows, start)])
        found.append(np.asarray(part)[: len(counts) - start])
    return np.concatenate(found)


def loss(rate, held_out):
    rate = rate * HELD_OUT / (1 - HELD_OUT)
    return float(np.mean(rate - held_out * np.log(rate + 1e-6)))


def scvi_rates(seen, python, epochs):
    with tempfile.TemporaryDirectory() as folder:
        into, out = f"{folder}/in.npy", f"{folder}/out.npy"
        np.save(into, seen)
        subprocess.run([python, "-c", SCVI, into, out, str(epochs)], check=True)
        return np.load(out) * seen.sum(axis=1, keepdims=True)


def molecules(counts, options):
    for seed in range(options.splits):
        rng = np.random.default_rng(seed)
        seen = rng.binomial(counts.astype(int), 1 - HELD_OUT).astype(np.float32)
        held_out = counts - seen
        library = seen.sum(axis=1, keepdims=True)
        row = {"gene mean": loss(library * seen.sum(axis=0) / seen.sum(), held_out)}
        magic = DifferentiableDiffusionImputer(DiffusionImputerConfig())
        magic.prepare_from({"counts": seen}, jax.random.key(0))
        row["diffusion (MAGIC)"] = loss(expected(magic, seen), held_out)
        block, began = started(seen), time.process_time()
        row["start"] = loss(expected(block, seen), held_out)
        print(seed, row, flush=True)

        def tell(epoch, value, block, began=began, seen=seen, held_out=held_out):
            if epoch % 5 == 4:
                now = loss(expected(block, seen), held_out)
                print(epoch + 1, value, now, time.process_time() - began, "CPU s", flush=True)

        block = trained(block, seen, options.epochs, tell=tell)
        row["transformer"] = loss(expected(block, seen), held_out)
        row["CPU seconds"] = time.process_time() - began
        if options.scvi_python:
            rates = scvi_rates(seen, options.scvi_python, options.scvi_epochs)
            row["scVI"] = loss(rates, held_out)
        print(seed, row, flush=True)


def entries(counts, options):
    rng = np.random.default_rng(0)
    hidden = rng.uniform(size=counts.shape) < HELD_OUT
    seen = np.where(hidden, 0.0, counts).astype(np.float32)

    def hidden_loss(rate):
        rate = np.maximum(rate[hidden], 1e-6)
        return float(np.mean(rate - counts[hidden] * np.log(rate)))

    def rates(block):
        found = []
        for rows in np.array_split(np.arange(len(counts)), 20):
            visible = jnp.asarray(1.0 - hidden[rows])
            logits, library = block._predicted(jnp.asarray(seen[rows]), visible, None, None)
            found.append(np.asarray(library * jax.nn.softmax(logits, axis=-1)))
        return np.concatenate(found)

    library = seen.sum(axis=1, keepdims=True)
    share = seen.sum(axis=0) / (library * ~hidden).sum(axis=0)
    known = ((share / share.sum()) * ~hidden).sum(axis=1, keepdims=True)
    row = {"gene mean": hidden_loss(library / known * share / share.sum())}
    block = started(seen)
    row["start"] = hidden_loss(rates(block))
    row["transformer"] = hidden_loss(rates(trained(block, seen, options.epochs)))
    print("hidden entries", row, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--scvi-python", default="")
    parser.add_argument("--scvi-epochs", type=int, default=100)
    options = parser.parse_args()
    pbmc3k = anndata.read_h5ad(DATA / "pbmc3k_hvg2000_counts.h5ad").X.toarray().astype(np.float32)
    molecules(pbmc3k, options)
    entries(pbmc3k, options)
