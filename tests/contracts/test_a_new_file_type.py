"""A type of files is declared beside its reader, once; the page and the messages follow."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import diffbio_engine.data.readers as readers
from app.data.server_files import can_be_chosen
from diffbio_engine.command_line import main
from diffbio_engine.data import inspect, read
from diffbio_engine.data.file_names import all_endings, all_in_words
from diffbio_engine.data.kinds import kinds
from diffbio_engine.data.readers.file_types import file_types
from diffbio_engine.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
READER = '''
"""Opens a toy: a line for each cell, a digit for each gene."""

import anndata as ad
import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.readers.file_types import FileType


def open_toy(path, reading, with_uns):
    rows = [[float(digit) for digit in line] for line in path.read_text().split()]
    return Dataset.from_anndata(ad.AnnData(np.array(rows, np.float32)), path.name)


FILE_TYPE = FileType("toy", (".toy",), open_toy, order=99)
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    folder = tmp_path / "readers"
    folder.mkdir()
    (folder / "toy_of_a_test.py").write_text(READER)
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(folder)])
    file_types.cache_clear()
    data = tmp_path / "data"
    data.mkdir()
    (data / "cells.toy").write_text("012\n300\n001\n210\n")
    yield data / "cells.toy"
    monkeypatch.undo()
    file_types.cache_clear()


def test_its_files_open_by_themselves_and_in_a_folder(toy):
    for path in (toy, toy.parent):
        dataset = read(path)
        assert (dataset.n_cells, dataset.n_genes) == (4, 3)
        np.testing.assert_array_equal(dataset.matrix("X").toarray()[0], [0, 1, 2])
    assert inspect(toy).matrices[0].holds == "raw counts"


def test_it_can_be_chosen_and_is_said_to_open(toy):
    assert can_be_chosen(toy) and not can_be_chosen(toy.with_suffix(".docx"))
    assert ", toy, " in all_in_words()
    other = toy.with_suffix(".docx")
    other.write_bytes(b"x")
    with pytest.raises(DataError, match=r"Choose one of: .*toy, and folders"):
        read(other)


def test_the_page_says_what_can_be_brought_as_it_always_did():
    assert all_in_words() == (
        "h5ad, 10x h5, mtx (folder, files or zip; all samples), csv, xlsx, loom, h5mu, zarr, FASTA,"
        " FASTQ, bedGraph, salmon quant --dumpEq (folder or zip)"
    )
    assert {".h5ad", ".h5", ".mtx", ".csv", ".xlsx", ".zip", ".tgz", ".gz"} <= set(all_endings())


def test_help_and_readme_name_every_type(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    # However the lines are broken.
    texts = capsys.readouterr().out, (ROOT / "README.md").read_text(encoding="utf-8")
    said, readme = (" ".join(text.split()) for text in texts)
    for kind in file_types():
        assert kind.name in said, kind.name
        assert any(e in readme for e in kind.endings) or kind.name in readme, kind.name
    for words in (kind.said.split(", ") for kind in kinds().values() if kind.said):
        assert all(word in said and word in readme for word in words), words


def test_a_table_is_a_table_whatever_it_is_called(tmp_path):
    for ending in (".csv", ".tsv", ".txt", ".tab"):
        path = tmp_path / f"counts{ending}"
        table = pd.DataFrame(np.eye(3, dtype=int), ["SOX2", "GATA1", "CD3D"], ["c1", "c2", "c3"])
        table.to_csv(path, sep="," if ending == ".csv" else "\t")
        assert read(path).n_cells == 3
