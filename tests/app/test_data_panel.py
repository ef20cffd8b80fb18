"""What a person sees of a file before using it, and what they may pick on the server."""

from types import SimpleNamespace

import pytest

from app.data.card_shown import shown
from app.data.view import server_files
from app.session.dataset_card import DatasetCard
from diffbio_engine.data import inspect
from diffbio_engine.errors import DataError


def test_a_real_file_is_told_in_words_with_its_choices(shared_data):
    path = shared_data / "pbmc3k_hvg2000_counts.h5ad"
    p = inspect(path)
    card = DatasetCard("1", p.name, str(path), p.n_cells, p.n_genes, dict(p.suggested), p.as_dict())
    said = shown(card)
    assert (said["n_cells"], said["n_genes"]) == (2638, 2000)
    assert "raw counts" in said["matrices"][0]
    places = {f["port"]: f["place"] for f in said["fields"]}
    assert places["counts"] == "X" and places["labels"] == "obs/cell_type"


def test_what_a_column_is_about_is_said_where_it_is_chosen():
    def column(name, *values, **more):
        told = {"kind": "categorical", "n_values": len(values), "missing": 0, "examples": values}
        return {"name": name, "values": list(values), **told, **more}

    columns = [column("day", "d10", "d2"), column("kind", "a", "b", biology="its groups are types")]
    fields = {"batch_labels": "obs/kind", "time_points": "obs/day"}
    said = shown(DatasetCard("1", "x", "x.h5ad", 9, 9, fields, {"obs": columns}))
    choices = {f["port"]: f for f in said["fields"]}
    titles = {port: [o["title"] for o in f["options"]] for port, f in choices.items()}
    assert titles["time_points"] == ["none", "day (d2 → d10)", "kind (2 values, no times)"]
    assert titles["batch_labels"][2] == "kind (2 values, looks like biology)"
    assert choices["batch_labels"]["help"].startswith("This column looks like biology: its groups")


def test_the_server_folder_lists_what_can_be_read(tmp_path):
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample/matrix.mtx.gz").touch()
    (tmp_path / "a.h5ad").write_bytes(b"12")
    (tmp_path / "notes.docx").touch()
    (tmp_path / "runs").mkdir()
    found = server_files(SimpleNamespace(data_dir=tmp_path, owner="ada"), "")
    listed = [(f["name"], f["folder"], f.get("tenx", False)) for f in found]
    assert listed == [("sample", True, True), ("a.h5ad", False, False)]


def test_a_folder_that_the_server_may_not_read_is_named_and_the_others_are_listed(
    tmp_path, monkeypatch
):
    for name in ("cohort", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "cohort/a.csv").touch()
    session, whole = SimpleNamespace(data_dir=tmp_path, owner="ada"), type(tmp_path).iterdir

    def closed(folder):  # these tests may run as root, whom nothing is closed to
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(folder))
        return whole(folder)

    monkeypatch.setattr(type(tmp_path), "iterdir", closed)
    assert [f["name"] for f in server_files(session, "")] == ["cohort", "lost+found"]
    assert [f["name"] for f in server_files(session, "cohort")] == ["..", "a.csv"]
    with pytest.raises(DataError, match=r"The folder 'lost\+found' cannot be read by the server"):
        server_files(session, "lost+found")
