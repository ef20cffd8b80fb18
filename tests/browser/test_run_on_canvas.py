"""What a run says on the page: an error on its block, the maps it gives; ports that fold."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from diffbio_engine.errors import TrainingError
from diffbio_engine.pipelines.spec import Block, PipelineSpec
from tests.browser.test_canvas import KMEANS, VAE, block, drop
from tests.browser.user_actions import port, pull_wire
from tests.runs.drawn import drawn


@pytest.fixture
def shown(served):
    """Puts what a run would tell into the tab."""

    def show(**told):
        session = served.session
        session.later(lambda: session.run.param.update(document=session.document.spec.name, **told))

    return show


def told_by_a_run(step=5, **maps):
    rng = np.random.default_rng(0)
    main = rng.normal(size=(200, 2)).astype(np.float32)
    labels = (np.arange(200) % 4).astype(np.int16)
    return drawn(step, main, labels, **maps)


def test_an_error_of_a_run_stands_on_its_block_and_the_last_map_stays(
    tab, served, eventually, shown
):
    drop(tab, KMEANS, 420, 60)
    eventually(lambda: served.session.document.spec.blocks)
    shown(state="running", snapshot=told_by_a_run())
    expect(tab.locator(".timeline .cells")).to_contain_text("200 cells")
    error = TrainingError(
        "became infinite at step 6.", fix="Lower the learning rate.", where="soft_kmeans"
    )
    shown(state="failed", errors=[error])
    expect(block(tab, "soft_kmeans")).to_have_class(having("failed"))
    note = "e => getComputedStyle(e.querySelector('.rf-node-content'), '::after').content"
    said = block(tab, "soft_kmeans").evaluate(note)
    assert "Became infinite at step 6. Lower the learning rate." in said
    expect(tab.locator(".timeline .cells")).to_contain_text("200 cells")
    # Another document is not to blame.
    session = served.session
    other = PipelineSpec("Another", blocks=(Block("soft_kmeans", KMEANS),))
    session.later(lambda: session.document.open_pipeline(other))
    expect(block(tab, "soft_kmeans")).not_to_have_class(having("failed"))


def having(word):
    return re.compile(rf"(^|\s){word}(\s|$)")


def test_seldom_wired_ports_fold_and_are_wired_by_mouse(tab, served, eventually):
    session = served.session
    drop(tab, VAE, 300, 40)
    drop(tab, "losses.negative_binomial", 700, 40)
    # What they lack is on them once they have been checked: they are drawn anew then.
    eventually(lambda: len(session.document.spec.blocks) == 2 and session.document.problems)
    seldom = port(tab, "vae_normalizer", "reconstructed")
    expect(seldom).to_have_count(0)
    expect(port(tab, "vae_normalizer", "latent_mean")).to_be_visible()
    more = tab.locator(".react-flow__handle[data-nodeid=vae_normalizer][data-handleid^='+']")
    more.dispatch_event("click")
    expect(seldom).to_be_visible()
    tab.locator("button[data-do=fit]").click()
    pull_wire(tab, seldom, port(tab, "negative_binomial", "mu"))
    eventually(lambda: "negative_binomial.mu" in {w.target for w in session.document.spec.wires})
    fewer = tab.locator(".react-flow__handle[data-nodeid=vae_normalizer][data-handleid^='–']")
    fewer.dispatch_event("click")
    expect(port(tab, "vae_normalizer", "kl_loss")).to_have_count(0)
    expect(seldom).to_be_visible()  # it is wired now


def test_a_second_map_is_chosen_above_the_map(tab, served, eventually, shown):
    drop(tab, KMEANS, 420, 60)
    eventually(lambda: served.session.document.spec.blocks)
    line = np.column_stack([np.linspace(-9, 9, 200), np.zeros(200)]).astype(np.float32)
    blocks = Block("umap", "normalization.umap"), Block("phate", "normalization.phate")
    trained = PipelineSpec("Two maps", blocks=blocks)
    told = told_by_a_run(**{"phate.embedding": line})
    shown(state="running", pipeline=trained, snapshot=told)
    chooser = tab.locator("select.map")
    expect(chooser.locator("option")).to_have_text(["UMAP", "PHATE"])
    chooser.select_option(label="PHATE")
    xs = "() => Bokeh.documents[0].get_model_by_name('cells').data.y"
    tab.wait_for_function(
        f"() => {{ const y = ({xs})(); return y.length && y.every(v => v === 0) }}"
    )
    expect(chooser).to_have_value("phate.embedding")
