"""Every path that a browser may name is decided on once, where it really leads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.access.reach import in_server_folder, whole_within_reach, within_reach
from diffbio_engine.data import inspect
from diffbio_engine.errors import DataError, UnknownNameError
from diffbio_engine.runs import RunFolder
from diffbio_engine.workspace import Store


@dataclass
class Engine:
    """Knows whose each run is."""

    data_dir: Path
    owners: dict[str, str]

    def folder(self, run_id: str, owner: str) -> RunFolder:
        if self.owners.get(run_id) != owner:
            raise UnknownNameError("You have no such run.")
        return RunFolder(self.data_dir / "runs" / run_id)


@dataclass
class Person:
    """What the decision asks of a session."""

    owner: str
    data_dir: Path
    engine: Any


@pytest.fixture
def place(tmp_path):
    """A data folder with something of each kind; ada's and bob's."""
    data = tmp_path / "data"
    for name in ("demos", "active", "trash/r9", "cache/jax", "tabs", ".downloads", "cohort"):
        (data / name).mkdir(parents=True)
    for file in ("demos/d.h5ad", "cohort/c.h5ad", "tabs/bob.json", ".cookie-secret", "top.h5ad"):
        (data / file).touch()
    for run in ("r1", "r2"):
        (data / "runs" / run / "bundle").mkdir(parents=True)
        (data / "runs" / run / "result.h5ad").touch()
    store = Store(data)
    for owner in ("ada", "bob"):
        upload = store.new_upload(owner, f"{owner}.h5ad")
        upload.partial_path.touch()
        store.finish_upload(owner, upload.id)
        store.save_pipeline(owner, "mine", {})
    (tmp_path / "outside.h5ad").touch()
    engine = Engine(data, {"r1": "ada", "r2": "bob"})
    return data, store, Person("ada", data, engine), Person("bob", data, engine)


def test_a_person_reaches_their_own_the_demos_and_the_server_folder(place):
    data, store, ada, _ = place
    own = store.datasets("ada")[0].path
    for path in (own, data / "runs/r1/bundle", data / "runs/r1/result.h5ad", "demos/d.h5ad"):
        assert within_reach(ada, path).exists()
    for path in ("cohort/c.h5ad", "top.h5ad", "cohort", data / "cohort/c.h5ad"):
        assert in_server_folder(ada, path).exists()


def test_nobody_reaches_what_is_anothers_by_any_spelling(place):
    data, store, ada, bob = place
    theirs = store.datasets("bob")[0].path
    inner = theirs.relative_to(data)
    (data / "cohort/link.h5ad").symlink_to(theirs)
    (data / "cohort/back").symlink_to(data / "owners")
    (data / "cohort/ring").symlink_to(data / "cohort/ring")
    for path in (
        theirs, inner, f"./{inner}", f"cohort/../{inner}", f"demos/../{inner}", f"//{theirs}",
        theirs.parent, theirs.parents[1], theirs.parents[2], "owners", data / "owners",
        "cohort/link.h5ad", f"cohort/back/{inner.relative_to('owners')}", "runs", "runs/r2",
        "runs/r2/result.h5ad", data / "runs/r2/bundle", "runs/r1/../r2/bundle", "trash/r9",
        "tabs/bob.json", "active", "cache/jax", ".cookie-secret", ".downloads", "cohort/ring",
    ):  # fmt: skip
        with pytest.raises(DataError, match="There is no file"):
            within_reach(ada, path)
    assert within_reach(bob, theirs) == theirs.resolve()


def test_a_folder_with_a_link_to_what_is_anothers_is_not_read_as_a_whole(place):
    data, store, ada, _ = place
    (data / "cohort/own.h5ad").symlink_to(data / "top.h5ad")
    assert whole_within_reach(ada, "cohort") == (data / "cohort").resolve()
    (data / "cohort/deep").mkdir()
    (data / "cohort/deep/matrix.mtx").symlink_to(store.datasets("bob")[0].path)
    with pytest.raises(DataError, match="There is no file"):
        whole_within_reach(ada, "cohort")


def test_a_matrix_in_the_root_of_the_server_folder_brings_nothing_of_anothers(place):
    data, store, ada, _ = place
    _matrix(data)
    _matrix(store.datasets("bob")[0].path.parent)
    assert whole_within_reach(ada, "matrix.mtx") == (data / "matrix.mtx").resolve()
    for chosen in ("matrix.mtx", "barcodes.tsv", "features.tsv"):
        found = inspect(data / chosen)
        assert (found.n_cells, [n for _, n in found.samples]) == (2, [2])
        assert not [w for w in found.warnings if "bob" in w or "joined" in w]
    with pytest.raises(DataError, match="There is no file"):
        whole_within_reach(ada, "")


def test_a_matrix_whose_list_is_a_link_to_what_is_anothers_is_not_read(place):
    data, store, ada, _ = place
    _matrix(data / "cohort")
    (data / "top.tsv").write_text("c1\nc2\n")
    (data / "cohort/barcodes.tsv").unlink()
    (data / "cohort/barcodes.tsv").symlink_to(data / "top.tsv")
    assert whole_within_reach(ada, "cohort/matrix.mtx").name == "matrix.mtx"
    (data / "cohort/barcodes.tsv").unlink()
    (data / "cohort/barcodes.tsv").symlink_to(store.datasets("bob")[0].path)
    with pytest.raises(DataError, match="There is no file"):
        whole_within_reach(ada, "cohort/matrix.mtx")


def _matrix(folder):
    """Three genes, two cells."""
    head = "%%MatrixMarket matrix coordinate integer general\n"
    (folder / "matrix.mtx").write_text(f"{head}3 2 2\n1 1 5\n3 2 7\n")
    (folder / "barcodes.tsv").write_text("c1\nc2\n")
    (folder / "features.tsv").write_text("g1\tA\ng2\tB\ng3\tC\n")


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "../outside.h5ad", "a\0b", "x" * 5000, "~"])
def test_nothing_outside_the_data_folder_is_reached(place, path):
    *_, ada, _bob = place
    with pytest.raises(DataError, match="There is no file"):
        within_reach(ada, path)


def test_what_the_workbench_keeps_is_not_chosen_from_the_server_folder(place):
    _, store, ada, _ = place
    for path in ("demos/d.h5ad", store.datasets("ada")[0].path, "runs/r1/result.h5ad"):
        with pytest.raises(DataError, match="in the server folder"):
            in_server_folder(ada, path)


def test_the_same_is_said_of_what_is_absent_and_of_what_is_forbidden(place):
    _, _, ada, _ = place
    said = []
    for path in ("tabs/bob.json", "tabs/bab.json"):
        with pytest.raises(DataError) as error:
            within_reach(ada, path)
        said.append(str(error.value).replace(path, ""))
    assert said[0] == said[1]
