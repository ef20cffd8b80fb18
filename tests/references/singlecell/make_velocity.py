"""Makes velocity.npz with scvelo 0.3.4: python make_velocity.py, in a Python that has scvelo.

Cells of known rates (`simulate`, which the tests use too). Of scvelo: moments, the deterministic
slopes, their fit, which genes it believes, velocities, and arrows on the first two components.
"""

from pathlib import Path

import numpy as np


def simulate(seed: int, n_cells: int = 600, n_genes: int = 60) -> dict[str, np.ndarray]:
    """Counts of genes that are switched on and off at times of their own, and the truth."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0, 20, n_cells))
    alpha, beta = rng.lognormal(1.5, 0.5, n_genes), rng.lognormal(-0.7, 0.4, n_genes)
    gamma = beta * rng.lognormal(-0.4, 0.4, n_genes)
    on, lasts = rng.uniform(-6, 8, n_genes), rng.uniform(4, 12, n_genes)

    def solved(t, a, u0, s0):
        u_left, s_left = np.exp(-beta * t), np.exp(-gamma * t)
        u = u0 * u_left + a / beta * (1 - u_left)
        mixed = (a - beta * u0) / (gamma - beta) * (s_left - u_left)
        return u, s0 * s_left + a / gamma * (1 - s_left) + mixed

    since = time[:, None] - on
    top = solved(lasts, alpha, 0.0, 0.0)
    rising = solved(np.clip(since, 0, lasts), alpha, 0.0, 0.0)
    falling = solved(np.clip(since - lasts, 0, None), 0.0, *top)
    u, s = (np.where(since > lasts, f, r) for f, r in zip(falling, rising, strict=True))
    return {
        "time": time,
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
        "velocity": beta * u - gamma * s,
        "unspliced": rng.poisson(2 * u).astype(np.float32),
        "spliced": rng.poisson(2 * s).astype(np.float32),
    }


def main() -> None:
    """Runs scvelo and stores what it finds of every sixth cell."""
    import anndata
    import scanpy
    import scipy.sparse as sp
    import scvelo

    truth = simulate(0)
    layers = {name: sp.csr_matrix(truth[name]) for name in ("spliced", "unspliced")}
    data = anndata.AnnData(layers["spliced"].copy(), layers=layers)
    scvelo.pp.normalize_per_cell(data)
    scanpy.pp.log1p(data)
    scanpy.pp.pca(data, n_comps=20)
    scanpy.pp.neighbors(data, n_neighbors=30)
    scvelo.pp.moments(data, n_pcs=None, n_neighbors=None)
    scvelo.tl.velocity(data, mode="deterministic")
    spots = np.asarray(data.obsm["X_pca"][:, :2], np.float32)
    data.obsm["X_map"] = spots
    scvelo.tl.velocity_graph(data, n_jobs=1, show_progress_bar=False)
    scvelo.tl.velocity_embedding(data, basis="map", autoscale=False)
    scvelo.tl.velocity_pseudotime(data)
    some = slice(None, None, 6)
    np.savez_compressed(
        Path(__file__).with_name("velocity.npz"),
        version=scvelo.__version__,
        spliced=np.asarray(data.layers["Ms"], np.float32),
        unspliced=np.asarray(data.layers["Mu"], np.float32),
        slopes=data.var["velocity_gamma"].to_numpy(),
        fit=data.var["velocity_r2"].to_numpy(),
        believed=data.var["velocity_genes"].to_numpy(),
        velocity=np.asarray(data.layers["velocity"][some], np.float32),
        map=spots,
        arrows=np.asarray(data.obsm["velocity_map"], np.float32),
        time=data.obs["velocity_pseudotime"].to_numpy(np.float32),
    )


if __name__ == "__main__":
    main()
