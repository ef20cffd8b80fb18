"""Levels of ligands and receptors behind 2,000 chosen genes, against those of all genes.

    python tests/benchmarks/levels_behind_chosen_genes.py [--genes 2000]

Kang's 2,000 cells and 9,015 genes, types by k-means (6) on 50 principal components. Scores between
types of all known pairs, by the chosen genes with the cells' total counts and without.
"""

import argparse
from pathlib import Path

import anndata
import jax
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD

from diffbio_engine.data import CellSource, Dataset, Fields, open_source
from diffbio_engine.operators.singlecell import DifferentiableLigandReceptor, LRScoringConfig
from diffbio_engine.parts.log_normalized_counts import log_normalized_rows
from diffbio_engine.runs.worker.open_run import with_variable_genes

CELLS = Path(__file__).resolve().parents[3] / "shared/data/kang_pbmc_stim_counts.h5ad"


def scores(cells: CellSource, *, with_totals: bool) -> np.ndarray:
    """Scores between types, (types, types, pairs)."""
    labels, pairs = cells.per_cell["labels"], cells.per_dataset["lr_pairs"]
    data = {"counts": cells.chunk(0, cells.n_cells), "lr_pairs": pairs, "labels": labels}
    if with_totals:
        data["total_counts"] = cells.per_cell["total_counts"]
    sizes = {"n_genes": cells.n_genes, "n_lr_pairs": len(pairs), "n_classes": 6}
    block = DifferentiableLigandReceptor(LRScoringConfig(**sizes, n_permutations=0))
    return np.asarray(block(**data)["lr_scores_by_type"])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--genes", type=int, default=2000)
    n_genes = asked.parse_args().genes
    data = anndata.read_h5ad(CELLS)
    axes = TruncatedSVD(50, random_state=0).fit_transform(log_normalized_rows(data.X.toarray()))
    kinds = KMeans(6, n_init=2, random_state=0).fit_predict(axes)
    data.obs["kind"] = [f"kind {kind}" for kind in kinds]
    fields = {"counts": "X", "labels": "obs/kind", "lr_pairs": "genes:ligand-receptor-pairs"}
    source = open_source(Dataset.from_anndata(data), Fields(fields), (*fields, "total_counts"))
    seen = with_variable_genes(source, n_genes)
    share = seen.chunk(0, len(kinds)).sum(axis=1) / seen.per_cell["total_counts"]
    of_kinds = sorted(float(np.median(share[kinds == kind])) for kind in range(6))
    print(source.notes[0], "\nshare of the counts in chosen genes, by type:", np.round(of_kinds, 2))
    whole = scores(source, with_totals=False)
    told = whole > 0.05
    strongest = whole.reshape(36, -1).argmax(axis=0)[whole.max(axis=(0, 1)) > 0.05]
    for name, with_totals in (("with totals", True), ("without", False)):
        found = scores(seen, with_totals=with_totals)
        ratio = found[told] / whole[told]
        low, middle, high = np.quantile(ratio, (0.05, 0.5, 0.95))
        same = found.reshape(36, -1).argmax(axis=0)[whole.max(axis=(0, 1)) > 0.05] == strongest
        print(
            f"{name}: {middle:.3f} times those of all genes (5 to 95 %: {low:.3f} to {high:.3f});"
            f" the strongest types of a pair are the same in {same.mean():.0%} of {len(same)} pairs"
        )
        jax.clear_caches()


if __name__ == "__main__":
    main()
