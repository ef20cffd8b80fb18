"""PHATE beside the authors' package. Run: python tests/benchmarks/phate_vs_phate.py [70000]

The tree (3000 x 100): trust15, branch accuracy of a vote of 15 neighbours, time. With a number:
the memory and time of a map of that many cells through landmarks.
"""

import resource
import sys
import time
from pathlib import Path

import anndata
import jax
import numpy as np
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from diffbio_engine.operators.normalization import DifferentiablePHATE, PHATEConfig

DATA = Path(__file__).parents[3] / "shared/data"


def vote(embedding, labels):
    """Share of cells whose 15 nearest others agree with them."""
    nearest = NearestNeighbors(n_neighbors=16).fit(embedding).kneighbors(return_distance=False)
    names, codes = np.unique(labels, return_inverse=True)
    counts = np.stack([(codes[nearest[:, :15]] == i).sum(axis=1) for i in range(len(names))])
    return float(np.mean(counts.argmax(axis=0) == codes))


def measured(what):
    began, spent = time.perf_counter(), time.process_time()
    found = what()
    return found, time.perf_counter() - began, time.process_time() - spent


def ours(cells, **settings):
    block = DifferentiablePHATE(PHATEConfig(**settings))
    block.prepare_from({"features": cells}, jax.random.key(0))
    return np.asarray(block(cells)["embedding"])


def theirs(cells):
    import phate

    return phate.PHATE(verbose=0, random_state=0).fit_transform(cells)


def tree():
    data = anndata.read_h5ad(DATA / "phate_tree_3000x100.h5ad")
    cells, branch = np.asarray(data.X, dtype=np.float32), data.obs["branch"].to_numpy()
    for name, draw in (
        ("phate", lambda: theirs(cells)),
        ("ours, t 10", lambda: ours(cells)),
        ("ours, t 10, again", lambda: ours(cells)),
        ("ours, t from the data", lambda: ours(cells, diffusion_t=0)),
        ("ours, 2000 landmarks", lambda: ours(cells, n_landmarks=2000)),
    ):
        embedding, wall, cpu = measured(lambda draw=draw: draw())
        trust = trustworthiness(cells, embedding, n_neighbors=15)
        print(
            f"{name}: trust15 {trust:.4f}, branch accuracy {vote(embedding, branch):.3f},"
            f" {wall:.1f} s, {cpu:.1f} CPU s",
            flush=True,
        )


def many(n_cells):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 50)).cumsum(axis=0)
    label = rng.integers(0, 20, n_cells)
    cells = (centres[label] + rng.normal(size=(n_cells, 50))).astype(np.float32)
    embedding, wall, cpu = measured(lambda: ours(cells))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    model = KNeighborsClassifier(15).fit(embedding[::2], label[::2])
    score = model.score(embedding[1::2], label[1::2])
    print(f"{n_cells} cells: {wall:.0f} s, {cpu:.0f} CPU s, peak {peak:.2f} GB, groups {score:.2f}")


if __name__ == "__main__":
    many(int(sys.argv[1])) if len(sys.argv) > 1 else tree()
