"""`inspect` says on the command line what the preview of the page says."""

import json

import numpy as np
import pandas as pd

from diffbio_engine.command_line import _parser, main, reading_of
from diffbio_engine.command_line.run import _spec
from diffbio_engine.data import inspect
from diffbio_engine.runs.folder.run_spec import RunSpec


def a_table(folder):
    counts = np.random.default_rng(0).poisson(1.0, (12, 5))
    genes = [f"ENSG{i:011d}" for i in range(12)]
    pd.DataFrame(counts, index=genes, columns=[f"c{i}" for i in range(5)]).to_csv(folder / "x.csv")
    return folder / "x.csv"


def test_the_words_and_the_json_are_those_of_the_preview(tmp_path, capsys):
    path = a_table(tmp_path)
    preview = inspect(path)
    assert main(["inspect", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads(json.dumps(preview.as_dict()))
    assert (said["n_cells"], said["n_genes"]) == (5, 12)
    assert said["suggested"]["counts"] == "X" and said["matrices"][0]["holds"] == "raw counts"
    assert said["samples"] == [{"name": "x.csv", "n_cells": 5}]
    assert said["choices"][0]["taken"] == "genes in rows"
    assert main(["inspect", str(path)]) == 0
    words = capsys.readouterr().out
    assert "5 cells x 12 genes" in words and all(w in words for w in preview.warnings)
    assert "--orientation 'cells in rows'" in words


def test_the_options_are_those_of_reading_and_a_wrong_one_is_a_sentence(tmp_path, capsys):
    path = a_table(tmp_path)
    assert main(["inspect", str(path), "--json", "--orientation", "cells"]) == 0
    assert json.loads(capsys.readouterr().out)["n_cells"] == 12
    assert main(["inspect", str(path), "--orientation", "sideways"]) == 1
    assert "'sideways' is no orientation" in capsys.readouterr().err


def test_a_run_keeps_how_its_file_is_read(tmp_path):
    path = a_table(tmp_path)
    words = ["run", "--data", str(path), "--out", str(tmp_path / "run"), "--orientation", "cells"]
    asked = _parser().parse_args(words)
    spec = _spec(asked, reading_of(asked))
    assert spec.dataset["reading"] == {"orientation": "cells in rows"}
    assert RunSpec.from_json(spec.to_json()).opened_data().n_cells == 12
