"""What lies beside the counts is kept or named."""

import h5py
import layouts
import numpy as np
import pandas as pd
import zoo

from diffbio_engine.data import read


def test_a_second_column_of_barcodes_is_kept_and_a_table_beside_is_named(tmp_path):
    folder = layouts.tenx(tmp_path / "run")
    rows = zip(zoo.CELLS, zoo.TYPES, [str(i) for i in range(40)], strict=True)
    layouts.write(folder / "barcodes.tsv", layouts.lines("\t".join(r) for r in rows))
    layouts.write(folder / "metadata.csv", "cell,age\ncell0,3\n")
    dataset = read(folder)
    assert list(dataset.obs["column_2"]) == list(zoo.TYPES)
    assert list(dataset.obs["column_3"]) == list(range(40))
    assert any(w.startswith("Not opened: metadata.csv.") for w in dataset.warnings)


def test_what_an_h5mu_holds_of_all_modalities_is_named(tmp_path):
    zoo.new_anndata().write_h5ad(tmp_path / "x.h5ad")
    data = zoo.new_anndata()
    data.obs = pd.DataFrame({"donor": ["a", "b"] * 20}, index=zoo.CELLS)
    data.obsm = {"X_umap": np.ones((40, 2))}
    data.write_h5ad(tmp_path / "all.h5ad")
    with h5py.File(tmp_path / "x.h5mu", "w") as file:
        with h5py.File(tmp_path / "x.h5ad") as source:
            source.copy(source["/"], file, "mod/rna")
        with h5py.File(tmp_path / "all.h5ad") as source:
            for part in ("obs", "obsm"):
                source.copy(part, file)
    said = "of all modalities together was left out: obs/donor, obsm/X_umap."
    assert any(said in w for w in read(tmp_path / "x.h5mu").warnings)
