"""Makes spatial_domain.json. Run: PYTHON tests/references/singlecell/make_spatial_domain.py

PYTHON is one with torch, scikit-learn, pandas and anndata. STAGATE's published model (Dong and
Zhang 2022), whose package is on no registry, written here with torch from the paper: two layers of
graph attention in, the same weights turned round out, hidden 512 and 30, 1000 epochs of Adam at
1e-3 with its weight decay 1e-4 and clipping at 5. Data: the simulated tissue of
test_spatial_domain.py, both slices, six neighbours in each; domains by a Gaussian mixture with one
covariance (as mclust's EEE). Figures: adjusted Rand index with the layers, by seed.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "diffbio_engine/data/demos/simulated_tissue.py"
spec = importlib.util.spec_from_file_location("simulated_tissue", SOURCE)
tissue = sys.modules["simulated_tissue"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tissue)
torch.set_num_threads(1)


def edges(places: np.ndarray, slices: np.ndarray, k: int = 6) -> torch.Tensor:
    """From each of the k nearest in the slice, and itself, to each spot, (2, edges)."""
    found = []
    for one in np.unique(slices):
        rows = np.flatnonzero(slices == one)
        near = NearestNeighbors(n_neighbors=k + 1).fit(places[rows]).kneighbors(places[rows])[1]
        found.append(np.stack([rows[near].ravel(), np.repeat(rows, k + 1)]))
    return torch.as_tensor(np.concatenate(found, axis=1))


class Stagate(torch.nn.Module):
    """The graph attention autoencoder."""

    def __init__(self, n_genes: int, hidden: int = 512, latent: int = 30):
        super().__init__()
        made = [(n_genes, hidden), (hidden, latent)]
        self.wide, self.narrow = (torch.nn.Parameter(torch.empty(*size)) for size in made)
        self.toward, self.away = (torch.nn.Parameter(torch.empty(1, hidden)) for _ in range(2))
        for one in (self.wide, self.narrow, self.toward, self.away):
            torch.nn.init.xavier_normal_(one, gain=1.414)

    def forward(self, x: torch.Tensor, edge: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        source, target = edge
        h = x @ self.wide
        scores = torch.sigmoid((h @ self.away.T)[source, 0] + (h @ self.toward.T)[target, 0])
        weight = torch.exp(scores)
        total = torch.zeros(len(x)).index_add(0, target, weight)
        share = (weight / total[target])[:, None]

        def spread(values: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(values).index_add(0, target, share * values[source])

        latent = torch.nn.functional.elu(spread(h)) @ self.narrow
        back = torch.nn.functional.elu(spread(latent @ self.narrow.T)) @ self.wide.T
        return latent, back


def main() -> None:
    """Three seeds."""
    made = tissue.simulate_tissue(seed=1, n_spots=1600)
    counts = np.asarray(made.X.todense(), np.float32)
    logged = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    x = torch.as_tensor(logged)
    edge = edges(np.asarray(made.obsm["spatial"]), made.obs["slice"].to_numpy())
    found = {}
    for seed in range(3):
        torch.manual_seed(seed)
        model = Stagate(x.shape[1])
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
        for _ in range(1000):
            adam.zero_grad()
            torch.nn.functional.mse_loss(model(x, edge)[1], x).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            adam.step()
        latent = model(x, edge)[0].detach().numpy()
        mixture = GaussianMixture(6, covariance_type="tied", n_init=5, random_state=seed)
        found[str(seed)] = round(
            adjusted_rand_score(made.obs["layer"], mixture.fit_predict(latent)), 4
        )
        print(seed, found[str(seed)], flush=True)
    told = {"adjusted Rand index, STAGATE": found}
    (HERE / "spatial_domain.json").write_text(json.dumps(told, indent=1) + "\n")


main()
