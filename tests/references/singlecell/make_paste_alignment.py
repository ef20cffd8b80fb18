"""Makes paste_alignment.npz. Run: PYTHON tests/references/singlecell/make_paste_alignment.py

PYTHON has paste-bio 1.4.0 with POT 0.9.3 (a later one is refused by paste), seaborn, numpy < 2 and
scipy 1.13. Breast cancer slices 1 and 2 of shared/data, the 7224 genes that both have, and of these
the 300 with the most counts, as the test has them: `paste.pairwise_align(alpha=0.1)`, of both gene
sets, and `ot.gromov.entropic_fused_gromov_wasserstein(epsilon=0.1)` of the 300. Objectives are
`(1 - alpha) <C, P> + alpha sum (D1 - D2)^2 P P`, without the entropy.
"""

from pathlib import Path

import anndata
import h5py
import numpy as np
import ot
import pandas as pd
import scipy.sparse as sp
from paste import pairwise_align
from paste.helper import kl_divergence_backend

SHARED = Path(__file__).parents[4] / "shared/data"
ALPHA, EPSILON = 0.1, 0.1


def read(which):
    # By hand: the anndata that this numpy allows is too old for the file.
    with h5py.File(SHARED / f"paste_bc_slice{which}_counts.h5ad") as file:
        x, index = file["X"], file["var"][file["var"].attrs["_index"]]
        index = index if isinstance(index, h5py.Dataset) else index["values"]
        matrix = sp.csr_matrix((x["data"][:], x["indices"][:], x["indptr"][:]), x.attrs["shape"])
        names = [name.decode() for name in index[:]]
        return anndata.AnnData(
            matrix.toarray(),
            var=pd.DataFrame(index=names),
            obsm={"spatial": file["obsm/spatial"][:].astype(float)},
        )


slices = [read(1), read(2)]
genes = slices[0].var_names.intersection(slices[1].var_names)
slices = [s[:, genes].copy() for s in slices]
most = np.argsort(-sum(s.X.sum(axis=0) for s in slices), kind="stable")[:300]
small = [s[:, np.sort(most)].copy() for s in slices]


def objective(plan, pair):
    c = kl_divergence_backend(pair[0].X + 0.01, pair[1].X + 0.01)
    a, b = (ot.dist(s.obsm["spatial"], s.obsm["spatial"], metric="euclidean") for s in pair)
    p, q = plan.sum(axis=1), plan.sum(axis=0)
    apart = (a**2 @ p) @ p + (b**2 @ q) @ q - 2 * np.sum((a @ plan @ b) * plan)
    return (1 - ALPHA) * np.sum(c * plan) + ALPHA * apart


found = {}
for name, pair in (("all", slices), ("few", small)):
    plan = pairwise_align(*pair, alpha=ALPHA)
    found[f"{name}_objective"] = objective(plan, pair)
    found[f"{name}_match"] = plan.argmax(axis=1).astype(np.int16)
c = kl_divergence_backend(small[0].X + 0.01, small[1].X + 0.01)
a, b = (ot.dist(s.obsm["spatial"], s.obsm["spatial"], metric="euclidean") for s in small)
p, q = ot.unif(len(a)), ot.unif(len(b))
plan = ot.gromov.entropic_fused_gromov_wasserstein(
    c, a, b, p, q, alpha=ALPHA, epsilon=EPSILON, max_iter=2000, tol=1e-10
)
found["entropic_objective"] = objective(plan, small)
found["entropic_match"] = plan.argmax(axis=1).astype(np.int16)
found["entropic_largest"] = plan.max(axis=1)
print({name: value for name, value in found.items() if np.ndim(value) == 0})
np.savez_compressed(
    Path(__file__).with_name("paste_alignment.npz"),
    genes=np.array(genes[np.sort(most)], dtype=str),
    **found,
)
