"""How many cells are called doublets, and how many of these are, where doublets were planted.

Run: python tests/benchmarks/doublet_calls.py [--solo] [WORD ...]   (sets with one of these words)

Doublets are sums of two random cells of pbmc3k, Paul's or Kang's cells (one cell may be of any
kind, so that some are hidden), or those of simulated cells (gen_scale.py). Beside the calls of the
block stand those of the bare valley, which is Scrublet's threshold of the same scores; with --solo
the calls of Solo as prepared, and beside them those of the evidence alone (probability above 1/2).
"""

import sys
from pathlib import Path

import anndata
import jax
import numpy as np
from sklearn.metrics import roc_auc_score

from diffbio_engine.operators.singlecell import (
    DifferentiableDoubletScorer,
    DifferentiableSoloDetector,
    DoubletScorerConfig,
    SoloDetectorConfig,
)
from diffbio_engine.operators.singlecell._doublet_scores import valley_threshold

DATA = Path(__file__).parents[3] / "shared/data"
sys.path.insert(0, str(DATA))
import gen_scale


def planted(file, share, seed=0):
    """Counts of real cells with doublets of two of them, and which are doublets."""
    counts = anndata.read_h5ad(DATA / file).X
    counts = counts.toarray() if hasattr(counts, "toarray") else np.asarray(counts)
    n = round(share * len(counts) / (1 - share))
    first, second = np.random.default_rng(seed).integers(len(counts), size=(2, n))
    every = np.concatenate([counts, counts[first] + counts[second]]).astype(np.float32)
    return every, np.arange(len(every)) >= len(counts)


def sets():
    for name, file in (
        ("pbmc3k", "pbmc3k_hvg2000_counts"),
        ("Paul", "paul_myeloid_tradeseq_counts"),
    ):
        for share in (0.02, 0.06, 0.1):
            yield f"{name}, {share:.0%}", *planted(f"{file}.h5ad", share)
    yield "Kang, 5%", *planted("kang_pbmc_stim_counts.h5ad", 0.05)
    # Plates of 96 cells hold few doublets, if any; as many as the rate of small samples has it.
    for share in (0.01, 0.04):
        yield f"stem cells, plates, {share:.0%}", *planted("scmerge_mESC_2batch_counts.h5ad", share)
    for seed in (0, 3):
        counts, obs, _, _ = gen_scale.generate(3000, G=2000, seed=seed)
        yield f"simulated {seed}", counts.toarray(), obs["doublet"]


def told(call, doublet):
    precision = doublet[call].mean() if call.any() else float("nan")
    return f"{call.mean():.1%}, precision {precision:.2f}, recall {call[doublet].mean():.2f}"


def solo(counts, doublet):
    block = DifferentiableSoloDetector(SoloDetectorConfig(n_genes=counts.shape[1]))
    block.prepare_from({"counts": counts}, jax.random.key(0))
    out = {n: np.asarray(v) for n, v in jax.jit(lambda x: block(x))(counts).items()}
    p = out["doublet_probabilities"]
    ours = told(out["doublet_labels"] > 0.5, doublet)
    rule = f"(rule {int(out['threshold_rule'])}, {float(out['expected_rate']):.1%} expected)"
    return (
        f"AUROC {roc_auc_score(doublet, p):.3f}; called {ours} {rule}; above 1/2"
        f" {told(p > 0.5, doublet)}"
    )


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    for name, counts, doublet in sets():
        if words and not any(word in name for word in words):
            continue
        if "--solo" in sys.argv:
            print(f"{name}: Solo, {solo(counts, doublet)}", flush=True)
            continue
        block = DifferentiableDoubletScorer(DoubletScorerConfig(n_genes=counts.shape[1]))
        block.prepare_from({"counts": counts}, jax.random.key(0))
        out = {n: np.asarray(v) for n, v in jax.jit(lambda x, b=block: b(x))(counts).items()}
        valley, there = valley_threshold(out["simulated_scores"])
        by_valley = out["doublet_scores"] > float(valley)
        area, rule = roc_auc_score(doublet, out["doublet_scores"]), int(out["threshold_rule"])
        ours = told(out["predicted_doublets"] > 0.5, doublet)
        bare = told(by_valley, doublet) if there else "none"
        ours = f"{ours} (rule {rule}, {float(out['expected_rate']):.1%} expected)"
        print(f"{name}: AUROC {area:.3f}; called {ours}; valley {bare}", flush=True)


if __name__ == "__main__":
    main()
