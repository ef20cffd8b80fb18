"""The table of samples: a row for each, judged by itself; what comes again takes its place."""

from types import SimpleNamespace

import pytest

from app.data import samples as module
from app.data import samples_desk
from app.data.samples import Samples, joined_name
from app.data.samples_desk import SamplesDesk
from app.data.samples_told import told
from diffbio_engine.apart import Stop
from diffbio_engine.data.reading import Reading
from diffbio_engine.data.samples import look_at_sample
from diffbio_engine.errors import DataError
from tests.data.test_joined_samples import cells, tenx


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table whose files are read in this process, as soon as they are asked for."""
    readers = SimpleNamespace(samples=SimpleNamespace(
        look=lambda path, reading, person, stop: look_at_sample(path, Reading.of(reading))
    ))  # fmt: skip
    monkeypatch.setattr(module, "READERS", readers)
    monkeypatch.setattr(
        module, "known_dataset", lambda session, known: SimpleNamespace(path=tmp_path / known)
    )
    session = SimpleNamespace(
        owner="ada", said=[], on_close=lambda function: None,
        store=SimpleNamespace(reading=lambda owner, known: {}),
        say=lambda text, kind: session.said.append(text),
        read=lambda work, then: then(work()),
    )  # fmt: skip
    for name in "ab":
        tenx(cells(name), tmp_path / f"PBMC_{name}.h5")
    whole = (tmp_path / "PBMC_b.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[:3000])
    return Samples(session, lambda: None)


def states(table):
    return {row["name"]: row["state"] for row in told(table)["rows"]}


def test_a_mended_file_takes_the_place_of_the_broken_one_and_good_ones_of_its_name_stay(
    table, monkeypatch
):
    # Comparing takes a while with many samples: the loop of the page does not wait for it.
    monkeypatch.setattr(module, "compared", lambda rows: pytest.fail("compared in the loop"))
    table.take("PBMC_a.h5", "PBMC_a.h5", [])
    table.take("cut.h5", "PBMC_b.h5", [])
    assert states(table) == {"a": "good", "b": "bad"}
    assert "was cut off" in told(table)["rows"][1]["what"]
    table.rename(table.rows[1].key, "patient 7")
    table.take("PBMC_b.h5", "PBMC_b.h5", [])
    assert states(table) == {"a": "good", "patient 7": "good"}  # what it was called stays
    assert told(table)["said"] == [
        "All 40 genes are in each of the 2 samples, matched by their ids."
    ]
    table.take("PBMC_b.h5", "PBMC_a.h5", [])  # another file of the name of a good one
    assert len(table.rows) == 3
    assert told(table)["rows"][2]["what"].startswith("It holds the same cells as patient 7")
    table.remove(table.rows[2].key)
    table.rename(table.rows[0].key, "patient 7")
    assert "Two samples are called 'patient 7'" in told(table)["rows"][1]["what"]
    table.rename(table.rows[0].key, "")  # proposed again
    assert states(table) == {"a": "good", "patient 7": "good"}


def test_of_samples_with_one_name_none_is_joined_and_a_broken_one_takes_no_name(
    table, tmp_path, monkeypatch
):
    tenx(cells("c"), tmp_path / "PBMC_c.h5")
    tenx(cells("d"), tmp_path / "PBMC_d.h5")
    for name in "abcd":
        table.take(f"PBMC_{name}.h5", f"PBMC_{name}.h5", [])
    table.take("cut.h5", "cut.h5", [])
    for row, name in zip(table.rows, ("x", "x", "y", "z", "z"), strict=True):
        table.rename(row.key, name)
    shown = told(table)
    assert [row["state"] for row in shown["rows"]] == ["bad", "bad", "good", "good", "bad"]
    assert shown["good"] == 2 and not table.refused & {row.key for row in table.rows[:4]}
    joined = []
    module.READERS.samples.join = lambda samples, to, owner, **how: joined.extend(samples)
    made = SimpleNamespace(id="j", partial_path=tmp_path / "j" / "j.h5ad.partial")
    table.session.room = SimpleNamespace(require=lambda *of: None)
    table.session.store.new_upload = lambda owner, name: made
    table.session.store.finish_upload = lambda owner, known: made
    table.join(None, None)
    assert [sample.name for sample in joined] == ["y", "z"]


def test_a_file_that_comes_while_samples_are_joined_is_a_row_and_stops_nothing(table, monkeypatch):
    monkeypatch.setattr(samples_desk, "parts_of", lambda session, known, stop: [])
    asked, busy = [], set()

    def look(make, busy_with):
        busy.add(stop := Stop())
        return stop

    panel = SimpleNamespace(
        card=None, look=look, waits_for=lambda stop: stop in busy,
        show_samples=lambda: asked.append("the table"),
    )  # fmt: skip
    table.session.work = lambda work, then: then(work())
    table.session.say = lambda text, kind="": table.session.said.append(text)
    tables = []
    desk = SamplesDesk(table.session, panel, tables.append)
    desk.arrived({"id": "PBMC_a.h5", "path": "PBMC_a.h5", "of": 2})
    desk.arrived({"id": "PBMC_b.h5", "path": "PBMC_b.h5", "of": 2})
    assert len(asked) == 2 and not table.session.said
    desk.asked("samples_join", {})
    desk.arrived({"id": "cut.h5", "path": "cut.h5"})
    assert len(asked) == 2 and [row["file"] for row in tables[-1]["rows"]][2:] == ["cut.h5"]
    assert table.session.said == [
        "Joining goes on without what came now: it is a row of the table."
    ]
    busy.clear()
    desk.arrived({"id": "cut.h5", "path": "cut2.h5"})
    assert len(asked) == 3 and len(table.session.said) == 1


def test_a_sample_of_an_archive_is_mended_by_a_file_of_its_name(table, tmp_path):
    parts = iter([DataError("x", fix="y")] * 2)
    real, module.READERS.samples.look = module.READERS.samples.look, lambda *a, **k: _raise(parts)
    table.take("both.zip", "both.zip", ["run/PBMC_a", "run/PBMC_b"])
    assert list(states(table).values()) == ["bad", "bad"] and told(table)["whole"] == "both.zip"
    module.READERS.samples.look = real
    table.take("PBMC_b.h5", "PBMC_b.h5", [])
    assert states(table) == {"a": "bad", "b": "good"}


def _raise(errors):
    raise next(errors)


def test_a_joined_file_is_called_by_its_samples_where_they_are_few():
    assert joined_name(["ctrl", "stim"]) == "joined_ctrl_stim.h5ad"
    assert joined_name([f"s{i}" for i in range(10)]) == "joined_10_samples.h5ad"
