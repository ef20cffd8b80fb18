"""What is shown of a run belongs to the pipeline that is named. Without a browser."""

from app.runs.bar import RunBar, failure_of, message_of, state_in_words
from app.session.session import DatasetCard, Session
from app.shell.layout import LayoutDesk
from diffbio_engine.errors import TrainingError
from diffbio_engine.pipelines.spec import Block, PipelineSpec

KMEANS = "singlecell.soft_kmeans"


class Driver:
    """Stands for the one that reads runs: shows and forgets."""

    def __init__(self, session, documents):
        self.session, self.documents, self.asked = session, documents, []

    def forget(self):
        self.session.run.clear()

    def watch(self, run):
        spec = PipelineSpec(self.documents[run], blocks=(Block("k", KMEANS),))
        told = {"id": run, "state": "running", "document": spec.name, "pipeline": spec}
        self.session.run.param.update(**told)

    def start(self):
        self.asked.append("start")

    def ask(self, what):
        self.asked.append(what)


def training():
    session = Session(spec=PipelineSpec("Old", blocks=(Block("k", KMEANS),)))
    session.run.driver = Driver(session, {"r1": "Old"})
    session.watch_run("r1")
    return session


def test_opening_another_pipeline_clears_the_run_and_says_where_it_goes_on():
    session = training()
    session.document.open_pipeline(PipelineSpec("New", blocks=(Block("k", KMEANS),)))
    assert (session.run.id, session.run.state) == ("", "")
    assert session.notice["text"] == "The run of 'Old' goes on: you find it under Runs."
    session.data.card = DatasetCard("1", "cells", "/x.h5ad")
    bar = RunBar(session, lambda: None)
    assert message_of(session) == "The run of 'Old' is under Runs."
    assert bar._bar.back[0] == "Back to the run" and not bar._bar.ready
    session.document.run_length = "Trains for 90 steps: about 80 s."
    assert message_of(session) == f"{session.document.run_length} The run of 'Old' is under Runs."
    session.document.undo()
    assert session.run.id == "r1" and session.is_of_this_document


def test_a_new_name_takes_the_run_along_and_so_does_taking_it_back():
    session = training()
    session.document.rename("Other")
    assert session.run.id == "r1" and session.is_of_this_document
    session.document.undo()
    assert session.run.id == "r1" and session.is_of_this_document


def test_a_run_that_is_looked_at_beside_another_pipeline_bears_its_own_name():
    session = training()
    session.document.open_pipeline(PipelineSpec("New", blocks=(Block("k", KMEANS),)))
    session.watch_run("r1")
    assert state_in_words(session) == "Run of Old: training"
    assert "not of the pipeline on the canvas" in message_of(session)
    session.data.card = DatasetCard("1", "cells", "/x.h5ad")
    session.press_run()  # it is in nobody's way
    assert session.run.driver.asked == ["start"]


def test_a_failed_run_says_in_the_bar_what_went_wrong_how_to_mend_it_and_where():
    session = training()
    shown = []
    view = RunBar(session, lambda: shown.append(session.layout))
    bar = view._bar
    error = TrainingError("became infinite at step 6.", fix="Lower the learning rate.", where="k")
    session.run.state = "failed"
    session.run.errors = [error]
    assert bar.problem == "Soft k-means became infinite at step 6. Lower the learning rate."
    assert bar.place == "k"
    session.layout = "explore"
    view._take({"do": "block"})  # where the canvas is folded away, it comes back first
    assert shown == ["build"] and session.document.selected_block == "k"
    session.run.state = "running"
    assert failure_of(session) == "" and not bar.problem


def test_in_a_small_window_a_run_brings_the_map_unless_one_explores():
    session = training()
    bar = RunBar(session, lambda: None)
    for narrow, before, after in (
        (False, "build", "build"), (True, "build", "train"), (True, "explore", "explore"),
    ):  # fmt: skip
        session.layout = before
        bar._take({"do": "run", "narrow": narrow})
        assert session.layout == after


def test_who_opens_a_pipeline_without_a_run_looks_at_the_canvas(monkeypatch):
    session = training()
    desk, sent = LayoutDesk(session), []
    monkeypatch.setattr(desk, "_send_msg", sent.append)
    desk._take({"layout": "explore"})
    desk._take({"layout": "elsewhere"})
    session.document.add_block("normalization.umap")
    session.document.rename("Renamed")
    assert session.layout == desk.layout == "explore"
    session.document.open_pipeline(PipelineSpec("New", blocks=(Block("k", KMEANS),)))
    assert session.layout == "build"
    desk._take({"layout": "train", "kept": True})
    assert session.layout == "train" and not sent
    session.document.open_pipeline(PipelineSpec("Untitled pipeline"))
    desk._take({"layout": "train", "kept": True})  # as it was kept; but there is nothing to train
    assert session.layout == "build" and sent == [{"layout": "build"}]


def test_why_nothing_can_run_is_said_after_an_earlier_run_too():
    session = training()
    session.run.state = "done"
    assert message_of(session) == "Not ready for another run: Choose a data set first."


def test_a_run_that_ended_early_goes_on_from_its_checkpoint_and_a_failed_one_leaves_results():
    session = training()
    strip = RunBar(session, lambda: None)
    assert not strip._bar.onward and not strip._bar.takes
    session.run.param.update(state="stopped", checkpoint=1200)
    assert strip._bar.onward == "step 1\u202f200" and not strip._bar.takes
    session.run.state = "failed"
    assert strip._bar.onward and strip._bar.takes
    strip._take({"do": "takes"})
    strip._take({"do": "onward"})
    assert session.run.driver.asked == ["results", "resume"]
    session.run.checkpoint = None
    assert not strip._bar.onward and not strip._bar.takes


def test_a_pause_that_gave_its_memory_back_says_so_and_what_resume_does():
    session = training()
    session.run.param.update(state="paused", message="")
    assert state_in_words(session) == "Paused"
    session.run.message = "Its memory was given back; Resume starts it again."
    assert state_in_words(session) == "Paused, memory freed"
    assert message_of(session) == session.run.message
