"""Blocks, wires, undo, settings and themes, by mouse and keys."""

import json
import re

import pytest
from playwright.sync_api import expect

from diffbio_engine.declare import DATA_PORTS, Kind, find_operator
from diffbio_engine.pipelines import presets
from tests.browser.user_actions import still

KMEANS = "singlecell.soft_kmeans"
VAE = "normalization.vae_normalizer"


def drop(tab, operator, x, y):
    tab.drag_and_drop(
        f"[data-operator='{operator}']",
        ".react-flow__pane",
        source_position={"x": 60, "y": 20},
        target_position={"x": x, "y": y},
    )


def port(tab, block, name):
    return tab.locator(f".react-flow__handle[data-nodeid='{block}'][data-handleid='{name}']")


def at_rest(tab, thing):
    """Where it is, once the view has stopped moving."""
    before = None
    for _ in range(50):
        box = thing.bounding_box()
        if box is not None and box == before:
            return box
        before = box
        tab.wait_for_timeout(150)
    raise AssertionError("the canvas does not come to rest")


def pull_wire(tab, source, target, let_go=True):
    at_rest(tab, target)
    a, b = at_rest(tab, source), at_rest(tab, target)
    tab.mouse.move(a["x"] + a["width"] / 2, a["y"] + a["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(b["x"] - 30, b["y"] - 10, steps=6)
    tab.mouse.move(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2, steps=6)
    tab.wait_for_timeout(250)
    if let_go:
        tab.mouse.up()


def block(tab, name):
    return tab.locator(f".react-flow__node[data-id='{name}']")


def test_a_block_lands_where_it_is_dropped(tab, served, eventually):
    drop(tab, KMEANS, 520, 200)
    node = block(tab, "soft_kmeans")
    expect(node).to_be_visible()
    pane = tab.locator(".react-flow__pane").bounding_box()
    box = node.bounding_box()
    assert abs(box["x"] - (pane["x"] + 520)) < 80 and abs(box["y"] - (pane["y"] + 200)) < 60
    eventually(lambda: served.session.document.spec.blocks)
    assert served.session.document.spec.blocks[0].operator == KMEANS
    assert "soft_kmeans" in served.session.document.spec.layout


def test_ports_are_wired_by_mouse_and_undone_by_keys(tab, served, eventually):
    session = served.session
    drop(tab, VAE, 420, 40)
    expect(block(tab, "vae_normalizer")).to_be_visible()
    document = session.document
    wires = [(w.source, w.target) for w in document.spec.wires]
    session.later(lambda: document.remove(wires=wires))
    eventually(lambda: not session.document.spec.wires)
    expect(tab.locator(".react-flow__edge")).to_have_count(0)
    tab.locator("button[data-do=fit]").click()
    tab.wait_for_timeout(600)  # the canvas glides there: a port is where it was looked for
    pull_wire(tab, port(tab, "data", "counts"), port(tab, "vae_normalizer", "counts"))
    eventually(lambda: len(session.document.spec.wires) == 1)
    assert session.document.spec.wires[0].source == "data.counts"
    tab.keyboard.press("Control+z")  # maybe before the canvas has it from the document
    eventually(lambda: not session.document.spec.wires)
    expect(tab.locator(".react-flow__edge")).to_have_count(0)
    tab.keyboard.press("Control+Shift+z")
    eventually(lambda: len(session.document.spec.wires) == 1)
    expect(tab.locator(".react-flow__edge")).to_have_count(1)


def test_a_port_has_the_colour_of_its_kind(tab, served):
    drop(tab, KMEANS, 420, 60)
    expect(block(tab, "soft_kmeans")).to_be_visible()
    declared = find_operator(KMEANS)
    shown = tab.locator(".react-flow__node[data-id=soft_kmeans] .react-flow__handle")
    names = shown.evaluate_all("found => found.map((port) => port.dataset.handleid)")
    kinds = {p.name: p.kind for p in (*declared.inputs, *declared.outputs)}
    assert {kinds[name] for name in names if name in kinds} >= {Kind.FEATURES, Kind.SHARES}
    for name in (name for name in names if name in kinds):
        colour, wanted = port(tab, "soft_kmeans", name).evaluate(
            """(port, kind) => {
              const probe = port.appendChild(document.createElement("i"))
              probe.style.color = `var(--db-k-${kind})`
              const wanted = getComputedStyle(probe).color
              probe.remove()
              return [getComputedStyle(port).backgroundColor, wanted]
            }""",
            kinds[name],
        )
        assert colour == wanted, name


def test_a_refused_wire_says_why(tab, served):
    drop(tab, KMEANS, 420, 60)
    expect(block(tab, "soft_kmeans")).to_be_visible()
    tab.locator("button[data-do=fit]").click()
    tab.wait_for_timeout(400)
    target = port(tab, "soft_kmeans", "embeddings")
    pull_wire(tab, port(tab, "data", "counts"), target, let_go=False)
    reason = re.compile(r"needs features.*data\.counts is counts", re.S)
    expect(target).to_have_attribute("data-tooltip", reason)
    tab.mouse.up()
    expect(tab.locator(".toast").first).to_contain_text(reason)
    assert not served.session.document.spec.wires


def test_undo_and_redo_go_through_everything_and_leave_text_fields_alone(tab, served, eventually):
    session = served.session
    drop(tab, KMEANS, 300, 60)
    drop(tab, VAE, 640, 220)
    eventually(lambda: len(session.document.spec.blocks) == 2)
    whole = session.export_json()
    search = tab.locator(".search input")
    search.fill("umap")
    search.press("Control+z")
    assert len(session.document.spec.blocks) == 2
    search.fill("")
    tab.locator(".react-flow__pane").click(position={"x": 12, "y": 12})
    for left in (1, 0):
        tab.keyboard.press("Control+z")
        eventually(lambda left=left: len(session.document.spec.blocks) == left)
    for present in (1, 2):
        tab.keyboard.press("Control+y")
        eventually(lambda present=present: len(session.document.spec.blocks) == present)
    assert session.export_json() == whole


def test_delete_removes_the_chosen_block_and_its_wires_in_one_step(tab, served, eventually):
    session = served.session
    drop(tab, VAE, 420, 40)
    eventually(lambda: session.document.spec.wires)
    n_wires = len(session.document.spec.wires)
    block(tab, "vae_normalizer").click(position={"x": 120, "y": 15})
    tab.keyboard.press("Delete")
    eventually(lambda: not session.document.spec.blocks)
    tab.keyboard.press("Control+z")
    eventually(lambda: session.document.spec.blocks)
    assert len(session.document.spec.wires) == n_wires


def test_a_slider_changes_the_document_and_a_wrong_number_is_refused_in_words(
    tab, served, eventually
):
    session = served.session
    drop(tab, KMEANS, 420, 60)
    line = tab.locator(".lines:not(.compact) .line[data-setting=n_clusters]")
    expect(line).to_be_visible()
    line.locator("[type=range]").focus()
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    eventually(lambda: session.document.spec.block("soft_kmeans").config.get("n_clusters", 10) > 10)
    line.locator(".number").fill("7")
    line.locator(".number").press("Enter")
    eventually(lambda: session.document.spec.block("soft_kmeans").config["n_clusters"] == 7)
    line.locator(".number").fill("1")
    line.locator(".number").press("Enter")
    expect(line.locator(".note")).to_contain_text("1 is outside 2 to 200")
    assert session.document.spec.block("soft_kmeans").config["n_clusters"] == 7


def test_the_gradient_of_a_chosen_wire_can_be_stopped(tab, served, eventually):
    session = served.session
    drop(tab, VAE, 420, 40)
    eventually(lambda: session.document.spec.wires)
    edge = tab.locator(".react-flow__edge").first
    edge.locator(".react-flow__edge-interaction").dispatch_event("click")
    eventually(lambda: session.document.selected_wire)
    tab.locator("button[data-do=scissors]").click()
    eventually(lambda: any(w.stop_gradient for w in session.document.spec.wires))
    expect(tab.locator(".react-flow__edge.stopped")).to_have_count(1)


def test_the_theme_switches_and_is_kept(tab, served, eventually):
    ground = "getComputedStyle(document.documentElement).getPropertyValue('--db-bg').trim()"
    light = tab.evaluate(ground)
    tab.locator("button.theme").click()
    eventually(lambda: served.session.theme == "dark")
    expect(tab.locator(".react-flow.dark")).to_be_visible()
    eventually(lambda: tab.evaluate(ground) != light)  # the page turns a little after its canvas
    dark = tab.evaluate(ground)
    tab.reload()
    expect(tab.locator(".react-flow.dark")).to_be_visible()
    eventually(lambda: tab.evaluate(ground) == dark)  # of the whole page, not of the canvas alone
    tab.locator("button.theme").click()
    eventually(lambda: served.session.theme == "default")


def test_a_pipeline_comes_back_when_the_tab_is_opened_again(tab, served, eventually):
    drop(tab, VAE, 420, 40)
    eventually(lambda: served.session.document.spec.blocks)
    eventually(lambda: served.session.document.saved == "saved")
    before = served.session.export_json()
    tab.reload()
    expect(block(tab, "vae_normalizer")).to_be_visible()
    assert served.session.export_json() == before


@pytest.mark.parametrize(
    "text, reason",
    [("no json", "cannot be read as JSON"), ('{"format": "other"}', "not a pipeline file"),
     (json.dumps({"format": "diffbio-pipeline", "schema": 99}), "schema 99")],
)  # fmt: skip
def test_a_bad_pipeline_file_is_refused_in_words_and_nothing_is_lost(
    tab, served, eventually, text, reason
):
    drop(tab, KMEANS, 420, 60)
    eventually(lambda: served.session.document.spec.blocks)
    tab.locator("input.file").set_input_files(
        {"name": "p.json", "mimeType": "application/json", "buffer": text.encode()}
    )
    expect(tab.locator(".toast").first).to_contain_text(reason)
    assert len(served.session.document.spec.blocks) == 1


def test_every_kind_of_field_has_a_colour():
    from app.style.theme import KIND_COLOR

    assert all(p.kind in KIND_COLOR for p in DATA_PORTS.values())


def test_the_data_block_never_shows_the_form_of_another_block(tab, served, eventually):
    lines = tab.locator(".lines:not(.compact) .line")
    drop(tab, KMEANS, 420, 60)
    expect(lines.first).to_be_visible()
    still(tab, block(tab, "data"))  # a click on a canvas that moves may miss
    block(tab, "data").click(position={"x": 120, "y": 15})
    eventually(lambda: served.session.document.selected_block == "data")
    expect(tab.locator(".card[data-kind=data]")).to_be_visible()
    expect(lines).to_have_count(1)
    expect(lines.first).to_have_attribute("data-setting", "variable_genes")
    block(tab, "soft_kmeans").click(position={"x": 120, "y": 15})
    expect(lines.first).not_to_have_attribute("data-setting", "variable_genes")


def in_sight(tab):
    """Whether the whole pipeline lies within the canvas."""
    pane = tab.locator(".react-flow__pane").bounding_box()
    boxes = [node.bounding_box() for node in tab.locator(".react-flow__node").all()]
    return all(
        pane["x"] <= b["x"]
        and pane["y"] <= b["y"]
        and b["x"] + b["width"] <= pane["x"] + pane["width"]
        and b["y"] + b["height"] <= pane["y"] + pane["height"]
        for b in boxes
    )


def test_the_view_follows_the_window_until_a_hand_moves_it(tab, served, eventually):
    session, size = served.session, tab.viewport_size
    session.later(lambda: session.document.open_pipeline(presets()["trajectory"].make(None)))
    expect(block(tab, "phate")).to_be_visible()
    still(tab, block(tab, "phate"))
    assert in_sight(tab)
    try:
        tab.set_viewport_size({"width": 1200, "height": 800})
        tab.wait_for_timeout(500)
        still(tab, block(tab, "phate"))
        assert in_sight(tab)
        tab.locator(".react-flow__pane").hover(position={"x": 8, "y": 8})
        tab.mouse.wheel(0, -300)
        still(tab, block(tab, "phate"))
        seen = block(tab, "phate").bounding_box()["width"]
        tab.set_viewport_size(size)
        tab.wait_for_timeout(500)
        still(tab, block(tab, "phate"))
        assert block(tab, "phate").bounding_box()["width"] == pytest.approx(seen, abs=0.5)
    finally:
        tab.set_viewport_size(size)
