"""Time and memory of single blocks with many cells: prepared, one training step, all cells read.

    python tests/benchmarks/many_cells.py [operator ...] [--cells 20000] [--settings JSON]

Simulated cells (../shared/data/gen_scale.py) with 2000 genes and what else a block asks for: their
principal components, places drawn at random, 300 gene pairs, 50 regulators. Each block is a
pipeline of its own in a process of its own, with default settings but those told (as
'{"annotation_mode": "scanvi"}'); compiling is in the times.
Results are read in pieces and not kept. Without names: all operators that need no other block.
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

PIECE = 4096


def memory() -> float:
    """The greatest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def fields_of(n_cells: int, asked: frozenset[str]):
    """Everything that a data set can offer, and what the simulation alone took."""
    from sklearn.decomposition import TruncatedSVD

    from diffbio_engine.data import CellSource

    counts, truth, _, _ = generate(n_cells, seed=0)
    ambient = np.asarray(counts.mean(axis=0)).ravel()
    rng = np.random.default_rng(0)
    expression = counts.copy()
    expression.data = np.log1p(expression.data)
    kinds = np.unique(truth["cell_type"], return_inverse=True)[1].astype(np.int32)
    batches = np.unique(truth["batch"], return_inverse=True)[1].astype(np.int32)
    wide = asked & {"expression", "features", "spliced", "unspliced"}
    n_genes, n_kinds = counts.shape[1], kinds.max() + 1
    per_cell = {
        "labels": kinds,
        "batch_labels": batches,
        "condition_labels": batches % 2,
        "slice_labels": batches % 2,
        "time_points": batches % 3,
        "spatial_coords": rng.uniform(0, 1000, (n_cells, 2)).astype(np.float32),
        "embeddings": TruncatedSVD(20, random_state=0).fit_transform(expression),
        "pseudotime": rng.uniform(size=n_cells).astype(np.float32),
        **{name: expression.toarray().astype(np.float32) for name in wide},
    }
    per_dataset = {
        "ambient_profile": (ambient / ambient.sum()).astype(np.float32),
        "lr_pairs": rng.integers(0, n_genes, (300, 2)).astype(np.int32),
        "tf_indices": rng.choice(n_genes, 50, replace=False).astype(np.int32),
        "marker_matrix": (rng.uniform(size=(n_kinds, n_genes)) < 0.01).astype(np.float32),
    }
    classes = {name: int(x.max()) + 1 for name, x in per_cell.items() if x.dtype == np.int32}
    names = {name: [str(i) for i in range(n)] for name, n in classes.items()}
    return CellSource(counts, per_cell, per_dataset, label_names=names), classes


def measure(name: str, n_cells: int, settings: dict) -> None:
    """One block, as one line."""
    import jax

    from diffbio_engine.declare import find_operator
    from diffbio_engine.pipelines import build, prepare, values_of_cells
    from diffbio_engine.pipelines.presets.preset import assembled
    from diffbio_engine.pipelines.wiring import DataPort
    from diffbio_engine.training import Training
    from diffbio_engine.training.stages import Stage

    jax.devices()
    declared = find_operator(name)
    cells, classes = fields_of(n_cells, frozenset(p.name for p in declared.inputs))
    before = memory()
    given = {**cells.per_cell, **cells.per_dataset, "counts": None}
    wired = [p for p in declared.inputs if p.name in given and not p.drawn]
    offered = {}
    for port in wired:
        value = given[port.name]
        shape = (cells.n_genes,) if value is None else value.shape[1 if port.per_record else 0 :]
        offered[port.name] = DataPort(port, shape, classes.get(port.name, 0))
    wires = {f"block.{p.name}": f"data.{p.name}" for p in wired}
    spec = assembled(name, {"block": (name, settings)}, wires, None)
    pipeline = build(spec, offered, seed=0)
    began, used = time.perf_counter(), time.process_time()

    def lap(what: str) -> str:
        nonlocal began, used
        said = f"{what} {time.perf_counter() - began:.0f} s ({time.process_time() - used:.0f} CPU)"
        began, used = time.perf_counter(), time.process_time()
        return said

    if pipeline.plan.losses:
        stages = (Stage("joint", steps=3),)
        training = Training(pipeline, cells, stages, seed=0, batch_size=256)
        training.prepare()
        said = [lap("prepared")]
        for _ in training:
            pass
        training.settle()
        said.append(lap("3 steps"))
    else:
        prepare(pipeline, cells)
        said = [lap("prepared")]
    pipeline.eval_mode()
    ports = tuple(f"block.{p.name}" for p in declared.outputs if p.per_record and not p.dense)
    ports = tuple(p for p in ports if p in pipeline.plan.ports())
    for start in range(0, n_cells, PIECE):
        values_of_cells(pipeline, cells, ports, rows=np.arange(start, min(start + PIECE, n_cells)))
    said.append(lap("all cells read"))
    print(
        f"{name}: {', '.join(said)}; peak {memory():.2f} GB (data alone {before:.2f})", flush=True
    )


def main() -> None:
    """Each operator in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("operators", nargs="*")
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--settings", default="{}", help="of the blocks, as JSON")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        return measure(asked.only, asked.cells, json.loads(asked.settings))
    from diffbio_engine.declare import operators

    every = [
        d.id for d in operators().values() if d.id.startswith(("singlecell.", "normalization."))
    ]
    for name in asked.operators or every:
        command = [sys.executable, __file__, "--only", name, "--cells", str(asked.cells)]
        command += ["--settings", asked.settings]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        last = (ran.stderr.strip().splitlines() or ["ended without a word"])[-1]
        print(ran.stdout.strip() or f"{name}: not measured, {last}", flush=True)


if __name__ == "__main__":
    main()
