"""What is made to be taken home stays out of the data of the server."""

import os
import time
import zipfile
from types import SimpleNamespace

from app.data.view import server_files
from app.results.exports import offered, zipped


def test_a_bundle_on_its_way_is_never_offered_as_data_of_the_server(tmp_path):
    bundle = tmp_path / "runs/r1/bundle"
    bundle.mkdir(parents=True)
    (bundle / "pipeline.json").write_text("{}")
    made = zipped(bundle, tmp_path)
    assert zipfile.ZipFile(made).namelist() == ["bundle/pipeline.json"]
    assert server_files(SimpleNamespace(data_dir=tmp_path, owner="ada"), "") == []
    # What was left by a server that was stopped goes with the next download.
    long_ago = time.time() - 3600
    os.utime(made, (long_ago, long_ago))
    again = zipped(bundle, tmp_path)
    assert again.exists() and not made.exists()


def test_a_run_of_samples_offers_their_table_too(tmp_path):
    (tmp_path / "result.h5ad").touch()
    session = SimpleNamespace(
        run=SimpleNamespace(folder=lambda: tmp_path, draws_no_map=False),
        exported_spec=SimpleNamespace(blocks=()),
        cells_shown=SimpleNamespace(rows="samples"),
    )  # fmt: skip
    assert offered(session)[0]["acts"] == [["result", "Download"]]
    (tmp_path / "result_samples.csv").touch()
    assert offered(session)[0]["acts"] == [
        ["beside:_samples.csv", "Table (CSV)"],
        ["result", "Download"],
    ]
    assert "Your samples with map" in offered(session)[0]["sentence"]
