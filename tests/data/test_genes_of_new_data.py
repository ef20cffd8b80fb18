"""Whether new data have the genes of a trained pipeline, and why not where they lack them."""

import numpy as np
import pytest

from diffbio_engine.data import align_genes
from diffbio_engine.errors import DataError

HUMAN = ["ACTB", "CD4", "CD8A", "GAPDH", "MT-CO1", "LYZ", "NKG7", "PPBP", "MS4A1", "CD3E"]
MOUSE = [n.capitalize() if n != "MT-CO1" else "mt-Co1" for n in HUMAN]
ENSEMBL = [f"ENSG{i:011d}" for i in range(10)]


def sentence(new, trained, ids=None):
    """What is said, whether few genes are found or none."""
    try:
        return align_genes(new, ids, trained).sentence
    except DataError as error:
        return str(error)


@pytest.mark.parametrize(
    ("new", "trained", "said"),
    [
        (
            MOUSE,
            HUMAN,
            "like mouse or rat symbols (Actb), the trained ones like human symbols",
        ),
        (
            HUMAN,
            MOUSE,
            "like human symbols (ACTB), the trained ones like mouse or rat symbols",
        ),
        ([n.lower() for n in HUMAN], HUMAN, "symbols in small letters (actb)"),
        ([f"ENSMUSG{i:011d}" for i in range(10)], ENSEMBL, "Ensembl ids of mouse genes"),
        (
            ENSEMBL,
            HUMAN,
            "Ensembl ids of human genes (ENSG00000000000), the trained ones like",
        ),
        (HUMAN, ENSEMBL, "the trained ones like Ensembl ids of human genes"),
        ([f"hg19_{n}" for n in HUMAN], HUMAN, "begin with the name of a genome (hg19_ACTB)"),
        ([f"AT1G{i:05d}" for i in range(10)], HUMAN, "ids of Arabidopsis genes"),
        ([str(100 + i) for i in range(10)], HUMAN, "numbers, such as Entrez ids"),
        ([*HUMAN[:3], *MOUSE[3:]], HUMAN, "100% would match if capitals did not matter"),
    ],
)
def test_another_species_or_spelling_is_named(new, trained, said):
    assert said in sentence(new, trained)


def test_versions_of_ensembl_ids_do_not_matter_and_enough_genes_need_no_reason():
    found = align_genes([f"{e}.3" for e in ENSEMBL], None, ENSEMBL)
    assert (found.share, found.spelling) == (1.0, "")
    assert align_genes(HUMAN, ENSEMBL, [*HUMAN[:9], "Other"]).spelling == ""


def test_fewer_genes_than_asked_for_are_refused_with_the_way_on():
    found = align_genes([*HUMAN[:3], *MOUSE[3:]], None, HUMAN)
    found.require(0.3)
    said = r"genes: Only 30% of the 10 trained genes are in these data, less than 50%.*capitals"
    with pytest.raises(DataError, match=said) as caught:
        found.require(0.5)
    assert "least overlap 0.3" in caught.value.fix
    assert np.count_nonzero(found.columns >= 0) == 3
