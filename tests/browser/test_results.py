"""Tables of results, as a hand sorts them."""

import pytest
from playwright.sync_api import expect

from diffbio_engine.runs import Finding, Findings
from diffbio_engine.runs.folder.findings import save_findings

NAMES = {"genes": ["Car2", "Mpo", "Elane", "Gata1", "Actb"]}


@pytest.fixture
def findings(tab, served, tmp_path, monkeypatch):
    """A dialog with a gene table; the run itself is not what is looked at here."""
    import numpy as np

    columns = {
        "times": ([0.9, 0.1, 0.5, 0.2, 0.3], ""),
        "scores": ([0.2, 0.4, 0.1, 0.6, np.nan], "large"),
        "p_values": ([0.0, 0.0, 0.3, 0.0, np.nan], "small"),
    }
    found = tuple(
        Finding(f"switch.{n}", n, "What it is.", "profile", ("genes",), np.array(v, "f4"), ranks)
        for n, (v, ranks) in columns.items()
    )
    save_findings(tmp_path, Findings(1, found, NAMES, {}))
    session = served.session
    session.run.folder = lambda: tmp_path
    session.later(lambda: session.param.update(showing="findings"))
    yield tab.locator(".findings")
    del session.run.folder


def test_a_gene_table_begins_with_the_strongest_of_the_surest(findings):
    genes, heads = findings.locator("tbody td:first-child"), findings.locator("thead th")
    expect(genes).to_have_text(["Gata1", "Mpo", "Car2", "Elane", "Actb"])
    expect(heads.filter(has_text="p_values")).to_have_attribute("aria-sort", "ascending")
    expect(findings.locator("tbody tr").first).to_contain_text("< 1.2e-38")
    heads.filter(has_text="scores").get_by_role("button").click()
    expect(genes).to_have_text(["Gata1", "Mpo", "Car2", "Elane", "Actb"])
    heads.filter(has_text="times").get_by_role("button").click()
    expect(genes).to_have_text(["Car2", "Elane", "Actb", "Gata1", "Mpo"])
    # Turned round, what was not tested is still last, and ties still begin with the strongest.
    for _ in range(2):
        heads.filter(has_text="p_values").get_by_role("button").click()
    expect(genes).to_have_text(["Elane", "Gata1", "Mpo", "Car2", "Actb"])


def test_a_gene_of_a_table_is_asked_of_the_map(findings, served, eventually):
    session, asked = served.session, []
    watcher = session.param.watch(lambda e: asked.append(e.new["key"]), ["asked_colour"])
    findings.get_by_role("button", name="Gata1").click()
    eventually(lambda: asked == ["gene/Gata1"] and session.showing == "")
    session.param.unwatch(watcher)
