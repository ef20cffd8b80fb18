"""A new kind of data is one file: found, opened, told of in its words and drawn from."""

import sys

import numpy as np
import pytest

import diffbio_engine.data.kinds as package
from diffbio_engine.data import inspect, open_source, read
from diffbio_engine.data.file_names import all_endings, all_in_words
from diffbio_engine.data.kinds import kinds
from diffbio_engine.errors import DataError

MOLECULES = '''"""Molecules: one a line, with the numbers of its atoms."""

from diffbio_engine.axes import axis_of
from diffbio_engine.data import Dataset
from diffbio_engine.data.kinds import DataKind
from diffbio_engine.data.matrix.in_memory import InMemory
import numpy as np
import pandas as pd


class Molecules(DataKind):
    """Molecules by elements."""

    record = axis_of("molecules")
    endings, said = (".atoms",), "atoms of molecules"

    def open(self, path, how):
        names, carbons, oxygens = zip(*(line.split() for line in path.read_text().splitlines()))
        counts = np.array([carbons, oxygens], np.float32).T
        return Dataset(
            name=path.name,
            kind="atoms",
            obs=pd.DataFrame(index=names),
            var=pd.DataFrame(index=["C", "O"]),
            matrices={"X": InMemory(counts)},
            path=path,
        )

    def size(self, n, n_genes):
        return f"{n:,} molecules of {n_genes} elements"
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A kind of data in a folder that is walked besides its own."""
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds/molecules.py").write_text(MOLECULES)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "kinds")])
    kinds.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    kinds.cache_clear()
    sys.modules.pop("diffbio_engine.data.kinds.molecules", None)


def test_its_files_open_and_are_told_of_in_its_words(toy):
    file = toy / "drugs.atoms"
    file.write_text("aspirin 9 4\nbenzene 6 0\nglucose 6 6\n")
    told = inspect(file)
    assert told.rows == "molecules" and told.size == "3 molecules of 2 elements"
    assert told.sentence.startswith("drugs.atoms: 3 molecules of 2 elements (atoms).")
    assert "rows" not in [choice.name for choice in told.choices]  # nothing else can be in it
    records = open_source(read(file), {"counts": "X"}, ["counts"])
    assert records.record.one == "molecule" and records.names["molecules"][0] == "aspirin"
    np.testing.assert_array_equal(records.rows("counts", [2]), [[6, 6]])
    assert "atoms of molecules" in all_in_words() and ".atoms" in all_endings()


def test_nobody_can_say_that_its_rows_are_something_else(toy):
    (toy / "drugs.atoms").write_text("aspirin 9 4\nbenzene 6 0\n")
    with pytest.raises(DataError, match="cannot be cells") as refused:
        inspect(toy / "drugs.atoms", rows="cells")
    assert "molecules" in refused.value.fix


def test_files_of_other_kinds_open_as_before(toy):
    (toy / "table.csv").write_text("gene,c1,c2\nCD3D,1,0\nLYZ,3,2\nMS4A1,0,2\nGAPDH,5,1\n")
    assert inspect(toy / "table.csv").rows == "cells"


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path):
    (tmp_path / "table.csv").write_text("gene,c1,c2\nCD3D,1,0\nLYZ,3,2\n")
    with pytest.raises(DataError, match="no kind of rows called 'sells'"):
        inspect(tmp_path / "table.csv", rows="sells")
