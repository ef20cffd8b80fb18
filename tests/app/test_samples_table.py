"""The table of samples: a row for each, judged by itself; what comes again takes its place."""

from types import SimpleNamespace

import pytest

from app.data import samples as module
from app.data.samples import Samples, joined_name
from app.data.samples_told import told
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
