"""Simulated sequences: motifs stand where they are said to, and the truth is in the headers."""

import numpy as np

from diffbio_engine.data import inspect
from diffbio_engine.data.demos.simulated_sequences import simulate_sequences


def test_motifs_are_planted_and_the_file_is_read_as_sequences_with_labels(tmp_path):
    text = simulate_sequences(seed=1, n_sequences=400)
    assert text == simulate_sequences(seed=1, n_sequences=400)
    lines = text.splitlines()
    truth = np.array([line.rpartition("=")[2] for line in lines[::2]])
    labels = np.array([line.split("label=")[1].split()[0] for line in lines[::2]])
    letters = lines[1::2]
    assert set(labels[labels != truth]) == {"unknown"} and 0.2 < np.mean(labels != truth) < 0.4
    at_place = np.array(["TATA" in text[-31:-25] for text in letters])
    anywhere = np.array(["TATAA" in text or "TATAT" in text for text in letters])
    assert at_place[truth == "TATA"].mean() > 0.7 and at_place[truth != "TATA"].mean() < 0.15
    assert anywhere[truth == "other"].mean() > 0.5  # it is the place that tells
    boxes = np.array(["CACGTG" in text for text in letters])
    assert boxes[truth == "E-box"].mean() > 0.6 and boxes[truth != "E-box"].mean() < 0.05
    path = tmp_path / "made.fasta"
    path.write_text(text)
    found = inspect(path)
    assert found.suggested["labels"] == "obs/label" and "400 sequences, 64-96 bases" in found.size
