"""Trajectories by transport beside Waddington-OT, and differential distributions, with many cells.

Run: python tests/benchmarks/trajectories_by_transport.py PART, with PART one of
``process`` (growth and fates of a simulated process whose truth is known), ``transport CELLS.h5ad``
and ``distributions CELLS.h5ad`` (time and memory; of `shared/data/gen_scale.py 20000`), and, in a
Python that has wot 1.0.8, ``waddington``.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.references.singlecell.make_ot_trajectory import growing_branches


def say(name, growths, fates, truth):
    times, sides, growth, right = truth
    for at in (0, 1):
        here = times == at
        logs = np.log(growth[here]), np.log(growths[here])
        slope = np.polyfit(*logs, 1)[0]
        print(f"{name}: growth at {at}: r {np.corrcoef(*logs)[0, 1]:.3f}, slope {slope:.2f}")
    first, middle = times == 0, times == 1
    print(f"{name}: fate at 0: r {np.corrcoef(fates[first], right[first])[0, 1]:.3f}")
    print(f"{name}: fate at 1: right for {np.mean((fates[middle] > 0.5) == sides[middle]):.3f}")


def process():
    import jax

    from diffbio_engine.operators.singlecell import DifferentiableOTTrajectory, OTTrajectoryConfig

    cells, times, sides, growth, right = growing_branches()
    for grown in (1, 3):
        config = OTTrajectoryConfig(n_genes=6, n_times=3, n_classes=2, growth_iterations=grown)
        block = DifferentiableOTTrajectory(config)
        arrays = {"embeddings": cells, "time_points": times, "labels": sides}
        block.prepare_from(arrays, jax.random.key(0))
        found = jax.jit(lambda block=block, **given: block(**given))(**arrays)
        rates, fates = np.asarray(found["growth_rates"]), np.asarray(found["fate_shares"])[:, 1]
        say(f"ours, {grown} iterations", rates, fates, (times, sides, growth, right))


def waddington():
    import anndata
    import pandas as pd
    import wot

    cells, times, sides, growth, right = growing_branches()
    data = anndata.AnnData(cells, obs=pd.DataFrame({"day": times.astype(float)}))
    data.obs_names = [str(i) for i in range(len(cells))]
    for grown in (1, 3):
        model = wot.ot.OTModel(
            data, epsilon=0.1, lambda1=1, lambda2=50, growth_iters=grown, local_pca=0
        )
        maps = [model.compute_transport_map(t, t + 1).X for t in (0, 1)]
        rates = np.concatenate([*(m.sum(axis=1) for m in maps), np.ones(400)])
        there = np.stack([1 - sides[times == 2], sides[times == 2]], axis=1)
        middle = maps[1] @ there
        first = maps[0] @ middle
        masses = np.concatenate([first, middle, there])
        fates = (masses / masses.sum(axis=1, keepdims=True))[:, 1]
        say(f"wot, {grown} iterations", rates, fates, (times, sides, growth, right))


def _measured(name, block, arrays, rows):
    import jax

    began, cpu = time.time(), time.process_time()
    block.prepare_from(arrays, jax.random.key(0))
    call = jax.jit(lambda given: block(**given))
    for start in range(0, len(rows), 1024):
        jax.block_until_ready(call({k: v[start : start + 1024] for k, v in arrays.items()}))
    # Together: what `prepare` starts may still be running when it returns.
    print(f"{name}: {time.time() - began:.1f} s, {time.process_time() - cpu:.1f} CPU s")
    print(f"{name}: peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def transport(path):
    import anndata
    from sklearn.decomposition import TruncatedSVD

    from diffbio_engine.operators.singlecell import DifferentiableOTTrajectory, OTTrajectoryConfig

    data = anndata.read_h5ad(path)
    logs = data.X.tocsr().astype(np.float32)
    logs.data = np.log1p(logs.data)
    places = TruncatedSVD(20, random_state=0).fit_transform(logs).astype(np.float32)
    order = np.argsort(np.argsort(data.obs["t"].to_numpy(float)))
    times = (order * 4 // len(order)).astype(np.int32)
    labels = data.obs["cell_type"].astype("category").cat.codes.to_numpy(np.int32)
    config = OTTrajectoryConfig(n_genes=20, n_times=4, n_classes=int(labels.max()) + 1)
    arrays = {"embeddings": places, "time_points": times, "labels": labels}
    _measured("transport", DifferentiableOTTrajectory(config), arrays, times)


def distributions(path):
    import anndata

    from diffbio_engine.operators.singlecell import (
        DifferentiableDifferentialDistribution,
        DifferentialDistributionConfig,
    )

    data = anndata.read_h5ad(path)
    counts = data.X.toarray().astype(np.float32)
    conditions = (np.arange(len(counts)) % 2).astype(np.int32)
    config = DifferentialDistributionConfig(n_genes=counts.shape[1])
    block = DifferentiableDifferentialDistribution(config)
    arrays = {"counts": counts, "condition_labels": conditions}
    _measured("distributions", block, arrays, counts[:1024])


if __name__ == "__main__":
    parts = {f.__name__: f for f in (process, waddington, transport, distributions)}
    parts[sys.argv[1]](*sys.argv[2:])
