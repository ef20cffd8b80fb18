"""Imputation beside MAGIC. Run: python tests/benchmarks/imputation_vs_magic.py [20000]

PBMC 3k (2638 x 2000), magic-impute 3.0.0. First the same values from the same settings; then
molecular cross-validation (Batson 2019): each molecule goes to training with probability 0.9 and
the loss, the mean of p - y log(p + 1e-6) over cells and genes, is that of the expected held-out
counts y. MAGIC averages roots of scaled counts, as in its tutorials; its squares are scaled to
each cell's library ("share", its best) or multiplied with it ("times"). Times: the two in turn,
medians of nine rounds after a first. With a number: memory and time of so many cells of
gen_scale.py.
"""

import resource
import runpy
import sys
import time
from functools import partial
from pathlib import Path

import anndata
import jax
import numpy as np
from flax import nnx

from diffbio_engine.operators.singlecell import (
    DifferentiableDiffusionImputer,
    DiffusionImputerConfig,
)

DATA = Path(__file__).parents[3] / "shared/data"
HELD_OUT = 0.1
CHUNK = 1024


@partial(jax.jit, static_argnums=0)
def place(graph, state, cells):
    return nnx.merge(graph, state)(cells)["imputed_counts"]


def ours(counts, queries=None, **settings):
    return placed(prepared(counts, **settings), counts if queries is None else queries)


def prepared(counts, **settings):
    block = DifferentiableDiffusionImputer(DiffusionImputerConfig(**settings))
    block.prepare_from({"counts": counts}, jax.random.key(0))
    return block


def placed(block, cells):
    """In chunks of one length, compiled once, nothing but the values handed back, as a pipeline."""
    graph, state = nnx.split(block)
    found = []
    for start in range(0, len(cells), CHUNK):
        rows = np.arange(start, start + CHUNK)
        part = place(graph, state, cells[np.where(rows < len(cells), rows, start)])
        found.append(np.asarray(part)[: len(cells) - start])
    return np.concatenate(found)


def theirs(cells, **settings):
    import magic

    return magic.MAGIC(verbose=0, random_state=0, **settings).fit_transform(cells)


def theirs_of(values, cells, steps=3):
    """Their walk among cells, applied to other values of these cells."""
    import magic

    walk = magic.MAGIC(verbose=0, random_state=0).fit(cells).diff_op
    for _ in range(steps):
        values = walk @ values
    return values


def roots(counts):
    library = counts.sum(axis=1, keepdims=True)
    return np.sqrt(counts / np.maximum(library, 1) * np.median(library)).astype(np.float32)


def measured(what):
    began, spent = time.perf_counter(), time.process_time()
    found = what()
    return found, time.perf_counter() - began, time.process_time() - spent


def loss(expected, held_out):
    """Poisson loss of held-out counts, given what training counts say of them."""
    expected = expected * HELD_OUT / (1 - HELD_OUT)
    return float(np.mean(expected - held_out * np.log(expected + 1e-6)))


def pbmc3k():
    counts = anndata.read_h5ad(DATA / "pbmc3k_hvg2000_counts.h5ad").X.toarray()
    same, peer = ours(roots(counts), normalize=False), theirs(roots(counts))
    print(
        f"same settings: r {np.corrcoef(same.ravel(), peer.ravel())[0, 1]:.6f}, largest"
        f" difference {np.abs(same - peer).max():.3f}, mean {np.abs(same - peer).mean():.5f},"
        f" mean value {peer.mean():.3f}",
        flush=True,
    )
    beside_each_other(counts)
    table = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        seen = rng.binomial(counts.astype(int), 1 - HELD_OUT).astype(np.float32)
        held_out = counts - seen
        library = seen.sum(axis=1, keepdims=True)
        peer, found = theirs(roots(seen)), ours(seen)
        square = peer**2
        scaled = seen / np.maximum(library, 1) * np.median(library)
        same_mean = theirs_of(scaled, roots(seen)) * library / np.median(library)
        row = {
            "gene mean": loss(library * seen.sum(axis=0) / seen.sum(), held_out),
            "MAGIC, times": loss(square * library / np.median(library), held_out),
            "MAGIC, share": loss(square / square.sum(1, keepdims=True) * library, held_out),
            "MAGIC's walk, mean of counts": loss(same_mean, held_out),
            "ours": loss(found, held_out),
            "ours, new half": new_half(seen, held_out),
        }
        table.append(row)
        print(seed, {name: round(value, 4) for name, value in row.items()}, flush=True)
    middle = {name: float(np.median([row[name] for row in table])) for name in table[0]}
    print("median", {name: round(value, 4) for name, value in middle.items()})


def beside_each_other(counts, rounds=9):
    """Seconds and CPU seconds of both in turn; the first round, which compiles, apart."""
    table = [
        (measured(lambda: theirs(roots(counts)))[1:], measured(lambda: ours(counts))[1:])
        for _ in range(rounds + 1)
    ]
    print(f"first round: MAGIC {table[0][0][0]:.1f} s, ours {table[0][1][0]:.1f} s")
    (peer, peer_cpu), (found, found_cpu) = np.median(np.array(table[1:]), axis=0)
    print(f"seconds: MAGIC {peer:.2f}, ours {found:.2f}: {found / peer:.2f}")
    print(f"CPU seconds: MAGIC {peer_cpu:.2f}, ours {found_cpu:.2f}: {found_cpu / peer_cpu:.2f}")


def new_half(seen, held_out):
    """Loss of every second cell, placed in a graph of the others."""
    return loss(ours(seen[::2], seen[1::2]), held_out[1::2])


def many(n_cells):
    generate = runpy.run_path(str(DATA / "gen_scale.py"))["generate"]
    counts = generate(n_cells)[0].toarray()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    block, wall, cpu = measured(lambda: prepared(counts))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    imputed, all_wall, all_cpu = measured(lambda: placed(block, counts))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{imputed.shape}: data {before:.2f} GB at most; graph {wall:.0f} s ({cpu:.0f} CPU s), peak"
        f" {after:.2f} GB; imputing all {all_wall:.0f} s ({all_cpu:.0f} CPU s), peak {peak:.2f} GB"
    )


if __name__ == "__main__":
    many(int(sys.argv[1])) if len(sys.argv) > 1 else pbmc3k()
