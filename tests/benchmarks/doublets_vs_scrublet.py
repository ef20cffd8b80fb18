"""Doublet scores beside Scrublet. Run: python tests/benchmarks/doublets_vs_scrublet.py [20000]

Simulated cells with known doublets (../shared/data/gen_scale.py): AUROC, AUPRC, the share of calls
that are right and of doublets that are called, CPU seconds, greatest memory. Each run is a process
of its own, the two in turn. Scrublet 0.2.3 is asked for as ``--scrublet-python PYTHON``, since it
lives in an environment of its own; without it only ours is run. ``--batches`` tells ours which
cells were run together.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "shared/data"))
from gen_scale import generate


def ours(counts, batches):
    """Scores, calls; cells are scored 1000 at a time, as a pipeline does."""
    import jax
    from flax import nnx

    from diffbio_engine.operators.singlecell import DifferentiableDoubletScorer, DoubletScorerConfig

    counts = counts.toarray()
    block = DifferentiableDoubletScorer(DoubletScorerConfig(n_genes=counts.shape[1]))
    given = {"counts": counts} if batches is None else {"counts": counts, "batch_labels": batches}
    block.prepare_from(given, jax.random.key(0))
    score = nnx.jit(lambda block, some: block(some))
    parts = [score(block, counts[i : i + 1000]) for i in range(0, len(counts), 1000)]
    return tuple(
        np.concatenate([np.asarray(part[name]) for part in parts])
        for name in ("doublet_scores", "predicted_doublets")
    )


def theirs(counts, batches):
    """Scores, calls, with the settings of the package."""
    import scipy.optimize  # noqa: F401  (the package uses it without importing it)
    import scrublet

    return scrublet.Scrublet(counts, expected_doublet_rate=0.06).scrub_doublets(verbose=False)


def measure(name, n_cells, seed, with_batches):
    """One run, as JSON."""
    counts, truth, _, _ = generate(n_cells, seed=seed)
    began = time.process_time()
    batches = truth["batch"] if with_batches else None
    scores, calls = {"ours": ours, "theirs": theirs}[name](counts, batches)
    facts = {"cpu_s": time.process_time() - began}
    facts["gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    from sklearn.metrics import average_precision_score, roc_auc_score

    doublet = truth["doublet"]
    called = np.asarray(calls, float) > 0.5
    facts["auroc"] = roc_auc_score(doublet, scores)
    facts["auprc"] = average_precision_score(doublet, scores)
    facts["precision"] = doublet[called].mean()
    facts["recall"] = called[doublet].mean()
    print(json.dumps(facts))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("n_cells", nargs="?", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batches", action="store_true")
    parser.add_argument("--scrublet-python")
    parser.add_argument("--only", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        return measure(asked.only, asked.n_cells, asked.seed, asked.batches)
    pythons = {"ours": sys.executable, "theirs": asked.scrublet_python}
    for _ in range(asked.rounds):
        for name, python in pythons.items():
            if python is None:
                continue
            command = [python, __file__, str(asked.n_cells), "--seed", str(asked.seed)]
            command += ["--only", name] + ["--batches"] * asked.batches
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            facts = json.loads(said.splitlines()[-1])
            print(name, ", ".join(f"{k} {v:.3f}" for k, v in facts.items()), flush=True)


if __name__ == "__main__":
    main()
