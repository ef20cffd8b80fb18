"""Tables of text with a column of sequences: which is taken, what is said, what is refused."""

import zipfile

import numpy as np
import pytest

from diffbio_engine.data import inspect, open_source, read, write_result
from diffbio_engine.errors import DataError

RANDOM = np.random.default_rng(0)
DNA = ["".join(RANDOM.choice(list("ACGT"), 40)) for _ in range(30)]
PROTEINS = ["".join(RANDOM.choice(list("ACDEFGHIKLMNPQRSTVWY"), 45)) for _ in range(30)]
BARCODES = [letters[:16] for letters in DNA]


def table(sign, *columns):
    return "\n".join(sign.join(map(str, row)) for row in zip(*columns, strict=True)) + "\n"


def titled(sign, **columns):
    return sign.join(columns) + "\n" + table(sign, *columns.values())


def words(letters):
    return " ".join(letters[i : i + 3] for i in range(len(letters) - 2))


CLASSES = ["ab"[i % 2] for i in range(30)]
COUNTS = [[i % 3 for i in range(30)]] * 3
# What is in the file; which column is taken, how large the data are, and what labels were found.
TABLES = {
    "titled": (
        titled(",", id=range(30), sequence=DNA, label=CLASSES),
        ("sequence", "30 sequences, 40 bases each, DNA", "obs/label"),
    ),
    "words that overlap": (
        titled("\t", sequence=map(words, DNA), label=CLASSES),
        ("sequence", "30 sequences, 40 bases each, DNA", "obs/label"),
    ),
    "no header": (
        table(",", CLASSES, range(30), [f"   {letters}" for letters in DNA]),
        ("column_3", "30 sequences, 40 bases each, DNA", None),
    ),
    "by its values": (
        titled(";", entry=[f"P{i}" for i in range(30)], target=CLASSES, aa=PROTEINS),
        ("aa", "30 sequences, 45 residues each, protein", "obs/target"),
    ),
    "of two, the first": (
        titled(",", barcode=BARCODES, cdr3=[p[:12] for p in PROTEINS], cdr3_nt=DNA),
        ("cdr3", "30 sequences, 12 residues each, protein", None),
    ),
}


@pytest.mark.parametrize("text, expected", TABLES.values(), ids=TABLES)
def test_the_column_of_sequences_is_found_and_said(tmp_path, text, expected):
    path = tmp_path / "t.csv"
    path.write_text(text)
    preview = inspect(path)
    choice = next(c for c in preview.choices if c.name == "sequence_column")
    assert (choice.taken, preview.size, preview.suggested.get("labels")) == expected
    assert choice.why and choice.possible[-1][0] == "none" and preview.rows == "sequences"


def test_tables_of_counts_are_none_of_sequences_until_a_person_says_so(tmp_path):
    barcodes, variants = tmp_path / "cells.csv", tmp_path / "variants.tsv"
    barcodes.write_text(titled(",", **{"": BARCODES, "A1BG": COUNTS[0], "TP53": COUNTS[1]}))
    variants.write_text("\ts1\ts2\ts3\n" + table("\t", DNA, *COUNTS))
    for path in (barcodes, variants):
        assert inspect(path).rows == "cells"
    assert inspect(variants, sequence_column="column_1").n_cells == 30
    titled_path = tmp_path / "t.csv"
    titled_path.write_text(titled(",", sequence=DNA, s1=COUNTS[0], s2=COUNTS[1]))
    back = inspect(titled_path, sequence_column="none")
    assert back.rows == "cells"
    choice = next(c for c in back.choices if c.name == "sequence_column")
    assert ("sequence", "sequence") in choice.possible  # the way back
    with pytest.raises(DataError, match="has no column 'sequenc'") as refused:
        inspect(titled_path, sequence_column="sequenc")
    assert "'sequence'" in refused.value.fix


def test_a_damaged_table_is_refused_with_its_row(tmp_path):
    for name, text in {
        "short": "sequence,label\nACGTACGTACGT,1\nACGTACGTACGT\nACGTACGTACGA,0\n",
        "long": "sequence,label\nACGTACGTACGT,1\nACGTACGTACGT,1,2\nACGTACGTACGA,0\n",
        "quote": 'sequence,label\nACGTACGTACGT,1\n"ACGTACGTACGT,1\nACGTACGTACGA,0\n',
    }.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(text)
        with pytest.raises(DataError, match=rf"Row 2 of {name}.csv .* of 2 columns"):
            inspect(path)


def test_several_tables_are_joined_and_what_was_found_goes_home_beside_their_columns(tmp_path):
    with zipfile.ZipFile(tmp_path / "gue.zip", "w") as archive:
        for i, name in enumerate(("train", "dev")):
            part = slice(15 * i, 15 * (i + 1))
            archive.writestr(
                f"gue/{name}.csv", titled(",", sequence=DNA[part], label=CLASSES[part])
            )
    preview = inspect(tmp_path / "gue.zip")
    assert preview.n_cells == 30 and preview.samples == (("dev.csv", 15), ("train.csv", 15))
    dataset = read(tmp_path / "gue.zip")
    records = open_source(dataset, preview.suggested, ["sequences", "labels"])
    assert records.label_names["labels"] == ["a", "b"]
    np.testing.assert_array_equal(records.rows("sequences", [15])[0, :3],
                                  ["ACGT".index(x) for x in DNA[0][:3]])  # fmt: skip
    write_result(dataset, tmp_path / "r.h5ad", {"obs/score": np.arange(30.0)}, {})
    lines = (tmp_path / "r_sequences.csv").read_text().splitlines()
    titles = ["sequence_name", "file", "sequence", "label", "length", "gc_content", "score"]
    assert lines[0].split(",") == titles
    assert lines[16].startswith(f"sequence_16,train,{DNA[0]},a,40,") and lines[16].endswith(",15")
