"""Every declaration, for people and as data."""

import json
import subprocess
import sys

from diffbio_engine.declare import operators
from tests.command_line.small_run import said


def test_every_operator_is_listed_as_data():
    code, told, _ = said("operators", "--json")
    listed = json.loads(told)
    assert code == 0
    assert [entry["id"] for entry in listed] == list(operators())
    clusters = next(e for e in listed if e["id"] == "singlecell.soft_kmeans")
    assert "temperature" in [s["name"] for s in clusters["settings"]]
    assert [p["name"] for p in clusters["inputs"]] == ["embeddings"]


def test_whoever_reads_only_the_beginning_of_a_list_sees_no_traceback():
    words = [sys.executable, "-m", "diffbio_engine", "operators", "--json"]
    asked = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert asked.stdout.read(1) == b"["
    asked.stdout.close()  # as `head` does
    assert asked.stderr.read() == b"" and asked.wait() == 0


def test_every_operator_is_listed_for_people():
    code, told, _ = said("operators")
    assert code == 0
    assert all(name in told for name in operators())
