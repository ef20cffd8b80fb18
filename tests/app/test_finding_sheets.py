"""Results on the page: their form follows from kind and axes."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app import plots
from app.plots import as_csv, first_to_see, scripts, sheets_of
from diffbio_engine.declare import find_operator
from diffbio_engine.runs import GROUPS, Finding, Findings
from diffbio_engine.runs.folder.findings import load_findings, save_findings

FORM = re.compile(r"^PLOTS\.(\w+) =", re.MULTILINE)
NAMED = re.compile(r"block,\s+\"(\w+)\"")
NAMES = {
    "genes": ["GATA1", "KLF1", "SPI1"],
    GROUPS: ["all cells", "day 0"],
    "net.regulators": ["GATA1", "SPI1"],
    "talk.classes": ["B", "T"],
    "talk.pairs": ["CXCL12_CXCR4", "IL7_IL7R"],
}


def found(port, kind, axes, values, ranks=""):
    title = port.split(".")[1].capitalize()
    return Finding(port, title, "What it is.", kind, axes, np.array(values), ranks)


def only(*findings):
    return sheets_of(Findings(1, findings, NAMES, {}))


def rows_of(sheet):
    return list(csv.reader(io.StringIO(as_csv(sheet).decode())))


def test_numbers_of_genes_are_one_table_and_the_surest_come_first():
    (sheet,) = only(
        found("switch.switch_times", "profile", ("genes",), [0.1, 0.5, 0.9]),
        found("switch.p_values", "profile", ("genes",), [0.5, 0.001, np.nan]),
    )
    shown = sheet.make()[0]
    assert sheet.form == "table"
    assert [c["title"] for c in shown["columns"]] == ["gene", "Switch_times", "P_values"]
    assert shown["rows"][0] == ["GATA1", 0.1, 0.5] and shown["rows"][2][2] is None
    assert rows_of(sheet)[2] == ["KLF1", "0.5", "0.001"]


def test_where_p_values_tie_the_strongest_effect_comes_first():
    # As blocks declare it: the time of a switch says nothing of how telling the gene is.
    outputs = {p.name: p for p in find_operator("singlecell.switch_de").outputs}
    names = ("switch_times", "switch_scores", "p_values")
    values = ([0.9, 0.1, 0.5], [0.2, 0.4, 0.1], [0.0, 0.0, 0.3])
    (sheet,) = only(
        *(
            found(f"switch.{n}", "profile", ("genes",), v, outputs[n].ranks)
            for n, v in zip(names, values, strict=True)
        )
    )
    shown = sheet.make()[0]
    assert [shown["columns"][i]["title"] for i in shown["order"]] == ["P_values", "Switch_scores"]
    assert [c["ranks"] for c in shown["columns"]] == ["", "", "large", "small"]


def test_p_values_of_each_cluster_stand_with_the_smallest_first():
    outputs = {p.name: p for p in find_operator("statistical.soft_cluster_expression").outputs}
    values = [[0.9, 0.01, 0.5], [0.2, 0.3, 0.4]]
    axes = ("classes", "genes")
    (sheet,) = only(found("talk.padj", "profile", axes, values, outputs["padj"].ranks))
    shown = sheet.make()[0]
    assert [c["ranks"] for c in shown["columns"]] == ["", "small", "small"]
    assert shown["order"] == [1, 2]


def test_runs_that_were_kept_before_columns_were_ranked_still_open(tmp_path):
    kept = Findings(1, (found("gate.gate", "profile", ("genes",), [0.1, 0.9, 0.2]),), NAMES, {})
    save_findings(tmp_path, kept)
    with np.load(tmp_path / "findings.npz") as file:
        arrays = dict(file)
    facts = json.loads(arrays["facts.json"].tobytes())
    del facts["found"][0]["ranks"]
    arrays["facts.json"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(tmp_path / "findings.npz", **arrays)
    (sheet,) = sheets_of(load_findings(tmp_path))
    assert sheet.make()[0]["order"] == [1]  # the one number there is


def test_markers_are_one_table_group_by_group_the_best_first():
    axes = ("classes", "genes")
    sheets = only(
        found("talk.marker_score", "profile", axes, [[1, 9, 3], [np.nan] * 3], "large"),
        found("talk.marker_change", "profile", axes, [[0.1, 0.9, 0.3], [np.nan] * 3]),
        found("talk.marker_p", "profile", axes, [[0.5, 0.0, 0.1], [np.nan] * 3]),
        found("talk.loadings", "profile", ("pairs", "genes"), [[1.0, 2, 3], [3, 2, 1]]),
    )
    assert [s.id for s in sheets] == ["talk.markers", "talk.loadings"]
    shown = sheets[0].make()[0]
    assert shown["rows"] == [
        ["B", "KLF1", 9.0, 0.9, 0.0], ["B", "SPI1", 3.0, 0.3, 0.1], ["B", "GATA1", 1.0, 0.1, 0.5],
    ]  # fmt: skip
    assert shown["order"] == [0, 2] and shown["columns"][2]["ranks"] == "large"
    # Every run has them: what else it has found is seen first.
    assert first_to_see({s.id: s for s in sheets}) == "talk.loadings"
    assert first_to_see({s.id: s for s in sheets[:1]}) == "talk.markers"


def test_groups_of_too_few_have_no_markers_and_that_is_said():
    axes = ("classes", "genes")
    none = [[np.nan] * 3] * 2
    (sheet,) = only(
        found("talk.marker_score", "profile", axes, none, "large"),
        found("talk.marker_change", "profile", axes, none),
        found("talk.marker_p", "profile", axes, none),
    )
    assert "No group has three members" in sheet.doc and sheet.make()[0]["rows"] == []


def test_a_network_of_genes_lists_who_acts_on_whom_the_strongest_first():
    network = [[0.0, 0.8, -0.9], [0.0, 0.0, 0.0]]
    (sheet,) = only(found("net.grn_matrix", "network", ("regulators", "genes"), network))
    assert rows_of(sheet) == [
        ["regulator", "target", "strength"],
        ["GATA1", "SPI1", "-0.9"],
        ["GATA1", "KLF1", "0.8"],
    ]


def test_a_network_between_types_is_a_dot_matrix_with_its_own_p_values():
    strength = np.zeros((2, 2, 2))
    strength[0, 1] = 0.2, 0.7
    sure = np.ones((2, 2, 2))
    sure[0, 1, 0] = 0.001
    axes = ("classes", "classes", "pairs")
    (sheet,) = only(
        found("talk.lr_scores_by_type", "network", axes, strength),
        found("talk.lr_pvalues_by_type", "parameter", axes, sure),
    )
    shown = sheet.make()[0]
    assert sheet.form == "dots" and shown["from"] == ["B", "T"]
    # The pair that is sure stands before the one that is only strong.
    assert shown["pairs"] == ["CXCL12_CXCR4", "IL7_IL7R"]
    assert rows_of(sheet)[1] == ["B", "T", "IL7_IL7R", "0.7", "1"]


def test_a_plan_is_a_heat_map_and_shares_are_bars():
    plan = found("talk.moves", "plan", ("classes", "classes"), [[0.9, 0.1], [0.2, 0.8]])
    shares = found("talk.types", "shares", (GROUPS, "classes"), [[0.5, 0.5], [1.0, 0.0]])
    heat, bars = only(plan, shares)
    assert (heat.form, bars.form) == ("heat", "bars")
    assert heat.make()[0]["rows"] == ["B", "T"]
    assert bars.make()[0]["groups"] == ["all cells", "day 0"]
    assert rows_of(bars)[2] == ["day 0", "1", "0"]


def test_single_numbers_are_shown_as_numbers():
    (sheet,) = only(found("agree.adjusted_rand_index", "parameter", (), 0.75))
    assert sheet.form == "numbers"
    assert sheet.make()[0]["numbers"][0]["value"] == pytest.approx(0.75)


def test_what_tells_of_the_cells_is_opened_before_what_tells_of_the_model():
    model = found("vae.dispersion", "parameter", ("genes",), [1.0, 2.0, 3.0])
    shares = found("cluster.shares", "shares", (GROUPS, "classes"), [[0.5, 0.5], [1.0, 0.0]])
    genes = found("switch.switch_scores", "profile", ("genes",), [0.1, 0.5, 0.9])

    def first(*found):
        return first_to_see({s.id: s for s in only(*found)})

    assert first(shares, model) == "cluster.shares"
    assert first(genes, shares, model) == "switch.genes"
    assert first(model) == "vae.genes"


def test_what_a_block_lists_is_seen_before_its_single_numbers():
    genes = found("q.tpm", "profile", ("genes",), [1e6, 0, 0])
    sheets = only(genes, found("q.log_likelihood", "parameter", (), -5.0))
    assert [s.form for s in sheets] == ["numbers", "table"]
    assert first_to_see({s.id: s for s in sheets}) == sheets[1].id


def test_numbers_along_positions_are_lines_and_shares_along_them_strips():
    names = {
        "t.positions": ["1", "2", "3"], "t.sequences": ["seq1", "seq2"], "t.states": ["in", "out"]
    }  # fmt: skip
    line = found("t.weight", "parameter", ("positions",), [0.1, 0.5, 0.4])
    track = found("t.score", "profile", ("sequences", "positions"), [[1.0, 2, 3], [3, 2, 1]])
    shares = found(
        "t.states", "shares", ("sequences", "positions", "states"), np.full((2, 3, 2), 0.5)
    )
    sheets = sheets_of(Findings(1, (line, track, shares), names, {}, record="sequences"))
    assert [s.form for s in sheets] == ["curve", "curve", "strips"]
    assert sheets[1].make()[0]["lines"] == ["seq1", "seq2"]
    assert rows_of(sheets[1]) == [
        ["position", "seq1", "seq2"], ["1", "1", "3"], ["2", "2", "2"], ["3", "3", "1"]
    ]  # fmt: skip
    assert sheets[2].make()[0]["classes"] == ["in", "out"]
    assert rows_of(sheets[2])[4] == ["seq2", "1", "0.5", "0.5"]


def test_strips_of_a_track_have_its_signal_and_lie_in_bases():
    names = {"t.windows": ["chr1:0-600", "chr1:600-1000"], "t.states": ["low", "high"]}
    names["t.positions"] = ["1", "2", "3"]
    axes = ("windows", "positions", "states")
    shares = Finding(
        "t.posteriors", "Posteriors", "", "shares", axes, np.full((2, 3, 2), 0.5),
        ruler=(("chr1", 0, 200, 3), ("chr1", 600, 200, 2)),
    )  # fmt: skip
    signal = np.array([[1.0, 2, 3], [4, 5, np.nan]])
    seen = Finding("t.signal", "Signal", "", "score", axes[:2], signal, role="seen")
    (sheet,) = sheets_of(Findings(1, (shares, seen), names, {}, record="windows"))
    content = sheet.make()[0]
    assert content["ruler"] == [["chr1", 0, 200], ["chr1", 600, 200]] and content["one"] == "base"
    assert content["signal"] == [[1, 2, 3], [4, 5]] and content["largest"] == 5
    assert [len(row) for row in content["values"]] == [3, 2]
    assert rows_of(sheet)[0] == ["window", "start", "end", "signal", "low", "high"]
    assert rows_of(sheet)[-1] == ["chr1:600-1000", "800", "1000", "5", "0.5", "0.5"]
    # Bins of a single base are counted from 0, too.
    fine = replace(shares, ruler=(("chr1", 0, 1, 3), ("chr1", 3, 1, 2)))
    (sheet,) = sheets_of(Findings(1, (fine,), names, {}, record="windows"))
    assert sheet.make()[0]["one"] == "base" and rows_of(sheet)[1][1:3] == ["0", "1"]


def test_letters_of_a_motif_are_as_high_as_the_bits_that_they_carry():
    rows = [[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]]
    names = {"m.width": ["1", "2", "3"], "m.letters": list("ACGT"), "m.motifs": ["one", "two"]}
    motifs = found("m.motifs", "profile", ("motifs", "width", "letters"), [rows, rows])
    (logo,) = sheets_of(Findings(1, (motifs,), names, {}))
    heights = np.array(logo.make()[0]["heights"][0])
    np.testing.assert_allclose(heights, [[2, 0, 0, 0], [0] * 4, [0.5, 0.5, 0, 0]])
    assert logo.form == "logo" and logo.make()[0]["unit"] == "bits"
    assert rows_of(logo)[4] == ["two", "1", "1", "0", "0", "0"]
    filters = found("m.filters", "parameter", ("width", "letters"), -np.array(rows))
    (weights,) = sheets_of(Findings(1, (filters,), names, {}))
    assert weights.make()[0]["heights"][0][0][0] == -1 and weights.make()[0]["unit"] == ""
    salient = found("m.saliency", "score", ("sequences", "positions", "letters"), [rows, rows])
    names = {"sequences": ["a", "b"], "positions": [f"position {i}" for i in range(3)]}
    (letters,) = sheets_of(Findings(1, (salient,), names | {"letters": list("ACGT")}, {}))
    assert letters.form == "logo" and rows_of(letters)[4][:2] == ["b", "1"]


def test_a_large_matrix_shows_the_largest_values_and_says_of_how_many():
    values = np.zeros((200, 150))
    values[150, 140] = values[199, 149] = 9.0
    names = {"p.rows": [f"r{i}" for i in range(200)], "p.columns": [f"c{i}" for i in range(150)]}
    plan = found("p.plan", "plan", ("rows", "columns"), values)
    (heat,) = sheets_of(Findings(1, (plan,), names, {}))
    shown = heat.make()[0]
    assert (len(shown["rows"]), len(shown["columns"])) == (120, 120)
    assert {"r150", "r199"} <= set(shown["rows"]) and {"c140", "c149"} <= set(shown["columns"])
    assert "120 of 200 rows, 120 of 150 columns; the file has all." in shown["note"]
    assert len(rows_of(heat)) == 201


def test_every_form_that_a_plot_names_has_a_script_and_every_script_a_form():
    drawn = {name for script in scripts() for name in FORM.findall(script.read_text())}
    named = {
        n for f in Path(plots.__file__).parent.glob("*.py") for n in NAMED.findall(f.read_text())
    }
    assert drawn == named and "strips" in named
