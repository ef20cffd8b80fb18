"""What a map is drawn as: dots for few cells, one shared picture for many."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from app.map.cells_shown import cells_in_words
from app.map.components import colour_groups
from app.map.drawing import MOST_GLYPHS, draw
from app.map.figure import as_csv, as_figure
from app.map.render_cache import RENDERED
from app.map.view_state import MapViewState, of_another_run, with_names
from app.map.words import words_without_map
from app.session.picked_cells import pickable_here, take_as, unchosen
from app.session.session import DatasetCard, Session
from app.style.titles import disambiguate
from diffbio_engine.pipelines.presets import presets
from diffbio_engine.runs import GROUPS, Finding, Findings, Snapshot
from tests.runs.drawn import drawn as snapshot_of


def snapshot(n, step=7, **more):
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % 3).astype(np.int16)
    xy = (labels[:, None] * 4 + rng.normal(size=(n, 2))).astype(np.float32)
    certainty = np.linspace(1 / 3, 1, n, dtype=np.float32)
    return snapshot_of(step, xy, labels, certainty, **more)


def test_few_cells_are_dots_and_undecided_ones_are_fainter():
    drawn = draw(snapshot(300), MapViewState(run="few"))
    assert drawn.url == "" and drawn.counts == (100, 100, 100)
    assert drawn.dots["alpha"].min() < 0.2 < 0.9 < drawn.dots["alpha"].max()
    whole = draw(snapshot(300), MapViewState(run="few", fade=False))
    assert np.unique(whole.dots["alpha"]).size == 1


def test_many_cells_are_one_small_picture_that_two_tabs_share():
    many, made = snapshot(MOST_GLYPHS * 2), RENDERED.made
    first, second = (draw(many, MapViewState(run="many")) for _ in range(2))
    assert first.url == second.url and first.url.startswith("data:image/png")
    assert RENDERED.made == made + 1 and len(first.url) < 200_000
    assert draw(many, MapViewState(run="many", fade=False)).url != first.url


def test_isolating_a_category_sets_the_others_aside_underneath():
    drawn = draw(snapshot(300), MapViewState(run="few", only=frozenset({1})))
    values = drawn.dots["value"]
    assert (values[:200] < -1e8).all() and (values[200:] == 1).all()


def test_what_a_block_says_of_each_cell_colours_the_map():
    score = np.linspace(0, 1, 300, dtype=np.float32)
    drawn = draw(
        snapshot(300, **{"score:doublets.doublet_scores": score}),
        MapViewState(run="score", colour="score/doublets.doublet_scores"),
    )
    assert drawn.colouring.title == "Doublet scores"
    np.testing.assert_array_equal(drawn.colouring.values, score)
    assert (np.diff(drawn.dots["value"]) >= 0).all()
    (ours,) = colour_groups([], drawn.frame, MapViewState())
    assert ours["items"][-1] == {"key": "score/doublets.doublet_scores", "title": "Doublet scores"}
    # Of another pipeline, which has no such block, the clusters are shown.
    other = draw(snapshot(300), MapViewState(run="none", colour="score/doublets.doublet_scores"))
    assert other.colouring.key == "cluster"


def test_the_likeliest_class_by_any_shares_colours_the_map_with_its_names():
    types = (np.arange(300) % 3).astype(np.int16)
    one = snapshot(300, **{"shares:types.cell_type_probabilities": types})
    names = {"types.cell_type_probabilities": ("B", "T", "NK")}
    state = MapViewState(run="cls", colour="class/types.cell_type_probabilities", class_names=names)
    drawn = draw(one, state)
    assert drawn.colouring.title == "Cell type probabilities"
    assert drawn.colouring.names == ("B", "T", "NK") and drawn.counts == (100, 100, 100)


def test_arrows_run_the_way_that_time_runs():
    time = snapshot(3000).map[:, 0]
    kinds = {"order.pseudotime": "time"}
    one = snapshot(3000, **{"time:order.pseudotime": time})
    drawn = draw(one, MapViewState(run="way", colour="score/order.pseudotime", kinds=kinds))
    x0, y0, x1, y1 = drawn.arrows.T
    assert len(x0) > 5
    assert (x1 > x0).all() and (np.abs(y1 - y0) < 0.5 * (x1 - x0)).mean() > 0.9
    # Of a score that is no time there are none.
    assert not len(draw(one, MapViewState(run="way", colour="score/order.pseudotime")).arrows)


def test_places_in_a_tissue_are_drawn_to_scale_and_never_turned():
    kinds = {"data.spatial_coords": "coordinates"}
    places = np.random.default_rng(0).uniform(0, (40, 10), (300, 2)).astype(np.float32)
    one = snapshot(300, **{"coordinates:data.spatial_coords": places})
    drawn = draw(
        one, MapViewState(run="tis", map="data.spatial_coords", kinds=kinds, size=(400, 300))
    )
    x0, x1, y0, y1 = drawn.view
    assert (x1 - x0) / 400 == pytest.approx((y1 - y0) / 300)
    np.testing.assert_array_equal(drawn.frame.xy, places)


def test_a_gene_of_a_real_file_colours_the_map_with_high_values_on_top(shared_data):
    path = str(shared_data / "pbmc3k_hvg2000_counts.h5ad")
    drawn = draw(snapshot(2638), MapViewState(run="gene", path=path, colour="gene/LYZ"))
    assert drawn.colouring.title == "LYZ, log(1 + counts per 10\u202f000)"
    assert (np.diff(drawn.dots["value"]) >= 0).all()


def test_a_gene_that_is_not_there_is_refused_with_a_hint(shared_data):
    path = str(shared_data / "pbmc3k_hvg2000_counts.h5ad")
    with pytest.raises(ValueError, match=r"There is no gene 'LYZZ'.*LYZ"):
        draw(snapshot(2638), MapViewState(run="gene", path=path, colour="gene/LYZZ"))


def test_the_main_map_is_named_after_its_port_and_another_can_be_chosen():
    umap = snapshot(300).map
    both = snapshot(300, **{"umap.embedding": umap, "phate.embedding": umap[:, ::-1] * 2})
    drawn = draw(both, MapViewState(run="two"))
    assert drawn.maps == ("umap.embedding", "phate.embedding")
    assert (
        draw(both, MapViewState(run="two", map="phate.embedding")).frame.name == "phate.embedding"
    )


def test_the_figure_is_vector_for_few_cells_and_the_table_has_every_cell():
    state = MapViewState(run="few")
    drawn = draw(snapshot(300), state)
    svg = as_figure(drawn, state, "UMAP", "svg").decode()
    assert "<image" not in svg and "UMAP 1" in svg and "Cluster" in svg
    table = as_csv(drawn, replace(state, chosen=np.ones(300, bool))).decode().splitlines()
    assert table[0] == "cell,map_1,map_2,cluster,certainty,selected" and len(table) == 301


def test_the_cell_in_the_middle_of_a_selection_becomes_the_root():
    session = Session()
    session.document.add_block("singlecell.pseudotime")
    session.data.card = DatasetCard("1", "cells", "/cells.h5ad")
    assert "Nobody has chosen the root cell" in unchosen(session.document.spec)["pseudotime"]
    drawn = draw(snapshot(300), MapViewState(run="few"))
    chosen = np.zeros(300, bool)
    chosen[[5, 80, 200]] = True
    frame = replace(drawn.frame, xy=drawn.frame.xy.copy(), cells=np.arange(300) * 2)
    frame.xy[[5, 80, 200]] = [[0, 0], [1, 0.1], [2, 0]]
    take_as(session, "pseudotime", frame.xy, frame.cells, chosen)
    assert session.document.spec.block("pseudotime").config["root_cell_index"] == 160
    assert "Cell 160 is the root cell" in session.notice["text"]
    assert not unchosen(session.document.spec)
    # Rows of other cells, on which an old run was trained, say nothing of those in use.
    session.run.param.update(id="r1", dataset=DatasetCard("2", "others", "/others.h5ad"))
    assert not pickable_here(session)
    take_as(session, "pseudotime", frame.xy, frame.cells, chosen[::-1])
    assert session.document.spec.block("pseudotime").config["root_cell_index"] == 160


def test_a_map_begins_with_what_the_pipeline_names_first_until_somebody_chooses():
    time = np.linspace(0, 1, 300, dtype=np.float32)
    seen = snapshot(300, **{"score:order.pseudotime": time, "score:other.score": time[::-1]})
    found = Findings(7, (), {}, {"order.pseudotime": "time"}, "order.pseudotime")
    state = with_names(MapViewState(run="first"), found)
    assert draw(seen, state).colouring.key == "score/order.pseudotime"
    assert draw(seen, replace(state, colour="cluster")).colouring.key == "cluster"
    assert draw(seen, replace(state, first="gone.score")).colouring.key == "cluster"
    # What was chosen for the cells stays with another run; what belongs to the run does not.
    assert of_another_run(replace(state, colour="gene/CD3D"), "b").colour == "gene/CD3D"
    assert of_another_run(replace(state, colour="cluster"), "b").colour == ""


def test_classes_get_their_names_from_what_the_run_found_single_numbers_among_it():
    found = (
        Finding("agree.index", "Index", "", "parameter", (), np.array(0.5)),
        Finding("types.shares", "Shares", "", "shares", (GROUPS, "classes"), np.eye(2)),
    )
    names = {GROUPS: ["all cells", "B"], "types.classes": ["B", "T"]}
    state = with_names(MapViewState(), Findings(1, found, names, {"umap.embedding": "map"}))
    assert state.class_names == {"types.shares": ("B", "T")} and state.kinds == {
        "umap.embedding": "map"
    }
    assert with_names(MapViewState(), None) == MapViewState()


def test_maps_of_one_kind_are_told_apart_by_what_is_particular_of_their_blocks():
    maps = ("umap_harmony.embedding", "umap.embedding", "umap_2.embedding")
    titles = disambiguate(maps, lambda port: "UMAP")
    assert list(titles.values()) == ["UMAP (harmony)", "UMAP", "UMAP (2)"]
    assert disambiguate(maps[:1], lambda port: "UMAP") == {maps[0]: "UMAP"}


def test_a_map_that_nothing_colours_says_what_its_dots_are():
    xy = np.eye(3, 2, dtype=np.float32)
    plain = Snapshot(1, {"umap.embedding": xy}, {"umap.embedding": "map"}, "umap.embedding")
    found = draw(plain, MapViewState(run="plain", record="sequence")).colouring
    assert (found.title, found.names) == ("Sequences", ("sequences",))


def test_before_a_run_a_map_is_promised_only_where_one_is_drawn():
    def said(name):
        spec = presets()[name].make({"counts": "X", "design": "obsm/design"})
        run = SimpleNamespace(state="", opens=False, id="", snapshot=None, is_running=False)
        card = SimpleNamespace(n_cells=8, rows="samples")
        tab = SimpleNamespace(
            run=run, data=SimpleNamespace(card=card), document=SimpleNamespace(spec=spec)
        )
        return words_without_map(tab)[1]

    assert said("differential_expression").endswith("what is found of the 8 samples appears here.")
    assert said("single_cell").endswith("the 8 samples appear here and move while they train.")


def test_before_its_file_was_looked_at_a_run_of_sequences_is_not_said_to_show_cells():
    spec, frame = (
        presets()["learn_from_sequences"].make({"sequences": "x"}),
        SimpleNamespace(xy=[0, 1], cells=None),
    )
    session = SimpleNamespace(cells_shown=None, run=SimpleNamespace(spec=spec))
    assert cells_in_words(frame, session) == "2 sequences shown"
