"""What a reader answers is short enough for a page, whatever stands in the file."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from diffbio_engine.apart import questions
from diffbio_engine.apart.checked import checked_preview
from diffbio_engine.data import inspect
from diffbio_engine.errors import DataError


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A file with a category and a gene of very long names."""
    path = tmp_path_factory.mktemp("long") / "x.h5ad"
    kinds = pd.Categorical(["k" * 100_000, "b"] * 3, categories=["b", "k" * 100_000])
    obs = pd.DataFrame({"kind": kinds}, index=[f"c{i}" for i in range(6)])
    var = pd.DataFrame(index=["G" * 100_000, "U", "V"])
    counts = np.arange(18, dtype=np.float32).reshape(6, 3)
    adata = anndata.AnnData(counts, obs=obs, var=var)
    adata.uns["kind_colors"] = np.array(["#000000", "x" * 100_000], dtype=object)
    adata.write_h5ad(path)
    made = questions.Reader()
    made.ask_open(str(path), {})
    return made


def test_very_long_names_of_categories_and_colours_are_cut(reader):
    told, arrays = reader.ask_column("kind", most=9)
    assert [len(n) for n in told["names"]] == [1, 200] and told["names"][1].endswith("k…")
    assert max(map(len, told["colors"])) <= 200
    assert arrays["codes"].tolist() == [1, 0] * 3


def test_a_gene_of_a_very_long_name_is_found_by_how_it_is_shown(reader):
    (shown,) = reader.ask_genes_like("gg", "X", most=8)[0]["names"]
    assert len(shown) == 200
    told, arrays = reader.ask_gene(shown, "X")
    assert told["gene"] == shown and len(arrays["values"]) == 6


def test_an_answer_that_is_too_long_for_a_page_is_refused_in_words(reader, monkeypatch):
    asked = {"question": "column", "with": {"name": "kind", "most": 9}}
    assert "answer" in questions._answered(reader, asked)[0]
    monkeypatch.setattr(questions, "_MOST_SHOWN", 100)
    refused = questions._answered(reader, asked)[0]
    assert "MB of names" in refused["error"]["what"]


def test_a_file_in_a_folder_that_may_not_be_read_is_named(reader, monkeypatch):
    def closed(path, **_):
        raise PermissionError(13, "Permission denied", f"{path}/deep/lost+found")

    monkeypatch.setattr(questions, "inspect", closed)
    asked = {"question": "inspect", "with": {"path": "/data/cohort", "options": {}}}
    refused = questions._answered(reader, asked)[0]["error"]
    assert refused["what"].startswith("'lost+found' may not be read by the account")


def test_two_files_tell_what_one_would_be_beside_the_other(reader, tmp_path):
    obs = pd.DataFrame({"kind": ["a", "b"]}, index=["x", "y"])
    counts = np.array([[1, 2], [3, 4]], np.float32)
    var = pd.DataFrame(index=["V", "U"])
    anndata.AnnData(counts, obs=obs, var=var).write_h5ad(tmp_path / "atlas.h5ad")
    atlas = questions.Reader()
    atlas.ask_open(str(tmp_path / "atlas.h5ad"), {})
    genes = reader.ask_genes("X")[0]
    fields = {"counts": "X", "labels": "obs/kind"}
    asked = {"question": "beside", "with": {"port": "profiles", "fields": fields, **genes}}
    told = questions._answered(atlas, asked)[0]["answer"]
    assert told["names"] == ["a", "b"]
    assert told["notes"] == ["2 of 3 genes of the data are in the reference atlas.h5ad."]
    asked["with"]["names"] = ["P", "Q"]
    assert "shares no genes" in questions._answered(atlas, asked)[0]["error"]["what"]


def test_a_table_of_another_form_than_agreed_is_no_preview(tmp_path):
    (tmp_path / "a.csv").write_text("id,G1,G2\na,1,2\nb,3,4\n")
    told = json.loads(json.dumps(inspect(tmp_path / "a.csv", rows="samples").as_dict()))
    checked_preview({**told, "table": {"dex": ["x", 1.5]}}, "a.csv")
    for table in ({"dex": ["x"]}, {"dex": "xy"}, {"dex": ["x", ["y"]]}, ["dex"]):
        with pytest.raises(DataError, match="no answer that makes sense"):
            checked_preview({**told, "table": table}, "a.csv")
