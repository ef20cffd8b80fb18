"""What a trained pipeline is applied to, and which cells the map shows. Without a browser."""

import json
import shlex

import anndata
import numpy as np
import pytest
import scipy.sparse as sp

from app.data.apply import offer
from app.results.exports import command_line
from app.runs.bar import state_in_words
from app.server.attach import attach
from app.server.run_driver import Server
from app.session.datasets import card_of
from app.session.session import Session
from diffbio_engine.command_line import _parser, reading_of
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.runs import RunFolder

GENES = [f"GENE{i}" for i in range(20)]
DOCUMENT = {"format": "diffbio-pipeline", "schema": 1, "name": "Blood", "blocks": [], "wires": []}


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path, command=["/bin/false"])
    yield made
    made.close()


@pytest.fixture
def session(server):
    made = Session()
    attach(made, server)
    made.work = made.read = Session().work  # at once, in this thread
    yield made
    made.close()


def card(server, folder, name, genes):
    counts = sp.csr_matrix(np.ones((5, len(genes)), np.float32))
    adata = anndata.AnnData(counts)
    adata.var_names = genes
    adata.write_h5ad(folder / name)
    return card_of(server.store.register("local", folder / name))


def run_on(server, card, name, **more):
    """A run that is done, whose bundle has the twenty genes."""
    dataset = {"path": card.path, "name": card.name, "fields": {"counts": "X"}}
    run = {"owner": "local", "pipeline": DOCUMENT, "dataset": dataset, **more}
    folder = RunFolder.create(server.engine.runs_dir / name, run)
    folder.status_file.write_text(json.dumps({"state": "done", "attempt": 1, "pid": 1}))
    folder.bundle.mkdir()
    (folder.bundle / "manifest.json").write_text("{}")
    lines = ["name\tid", *(f"{g}\t{g}" for g in GENES)]
    (folder.bundle / "genes.tsv").write_text("\n".join(lines) + "\n")
    return name


@pytest.mark.parametrize(
    ("genes", "share", "words"),
    [(GENES, 1.0, "100% of 20 genes found"), (GENES[:8], 0.4, "40% of 20 genes found (8)"),
     (["other"], 0.0, "share no genes with the trained pipeline")],
)  # fmt: skip
def test_how_many_genes_match_is_said_before_anything_is_applied(
    server, session, tmp_path, genes, share, words
):
    old, new = card(server, tmp_path, "old.h5ad", GENES), card(server, tmp_path, "new.h5ad", genes)
    assert offer(session, new) == {}  # nothing has been learned yet
    session.watch_run(run_on(server, old, "run-1"))
    said = offer(session, new)
    assert said["title"] == "Blood" and said["share"] == share
    assert words in said["sentence"] + said["why"]
    assert bool(said["why"]) == (share == 0)


def test_applying_starts_a_run_of_the_other_cells_and_leaves_those_in_use(
    server, session, tmp_path
):
    old, new = card(server, tmp_path, "old.h5ad", GENES), card(server, tmp_path, "new.h5ad", GENES)
    session.use_dataset(old)
    trained = run_on(server, old, "run-1")
    session.watch_run(trained)
    session.run.apply_to(new)
    run = server.engine.folder(session.run.id, "local").run
    assert run["bundle"] == str(server.engine.folder(trained, "local").bundle)
    assert run["dataset"]["path"] == new.path
    assert session.data.card is old and session.run.applies == "new.h5ad"
    assert session.cells_shown.path == new.path
    session.run.param.update(state="done", document=session.document.spec.name)
    assert state_in_words(session) == "Applied to new.h5ad"


def test_what_is_applied_is_as_it_was_turned_and_its_line_applies_it_again(
    server, session, tmp_path
):
    document = DOCUMENT | {
        "blocks": [
            {"id": "k", "operator": "singlecell.soft_kmeans", "config": {"temperature": 1.0}}
        ]
    }
    old, new = card(server, tmp_path, "old.h5ad", GENES), card(server, tmp_path, "new.h5ad", GENES)
    trained = run_on(server, old, "run-1", pipeline=document)
    server.engine.turn(trained, "local", {"k.temperature": 4.0})
    session.watch_run(trained)
    session.run.apply_to(new)
    # So nobody is told that it had been changed since.
    assert session.run.pipeline.block("k").config["temperature"] == 4.0
    line = shlex.split(command_line(session))
    assert line[3:6] == ["apply", "bundle", "new.h5ad"]
    assert line[-2:] == ["--out", "Blood applied to new.h5ad"]
    asked = _parser().parse_args(line[3:])
    assert asked.least_overlap == LEAST_OVERLAP and "counts=X" in asked.field


def test_the_line_of_a_run_says_how_its_file_is_read(server, session, tmp_path):
    run = {"dataset": {"path": "/t.csv", "fields": {}, "reading": {"orientation": "genes in rows"}}}
    old = card(server, tmp_path, "old.h5ad", GENES)
    session.watch_run(run_on(server, old, "run-1"))
    folder = server.engine.folder("run-1", "local")
    folder.run_file.write_text(json.dumps(folder.run | run))
    asked = _parser().parse_args(shlex.split(command_line(session))[3:])
    assert reading_of(asked) == {"orientation": "genes in rows"}


def test_the_map_of_an_old_run_is_coloured_by_its_own_cells(server, session, tmp_path):
    one, two = card(server, tmp_path, "one.h5ad", GENES), card(server, tmp_path, "two.h5ad", GENES)
    session.use_dataset(one)
    assert session.cells_shown is one
    session.watch_run(run_on(server, two, "run-2"))
    assert session.cells_shown.path == two.path
    session.watch_run(run_on(server, one, "run-1"))
    assert session.cells_shown.path == one.path
    # Its file is gone: the map can still be looked at, by nothing that the file would tell.
    session.use_dataset(two)
    (tmp_path / "one.h5ad").unlink()
    session.watch_run("run-1")
    assert session.cells_shown is None
