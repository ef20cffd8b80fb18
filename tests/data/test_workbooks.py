"""A workbook of Excel opens by the sheet with the counts; what Excel did to names is said."""

import datetime

import numpy as np
import openpyxl
import pytest
import zoo

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError


@pytest.fixture
def book(tmp_path):
    """A sheet of words first, then counts with genes in rows, then other counts."""
    book = openpyxl.Workbook()
    book.active.title = "About"
    book.active.append(["Counts of", "our experiment"])
    genes = ["ACTB", "CD3D", "MT-CO1", "RPL3", *zoo.GENES[4:]]
    for name, times in (("Counts", 1), ("Twice", 2)):
        sheet = book.create_sheet(name)
        sheet.append(["", "Length", *zoo.CELLS])
        for gene, row in zip(genes, zoo.COUNTS.T, strict=True):
            sheet.append([gene, 900, *(times * row).astype(int).tolist()])
    book.save(tmp_path / "x.xlsx")
    return tmp_path / "x.xlsx"


def test_the_sheet_with_the_counts_is_taken_and_another_can_be_chosen(book):
    preview, dataset = inspect(book), read(book)
    np.testing.assert_array_equal(dataset.matrix("X").toarray(), zoo.COUNTS)
    assert (preview.n_cells, preview.n_genes) == (40, 12) and "Length" in dataset.var
    assert {c.name: c.taken for c in preview.choices}["sheet"] == "Counts"
    assert "The sheet 'Counts' is used; there is also About, Twice." in preview.warnings
    np.testing.assert_array_equal(read(book, sheet="Twice").matrix("X").toarray(), 2 * zoo.COUNTS)
    assert read(book, sheet="Twice", orientation="cells in rows").n_cells == 12
    with pytest.raises(DataError, match=r"There is no sheet 'Count'.*there are About, Counts, Twi"):
        inspect(book, sheet="Count")
    with pytest.raises(DataError, match=r"x\.xlsx"):
        inspect(book, sheet="About")


def test_names_that_excel_made_dates_are_said(book):
    changed = openpyxl.load_workbook(book)
    changed["Counts"].cell(row=4, column=1).value = datetime.datetime(2024, 9, 2)
    changed.save(book)
    assert any(
        "1 gene name looks like a date" in w and "(SEPT2 -> 2024-09-02)" in w
        for w in inspect(book).warnings
    )


def test_a_damaged_workbook_is_a_sentence(book):
    whole, random = book.read_bytes(), np.random.default_rng(0)
    for _ in range(12):
        hurt = bytearray(whole)
        at = int(random.integers(0, len(hurt) - 40))
        hurt[at : at + 40] = random.bytes(40)
        book.write_bytes(hurt)
        try:
            inspect(book)
        except DataError as error:
            assert "x.xlsx" in error.what
    book.write_bytes(b"no zip at all")
    with pytest.raises(DataError, match=r"x\.xlsx"):
        inspect(book)
