"""Salmon's equivalence classes: what is read, what is said, what goes home, what is refused."""

import gzip
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from diffbio_engine.data import inspect, open_source, read, write_result
from diffbio_engine.data.demos.simulated_transcripts import simulate_transcript_classes
from diffbio_engine.data.fields.classes import PLACES
from diffbio_engine.errors import DataError

CLASSES = "3\n2\na\nb\nc\n2\t0\t2\t0.75\t0.25\t7\n1\t1\t1\t5\n"
PLAIN = "3\n2\na\nb\nc\n2\t0\t2\t7\n1\t1\t5\n"
QUANT = (
    "Name\tLength\tEffectiveLength\tTPM\tNumReads\nc\t900\t800\t1\t1\na\t500\t400\t0\t0\n"
    "b\t300\t200\t0\t0\n"
)


def salmon(folder, classes=CLASSES, quant=QUANT, packed=True):
    (folder / "aux_info").mkdir(parents=True)
    raw = classes if isinstance(classes, bytes) else classes.encode()
    name = "eq_classes.txt.gz" if packed else "eq_classes.txt"
    (folder / "aux_info" / name).write_bytes(gzip.compress(raw) if packed else raw)
    if quant is not None:
        (folder / "quant.sf").write_text(quant)
    (folder / "cmd_info.json").write_text("{}")
    return folder


def arrays_of(dataset):
    records = open_source(dataset, PLACES, tuple(PLACES))
    assert records.n == dataset.n_cells
    return records.per_dataset


def test_a_folder_of_salmon_opens_however_it_is_packed(tmp_path):
    folder = salmon(tmp_path / "sample")
    with zipfile.ZipFile(tmp_path / "sample.zip", "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, f"sample/{file.relative_to(folder)}")
    with tarfile.open(tmp_path / "sample.tar.gz", "w:gz") as archive:
        archive.add(folder, "sample")
    inside = folder / "aux_info/eq_classes.txt.gz"
    for path in (folder, tmp_path / "sample.zip", tmp_path / "sample.tar.gz", inside):
        seen = inspect(path)
        assert seen.rows == "equivalence classes"
        assert seen.size == "2 equivalence classes of 3 transcripts, 12 fragments"
        found = arrays_of(read(path))
        assert found["class_starts"].tolist() == [0, 2]
        assert found["class_transcripts"].tolist() == [0, 2, 1]
        assert found["class_weights"].tolist() == [0.75, 0.25, 1.0]
        assert found["class_counts"].tolist() == [7, 5]
        assert found["effective_lengths"].tolist() == [400, 200, 800]  # by name, not by place


def test_without_weights_they_are_one_over_the_effective_length(tmp_path):
    folder = salmon(tmp_path / "sample", PLAIN, packed=False)
    found = arrays_of(read(folder))["class_weights"]
    np.testing.assert_allclose(found, [1 / 400, 1 / 800, 1 / 200])
    assert "no weights" in " ".join(inspect(folder).told)


def test_a_table_of_classes_opens_as_those_of_salmon_do(shared_data):
    seen = inspect(shared_data / "sequences/quantification/equivalence_classes.tsv")
    assert seen.size == "404 equivalence classes of 441 transcripts, 19,978 fragments"
    assert set(seen.suggested) == set(PLACES)


# The file of classes, and what is said of it.
REFUSED = {
    "empty": ("\n", "Line 1 of .* how many transcripts"),
    "no number": ("many\n2\n", "how many transcripts"),
    "too many": ("999999999999\n1\na\n", "speaks of 999,999,999,999 transcripts"),
    "cut in names": ("3\n1\na\nb\n", "of 3 names of transcripts there are 2"),
    "cut in classes": (CLASSES.replace("1\t1\t1\t5\n", ""), "of 2 classes there are 1"),
    "more classes": (CLASSES + "1\t0\t1\t1\n", "comes after the 2 classes"),
    "same name": (CLASSES.replace("b\n", "a\n"), "names the transcript a twice"),
    "another transcript": (CLASSES.replace("1\t1\t1\t5", "1\t3\t1\t5"), "Line 7 .* no transcript"),
    "the same twice": (CLASSES.replace("1\t1\t1\t5", "2\t1\t1\t.5\t.5\t5"), "transcript twice"),
    "below the first": (CLASSES.replace("1\t1\t1\t5", "1\t-1\t1\t5"), "no transcript of the 3"),
    "huge number": (CLASSES.replace("1\t1\t1\t5", "1\t1\t1\t" + "9" * 5000), "is no class"),
    "half a line": (CLASSES.replace("1\t1\t1\t5", "4\t1\t1\t5"), "Line 7 .* is no class"),
    "no weight": (CLASSES.replace("0.25", "nan"), "a weight that is below 0 or no number"),
    "some weights": (CLASSES.replace("1\t1\t1\t5", "1\t1\t5"), "weights where others have none"),
    "counts below 0": (CLASSES.replace("\t5\n", "\t-5\n"), "a number of fragments"),
    "a name of two lines": (CLASSES.replace("b\n", "b\rc\n"), "is no name of a transcript"),
    "no text": (CLASSES.replace("b\n", "b\0\n"), "is no text"),
    "long line": (CLASSES.replace("b\n", "b" * 5_000_000 + "\n"), "longer than"),
    "unknown lengths": (CLASSES.replace("b\n", "z\n"), "1 of 3 transcripts .* no effective"),
}


@pytest.mark.parametrize("text, said", REFUSED.values(), ids=REFUSED)
def test_a_damaged_file_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read(salmon(tmp_path / "sample", text))


def test_lengths_that_are_missing_or_wrong_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no quant\.sf"):
        read(salmon(tmp_path / "one", quant=None))
    with pytest.raises(DataError, match="length that is not above 0"):
        read(salmon(tmp_path / "two", quant=QUANT.replace("400", "0")))
    with pytest.raises(DataError, match="columns Name, Length"):
        read(salmon(tmp_path / "three", quant="a b c\n"))
    salmon(tmp_path / "both" / "first")
    salmon(tmp_path / "both" / "second")
    with pytest.raises(DataError, match="classes of 2 samples"):
        read(tmp_path / "both")


@pytest.mark.parametrize("name", ["__MACOSX/eq_classes.txt", ".a/eq_classes.txt", ".a.fasta"])
def test_what_a_system_hides_in_a_zip_is_no_data_set(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, CLASSES)
        archive.writestr("quant.sf", QUANT)
    with pytest.raises(DataError, match="holds no data set"):
        inspect(tmp_path / "a.zip")


def test_whatever_is_changed_in_a_file_it_is_read_or_refused_in_words(tmp_path):
    """Bytes turned, doubled and cut, 150 times: arrays that fit each other, or a ``DataError``."""
    random = np.random.default_rng(5)
    folder = salmon(tmp_path / "sample", packed=False)
    file, whole = folder / "aux_info/eq_classes.txt", CLASSES.encode()
    for _ in range(150):
        text = bytearray(whole)
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(len(text)))
            what = random.integers(3)
            if what == 0:
                text[at] = int(random.choice(np.frombuffer(b"0129-\t\n.ea\xff\x00", np.uint8)))
            elif what == 1:
                del text[at : at + int(random.integers(1, 9))]
            else:
                text[at:at] = text[max(0, at - 5) : at]
            text = text or bytearray(b"\n")
        file.write_bytes(bytes(text))
        try:
            found = arrays_of(read(folder))
        except DataError:
            continue
        assert found["class_transcripts"].max() < len(found["effective_lengths"])
        assert len(found["class_weights"]) == len(found["class_transcripts"])
        assert np.isfinite(found["class_weights"]).all()


def test_what_was_found_goes_home_as_salmon_writes_it(tmp_path):
    dataset = read(salmon(tmp_path / "sample"))
    arrays = {
        "var/tpm_diffbio": np.array([6e5, 3e5, 1e5], np.float32),
        "var/counts_diffbio": np.array([6.5, 5, 0.5], np.float32),
    }
    written = write_result(dataset, tmp_path / "result.h5ad", arrays, {"title": "t"})
    table = pd.read_csv(tmp_path / "result_quant.sf", sep="\t")
    assert table.columns.tolist() == ["Name", "Length", "EffectiveLength", "TPM", "NumReads"]
    assert table["Name"].tolist() == ["a", "b", "c"] and table["NumReads"].tolist() == [6.5, 5, 0.5]
    assert any("quant.sf" in note for note in written.notes)
    home = read(tmp_path / "result.h5ad")
    assert home.n_cells == 1 and home.n_genes == 3
    np.testing.assert_allclose(home.matrix("X").toarray(), [[6.5, 5, 0.5]])
    about = pd.read_csv(tmp_path / "result_transcripts.csv")
    assert about["tpm"].tolist() == [6e5, 3e5, 1e5]


def test_the_demo_is_the_same_each_time_and_opens(tmp_path):
    assert simulate_transcript_classes() == simulate_transcript_classes()
    (tmp_path / "demo.zip").write_bytes(simulate_transcript_classes())
    assert "of 60 transcripts, 30,000 fragments" in inspect(tmp_path / "demo.zip").size


def test_counts_that_32_bits_round_are_exact_in_what_is_said_and_the_run_is_said_to_round_them(
    tmp_path,
):
    many = 2**24 + 1
    folder = salmon(tmp_path / "sample", CLASSES.replace("\t7\n", f"\t{many}\n"))
    seen = inspect(folder)
    assert seen.size.endswith(f"{many + 5:,} fragments")
    assert any("1 of 2 classes" in said and f"{many:,}" in said for said in seen.told)
    assert arrays_of(read(folder))["class_counts"].dtype == np.float32
