"""Transcripts by EM beside salmon, kallisto and a plain EM: accuracy, and time of a whole sample.

Run: python tests/benchmarks/quantify_transcripts.py [--classes 200000]
"""

import argparse
import resource
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from flax import nnx

from diffbio_engine.operators.statistical import DifferentiableEMQuantifier, EMQuantifierConfig
from tests.operators.statistical.test_em_quantifier import accuracy, classes_of, column

SEQUENCES = Path(__file__).parents[3] / "shared/data/sequences"


def quantified(data, n, **settings):
    config = EMQuantifierConfig(n_transcripts=n, **{"n_bootstraps": 0, **settings})
    block = DifferentiableEMQuantifier(config, rngs=nnx.Rngs(0))
    run = jax.jit(lambda given: block.run(given))
    jax.block_until_ready(run(data))
    began = time.process_time()
    found = jax.block_until_ready(run(data))
    return {k: np.asarray(v) for k, v in found.items()}, time.process_time() - began


def of_known_truth():
    peers = pd.read_csv(SEQUENCES / "golden/em_peers.tsv", sep="\t")
    print(peers[["set", "peer", "pearson_log1p_counts", "mard_counts", "cpu_s"]].to_string())
    for name in ("", "salmon_sample_"):
        data, names = classes_of(SEQUENCES, name)
        truth = column(
            SEQUENCES / f"quantification/{name}truth.tsv", names, "transcript", "true_fragments"
        )
        by_length = 1 / data["effective_lengths"][data["class_transcripts"]]
        for weights, given in (("salmon's", data), ("1 / length", {"class_weights": by_length})):
            for prior in (0.01, 0.0):
                found, seconds = quantified(data | given, len(names), prior=prior, n_bootstraps=100)
                counts = found["expected_counts"]
                r, mard = accuracy(counts, truth)
                within = (found["counts_low"] <= truth) & (truth <= found["counts_high"])
                print(
                    f"{name or 'polyester'}: weights {weights}, prior {prior}: r {r:.4f}, MARD"
                    f" {mard:.4f}, truth within the 95% interval of {within.mean():.0%}, of those"
                    f" with fragments {within[truth > 0].mean():.0%}; {seconds:.2f} s with 100"
                    " bootstraps"
                )


def of_a_whole_sample(n_classes, n_transcripts=200_000):
    random = np.random.default_rng(0)
    sizes = np.minimum(random.geometric(0.3, n_classes), 200)
    starts = np.cumsum(np.append(0, sizes))[:-1].astype(np.int32)
    first = np.repeat(random.integers(0, n_transcripts - 200, n_classes), sizes)
    n_before = np.arange(sizes.sum()) - np.repeat(starts, sizes)
    data = {
        "class_starts": starts,
        "class_transcripts": (first + n_before).astype(np.int32),
        "class_weights": random.uniform(0.1, 1.0, sizes.sum()).astype(np.float32),
        "class_counts": random.geometric(0.02, n_classes).astype(np.float32),
        "effective_lengths": random.uniform(200, 5000, n_transcripts).astype(np.float32),
    }
    _, seconds = quantified(data, n_transcripts)
    _, with_draws = quantified(data, n_transcripts, n_bootstraps=2)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{n_classes:,} classes of {n_transcripts:,} transcripts, {sizes.sum():,} memberships:"
        f" {seconds:.1f} s of processor, {(with_draws - seconds) / 2:.1f} s for each draw, the"
        f" process at most {memory:.1f} GB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", type=int, default=200_000)
    asked = parser.parse_args()
    of_known_truth()
    of_a_whole_sample(asked.classes)
