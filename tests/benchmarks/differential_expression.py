"""Differential expression beside R DESeq2: the table, the calls, the truth, CPU seconds.

Run: python tests/benchmarks/differential_expression.py [airway] [rat] [simulation] [soft]

``soft``: cells of overlapping types whose changes are known (data/demos/simulated_conditions.py):
the ready pipeline "Differential expression from soft clusters", trained as the page does, against
two steps (its clusters, hard or soft, and k-means of an ordinary latent space; then sums of cells
and DESeq2's estimate) and against the true types.

Tables of R DESeq2 1.38.3 lie in ../shared/data/omics/golden. Where Rscript has DESeq2 (Debian:
r-bioc-deseq2) it is timed here; ours is timed twice, as the first call of a process loads compiled
functions. All times are CPU seconds of the estimate alone: no start, no reading.
"""

import argparse
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from flax import nnx

from diffbio_engine.operators.statistical import DifferentiableNBGLM, NBGLMConfig

DATA = Path(__file__).parents[3] / "shared/data/omics"
SETS = {
    "airway": ("airway", "airway", ["cell", "dex"]),
    "rat": ("ercc_rat_MET_CTL", "ercc_rat", ["condition"]),
    "simulation": ("sim_batch", "sim_batch", ["batch", "condition"]),
}
IN_R = """
suppressMessages(library(DESeq2))
k <- as.matrix(read.csv(gzfile("{counts}"), row.names=1, check.names=FALSE))
d <- read.csv("{design}", row.names=1, stringsAsFactors=TRUE)
dds <- DESeqDataSetFromMatrix(k[, rownames(d)], d, ~ {formula})
t <- system.time({{dds <- DESeq(dds, quiet=TRUE); r <- results(dds)}})
cat(t[["user.self"]] + t[["sys.self"]])
"""


def design_of(samples, columns):
    found = [np.ones(len(samples))]
    for name in columns:
        found += [samples[name] == level for level in sorted(samples[name].unique())[1:]]
    return np.stack(found, axis=1).astype(float)


def ours(counts, design):
    config = NBGLMConfig(n_features=counts.shape[1], n_covariates=design.shape[1])
    seconds = []
    for _ in range(2):
        block = DifferentiableNBGLM(config, rngs=nnx.Rngs(0))
        began = time.process_time()
        block.prepare(counts, design)
        seconds.append(time.process_time() - began)
    block.fitted = True
    result = nnx.jit(lambda b, c, d: b(counts=c, design=d))(block, counts, design)
    # In R's names, where a port has one.
    r_names = {a for p in block.outputs for a in p.also if a != a.lower()}
    names = {p.name: next(iter(r_names & set(p.also)), p.name) for p in block.outputs}
    table = {names[k]: np.asarray(v, float) for k, v in result.items() if np.ndim(v) == 1}
    return {k: v for k, v in table.items() if len(v) == counts.shape[1]}, seconds


def seconds_of_r(name, columns):
    script = IN_R.format(
        counts=DATA / "bulk" / f"{name}_counts.csv.gz",
        design=DATA / "bulk" / f"{name}_design.csv",
        formula=" + ".join(columns),
    )
    try:
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])
    except (OSError, subprocess.CalledProcessError):
        return None


def average_precision(truth, score):
    found = truth[np.argsort(-score, kind="stable")]
    return float((np.cumsum(found) / np.arange(1, len(found) + 1))[found].mean())


def compared(name):
    file, golden, columns = SETS[name]
    counts = pd.read_csv(DATA / "bulk" / f"{file}_counts.csv.gz", index_col=0)
    samples = pd.read_csv(DATA / "bulk" / f"{file}_design.csv", index_col=0)
    counts = counts[samples.index]
    table = pd.read_csv(DATA / "golden" / f"{golden}_deseq2.csv.gz", index_col=0)
    table = table.reindex(counts.index)
    result, seconds = ours(counts.to_numpy().T.astype(float), design_of(samples, columns))
    change = np.abs(result["log2FoldChange"] / table["log2FoldChange"] - 1)
    print(f"== {name}: {counts.shape[0]:,} genes x {counts.shape[1]} samples")
    print(f"log2 fold change: beyond 1e-4 relative {int((change > 1e-4).sum())} genes")
    for column in ("dispGeneEst", "dispFit", "dispersion"):
        off = np.abs(np.log(result[column] / table[column]))
        print(f"{column}: median |log ratio| {np.nanmedian(off):.1e}, largest {np.nanmax(off):.1e}")
    mine, theirs = (np.nan_to_num(t["padj"], nan=1.0) < 0.05 for t in (result, table))
    print(
        f"padj < 0.05: {mine.sum():,} and {theirs.sum():,},"
        f" Jaccard {(mine & theirs).sum() / (mine | theirs).sum():.4f}"
    )
    print(
        f"CPU seconds: {seconds[0]:.1f} first, {seconds[1]:.1f} then;"
        f" R {seconds_of_r(file, columns)}"
    )
    for who, found in (("ours", result), ("R", {k: table[k].to_numpy() for k in table})):
        against_truth(name, who, counts.index, found)


def against_truth(name, who, genes, found):
    if name == "rat":
        truth = pd.read_csv(DATA / "bulk" / "ercc_rat_MET_CTL_truth.csv", index_col=0)
        change = pd.Series(found["log2FoldChange"], genes).reindex(truth.index)
        true = truth["log2fc_mix1_over_mix2"]
        seen = pd.Series(found["baseMean"], genes).reindex(truth.index) >= 10
        change = change[seen] - change[seen & (true == 0)].median()
        error = np.sqrt(((change - true[seen]) ** 2).mean())
        medians = [f"{change[true[seen] == t].median():.2f}" for t in sorted(true.unique())]
        r = np.corrcoef(change, true[seen])[0, 1]
        print(f"{who}: spike-ins RMSE {error:.3f}, r {r:.3f}, medians {', '.join(medians)}")
    if name == "simulation":
        truth = pd.read_csv(DATA / "bulk" / "sim_batch_truth.csv.gz", index_col=0).reindex(genes)
        differs = (truth["log2fc"] != 0).to_numpy()
        called = np.nan_to_num(found["padj"], nan=1.0) < 0.05
        score = -np.nan_to_num(found["pvalue"], nan=1.0)
        print(
            f"{who}: average precision {average_precision(differs, score):.3f}, FDR"
            f" {1 - differs[called].mean():.3f}, calls among outliers"
            f" {called[truth['outlier'].to_numpy()].sum()}"
        )


def soft(seed, apart, n_clusters=3):
    """The joint model and the two-step ways on one simulation."""
    from sklearn.cluster import KMeans

    from diffbio_engine.data.demos.simulated_conditions import simulate_conditions
    from diffbio_engine.pipelines import DataPort, build, find_preset
    from diffbio_engine.training import fit

    cells = simulate_conditions(seed=seed, apart=apart)
    codes = {n: cells.obs[n].astype("category").cat.codes.to_numpy(np.int32) for n in cells.obs}
    data = {
        "counts": cells.X.toarray(),
        "condition_labels": codes["condition"],
        "batch_labels": codes["donor"],
    }
    preset = find_preset("soft_cluster_expression")
    spec = replace(preset.make(dict.fromkeys(data, "X")), variable_genes=0)
    ports = {
        "counts": DataPort.named("counts", cells.n_vars),
        "condition_labels": DataPort.named("condition_labels", n_classes=2),
        "batch_labels": DataPort.named("batch_labels", n_classes=6),
    }
    pipeline = build(spec, ports)
    began = time.process_time()
    fit(pipeline, data)
    print(
        f"== types {apart} apart, seed {seed}: trained in {time.process_time() - began:.0f} CPU s"
    )
    values = pipeline(data)
    shares = np.asarray(values["cluster.cluster_assignments"])
    latent = np.asarray(values["normalize.latent_mean"])
    kinds, truth = codes["cell_type"], cells.var.to_numpy().T
    block = pipeline.blocks["compare"]
    joint = {name: np.asarray(v[...], float) for name, v in block.found.items()}
    _of_types("joint", joint, np.asarray(values["compare.responsibilities"]), kinds, truth)
    k_means = KMeans(n_clusters, n_init=10, random_state=0).fit_predict(latent)
    for name, given in {
        "its clusters, hard, then DE": np.eye(n_clusters)[shares.argmax(axis=1)],
        "its clusters, soft, then DE": shares,
        "k-means of the latent, then DE": np.eye(n_clusters)[k_means],
        "the true types, then DE": np.eye(3)[kinds],
    }.items():
        _of_types(name, _two_steps(given, data), given, kinds, truth)


def _two_steps(shares, data):
    from diffbio_engine.operators.statistical import (
        SoftClusterExpression,
        SoftClusterExpressionConfig,
    )

    n_genes, n_clusters = data["counts"].shape[1], shares.shape[1]
    config = SoftClusterExpressionConfig(n_genes=n_genes, n_clusters=n_clusters, evidence=0.0)
    block = SoftClusterExpression(config, rngs=nnx.Rngs(0))
    block.prepare(cluster_assignments=shares, **data)
    return {name: np.asarray(v[...], float) for name, v in block.found.items()}


def _of_types(name, found, shares, kinds, truth):
    """Of each type, the table of the cluster that holds most of it."""
    cells = np.array([shares[kinds == t].sum(axis=0) for t in range(len(truth))])
    of_type = cells.argmax(axis=1)
    differs = truth != 0
    p = np.nan_to_num(found["pvalue"][of_type], nan=1.0)
    called = np.nan_to_num(found["padj"][of_type], nan=1.0) < 0.05
    precision = np.mean([average_precision(d, -q) for d, q in zip(differs, p, strict=True)])
    print(
        f"{name}: {cells.max(axis=1).sum() / len(kinds):.2f} of the cells with their type,"
        f" average precision {precision:.3f}, found {differs[called].sum() / differs.sum():.2f},"
        f" FDR {1 - differs[called].mean() if called.any() else 0:.3f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join([*SETS, "soft"]))
    for chosen in parser.parse_args().names or [*SETS, "soft"]:
        if chosen in SETS:
            compared(chosen)
            continue
        for apart in (1.0, 0.8, 0.6):
            for seed in (0, 1, 2):
                soft(seed, apart)
