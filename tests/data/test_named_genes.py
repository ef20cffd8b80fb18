"""Genes that a person names: to normalise by, in any letters, by id or by a pattern."""

import numpy as np
import pytest

from diffbio_engine.data.fields.places import Fields
from diffbio_engine.data.genes.named_genes import named_genes
from diffbio_engine.errors import DataError

NAMES = ["ACTB", "Gapdh", "ERCC-00002", "ERCC-00003", "XIST"]
IDS = ["ENSG1.4", "ENSG2", "spike", "spike2", "ENSG5"]


def test_names_ids_and_patterns_are_found_and_of_what_is_asked_n_of_n_is_said():
    found = named_genes("named:ERCC-*, gapdh; ensg1\nMISSING", NAMES, IDS)
    np.testing.assert_array_equal(found.values, [1, 1, 1, 1, 0])
    assert "3 of 4 names and patterns are found: 4 of 5 genes" in found.said
    assert "Not among them: MISSING (1)" in found.said


def test_a_list_of_which_nothing_is_there_is_refused_with_names_of_the_file():
    with pytest.raises(DataError, match=r"None of the 2 genes that are named.*ACTB, Gapdh"):
        named_genes("named:FOO BAR*", NAMES, IDS)
    with pytest.raises(DataError, match="No gene is named"):
        named_genes("named: ,;", NAMES)
    with pytest.raises(DataError, match="101 patterns"):
        named_genes("named:" + " ".join(f"{i}*" for i in range(101)), NAMES)


def test_a_list_of_genes_is_a_place_of_a_field():
    assert Fields.parse(["control_genes=named:ERCC-*"])["control_genes"] == "named:ERCC-*"
