"""Makes small files of every generation; the numbers are the same in all of them."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

TEXT = h5py.string_dtype()
COUNTS = np.random.default_rng(3).poisson(0.8, (40, 12)).astype(np.float32)
COUNTS[:, 0] += 1
GENES = [f"GENE{g}" for g in range(12)]
CELLS = [f"cell{i}" for i in range(40)]
TYPES = np.array(["B", "T", "NK", "B"] * 10, dtype=object)


def new_anndata():
    import anndata

    return anndata.AnnData(
        sp.csr_matrix(COUNTS),
        obs=pd.DataFrame(
            {"batch": pd.Categorical(["a", "b"] * 20), "cell_type": pd.Categorical(TYPES)},
            index=CELLS,
        ),
        var=pd.DataFrame({"gene_ids": [f"ENSG{g:011d}" for g in range(12)]}, index=GENES),
        obsm={"X_pca": COUNTS[:, :3].copy()},
    )


def write_sparse(parent, name, matrix, old=False):
    kind = matrix.format
    group = parent.create_group(name)
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(matrix, part)
    if old:
        group.attrs["h5sparse_format"] = kind
        group.attrs["h5sparse_shape"] = matrix.shape
    else:
        group.attrs["encoding-type"] = f"{kind}_matrix"
        group.attrs["encoding-version"] = "0.1.0"
        group.attrs["shape"] = matrix.shape
    return group


def of_anndata_07(path: Path) -> Path:
    """Tables are groups; categories lie in ``__categories`` and are named by references."""
    with h5py.File(path, "w") as f:
        write_sparse(f, "X", sp.csr_matrix(COUNTS))
        for table, names in (("obs", CELLS), ("var", GENES)):
            group = f.create_group(table)
            group.attrs["_index"] = "index"
            columns = ["cell_type"] if table == "obs" else []
            group.attrs["column-order"] = np.array(columns, dtype=TEXT)
            group["index"] = np.array(names, dtype=TEXT)
        f["obs/__categories/cell_type"] = np.array(["B", "NK", "T"], dtype=TEXT)
        f["obs/cell_type"] = pd.Categorical(TYPES).codes
        f["obs/cell_type"].attrs["categories"] = f["obs/__categories/cell_type"].ref
        f["obsm/X_pca"] = COUNTS[:, :3]
        f.create_group("uns")
    return path


def of_anndata_06(path: Path) -> Path:
    """Tables are compound data sets, with bytes; categories lie in ``uns``; raw is ``raw.X``."""
    with h5py.File(path, "w") as f:
        write_sparse(f, "X", sp.csr_matrix(np.log1p(COUNTS)), old=True)
        write_sparse(f, "raw.X", sp.csr_matrix(COUNTS), old=True)
        obs = np.zeros(40, dtype=[("index", "S8"), ("cell_type", "i1"), ("n_genes", "i8")])
        obs["index"], obs["cell_type"] = CELLS, pd.Categorical(TYPES).codes
        f["obs"] = obs
        var = np.zeros(12, dtype=[("index", "S8")])
        var["index"] = GENES
        f["var"] = f["raw.var"] = var
        f["uns/cell_type_categories"] = np.array([b"B", b"NK", b"T"])
        obsm = np.zeros(40, dtype=[("X_pca", "f4", (3,))])
        obsm["X_pca"] = COUNTS[:, :3]
        f["obsm"] = obsm
    return path


def tenx_v3(path: Path) -> Path:
    """Ten genes and two antibodies."""
    csc = sp.csr_matrix(COUNTS.astype(np.int32))
    with h5py.File(path, "w") as f:
        m = f.create_group("matrix")
        for part in ("data", "indices", "indptr"):
            m[part] = getattr(csc, part)
        m["shape"] = np.array([12, 40])
        m["barcodes"] = np.array([c.encode() for c in CELLS])
        m["features/id"] = np.array([f"ENSG{g:011d}".encode() for g in range(12)])
        m["features/name"] = np.array([g.encode() for g in GENES])
        kinds = [b"Gene Expression"] * 10 + [b"Antibody Capture"] * 2
        m["features/feature_type"] = np.array(kinds)
    return path


def tenx_v2(path: Path) -> Path:
    csc = sp.csr_matrix(COUNTS.astype(np.int32))
    with h5py.File(path, "w") as f:
        m = f.create_group("GRCh38")
        for part in ("data", "indices", "indptr"):
            m[part] = getattr(csc, part)
        m["shape"] = np.array([12, 40])
        m["barcodes"] = np.array([c.encode() for c in CELLS])
        m["genes"] = np.array([f"ENSG{g:011d}".encode() for g in range(12)])
        m["gene_names"] = np.array([g.encode() for g in GENES])
    return path


def tenx_folder(folder: Path, *, barcodes=40, zipped=False, features="features.tsv") -> Path:
    import gzip

    folder.mkdir(parents=True, exist_ok=True)
    coo = sp.coo_matrix(COUNTS.T.astype(int))
    lines = [f"{r + 1} {c + 1} {v}" for r, c, v in zip(coo.row, coo.col, coo.data, strict=True)]
    header = ["%%MatrixMarket matrix coordinate integer general", f"12 40 {coo.nnz}"]
    texts = {
        "matrix.mtx": "\n".join(header + lines) + "\n",
        "barcodes.tsv": "".join(f"{c}\n" for c in CELLS[:barcodes]),
        features: "".join(f"ENSG{g:011d}\t{n}\tGene Expression\n" for g, n in enumerate(GENES)),
    }
    for name, text in texts.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    return folder
