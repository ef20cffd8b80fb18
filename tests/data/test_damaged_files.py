"""Whatever a file has become, a look at it is a preview or a sentence, never anything else."""

import shutil

import layouts
import numpy as np
import pytest
import test_other_forms
import zoo

from diffbio_engine.data import Preview, inspect, read
from diffbio_engine.errors import UserError


def a_table(folder):
    frame = zoo.new_anndata().to_df().astype(int)
    frame["percent.mt"], frame["cell_type"] = np.linspace(0, 9, 40), zoo.TYPES
    frame.to_csv(folder / "x.csv")
    return folder / "x.csv"


def turned(folder):
    frame = zoo.new_anndata().to_df().astype(int).T
    frame.insert(0, "Length", range(12))
    frame.to_csv(folder / "x.tsv", sep="\t")
    return folder / "x.tsv"


def an_h5ad(folder):
    zoo.new_anndata().write_h5ad(folder / "x.h5ad")
    return folder / "x.h5ad"


def sequences(folder):
    (folder / "x.fa").write_text("".join(f">s{i} label={i % 2}\nACGTNacgt\n" for i in range(9)))
    return folder / "x.fa"


def reads(folder):
    (folder / "x.fq").write_text("".join(f"@r{i}\nACGTN\n+\n!I5?#\n" for i in range(9)))
    return folder / "x.fq"


def one_of(make, name):
    def made(folder):
        return make(folder / "run") / name

    return made


MAKERS = {
    "csv": a_table,
    "tsv": turned,
    "h5ad": an_h5ad,
    "10x h5": lambda folder: zoo.tenx_v3(folder / "x.h5"),
    "loom": lambda folder: test_other_forms.loom(folder / "x.loom"),
    "fasta": sequences,
    "fastq": reads,
    "mtx": one_of(layouts.tenx, "matrix.mtx"),
    "features": one_of(layouts.tenx, "features.tsv"),
    "kb": one_of(layouts.kallisto, "counts_unfiltered/cells_x_genes.genes.txt"),
    "Parse": one_of(layouts.parse, "all-sample/DGE_filtered/cell_metadata.csv"),
}
BITS = [b"", b"\x00", b"\xff\xfe", b'"', b"\n", b"\r", b",,,", b"\t", b"-1", b"nan", b"1e999", b"#",
        b"%", b"99999999999999999999", "\u00e9".encode(), b"'", b" "]  # fmt: skip


def mutated(data, random):
    """One to three changes: bytes lost, doubled, changed, or something odd put in."""
    data = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at, n = int(random.integers(0, len(data) + 1)), int(random.integers(1, 40))
        how = random.integers(0, 5)
        if how == 0:
            del data[at : at + n]
        elif how == 1:
            data[at:at] = data[at : at + n]
        elif how == 2:
            data[at : at + n] = random.bytes(n)
        elif how == 3:
            data[at:at] = BITS[random.integers(len(BITS))]
        else:
            del data[max(at, 1) :]
    return bytes(data)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_damaged_file_is_a_preview_or_a_sentence(tmp_path, kind):
    file = MAKERS[kind](tmp_path)
    whole, random = file.read_bytes(), np.random.default_rng(sum(kind.encode()))
    asked = tmp_path / "run" if (tmp_path / "run").exists() else file
    opened = refused = 0
    for _ in range(40):
        file.write_bytes(mutated(whole, random))
        try:
            preview = inspect(asked)
            assert isinstance(preview, Preview)
            dataset = read(asked)
            assert (dataset.n_cells, dataset.n_genes) == (preview.n_cells, preview.n_genes)
            for place in dataset.places:
                dataset.matrix(place)
            opened += 1
        except UserError as error:
            assert error.what.endswith((".", ")", ":", "'")) and len(error.what) < 1500
            refused += 1
    assert opened + refused == 40


def test_a_damaged_zarr_store_is_a_preview_or_a_sentence(tmp_path):
    zoo.new_anndata().write_zarr(tmp_path / "whole.zarr")
    random = np.random.default_rng(1)
    for number in range(12):
        store = tmp_path / f"{number}.zarr"
        shutil.copytree(tmp_path / "whole.zarr", store)
        files = sorted(p for p in store.rglob("*") if p.is_file())
        file = files[random.integers(len(files))]
        file.write_bytes(mutated(file.read_bytes(), random))
        try:
            assert isinstance(inspect(store), Preview)
        except UserError as error:
            assert error.what
