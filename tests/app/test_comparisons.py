"""A comparison gene by gene: what is drawn together, and how small p-values are told."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

from app.data.design_choice import design_choices
from app.plots import as_csv, first_to_see, sheets_of
from app.results.contrasts import Asked, Contrasts
from app.results.gene_counts import counts_of_gene
from app.session.session import DatasetCard
from diffbio_engine.data.design import design_of, formula_at
from diffbio_engine.data.writers.small_p_values import with_small_p_values
from diffbio_engine.pipelines import Block, PipelineSpec
from diffbio_engine.ports import DATA_PORTS, Offer
from diffbio_engine.runs import Finding, Findings

NAMES = {"genes": ["ACTB", "FKBP5", "XIST"], "de.covariates": ["Intercept", "dex_drug_vs_control"]}
ROLES = {"log2_fold_change": "change", "base_mean": "mean", "padj": "discovery"}


def found(name, values, role="", axes=("genes",), kind="profile"):
    return Finding(f"de.{name}", name, "What it is.", kind, axes, np.array(values), role=role)


def sheets(*roles):
    values = {"padj": [0.9, 1e-9, np.nan], "log2_fold_change": [0.1, 4.0, -1.0]}
    of_genes = [found(n, values.get(n, [100.0, 50.0, 0.0]), ROLES[n]) for n in roles]
    tested = found("tested", [0.0, 1.0], "tested", ("covariates",), "parameter")
    beside = found("max_cooks", [0.1, 0.2, np.nan], "outlier")
    return sheets_of(Findings(1, (*of_genes, beside, tested), NAMES, {}))


def test_a_comparison_is_one_sheet_that_is_seen_first_and_says_what_is_compared():
    (sheet,) = sheets(*ROLES)
    assert (sheet.form, sheet.title) == ("comparison", "dex drug vs control")
    assert first_to_see({sheet.id: sheet}) == sheet.id
    content = sheet.make()[0]
    titles = [c["title"] for c in content["columns"]]
    assert titles == ["gene", "baseMean", "log2FoldChange", "padj", "maxCooks"]
    assert content["rows"][1][:4] == ["FKBP5", 50.0, 4.0, 1e-9]
    assert titles[content["order"][0]] == "padj" and content["rows"][2][3] is None
    lines = as_csv(sheet).decode().splitlines()
    assert lines[0] == ",".join(titles) and lines[3].endswith("NA,NA")  # as DESeq2's file has it


def test_without_an_adjusted_p_value_there_is_a_table_and_no_volcano():
    assert [s.form for s in sheets("log2_fold_change", "base_mean")] == ["table"]


def test_each_group_has_a_sheet_named_by_what_is_compared_and_none_where_it_could_not_be():
    names = NAMES | {"de.clusters": ["cluster 0", "cluster 1"], "de.conditions": ["drug", "none"]}
    values = {"padj": [0.9, 1e-9, np.nan], "log2_fold_change": [0.1, 4.0, -1.0]}
    both = [
        found(n, [[np.nan] * 3, values.get(n, [100.0, 50.0, 0.0])], r, ("clusters", "genes"))
        for n, r in ROLES.items()
    ]
    tested = found("compared", [-1.0, 1.0], "tested", ("conditions",), "parameter")
    (sheet,) = sheets_of(Findings(1, (*both, tested), names, {}))
    assert (sheet.form, sheet.title) == ("comparison", "Cluster 1: none vs drug")
    assert sheet.make()[0]["rows"][1] == ["FKBP5", 50.0, 4.0, 1e-9]
    two = [
        f if i else found("log2_fold_change", np.ones((2, 3)), "change", f.axes)
        for i, f in enumerate(both)
    ]
    of_both = {s.id: s for s in sheets_of(Findings(1, (*two, tested), names, {}))}
    assert len(of_both) == 2 and of_both[first_to_see(of_both)].title == "Cluster 0: none vs drug"


def test_p_values_that_32_bits_lose_are_told_again_from_the_statistic():
    stat = np.array([30.0, -25.0, 14.0, 2.0, 0.1, np.nan])
    p = 2 * norm.sf(np.abs(stat[:5]))
    padj = np.append(false_discovery_control(p), np.nan)
    p = np.append(p, np.nan)
    assert (p.astype(np.float32)[:3] < 1e-38).all()
    small, adjusted = with_small_p_values(stat, p.astype(np.float32), padj.astype(np.float32))
    np.testing.assert_allclose(small, p, rtol=1e-6)
    np.testing.assert_allclose(adjusted, padj, rtol=1e-6)


def test_p_values_of_another_test_stay_as_they_are():
    p = np.array([0.0, 0.3], np.float32)
    small, _ = with_small_p_values(np.array([40.0, 2.0]), p, p)
    np.testing.assert_array_equal(small, p)


@pytest.fixture
def answers(monkeypatch):
    class Told:
        def ask(self, question, **_):
            values = {"values": np.array([10.0, 40.0, 12.0, 44.0])}
            return ({"names": list("abcd")}, {}) if question == "cells" else ({}, values)

    monkeypatch.setattr("app.results.gene_counts.opened", lambda source: Told())


def test_counts_of_a_gene_are_divided_by_depth_and_stand_in_the_groups_compared(answers):
    table = {"dex": ["drug", "control", "drug", "control"]}
    card = DatasetCard("1", "a.csv", "/a.csv", 4, 3, {"design": "formula:~ dex"}, {"table": table})
    depth = found("sizes", [1.0, 2.0, 1.0, 2.0], "depth", ("samples",), "score")
    told = counts_of_gene(card, "FKBP5", Findings(1, (depth,), NAMES, {}))
    assert told["values"] == [10.0, 20.0, 12.0, 22.0]
    assert told["groups"] == ["control", "drug"] and told["group"] == [1, 0, 1, 0]
    assert told["unit"] == "Counts divided by size factors, by dex."


def test_another_level_is_compared_by_name_from_the_estimate_that_is_there():
    """beta_c - beta_b, its variance from the covariance; the title says it, and the file has it."""
    names = ["Intercept", "dose_b_vs_a", "dose_c_vs_a"]
    covariance = np.array([[0.3, -0.1, -0.1], [-0.1, 0.2, 0.1], [-0.1, 0.1, 0.4]])
    beta = np.array([[5.0, 4.0, 0.0], [1.0, 0.5, 0.0], [3.0, -0.5, 0.0]])
    model = {
        "coefficients": (beta, "", ("covariates", "genes")),
        "covariance": (
            np.repeat(covariance[:, :, None], 3, 2), "covariance",
            ("covariates", "covariates", "genes"),
        ),
        "detected": (np.full((3, 3), 2.0), "detected", ("covariates", "genes")),
        "tested": (np.array([0.0, 0.0, 1.0]), "tested", ("covariates",)),
    }  # fmt: skip
    told = {"log2_fold_change": "change", "base_mean": "mean", "padj": "discovery"}
    of_genes = [found(n, [4.0, -1.0, 0.0], r) for n, r in told.items()]
    of_genes += [
        found("pvalue", [0.1, 0.2, np.nan], "chance"),
        found("stat", [2.0, 1, 0], "statistic"),
    ]
    of_genes += [found("lfc_se", [1.0, 1.0, 1.0], "unsure")]
    of_model = [found(n, v, r, axes, "parameter") for n, (v, r, axes) in model.items()]
    findings = Findings(1, (*of_genes, *of_model), {**NAMES, "de.covariates": names}, {})
    (sheet,) = [s for s in sheets_of(findings) if s.form == "comparison"]
    card = DatasetCard(
        "1", "a", "/a", 6, 3, {"design": "formula:~ dose"}, {"table": {"dose": list("aabbcc")}}
    )
    spec = PipelineSpec("DE", (Block("de", "statistical.nb_glm"),))
    contrasts = Contrasts(spec, card, findings)
    offered = contrasts.offered(sheet, None)
    assert offered["factors"] == [{"name": "dose", "levels": ["a", "b", "c"]}]
    assert offered["now"] == ["dose", "c", "a"]
    other = contrasts.of(sheet, Asked("dose", "c", "b"))
    assert other.title == "dose c against b" and other.id == sheet.id
    table = other.make()[1]
    np.testing.assert_allclose(table["log2FoldChange"], np.array([2.0, -1.0, 0.0]) / np.log(2))
    np.testing.assert_allclose(table["lfcSE"], np.sqrt(0.2 + 0.4 - 2 * 0.1) / np.log(2))
    assert np.isnan(table["pvalue"][2])  # an outlier rules it, whatever is compared
    assert contrasts.of(sheet, Asked("dose", "c", "c")) is None
    elsewhere = Contrasts(spec, replace(card, fields={"design": "formula:~ other"}), findings)
    assert elsewhere.offered(sheet, None) == {}
    kept = tuple(f for f in findings.found if f.role != "covariance")
    told = Contrasts(spec, card, replace(findings, found=kept)).offered(sheet, None)
    assert told["words"].startswith("Other comparisons of so many columns")


def test_the_data_panel_offers_which_of_several_levels_is_compared():
    table = {"dose": ["none", "low", "high"] * 3}
    card = DatasetCard("1", "a", "/a", 9, 3, {"design": "formula:~ dose"}, {"table": table})
    rows = {row["title"]: row for row in design_choices(card, DATA_PORTS["design"], Offer())}
    offered = {o["title"]: o["place"] for o in rows["Compared of dose"]["options"]}
    assert set(offered) == {"high against none", "low against none"}
    assert rows["Compared of dose"]["place"] == offered["low against none"] == "formula:~ dose"
    asked = formula_at(offered["high against none"])
    assert design_of(table, asked).compared == "dose high against none"
