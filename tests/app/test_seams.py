"""Document, data and run of a tab stand alone: each is made and tried without the others."""

import ast
from pathlib import Path

from app.session.data_in_use import DataInUse
from app.session.dataset_card import DatasetCard
from app.session.run_shown import RunShown
from app.session.session import Session
from app.session.shared_document import SharedDocument
from diffbio_engine.pipelines.spec import Block, PipelineSpec

ROOT = Path(__file__).resolve().parents[2]
KMEANS = "singlecell.soft_kmeans"
# What a session has beside its own: the objects whose names a view may ask for.
HAS = {"document": SharedDocument, "data": DataInUse, "run": RunShown}


class Asked:
    """Stands for the driver of runs."""

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        return lambda *said, **more: self.asked.append((name, *said))


def test_a_run_is_steered_and_forgotten_without_a_session():
    run, driver = RunShown(), Asked()
    run.driver = driver
    run.param.update(id="r", state="running", dials={"k.temperature": 1.0})
    run.turn("k.temperature", 0.5)
    run.pause()
    run.one_step()
    assert driver.asked == [("turn", "k.temperature", 0.5), ("ask", "pause"), ("ask", "step")]
    assert run.is_running and run.dials == {"k.temperature": 0.5}
    run.left = {"run": "before"}
    run.clear()
    assert not run.is_shown and not run.dials and run.spec == PipelineSpec("")
    assert run.left and run.name  # what was left is found again


def test_a_document_says_why_it_is_locked_to_whom_it_is_told():
    said = []

    class Page:
        def say(self, text, kind="info"):
            said.append(text)

        def refuse(self, error):
            said.append(str(error))

    spec = PipelineSpec("P", blocks=(Block("k", KMEANS),))
    document = SharedDocument(spec=spec, tells=Page(), locked=lambda: "Not now.")
    document.add_block(KMEANS)
    assert document.spec is spec and said == ["Not now."]
    document.locked = lambda: ""
    document.add_block(KMEANS)
    assert len(document.spec.blocks) == 2
    document.import_json("no pipeline")
    assert len(said) == 2


def test_the_data_offer_their_fields_to_any_document():
    data = DataInUse()
    assert not data.fields and "counts" in data.ports(PipelineSpec("P"))
    data.card = DatasetCard("1", "a", "/a.h5ad", 10, 5, {"embeddings": "obsm/X_pca"})
    assert list(data.ports(PipelineSpec("P"))) == ["embeddings"]


def test_a_dial_of_a_run_is_turned_by_the_engine_only():
    turned = [
        str(file.relative_to(ROOT))
        for folder in ("app", "diffbio_engine")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") == "request"
        and any(k.arg == "dials" for k in node.keywords)
    ]
    assert turned == ["diffbio_engine/runs/queue/engine.py"]


def test_whatever_is_asked_of_a_session_is_there():
    """A param that is not there is set without a word: a view would wait for it for ever."""
    session, gone = Session(), []
    server = {"engine", "store", "room"}
    for file in (ROOT / "app").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        of_tabs = ast.walk(ast.parse(text)) if "session.session import" in text else ()
        for node in of_tabs:
            if not isinstance(node, ast.Attribute):
                continue
            of = ast.unparse(node.value).removeprefix("self.")
            thing = session if of == "session" else None
            if of.startswith("session.") and of.removeprefix("session.") in HAS:
                thing = getattr(session, of.removeprefix("session."))
            if thing is not None and node.attr not in server and not hasattr(thing, node.attr):
                gone.append(f"{file.name}:{node.lineno} {of}.{node.attr}")
    assert not gone
