"""What a person sees of a file before using it, and what they may pick on the server."""

import pytest

from app.dataset_card import DatasetCard
from app.views.data_panel import inside_folder, server_files, shown
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


@pytest.mark.parametrize(
    "path", ["../secret.h5ad", "/etc/passwd", "link/secret.h5ad", ".hidden", "owners/x"]
)
def test_nothing_outside_the_server_folder_can_be_picked(tmp_path, path):
    folder = tmp_path / "data"
    (folder / "owners").mkdir(parents=True)
    (folder / "owners/x").touch()
    (folder / ".hidden").touch()
    (tmp_path / "secret.h5ad").touch()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(DataError, match="There is no file"):
        inside_folder(folder, path)


def test_the_server_folder_lists_what_can_be_read(tmp_path):
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample/matrix.mtx.gz").touch()
    (tmp_path / "a.h5ad").write_bytes(b"12")
    (tmp_path / "notes.docx").touch()
    (tmp_path / "runs").mkdir()
    listed = [(f["name"], f["folder"], f.get("tenx", False)) for f in server_files(tmp_path, "")]
    assert listed == [("sample", True, True), ("a.h5ad", False, False)]
