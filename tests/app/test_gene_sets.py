"""Sets of genes: what is read from a list, who keeps it, and how it colours the map."""

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest

from app.map import gene_sets
from app.map.colouring import by_gene, by_gene_set, clipped
from app.map.components import colour_groups, legend_of
from app.map.drawing import draw
from app.map.shading import Colouring
from app.map.view_state import MapViewState
from app.session import gene_sets as kept_sets
from app.session.dataset_card import DatasetCard
from app.session.gene_sets import (
    LONGEST_NAME,
    MOST_GENES,
    MOST_SETS,
    keep,
    parse,
    read_kept,
    with_sets,
)
from app.session.session import Session
from diffbio_engine.errors import DataError
from tests.runs.drawn import drawn as snapshot_of

COUNTS = np.array([[1, 0, 9, 0], [0, 4, 6, 0], [3, 3, 3, 1]], np.float32)
MIXED = ("cd3d", "LYZ", "CD3D", "NOSUCH", "ENSG00000000002")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Three cells of raw counts; ids are the keys, symbols stand beside."""
    symbols = pd.DataFrame({"gene_symbols": ["CD3D", "CD3E", "LYZ", "lyz2"]},
                           index=[f"ENSG0000000000{i}" for i in (1, 2, 3, 4)])  # fmt: skip
    cells = anndata.AnnData(COUNTS, obs=pd.DataFrame(index=["a", "b", "c"]), var=symbols)
    path = tmp_path_factory.mktemp("sets") / "cells.h5ad"
    cells.write_h5ad(path)
    return str(path)


def test_genes_are_read_from_whatever_stands_between_them_each_once():
    assert parse("CD3D, CD3E\nCD3D;\tIL7R |'LCK'", "T cells") == {
        "T cells": ("CD3D", "CD3E", "IL7R", "LCK")
    }
    assert list(parse("A B", "markers.txt")) == ["markers"]
    assert list(parse("A", "", {"Gene set 1": ()})) == ["Gene set 2"]
    gmt = "T\thttp://x\tCD3D\tCD3E\nB\tna\tMS4A1\n"
    assert parse(gmt) == {"T": ("CD3D", "CD3E"), "B": ("MS4A1",)}
    assert parse("T\tall of them\tCD3D", "x.gmt") == {"T": ("CD3D",)}
    # None takes the place of another: not of the same name, nor of one with the same beginning.
    twice = parse("T\tna\tA\nT\tna\tB\nT\tna\tA\nT\tna\tC\n")
    assert twice == {"T": ("A",), "T (2)": ("B",), "T (3)": ("C",)}
    long = "GOMF_OXIDOREDUCTASE_ACTIVITY_WITH_INCORPORATION_OR_REDUCTION_OF_MOLECULAR_OXYGEN_OF"
    up, down = parse(f"{long}_UP\tna\tA\n{long}_DN\tna\tB\n")
    assert up.endswith("OXYGEN_OF_UP") and down.endswith("OXYGEN_OF_DN")
    assert len(up) == len(down) == LONGEST_NAME
    with pytest.raises(DataError, match="no genes in it"):
        parse(" ,; \n")
    with pytest.raises(DataError, match="holds no text"):
        parse("PK\0\0", "cells.zip")
    with pytest.raises(DataError, match=f"at most {MOST_GENES:,}"):
        parse(" ".join(f"g{i}" for i in range(MOST_GENES + 1)))
    with pytest.raises(DataError, match=f"at most {MOST_SETS} are kept"):
        with_sets({str(i): ("A",) for i in range(MOST_SETS)}, {"new": ("B",)})


def test_sets_are_kept_by_person_and_what_cannot_be_read_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(Session, "is_attached", True)
    mine, other = Session(owner="ann"), Session(owner="bob")
    mine.data_dir = other.data_dir = tmp_path
    both = {"T": ("CD3D", "CD3E"), "B": ("MS4A1",)}
    keep(mine, {"T": both["T"]})
    # Another tab, which was opened before, adds to what is there, and takes only its own away.
    assert keep(mine, {"B": both["B"]}) == read_kept(mine) == both and read_kept(other) == {}
    assert keep(mine, {}, "B") == {"T": both["T"]}
    kept_sets._file(mine).write_text('{"sets": 7}')
    assert read_kept(mine) == {}


def test_the_score_is_the_mean_of_log_normalised_genes_that_are_there_and_names_the_others(path):
    found = by_gene_set(path, "T/NK", MIXED)
    logged = np.log1p(COUNTS / COUNTS.sum(1, keepdims=True) * 1e4)
    np.testing.assert_allclose(found.values, logged[:, [0, 2, 1]].mean(1), rtol=1e-6)
    single = by_gene(path, "CD3E").values + by_gene(path, "LYZ").values
    np.testing.assert_allclose(by_gene_set(path, "x", ("CD3E", "LYZ")).values, single / 2)
    # One gene by two spellings counts once.
    assert found.note == "3 of 4 genes found; not found: NOSUCH"
    assert found.title == "T/NK, mean of log(1 + counts per 10\u202f000)"
    # The same genes are kept once for all, whatever somebody else calls them.
    assert by_gene_set(path, "mine", MIXED).title.startswith("mine, mean")
    with pytest.raises(DataError, match=r"None of the 2 genes of 'mine' is in the data: FOO, BAR"):
        by_gene_set(path, "mine", ("FOO", "BAR"))


def test_a_set_colours_the_map_with_the_highest_on_top_and_its_clip_is_said(path):
    state = MapViewState(run="sets", path=path, colour="set/T/NK", gene_sets={"T/NK": MIXED})
    drawn = draw(snapshot_of(1, np.eye(3, 2, dtype=np.float32), np.zeros(3, np.int16)), state)
    assert drawn.colouring.key == "set/T/NK" and (np.diff(drawn.dots["value"]) >= 0).all()
    legend = legend_of(drawn, state)
    assert legend["ends"] == "0 to 99th percentile" and legend["note"].startswith("3 of 4")
    assert {"key": "set/T/NK", "title": "T/NK"} in colour_groups([], None, state)[-1]["items"]
    # Of a set that is gone the clusters are shown.
    assert draw(snapshot_of(1, np.eye(3, 2, dtype=np.float32), np.zeros(3, np.int16)),
                replace(state, gene_sets={})).colouring.key == "cluster"  # fmt: skip


def test_the_colour_bar_ends_at_the_asked_percentiles_or_says_that_it_does_not():
    values = np.arange(101, dtype=np.float32)
    score = clipped(Colouring("score/x", "x", values=values), 10)
    assert (score.low, score.high, score.ends) == (10, 90, "10th to 90th percentile")
    gene = clipped(Colouring("gene/A", "A", values=values), 2.5)
    assert (gene.low, gene.ends) == (0, "0 to 97.5th percentile")
    assert clipped(Colouring("score/x", "x", values=values), 2.5).ends.startswith("2.5th to 97.5th")
    rare = np.where(values > 98, 5, 0).astype(np.float32)
    gene = clipped(Colouring("gene/A", "A", values=rare), 10)
    assert (gene.low, gene.high, gene.ends) == (0, 5, "lowest to highest value")
    empty = clipped(Colouring("obs/x", "x", values=np.full(3, np.nan, np.float32)))
    assert (empty.low, empty.high, empty.ends) == (0, 1, "no cell has a value")


@pytest.mark.parametrize("clip", [1.0, 10.0])
def test_the_colour_bar_ends_where_the_cells_on_the_map_do_not_those_of_the_whole_file(path, clip):
    # CD3E is 0 in the first cell, and highest in the second, which is not on the map.
    state = MapViewState(run="some", path=path, colour="gene/CD3E", clip=clip)
    some = replace(snapshot_of(1, np.eye(2, dtype=np.float32)), rows=np.array([0, 2]))
    shown = draw(some, state).colouring
    assert len(shown.values) == 2 and shown.low == 0
    assert shown.high == pytest.approx((100 - clip) / 100 * shown.values[1])


def test_a_list_that_is_pasted_is_kept_told_of_and_shown(path):
    session = Session()
    desk = gene_sets.GeneSets(session)
    desk._asked({"do": "add", "text": "CD3D CD3E", "name": "T"})
    assert desk._desk.told["text"] == "'T' is kept: 2 genes. There are no data."
    session.data.card = DatasetCard("1", "cells", path, 3, 4, {"counts": "X"})
    desk._asked({"do": "show", "name": "T"})
    assert desk._desk.told == {"kind": "good", "text": "'T': 2 of 2 genes found."}
    assert session.asked_colour["key"] == "set/T"
    desk._asked({"do": "add", "text": "FOO", "name": "none"})
    assert desk._desk.told["kind"] == "error" and list(session.gene_sets) == ["T", "none"]
    desk._asked({"do": "forget", "name": "none"})
    assert [s["name"] for s in desk._desk.sets] == ["T"]
    desk._asked({"do": "add", "text": ",", "name": ""})
    assert desk._desk.told["text"].startswith("There are no genes in it.")
