"""Ready pipelines, opened with their demo data and run to their end as a person would.

`tests/app/test_ready_pipelines.py` carries out every second of those that have no story here. Here
it is one, another with each commit; `make test-all` takes every one, here and there.
"""

import re

import pytest
from playwright.sync_api import expect

from diffbio_engine.declare import find_operator
from diffbio_engine.pipelines import presets
from diffbio_engine.ports import Kind
from tests.app.test_ready_pipelines import EVERY_ONE, IN_A_STORY, RESULTS, turn
from tests.browser.conftest import open_app

# Enough to see that it trains; what it learns is measured in tests/benchmarks.
STEPS = 8
RUN_SECONDS = 420
# Those that have a story of their own here, with a file that a person brings.
TOLD_ELSEWHERE = {"single_cell", "learn_from_sequences", *IN_A_STORY}
IN_A_BROWSER = [name for name in RESULTS if name not in TOLD_ELSEWHERE]


def those_whose_turn_it_is():
    if EVERY_ONE:
        return [name for name in RESULTS if name != "single_cell"]
    return [IN_A_BROWSER[turn() % len(IN_A_BROWSER)]]


@pytest.mark.usefixtures("compiled_in_haste")
@pytest.mark.parametrize("name", those_whose_turn_it_is())
def test_a_ready_pipeline_runs_with_its_demo_data(page, served, eventually, name):
    served.forget_tabs()
    open_app(page, served)
    page.locator(".start", has_text=presets()[name].title.split(":")[0]).click()
    session = eventually(lambda: served.session)
    eventually(lambda: session.document.spec.blocks and session.data.card, 120)
    assert not session.document.problems, [str(p) for p in session.document.problems]
    # All that it can be is there: the demo data offers every field.
    assert len(session.document.spec.blocks) == len(presets()[name].make(None).blocks) - (
        name == "doublets"  # no empty droplets were measured in the demo data
    )
    session.later(lambda: session.document.set_training("steps", STEPS))
    eventually(lambda: session.document.spec.training.get("steps") == STEPS)
    page.wait_for_timeout(1500)  # a change on its way to the canvas would swallow the click
    page.locator("[data-do=run]").click()
    expect(page.locator("[data-state=done]")).to_be_visible(timeout=1000 * RUN_SECONDS)
    ports = [p for b in session.document.spec.blocks for p in find_operator(b.operator).outputs]
    if any(port.kind == Kind.MAP for port in ports):
        shown = re.compile(r"[\d,]+ (cells|spots|sequences) shown")
        expect(page.locator(".timeline .cells")).to_contain_text(shown)
    else:  # what was found stands where the map would be
        expect(page.locator(".findings").first).to_be_visible()
    if name == "integration":
        look_at_all_maps(page, eventually)
    page.locator(".header [data-show=findings]").click()
    desk = page.locator("[role=dialog] .findings")
    expect(desk.locator("nav button.on")).to_be_visible()
    listed = {(s["block"], s["form"]) for s in _sheets(session)}
    assert set(RESULTS[name]) <= listed, listed
    for button in desk.locator("nav button").all():
        button.click()
        expect(desk.locator("h3")).to_contain_text(button.inner_text())


def look_at_all_maps(page, eventually):
    page.locator("button.all").click()
    gallery = page.locator(".gallery")
    expect(gallery.locator("img")).to_be_visible(timeout=60_000)
    first, second = gallery.locator("select").all()
    expect(first).to_have_value("obs/batch")
    expect(second).to_have_value("obs/cell_type")
    wide = "e => e.naturalWidth / e.naturalHeight"
    assert gallery.locator("img").evaluate(wide) > 1.5  # four maps in two rows
    second.select_option("none")
    expect(second).to_have_value("none")
    eventually(lambda: gallery.locator("img").evaluate(wide) > 3, 60)
    page.keyboard.press("Escape")
    expect(gallery).to_be_hidden()


def _sheets(session):
    from app.plots import sheets_of
    from diffbio_engine.runs import RunReader

    findings = RunReader(session.run.folder()).findings()
    return [{"block": s.block, "form": s.form} for s in sheets_of(findings)]
