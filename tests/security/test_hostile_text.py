"""Text that is made to do harm is refused in one sentence, before a compiled reader sees it."""

import gzip

import hostile_text as hostile
import pytest

from diffbio_engine.data import inspect, read
from diffbio_engine.errors import DataError

HEADER = "%%MatrixMarket matrix coordinate integer general\n"


@pytest.mark.parametrize(
    "matrix, sentence",
    [
        (hostile.FINE.replace("general", "heneral"), r"matrix of the kind 'coordinate heneral'"),
        (hostile.FINE.replace("integer", "complex"), r"first line of matrix\.mtx is damaged"),
        (hostile.FINE.replace("integer", "intejer"), r"first line of matrix\.mtx is damaged"),
        (hostile.FINE.replace("coordinate", "array"), r"matrix\.mtx"),
        (hostile.FINE.replace("general", "skew-symmetric"), r"matrix\.mtx"),
        (HEADER[:-8] + "\n3 3 2\n1 1 5\n2 2 3\n", r"first line of matrix\.mtx is damaged"),
        (HEADER + "3 3 99999999999\n1 1 5\n", r"matrix\.mtx (would need|promises)"),
        (HEADER + "-3 3 2\n1 1 5\n2 2 3\n", r"does not say how many rows"),
        (HEADER + "3 3\n1 1 5\n", r"does not say how many rows"),
    ],
)
@pytest.mark.parametrize("use", [inspect, read])
def test_a_damaged_header_of_a_matrix_is_refused_by_the_look_as_by_the_reading(
    tmp_path, matrix, sentence, use
):
    with pytest.raises(DataError, match=sentence):
        use(hostile.folder_of(tmp_path / "sample", matrix))
    with pytest.raises(DataError, match=sentence):
        use(hostile.zip_of(tmp_path / "sample.zip", matrix))


@pytest.mark.parametrize(
    "entries",
    ["1 1 5\n9 9 3\n", "1 1 5\n2 2 foo\n", "1 1 5\n-2 2 3\n", "1 1 5\n", "1 1 5\n2 2 3\n3 3 1\n"],
)
@pytest.mark.parametrize("use", [inspect, lambda path: read(path).matrix("X")])
def test_entries_that_do_not_fit_are_refused_by_the_look_as_by_the_reading(tmp_path, entries, use):
    with pytest.raises(DataError, match=r"matrix\.mtx"):
        use(hostile.folder_of(tmp_path / "sample", HEADER + "3 3 2\n" + entries))


@pytest.mark.parametrize("line", [b"0" * 4096, b"c,0,0\n"])
def test_what_unpacks_without_end_is_refused_with_both_sizes(tmp_path, line, monkeypatch):
    monkeypatch.setattr("diffbio_engine.data.readers.unpacking._SMALL", 1 << 20)
    path = hostile.packed_without_end(tmp_path / "x.csv.gz", line, 20 << 20)
    with pytest.raises(DataError, match=r"has 0\.0 MB and unpacks to more than \d+ MB, 500 times"):
        inspect(path)


def test_a_table_of_many_rows_that_shrinks_well_is_no_attack(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(
        gzip.compress(b"cell,A,B\n" + b"".join(b"c%d,0,0\n" % i for i in range(50_000)))
    )
    assert inspect(path).n_cells == 50_000


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            "cell," + ",".join(map(str, range(300_000))) + "\nc,1\n",
            r"299,999 columns|300,000 columns",
        ),
        ("cell\n" + "c\n" * 20, r"0 columns"),
    ],
)
def test_the_number_of_columns_of_a_table_is_bounded_before_it_is_read(tmp_path, text, sentence):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        inspect(tmp_path / "x.csv")


def test_too_many_rows_are_said_with_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("diffbio_engine.data.readers.table_sketch.MOST_ROWS", 10)
    (tmp_path / "x.csv").write_text("cell,A\n" + "c,1\n" * 20)
    with pytest.raises(DataError, match="may have 10 at most"):
        inspect(tmp_path / "x.csv")


@pytest.mark.parametrize("use", [inspect, read])
def test_damaged_packed_text_is_a_sentence_and_no_code_of_zlib_alone(tmp_path, use):
    text = "cell,A,B\n" + "".join(f"c{i},{i % 7},{i % 3}\n" for i in range(3000))
    path = hostile.damaged_gz(tmp_path / "x.csv.gz", text)
    with pytest.raises(DataError, match=r"x\.csv\.gz was cut off or is damaged"):
        use(path)
    folder = hostile.folder_of(tmp_path / "sample")
    (folder / "matrix.mtx").unlink()
    many = HEADER + "3 3 4000\n" + "1 1 5\n2 2 3\n3 1 1\n1 3 2\n" * 1000
    hostile.damaged_gz(folder / "matrix.mtx.gz", many)
    with pytest.raises(DataError, match=r"matrix\.mtx\.gz"):
        use(folder)
