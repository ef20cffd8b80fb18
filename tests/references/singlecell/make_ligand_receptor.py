"""CellPhoneDB's and CellChat's figures by liana, for types that Leiden finds in real cells.

Run with a Python that has liana and leidenalg: `python make_ligand_receptor.py`.
"""

from pathlib import Path

import anndata
import liana
import numpy as np
import pandas as pd
import scanpy as sc

HERE = Path(__file__).parent
MAIN = HERE.parents[2]
DATA = MAIN.parent / "shared/data/kang_pbmc_stim_counts.h5ad"


def single_pairs(names: set[str]) -> pd.DataFrame:
    """Pairs of our table without complexes, whose order of subunits is the peers' own affair."""
    table = pd.read_csv(MAIN / "diffbio_engine/data/genes/known_genes/ligand_receptor_pairs.csv")
    single = table[table.ligand.isin(names) & table.receptor.isin(names)]
    return single[["ligand", "receptor"]].reset_index(drop=True)


def main() -> None:
    data = anndata.read_h5ad(DATA)
    data.X = data.X.astype(np.float32)
    sc.pp.filter_genes(data, min_cells=1)
    sc.pp.normalize_total(data, target_sum=1e4)
    sc.pp.log1p(data)
    work = data.copy()
    sc.pp.highly_variable_genes(work, n_top_genes=1500)
    sc.pp.pca(work, n_comps=20, mask_var="highly_variable")
    sc.pp.neighbors(work, n_neighbors=15)
    sc.tl.leiden(work, resolution=0.4, flavor="igraph", n_iterations=2, random_state=0)
    codes = work.obs["leiden"].astype(int).to_numpy()
    data.obs["type"] = pd.Categorical([f"t{c}" for c in codes])
    pairs = single_pairs(set(data.var_names))
    found = {}
    for name, method in (("cellphonedb", liana.mt.cellphonedb), ("cellchat", liana.mt.cellchat)):
        method(
            data,
            groupby="type",
            resource=pairs,
            expr_prop=0.0,
            min_cells=0,
            use_raw=False,
            n_perms=1000,
            seed=0,
            return_all_lrs=True,
            verbose=False,
        )
        found[name] = data.uns["liana_res"].copy()
    n_types = codes.max() + 1
    place = {(a, b): i for i, (a, b) in enumerate(pairs.itertuples(index=False))}

    def tensor(table: pd.DataFrame, column: str) -> np.ndarray:
        out = np.full((n_types, n_types, len(pairs)), np.nan, np.float32)
        ligand = table["ligand_complex"] if "ligand_complex" in table else table["ligand"]
        receptor = table["receptor_complex"] if "receptor_complex" in table else table["receptor"]
        for a, b, l, r, v in zip(
            table["source"], table["target"], ligand, receptor, table[column], strict=True
        ):
            out[int(a[1:]), int(b[1:]), place[l, r]] = v
        return out

    for name, table in found.items():
        print(name, table.columns.tolist(), len(table), n_types, len(pairs))
    cellphonedb, cellchat = found["cellphonedb"], found["cellchat"]
    np.savez_compressed(
        HERE / "ligand_receptor.npz",
        labels=codes.astype(np.int8),
        pairs=np.array([f"{a}_{b}" for a, b in place]),
        means=tensor(cellphonedb, "lr_means"),
        p_values=tensor(cellphonedb, "cellphone_pvals").astype(np.float16),
        probabilities=tensor(cellchat, "lr_probs"),
        chat_p_values=tensor(cellchat, "cellchat_pvals").astype(np.float16),
    )


if __name__ == "__main__":
    main()
