"""The count autoencoder beside scVI: same cells, same split, same widths, same estimator.

    python tests/benchmarks/vae_vs_scvi.py [FILE.h5ad] [--labels obs column] [--rounds 3]
        [--scvi-python PYTHON]   (or the environment variable SCVI_PYTHON)

scVI runs in a Python of its own: make an environment and `pip install scvi-tools==1.4.2` in it.
Without one, its figures come from tests/references/normalization/scvi.json, which
`--keep` writes anew. Both: ZINB, 10 latent dimensions, one hidden layer of 128, batches of 128,
each round with a seed of its own for split, weights and batches; runs alternate.

What is reported (medians over the rounds):
  held-out ELBO   nats per cell, of the 20 % of cells that were not trained on:
                  mean over cells of  mean_l sum_g log ZINB(x_g | z_l)  -  KL(q(z|x) || N(0, 1)),
                  z_l ~ q(z|x), l = 1..10, KL in closed form, log-likelihood in float64 by the one
                  function `log_zinb` below, whose inputs (rate, inverse dispersion, logit of an
                  extra zero) each model gives; both see the observed library size.
  ARI             k-means on the latent means of all cells with as many clusters as there are
                  labels; mean and standard deviation over 5 seeds of k-means (10 starts each).
  kNN-acc         labels by the vote of the 15 nearest other cells in the latent means.
  CPU seconds     of preparing, compiling and training, after imports and reading, with one thread.
  cells per CPU s of the training steps alone (ours: from the second on; scVI compiles nothing).
scVI is run as it comes (its KL weight rises to 1 over 400 epochs, so 20 epochs end at 0.05) and
with the weight at 1 from the start, which is what its ELBO is then judged by.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import gammaln

DATA = Path(__file__).resolve().parents[3] / "shared/data/pbmc3k_hvg2000_counts.h5ad"
GOLDEN = Path(__file__).resolve().parents[1] / "references/normalization/scvi.json"
DRAWS = 10
PEERS = {"scvi": "as it comes", "scvi-kl1": "KL weight 1 throughout"}
Decode = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
Model = tuple[np.ndarray, np.ndarray, Decode, float, float]


def log_zinb(x: np.ndarray, rate: np.ndarray, theta: np.ndarray, logit: np.ndarray) -> np.ndarray:
    """Log-probability of each count; ``logit``: of an extra zero."""
    whole = (
        gammaln(x + theta)
        - gammaln(theta)
        - gammaln(x + 1)
        + theta * np.log(theta / (theta + rate))
        + np.where(x > 0, x * np.log(np.maximum(rate, 1e-300) / (theta + rate)), 0)
    )
    log_kept, log_extra = -np.logaddexp(0, logit), -np.logaddexp(0, -logit)
    return np.where(x == 0, np.logaddexp(log_extra, log_kept + whole), log_kept + whole)


def held_out_elbo(x: np.ndarray, mean: np.ndarray, var: np.ndarray, decode: Decode) -> float:
    """The evidence lower bound, averaged over these cells."""
    rng = np.random.default_rng(0)
    fits = []
    for _ in range(DRAWS):
        z = mean + np.sqrt(var) * rng.normal(size=mean.shape)
        rate, theta, logit = (np.asarray(part, float) for part in decode(z.astype(np.float32)))
        fits.append(log_zinb(x.astype(float), rate, theta, logit).sum(axis=1).mean())
    kl = 0.5 * (var + mean**2 - 1 - np.log(var)).sum(axis=1).mean()
    return float(np.mean(fits) - kl)


def ours(
    x: np.ndarray, seen: np.ndarray, held: np.ndarray, epochs: int, seed: int, **_: bool
) -> Model:
    """Through the engine's own ``Training``; the learning rate falls along a cosine."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from diffbio_engine.data import CellSource
    from diffbio_engine.operators.normalization.vae_normalizer import VAENormalizer
    from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of
    from diffbio_engine.training import Stage, Training, schedule_from

    settings = {"latent_dim": 10, "hidden_dim": 128, "n_layers": 1, "likelihood": "zinb"}
    spec = PipelineSpec(
        name="Count autoencoder",
        blocks=(Block("normalize", "normalization.vae_normalizer", settings),),
        wires=(Wire("data.counts", "normalize.counts"),),
    )
    began = time.process_time()
    cells = CellSource(x[seen])
    pipeline = Pipeline(plan(spec, ports_of(cells, {})), seed=seed)
    n_steps = epochs * (len(seen) // 128)
    rate = {"kind": "cosine", "initial": 1e-3, "final": 1e-5, "steps": n_steps}
    training = Training(
        pipeline,
        cells,
        (Stage(steps=n_steps),),
        batch_size=128,
        seed=seed,
        schedules={"learning_rate": schedule_from(rate)},
    )
    training.one_step()
    compiled = time.process_time()
    list(training)
    training.settle().eval_mode()
    cpu, stepping = time.process_time() - began, time.process_time() - compiled
    block = pipeline.blocks["normalize"]
    assert isinstance(block, VAENormalizer)
    mean, log_var = (np.asarray(a, float) for a in nnx.jit(lambda b, c: b.encode(c))(block, x))
    library = jnp.asarray(x[held].sum(axis=1))
    decoded = jax.jit(lambda z: block.decode(z, library))

    def decode(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        out = decoded(z)
        return out["reconstructed"], out["dispersion"], out["dropout_logits"]

    return mean, np.exp(log_var), decode, cpu, stepping


def scvi(
    x: np.ndarray, seen: np.ndarray, held: np.ndarray, epochs: int, seed: int, warm_up: bool
) -> Model:
    """The published implementation, by its own interface."""
    import anndata
    import torch
    from scvi import settings
    from scvi.model import SCVI

    settings.seed = seed
    cells = anndata.AnnData(x)
    trained = cells[seen].copy()
    SCVI.setup_anndata(trained)
    began = time.process_time()
    model = SCVI(trained, n_hidden=128, n_latent=10, n_layers=1, gene_likelihood="zinb")
    model.train(
        max_epochs=epochs,
        batch_size=128,
        train_size=1.0,
        accelerator="cpu",
        plan_kwargs={} if warm_up else {"n_epochs_kl_warmup": 1, "min_kl_weight": 1.0},
        enable_progress_bar=False,
        logger=False,
    )
    cpu = time.process_time() - began
    mean, var = model.get_latent_representation(cells, return_dist=True)
    module = model.module.eval()
    library = torch.log(torch.as_tensor(x[held].sum(axis=1, keepdims=True)))
    batch = torch.zeros(len(held), 1)

    @torch.inference_mode()
    def decode(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        px = module.generative(torch.as_tensor(z), library, batch)["px"]
        return px.mu.numpy(), px.theta.numpy(), px.zi_logits.numpy()

    return mean.astype(float), var.astype(float), decode, cpu, cpu


def read(file: Path, labels: str, n_cells: int, n_genes: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts and codes of the labels; so many random cells and their most variable genes."""
    import anndata

    cells = anndata.read_h5ad(file)
    x = cells.to_df().to_numpy(np.float32)
    kinds = np.unique(cells.obs[labels].astype(str), return_inverse=True)[1]
    if n_cells:
        rows = np.random.default_rng(0).permutation(len(x))[:n_cells]
        x, kinds = x[rows], kinds[rows]
    if n_genes:
        x = x[:, np.argsort(-x.var(axis=0), kind="stable")[:n_genes]]
    return x, kinds


def measure(asked: argparse.Namespace) -> dict[str, float]:
    """One model, trained once."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.neighbors import KNeighborsClassifier

    who, epochs, seed = asked.who, asked.epochs[0], asked.seed
    x, kinds = read(asked.file, asked.labels, asked.cells, asked.genes)
    order = np.random.default_rng(seed).permutation(len(x))
    held, seen = order[: len(x) // 5], order[len(x) // 5 :]
    train = ours if who == "ours" else scvi
    mean, var, decode, cpu, stepping = train(x, seen, held, epochs, seed, warm_up=who == "scvi")
    found = [
        adjusted_rand_score(
            kinds, KMeans(kinds.max() + 1, n_init=10, random_state=s).fit_predict(mean)
        )
        for s in range(5)
    ]
    near = KNeighborsClassifier(16).fit(mean, kinds).kneighbors(mean, return_distance=False)[:, 1:]
    votes = np.stack([(kinds[near] == k).sum(axis=1) for k in range(kinds.max() + 1)], axis=1)
    return {
        "held-out ELBO": held_out_elbo(x[held], mean[held], var[held], decode),
        "ARI": float(np.mean(found)),
        "ARI sd of k-means": float(np.std(found)),
        "kNN-acc": float((votes.argmax(axis=1) == kinds).mean()),
        "CPU seconds": cpu,
        "cells per CPU s": len(seen) * epochs / stepping,
    }


def main() -> None:
    wanted = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    wanted.add_argument("file", nargs="?", type=Path, default=DATA)
    wanted.add_argument("--labels", default="cell_type", help="obs column with known kinds")
    wanted.add_argument("--epochs", type=int, nargs="+", default=[20])
    wanted.add_argument("--cells", type=int, default=0, help="so many random cells; 0: all")
    wanted.add_argument("--genes", type=int, default=0, help="their most variable genes; 0: all")
    wanted.add_argument("--rounds", type=int, default=3)
    wanted.add_argument("--scvi-python", default=os.environ.get("SCVI_PYTHON"))
    wanted.add_argument("--keep", action="store_true", help="store scVI's figures")
    wanted.add_argument(
        "--who", choices=("ours", *PEERS), help="one run; used by the script itself"
    )
    wanted.add_argument("--seed", type=int, default=0)
    asked = wanted.parse_args()
    if asked.who:
        print(json.dumps(measure(asked)))
        return
    for epochs in asked.epochs:
        runs: dict[str, list[dict[str, float]]] = {"ours": [], **{peer: [] for peer in PEERS}}
        for seed in range(asked.rounds):
            for who in runs:
                python = sys.executable if who == "ours" else asked.scvi_python
                if python:
                    runs[who].append(one_run(python, who, asked, epochs, seed))
        for peer in PEERS:
            part = f" {asked.cells} x {asked.genes}" if asked.cells or asked.genes else ""
            name = f"{asked.file.stem}{part}, {peer}, {epochs} epochs"
            if runs[peer] and asked.keep:
                keep(name, runs[peer])
            runs[peer] = runs[peer] or json.loads(GOLDEN.read_text())["runs"].get(name, [])
        show(runs, epochs)


def keep(name: str, runs: list[dict[str, float]]) -> None:
    """Puts figures of scVI into the file, beside those that are there."""
    golden = json.loads(GOLDEN.read_text())
    golden["runs"][name] = [{k: float(f"{v:.6g}") for k, v in run.items()} for run in runs]
    GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


def one_run(
    python: str, who: str, asked: argparse.Namespace, epochs: int, seed: int
) -> dict[str, float]:
    """One model in a process of its own."""
    command = [python, __file__, str(asked.file), "--labels", asked.labels, "--who", who]
    command += ["--epochs", str(epochs), "--seed", str(seed)]
    command += ["--cells", str(asked.cells), "--genes", str(asked.genes)]
    # One thread each: threads that wait for work count as CPU seconds, on a busy machine many.
    one = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ) | one)
    if done.returncode:
        sys.exit(f"{who} with {python} ended with:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    print(who, f"{epochs} epochs, seed {seed}:", json.dumps(found), file=sys.stderr, flush=True)
    return found


def show(runs: dict[str, list[dict[str, float]]], epochs: int) -> None:
    """The medians side by side."""
    print(f"{epochs} epochs (median of the rounds; least and greatest)")
    for name in runs["ours"][0]:
        line = f"  {name:20}"
        for who, found in runs.items():
            values = sorted(run[name] for run in found)
            if values:
                middle = values[len(values) // 2]
                line += f"  {who}: {middle:.5g} ({values[0]:.5g}..{values[-1]:.5g})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
