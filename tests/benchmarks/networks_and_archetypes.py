"""Regulatory networks and archetypes: quality beside stored peers, and time at 20 000 cells.

Run: python tests/benchmarks/networks_and_archetypes.py [quality] [network] [archetypes]

``quality``: AUPRC of the edges of a simulated network (50 factors, 500 genes, 2000 cells; the
first 100 genes also by GRNBoost2 of arboreto 0.1.6 and, where stored, GENIE3), and the variance of
PBMC 3k that five archetypes explain on its 64 axes (py_pcha 0.1.3, best of three starts). The
peers' figures are stored with `tests/references/singlecell/make_grn.py` and
`make_archetypal_analysis.py`. ``network``, ``archetypes``: CPU seconds of preparing and of reading
20 000 simulated cells by 2000 genes 1024 at a time, and the greatest memory of the process; each
in a process of its own.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.operators.singlecell import (
    ArchetypalAnalysisConfig,
    DifferentiableArchetypalAnalysis,
    DifferentiableGRN,
    GRNInferenceConfig,
)

HERE = Path(__file__).resolve()
DATA = HERE.parents[3] / "shared/data"
STORED = HERE.parents[1] / "references/singlecell"
KEY = jax.random.key(0)


def quality():
    sys.path.insert(0, str(STORED))
    from simulated_network import average_precision, simulated_network

    counts, edges = simulated_network()
    block = DifferentiableGRN(GRNInferenceConfig(n_tfs=50, n_genes=500))
    block.prepare_from({"counts": counts, "tf_indices": np.arange(50)}, KEY)
    found = np.asarray(block(counts[:10], jnp.arange(50))["grn_matrix"])
    print("AUPRC, all genes:", average_precision(found, edges), "by chance", (edges != 0).mean())
    print("AUPRC, 100 genes:", average_precision(found[:, :100], edges[:, :100]))
    kept, true = found != 0, edges != 0
    print(
        f"kept {kept.mean():.1%}, precision {true[kept].mean():.2f}, recall {kept[true].mean():.2f}"
    )
    stored = np.load(STORED / "grn.npz")
    print({name: float(stored[name]) for name in ("grnboost2", "genie3") if name in stored})

    counts = anndata.read_h5ad(DATA / "pbmc3k_hvg2000_counts.h5ad").X.toarray()
    block = DifferentiableArchetypalAnalysis(ArchetypalAnalysisConfig(n_genes=counts.shape[1]))
    block.prepare_from({"counts": counts.astype(np.float32)}, KEY)
    for temperature in (0.01, 1.0, 10.0, 100.0):
        block.dials["temperature"][...] = jnp.asarray(temperature)
        explained = 1 - float(block(jnp.asarray(counts))["archetype_loss"])
        print(f"explained at temperature {temperature}: {explained:.4f}")
    print("py_pcha:", np.load(STORED / "archetypal_analysis.npz")["explained"])


def scale(which):
    sys.path.insert(0, str(DATA))
    from gen_scale import generate

    counts = generate(20_000, seed=0)[0].toarray().astype(np.float32)
    n_genes = counts.shape[1]
    fixed = {}
    if which == "network":
        block = DifferentiableGRN(GRNInferenceConfig(n_tfs=50, n_genes=n_genes))
        fixed = {"tf_indices": np.arange(50)}
    else:
        block = DifferentiableArchetypalAnalysis(ArchetypalAnalysisConfig(n_genes=n_genes))
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    began, clock = time.process_time(), time.perf_counter()
    block.prepare_from({"counts": counts, **fixed}, KEY)
    prepared = time.process_time() - began, time.perf_counter() - clock
    read = nnx.jit(lambda block, data: block(**data))
    began = time.process_time()
    for start in range(0, len(counts), 1024):
        jax.block_until_ready(read(block, {"counts": counts[start : start + 1024], **fixed}))
    reading = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{which}: preparing {prepared[0]:.1f} CPU s ({prepared[1]:.1f} s), all cells read"
        f" {reading:.1f} CPU s; {peak:.2f} GB at most, {loaded:.2f} of it before"
    )


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["quality", "network", "archetypes"]
    if len(wanted) > 1:
        for part in wanted:
            subprocess.run([sys.executable, __file__, part], check=True)
    elif wanted == ["quality"]:
        quality()
    else:
        scale(wanted[0])
