"""Cell types by a reference: profiles of one half of 3k PBMC name the other half.

``singler`` is the form of "Cell types"; ``spearman`` takes ranks as SingleR does, of the 20 genes
that most tell each pair of types apart; ``unweighted`` is Pearson's correlation of all genes;
``cellassign`` gets the 20 genes that most mark each type; ``celltypist`` learns from the cells of
the first half themselves, not from their means. Run:

    .venv/bin/python tests/benchmarks/annotation_by_reference.py
"""

from pathlib import Path

import anndata
import jax
import numpy as np
from scipy.stats import rankdata

from diffbio_engine.operators.singlecell import CellAnnotatorConfig, DifferentiableCellAnnotator

SHARED = Path(__file__).parents[3] / "shared/data"
MARKERS = 20


def levels(x: np.ndarray) -> np.ndarray:
    """Logarithms of counts per 10 000."""
    return np.log1p(1e4 * x / np.maximum(x.sum(axis=1, keepdims=True), 1e-12))


def correlations(cells: np.ndarray, types: np.ndarray) -> np.ndarray:
    """Pearson's, of each cell with each type."""
    cells = cells - cells.mean(axis=1, keepdims=True)
    types = types - types.mean(axis=1, keepdims=True)
    lengths = np.outer(np.linalg.norm(cells, axis=1), np.linalg.norm(types, axis=1))
    return cells @ types.T / lengths


def telling(profiles: np.ndarray) -> np.ndarray:
    """The genes that are highest in one type against another, for each pair."""
    x = levels(profiles)
    pairs = [(a, b) for a in range(len(x)) for b in range(len(x)) if a != b]
    return np.unique([np.argsort(x[b] - x[a])[:MARKERS] for a, b in pairs])


def markers(profiles: np.ndarray) -> np.ndarray:
    """1 for the genes that are highest in a type against the next highest, (types, genes)."""
    x = np.log2(1e4 * profiles / profiles.sum(axis=1, keepdims=True) + 0.1)
    found = np.zeros_like(x)
    for i in range(len(x)):
        above = x[i] - np.delete(x, i, axis=0).max(axis=0)
        best = np.argsort(-above)[:MARKERS]
        found[i, best[above[best] > 0.5]] = 1
    return found.astype(np.float32)


def main() -> None:
    """Prints the share of the second half that each way names right."""
    data = anndata.read_h5ad(SHARED / "pbmc3k_hvg2000_counts.h5ad")
    x, kinds = data.X.toarray(), data.obs["cell_type"].astype(str).to_numpy()
    names = np.unique(kinds)
    truth, half = np.searchsorted(names, kinds), np.random.default_rng(0).random(len(x)) < 0.5
    profiles = np.stack([x[half & (kinds == name)].mean(axis=0) for name in names])
    new, right = x[~half], truth[~half]

    def annotator(mode: str) -> DifferentiableCellAnnotator:
        sizes = {"n_cell_types": len(names), "n_genes": x.shape[1]}
        return DifferentiableCellAnnotator(CellAnnotatorConfig(annotation_mode=mode, **sizes))

    out = annotator("singler")(new, reference_profiles=profiles)
    called = {"singler": out["cell_type_labels"]}
    genes = telling(profiles)
    ranks = [np.apply_along_axis(rankdata, 1, a[:, genes]) for a in (levels(new), levels(profiles))]
    called["spearman"] = correlations(*ranks).argmax(axis=1)
    called["unweighted"] = correlations(levels(new), levels(profiles)).argmax(axis=1)
    block, table = annotator("cellassign"), markers(profiles)
    totals = data.obs["total_counts_all_genes"].to_numpy(np.float32)[~half]
    given = {"counts": new, "marker_matrix": table, "total_counts": totals}
    block.prepare_from(given, jax.random.key(0))
    called["cellassign"] = block(new, None, table, total_counts=totals)["cell_type_labels"]
    block = annotator("celltypist")
    block.prepare_from({"counts": x[half], "labels": truth[half]}, jax.random.key(0))
    called["celltypist"] = block(new)["cell_type_labels"]
    for how, found in called.items():
        print(f"{how:12s} {np.mean(np.asarray(found) == right):.3f}")
    print(f"mean certainty of singler: {np.mean(out['confidence']):.3f}")


if __name__ == "__main__":
    main()
