"""Two tabs with the same pipeline: one edits, the other looks on. Without a browser."""

import time
from types import SimpleNamespace

import pytest

from app.server.editing import LOST_SECONDS, Editing
from app.server.open_tab import _connected
from app.session.autosave import Autosave
from app.session.session import DatasetCard, Session
from diffbio_engine.workspace import Store

KMEANS, VAE = "singlecell.soft_kmeans", "normalization.vae_normalizer"
CARD = DatasetCard("1", "cells", __file__, 10, 5, {"embeddings": "obsm/X_pca"})


@pytest.fixture
def open_tab(tmp_path):
    """Opens tabs of one server, as `attach` does, but for the run."""
    editing, store = Editing(), Store(tmp_path)

    def tab(owner="ada", connected=True):
        session = Session(owner=owner)
        session.engine = SimpleNamespace(runs=lambda owner: [])
        session.store = session.document.store = store
        session.document.rights = editing.of(session)
        session.online = connected
        session.is_connected = lambda: session.online
        session.autosave = Autosave(session, store, tmp_path)
        session.document.param.watch(lambda *_: session.autosave.save_soon(), ["spec"])
        session.data.param.watch(lambda *_: session.autosave.save_soon(), ["card"])
        session.data.param.watch(lambda *_: editing.settle(session), ["card"])
        session.on_close(session.autosave.save_now)
        session.on_close(lambda: editing.closed(session))
        session.autosave.bring_back()
        return session

    return tab


@pytest.fixture
def two(open_tab):
    """A tab with a pipeline, and a second one that was opened after it."""
    first = open_tab()
    first.document.add_block(VAE)
    first.autosave.save_now()
    return first, open_tab()


def names(session):
    return [b.id for b in session.document.spec.blocks]


def test_the_second_tab_looks_on_and_cannot_write(two, tmp_path):
    first, second = two
    assert (
        not first.document.read_only
        and second.document.read_only
        and names(second) == ["vae_normalizer"]
    )
    second.document.add_block(KMEANS)
    second.document.undo()
    second.document.set_setting("vae_normalizer", "latent_dim", 3)
    second.use_dataset(CARD)
    assert "another tab" in second.notice["text"]
    assert names(second) == names(first) == ["vae_normalizer"] and second.data.card is None
    second.autosave._due = time.monotonic()
    second.autosave.save_now()
    assert len(first.store.pipeline_versions("ada", first.document.spec.name)) == 1


def test_what_the_first_tab_does_is_seen_in_the_second_also_before_it_is_saved(two):
    first, second = two
    first.document.add_block(KMEANS)
    first.use_dataset(CARD)
    assert second.document.spec is first.document.spec and second.data.card is CARD
    first.document.rename("Atlas")
    assert (
        second.document.spec.name == "Atlas"
        and second.document.read_only
        and not first.document.read_only
    )


def test_taking_over_loses_nothing_and_undo_goes_on_where_the_other_was(two):
    first, second = two
    first.document.add_block(KMEANS)  # not saved yet
    second.document.take_over()
    assert first.document.read_only and not second.document.read_only
    assert "Take over" in first.notice["text"]
    first.document.add_block(KMEANS)
    assert names(first) == ["vae_normalizer", "soft_kmeans"]
    second.document.undo()
    second.document.undo()
    assert not second.document.spec.blocks
    second.document.redo()
    assert names(second) == names(first) == ["vae_normalizer"]
    first.document.take_over()
    assert second.document.read_only and not first.document.read_only
    first.document.redo()
    assert names(first) == names(second) == ["vae_normalizer", "soft_kmeans"]


def test_when_the_first_tab_is_closed_the_second_may_edit_and_undo(two):
    first, second = two
    first.document.add_block(KMEANS)
    second.opened -= 60
    first.close()
    assert not second.document.read_only and "can be edited here" in second.notice["text"]
    second.document.undo()
    assert names(second) == ["vae_normalizer"]


def test_a_tab_that_crashed_gives_way_after_a_while_and_looks_on_when_it_is_back(two):
    first, second = two
    second.opened -= 60
    now = time.monotonic()
    first.document.rights.look(now)
    first.online = False
    first.document.rights.look(now)
    first.document.rights.look(now + LOST_SECONDS - 1)
    assert second.document.read_only  # it may be back in a moment
    first.document.rights.look(now + LOST_SECONDS + 1)
    assert not second.document.read_only and first.document.read_only
    first.online = True
    second.document.add_block(KMEANS)
    assert names(first) == ["vae_normalizer", "soft_kmeans"] and first.document.read_only


def test_a_reload_edits_at_once_with_its_undo_and_what_was_not_saved_yet(open_tab):
    first = open_tab()
    first.document.add_block(VAE)
    first.autosave.save_now()
    first.document.add_block(KMEANS)
    first.online = False  # its socket is closed, its session lives on for a while
    again = open_tab()
    assert not again.document.read_only and names(again) == ["vae_normalizer", "soft_kmeans"]
    again.document.undo()
    assert names(again) == ["vae_normalizer"]
    first.close()
    assert not again.document.read_only
    assert open_tab().document.spec.name == again.document.spec.name


def test_a_page_that_is_made_before_the_old_one_goes_edits_as_soon_as_it_is_there(two, open_tab):
    first, looks_on = two
    looks_on.opened -= 60
    again = open_tab(connected=False)  # the browser has asked for it; its socket comes later
    assert again.document.read_only
    first.online = False  # as the browser turns to it
    first.document.rights.look()
    assert again.document.read_only and looks_on.document.read_only
    again.online = True
    first.document.rights.look()
    assert not again.document.read_only and looks_on.document.read_only and not again.notice


def test_two_empty_tabs_do_not_begin_a_pipeline_of_the_same_name(open_tab):
    first, second = open_tab(), open_tab()
    first.document.add_block(VAE)
    second.document.add_block(KMEANS)
    assert not first.document.read_only and not second.document.read_only
    assert first.document.spec.name != second.document.spec.name
    for tab in (first, second):
        tab.autosave.save_now()
    assert {p.name for p in first.store.pipelines("ada")} == {
        first.document.spec.name,
        second.document.spec.name,
    }


def test_another_pipeline_opened_in_the_second_tab_can_be_edited(two):
    first, second = two
    second.document.open_pipeline(first.document.spec)
    assert not second.document.read_only and second.document.spec.name != first.document.spec.name
    second.document.add_block(KMEANS)
    assert names(first) == ["vae_normalizer"]
    second.document.undo()
    second.document.undo()  # back to the one that the first tab edits
    assert second.document.read_only and second.document.spec is first.document.spec
    first.document.open_pipeline(second.document.spec)
    assert not second.document.read_only


def test_people_do_not_stand_in_each_others_way(open_tab):
    first, other = open_tab("ada"), open_tab("bob")
    first.document.add_block(VAE)
    other.document.add_block(VAE)
    assert (
        not first.document.read_only
        and not other.document.read_only
        and first.document.spec.name == other.document.spec.name
    )


def test_a_name_of_another_pipeline_is_refused_and_an_old_one_of_its_own_is_free(two):
    first, second = two
    old = first.document.spec.name
    first.document.rename("Atlas")
    second.document.open_pipeline(first.document.spec)
    second.autosave.save_now()
    second.document.rename("Atlas")
    assert "already" in second.notice["text"] and second.document.spec.name == "Atlas 2"
    first.autosave.save_now()
    first.document.rename(old)
    assert first.document.spec.name == old
    assert len(first.store.pipeline_versions("ada", old)) == 2


def test_a_tab_that_is_being_taken_down_is_not_connected():
    context = SimpleNamespace(session=None)
    document = SimpleNamespace(session_context=context)
    assert not _connected(lambda: document)()
    context.session = SimpleNamespace(connection_count=1)
    assert _connected(lambda: document)()
    assert not _connected(lambda: None)()


def test_a_tab_that_is_loaded_anew_is_not_told_that_it_was_open_elsewhere(two):
    first, second = two
    first.close()
    assert not second.document.read_only and not second.notice  # a moment after it was opened
