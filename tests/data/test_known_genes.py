"""Known pairs, regulators and markers are found by the names of the genes."""

import numpy as np

from diffbio_engine.data.genes.known_genes import (
    find_markers,
    find_pairs,
    find_regulators,
    known_markers,
    known_pairs,
    known_regulators,
)


def test_the_tables_hold_each_entry_once_and_in_capitals():
    pairs = known_pairs()
    assert 250 <= len(pairs) == len({p.name for p in pairs})
    assert all(p.pathway for p in pairs)
    genes = [g for p in pairs for g in (*p.ligand, *p.receptor)]
    genes += [*known_regulators(), *(g for m in known_markers().values() for g in m)]
    assert all(g == g.upper().strip() and g for g in genes)
    assert 250 <= len(known_regulators()) == len(set(known_regulators()))


def test_pairs_are_found_whatever_the_case_and_only_with_all_their_genes():
    indices, names, pathways = find_pairs(["Cxcr4", "Actb", "Cxcl12", "Il7", "Il7r"])
    # IL7 needs IL2RG too, which is not there.
    np.testing.assert_array_equal(indices, [[2, 0]])
    assert names == ["CXCL12_CXCR4"] and pathways == ["CXCL"]


def test_a_complex_is_one_row_with_all_its_genes():
    genes = ["TGFBR2", "TGFB1", "TGFBR1", "CXCL12", "CXCR4"]
    indices, names, _ = find_pairs(genes)
    assert names == ["CXCL12_CXCR4", "TGFB1_TGFBR1+TGFBR2"]
    np.testing.assert_array_equal(indices, [[3, -1, 4, -1], [1, -1, 2, 0]])


def test_b2m_is_part_of_class_one_molecules_and_no_ligand_of_its_own():
    assert not any({"B2M"} in (set(p.ligand), set(p.receptor)) for p in known_pairs())


def test_nothing_known_gives_empty_tables_of_the_right_form():
    indices, names, _ = find_pairs(["gene1", "gene2"])
    assert indices.shape == (0, 2) and indices.dtype == np.int32 and names == []
    assert find_regulators(["gene1"])[0].shape == (0,)
    assert find_markers(["gene1"])[0].shape == (0, 1)


def test_regulators_and_markers_point_at_their_genes():
    genes = ["Spi1", "Actb", "CD3D", "CD3E", "GATA1", "MS4A1", "CD79A"]
    indices, names = find_regulators(genes)
    assert sorted(indices) == [0, 4] and set(names) == {"Spi1", "GATA1"}
    matrix, types = find_markers(genes)
    b_cell = matrix[types.index("B cell")]
    np.testing.assert_array_equal(b_cell, [0, 0, 0, 0, 0, 1, 1])
    assert "Hepatocyte" not in types
