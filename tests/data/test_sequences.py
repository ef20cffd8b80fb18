"""FASTA and FASTQ as people have them: what is read, what is said of it, what is refused."""

import bz2
import gzip
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from diffbio_engine.data import (
    Reading,
    inspect,
    open_source,
    read,
    suggest_fields,
    write_result,
)
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.writers.states_file import States
from diffbio_engine.errors import DataError

READS = "@a\nACGTN\n+\n!I5?#\n@b\nGG\n+\nII\n@c\n\n+\n\n@d\nTTT\n+\n+++\n"


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def taken(preview, name):
    return next(c.taken for c in preview.choices if c.name == name)


def letters_of(dataset):
    """The sequences as text; ? is a letter that is not told."""
    found = dataset.ragged["sequences"]
    table = np.array([*dataset.alphabet.letters, "?"])
    return ["".join(table[found.row(i)]) for i in range(len(found))]


# Name of the file, what is in it; the letters that come out, the alphabet, and what is said.
CASES = {
    "dna": ("a.fa", ">x\nACGT\n>y\nAC\nGT\nTT\n", ["ACGT", "ACGTTT"], "DNA", ""),
    "crlf and blank lines": ("a.fa", ">x\r\nAC\r\nGT\r\n\r\n>y\r\nA\r\n", ["ACGT", "A"], "DNA", ""),
    "old mac": ("a.fa", ">x\rACGT\r>y\rA\r", ["ACGT", "A"], "DNA", ""),
    "a mark of utf-8": ("a.fa", "\ufeff>x\nACGT\n", ["ACGT"], "DNA", ""),
    "lowercase": ("a.fa", ">x\nACgtACGT\n", ["ACGTACGT"], "DNA", "2 of 8 letters are lowercase"),
    "ambiguity codes": ("a.fa", ">x\nACGTACGTACGTACGTRYNA\n", ["ACGTACGTACGTACGT???A"], "DNA", ""),
    "rna": ("a.fa", ">x\nACGU\n>y\nuuuu\n", ["ACGU", "UUUU"], "RNA", "U is read as T"),
    "both": ("a.fa", ">x\nACGUTT\n", ["ACGTTT"], "DNA", "both T (2) and U (1)"),
    "protein": ("a.fa", ">x\nMKVLEFW*\n", ["MKVLEFW?"], "protein", "1 of 8 letters are stops"),
    "protein, U and X": ("a.faa", ">x\nMEFLIXU\n", ["MEFLI??"], "protein", ""),
    "protein by its ending": ("a.faa", ">x\nACGTACGT\n", ["ACGTACGT"], "protein", "ends in .faa"),
    "short": ("a.fa", ">x\nACGT\n", ["ACGT"], "DNA", "only 4 letters to tell DNA by"),
    "gaps": ("a.afa", ">x\nAC--GT\n>y\nACGTG.\n", ["ACGT", "ACGTG"], "DNA", "3 of 12 signs are"),
    "alignment": ("a.fa", ">x\nA-GT\n>y\nACGT\n", ["AGT", "ACGT"], "DNA", "All 2 lines up"),
    "blanks, numbers": ("a.fa", ">x\n1 ACGT ACGTAA\n", ["?ACGTACGTAA"], "DNA", "1 of 11 letters"),
    "empty records": ("a.fa", ">x\n>y\nACGT\n>z\n", ["", "ACGT", ""], "DNA", "2 of 3 sequences"),
    "odd signs": ("a.fa", ">x\nAC#T\n>y\nACGT\n", ["AC?T", "ACGT"], "DNA", "1 of 8 letters are"),
    "no name": ("a.fa", ">\nACGT\n> b\nGG\n", ["ACGT", "GG"], "DNA", "1 of 2 sequences have no"),
    "copies": ("a.fa", ">x\nACGT\n>y\nACGT\n", ["ACGT", "ACGT"], "DNA", "1 of 2 sequences are the"),
    "another ending": ("a.txt", ">x y z\nACGT\n", ["ACGT"], "DNA", ""),
    "no ending": ("sequences", ">x\nACGT\n", ["ACGT"], "DNA", ""),
    "fastq": ("a.fq", READS, ["ACGT?", "GG", "", "TTT"], "DNA", "1 of 4 sequences have no letters"),
    "fastq named txt": ("a.txt", READS, ["ACGT?", "GG", "", "TTT"], "DNA", ""),
    "blank lines after fastq": ("a.fq", READS + "\n\n", ["ACGT?", "GG", "", "TTT"], "DNA", ""),
    "other bytes in a header": ("a.fa", ">caf\u00e9\nACGT\n", ["ACGT"], "DNA", ""),
}  # fmt: skip


@pytest.mark.parametrize("name, text, letters, alphabet, said", CASES.values(), ids=CASES)
def test_what_comes_out_of_a_file_and_what_is_said_of_it(
    tmp_path, name, text, letters, alphabet, said
):
    path = write(tmp_path, name, text)
    dataset = read(path)
    assert letters_of(dataset) == letters
    preview = inspect(path)
    assert preview.rows == "sequences" and preview.n_genes == 0
    assert taken(preview, "letters") == dataset.alphabet.name == alphabet
    assert said in " ".join(preview.warnings)
    assert "genes" not in preview.sentence and "cells" not in " ".join(preview.warnings)


# What is refused, in words.
REFUSED = {
    "cut off": ("a.fq", READS[:-8], "ends in the middle of record 4 (line 14)"),
    "unequal": ("a.fq", "@a\nACGT\n+\nIII\n", "Record 1 of a.fq (line 4) has not as many"),
    "no header": ("a.fa", "ACGT\n>x\nA\n", "does not begin with a record"),
    "nothing": ("a.fa", "", "is empty (0 bytes)"),
    "only a comment": ("a.fa", "# nothing\n", "does not begin with a record"),
    "other bytes": ("a.fa", b">x\n" + b"ACGT\n" * 40_000 + b"\x00", "no plain text"),
    "utf-16": ("a.fa", ">x\nACGT\n".encode("utf-16"), "does not begin with a record"),
    "long header": ("a.fa", f">{'x' * 30_000}\nACGT\n", "The header of record 1"),
}  # fmt: skip


@pytest.mark.parametrize("name, text, said", REFUSED.values(), ids=REFUSED)
def test_what_is_no_file_of_sequences_is_refused_with_the_place(tmp_path, name, text, said):
    with pytest.raises(DataError) as refused:
        inspect(write(tmp_path, name, text))
    assert said in refused.value.what and refused.value.fix


def test_packed_files_open_and_bombs_do_not(tmp_path):
    text = b"".join(b">s%d\n%s\n" % (i, b"ACGT" * 5) for i in range(50))
    blocks = gzip.compress(text[:500]) + gzip.compress(text[500:])  # as bgzip writes them
    for name, packed in (("a.fa.gz", blocks), ("b.fna.bz2", bz2.compress(text))):
        assert inspect(write(tmp_path, name, packed)).n_cells == 50
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("inside/d.fasta", text)
    write(tmp_path, "d.fasta", text)
    with tarfile.open(tmp_path / "d.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "d.fasta", "inside/d.fasta")
    for name in ("c.zip", "d.tar.gz"):
        assert inspect(tmp_path / name).size == "50 sequences, 20 bases each, DNA"
    with pytest.raises(DataError, match=r"cut off or is damaged"):
        inspect(write(tmp_path, "e.fa.gz", gzip.compress(text)[:-20]))
    for name, line in (("f.fa.gz", b"A" * 41_000_000), ("g.fa.gz", (b"A" * 999_999 + b"\n") * 41)):
        with pytest.raises(DataError, match=r"has more than 10,000,000 letters"):
            inspect(write(tmp_path, name, gzip.compress(b">x\n" + line, 1)))


# The headers of two records, and the columns that are made of them.
HEADERS = {
    "keys": (
        ["a label=1 chr=chr2", "b label=0 chr=chrX"],
        {"label": [1, 0], "chr": ["chr2", "chrX"]},
    ),
    "in the name": (["a|class=x|n=3", "b|class=y|n=4"], {"class": ["x", "y"], "n": [3, 4]}),
    "windows": (
        ["chr1:10-20(+)", "chr2:5-15(-)"],
        {"chromosome": ["chr1", "chr2"], "start": [10, 5], "end": [20, 15], "strand": ["+", "-"]},
    ),
    "uniprot": (
        ["sp|P1|A_HUMAN Kinase A OS=Homo sapiens OX=9606", "sp|P2|B_FLY B OS=Drosophila OX=1"],
        {"OS": ["Homo sapiens", "Drosophila"], "OX": [9606, 1], "description": ["Kinase A", "B"]},
    ),
    "ncbi": (
        ["lcl|1 [gene=thr L] [locus=b1]", "lcl|2 [gene=x] [locus=b2]"],
        {"gene": ["thr L", "x"], "locus": ["b1", "b2"]},
    ),
    "classes": (["a|1|training", "b|0|testing"], {"label": [1, 0], "set": ["training", "testing"]}),
    "said": (
        ["a class:EI x", "b Class: IE, y"],
        {"class": ["EI", "IE"], "description": ["x", "y"]},
    ),
    "classes alone": (["a|1", "b|0", "c|1", "d|0"], {"label": [1, 0, 1, 0]}),
    "no classes": (["a|g1", "b|g2", "c|g3", "d|g4"], {}),
    "class words": (
        [f"s{i} {w}" for i, w in enumerate(["EI", "IE", "EI", "N", "N", "IE"])],
        {"label": ["EI", "IE", "EI", "N", "N", "IE"]},
    ),
    "ensembl": (
        ["T1 cds chromosome:GRCh38:1:5:9", "T2 cds chromosome:GRCh38:2:5:9"],
        {"description": [f"cds chromosome:GRCh38:{i}:5:9" for i in (1, 2)]},
    ),
    "words": (["a some words", "b other"], {"description": ["some words", "other"]}),
    "names alone": (["a", "b"], {}),
}


@pytest.mark.parametrize("headers, columns", HEADERS.values(), ids=HEADERS)
def test_what_headers_say_becomes_columns(tmp_path, headers, columns):
    path = write(tmp_path, "a.fa", "".join(f">{h}\nACGTACGTAC\n" for h in headers))
    obs = read(path).obs.drop(columns=["length", "gc_content"])
    assert obs.to_dict("list") == columns


def test_classes_that_no_key_names_are_found_and_that_is_said(tmp_path):
    text = "".join(f">s{i} {'donor' if i % 2 else 'acceptor'}\nACGT\n" for i in range(8))
    preview = inspect(write(tmp_path, "a.fa", text))
    assert preview.suggested["labels"] == "obs/label"
    said = "'label' was found in each header, as the word behind the name: acceptor, donor."
    assert said in preview.warnings


def test_labels_are_found_in_headers_tables_and_names_of_files(tmp_path):
    names = [f"s{i}" for i in range(8)]
    headed = write(
        tmp_path, "h.fa", "".join(f">{n} label={i % 2}\nACGT\n" for i, n in enumerate(names))
    )
    suggested = inspect(headed).suggested
    assert suggested == {"sequences": "sequences:letters", "background": "sequences:frequencies",
                         "labels": "obs/label"}  # fmt: skip
    records = open_source(read(headed), suggested, suggested)
    assert records.record.one == "sequence" and records.label_names["labels"] == ["0", "1"]
    assert records.fields["sequences"] == (4,) and list(records.names["letters"]) == list("ACGT")
    np.testing.assert_allclose(records.per_dataset["background"], 0.25)
    measured = "".join(f">{n} label={i / 7:.3f}\nACGT\n" for i, n in enumerate(names))
    assert "labels" not in inspect(write(tmp_path, "m.fa", measured)).suggested
    beside = tmp_path / "beside"
    beside.mkdir()
    write(beside, "x.fasta", "".join(f">{n} more\nACGT\n" for n in names))
    write(
        beside,
        "classes.tsv",
        "name\tclass\n" + "".join(f"{n}\t{'ab'[i % 2]}\n" for i, n in enumerate(names[::-1])),
    )
    preview = inspect(beside)
    assert preview.suggested["labels"] == "obs/class"
    assert any("8 of 8 sequences found in classes.tsv" in w for w in preview.warnings)
    two = tmp_path / "two"
    two.mkdir()
    write(two, "enhancers.fa", ">a\nACGT\n>b\nACGG\n")
    write(two, "others.fa", ">c\nTCGT\n>b\nTCGG\n")
    preview, dataset = inspect(two), read(two)
    assert preview.suggested["labels"] == "obs/file"
    assert list(dataset.obs["file"]) == ["enhancers"] * 2 + ["others"] * 2
    assert list(dataset.obs.index) == ["a", "b", "c", "b-1"]
    assert any("1 of 4 names stand there more than once (b)" in w for w in preview.warnings)


def test_two_ends_of_pairs_are_not_taken_for_two_lots_of_reads(tmp_path):
    for end in "12":
        write(tmp_path, f"lib_R{end}_001.fastq", READS)
    with pytest.raises(DataError, match="two ends of the same pairs") as refused:
        inspect(tmp_path)
    assert "merge" in refused.value.fix


def test_reads_go_home_as_fastq_with_what_was_found_in_their_headers(tmp_path):
    path = write(tmp_path, "lib_R1.fastq", READS.replace("@b", "@a more words"))
    assert any("one end of pairs" in said for said in inspect(path).warnings)
    shares = np.array([[0.75, 0.25], [0.5, 0.5], [np.nan, np.nan], [0, 1]], np.float32)
    found = {"obsm/cluster_diffbio_prob": shares, "obs/score": np.arange(4.0)}
    written = write_result(path, tmp_path / "result.h5ad", found, {})
    assert any("result_sequences.fastq" in note for note in written.notes)
    lines = (tmp_path / "result_sequences.fastq").read_text().splitlines()
    assert lines[:4] == ["@a score=0 cluster_diffbio=0 cluster_diffbio_certainty=0.75", "ACGTN",
                         "+", "!I5?#"]  # fmt: skip
    assert lines[4].startswith("@a-1 more words score=1 ")
    assert (tmp_path / "result_sequences.csv").exists()
    assert len(read(tmp_path / "result_sequences.fastq").obs) == 4


def test_a_file_that_lost_records_since_it_was_read_does_not_go_home_short(tmp_path):
    path = write(tmp_path, "x.fa", ">a\nACGT\n>b\nACGT\n>c\nACGT\n>d\nGGGG\n")
    dataset = read(path)
    write(tmp_path, "x.fa", ">a\nACGT\n>b\nACGT\n")
    found = {f"obs/n_{k}": np.arange(4.0) for k in range(9)}
    written = write_result(dataset, tmp_path / "r.h5ad", found, {})
    assert any("x.fa was changed since it was read" in note for note in written.notes)
    assert not (tmp_path / "r_sequences.fasta").exists()
    path.write_text(">a\nACGT\n>b\nACGT\n>c\nACGT\n>d\nGGGG\n")
    written = write_result(dataset, tmp_path / "r.h5ad", found, {})
    assert any("with 8 of the 9 things that were found" in note for note in written.notes)


def test_a_third_line_says_the_state_of_each_letter(tmp_path):
    path = write(tmp_path, "a.3line", ">a x=1\nMKVLAEF\n11HHHUU\n>b x=2\nMFLPW\n22222\n")
    preview = inspect(path)
    assert preview.suggested["known_states"] == "sequences:states"
    assert any("not known (U, ?, - or .) 2 of 12" in said for said in preview.told)
    needed = ["sequences", "known_states"]
    records = open_source(read(path), preview.suggested, needed)
    assert records.label_names["known_states"] == ["1", "2", "H"]
    batch = records.batch([1, 0])
    assert batch["known_states"].dtype == np.int32
    np.testing.assert_array_equal(batch["known_states"][0, :6], [1, 1, 1, 1, 1, -1])
    np.testing.assert_array_equal(batch["known_states"][1, :8], [0, 0, 2, 2, 2, -1, -1, -1])
    np.testing.assert_array_equal(records.subset([1]).rows("known_states", [0])[0, :5], [1] * 5)
    written = write_result(path, tmp_path / "r.h5ad", {"obs/score": np.array([0.5, 1.0])}, {})
    assert any("r_sequences.3line" in note for note in written.notes)
    assert (tmp_path / "r_sequences.3line").read_text().startswith(">a x=1 score=0.5\nMKVLAEF\n11")
    with pytest.raises(DataError, match=r"Record 2 of b.3line has 5 letters and 4 states"):
        inspect(write(tmp_path, "b.3line", ">a\nMKV\n111\n>b\nMFLPW\n2222\n"))
    with pytest.raises(DataError, match="holds no states of letters"):
        open_source(read(write(tmp_path, "c.fa", ">a\nMKVLEF\n")), preview.suggested, needed)


def test_states_that_were_found_go_home_as_a_third_line_and_as_stretches(tmp_path):
    path = write(tmp_path, "a.fa", ">a x=1\nMKVLAEFX\n>b\nMFLPW\n")
    codes = np.array([[0, 0, 1, 1, 1, 0, -1], [1, 1, 1, 1, 1, -1, -1]])
    found = {"positions/states_diffbio": States(codes, ("in", "helix"))}
    written = write_result(path, tmp_path / "r.h5ad", found, {})
    assert any("(0: in, 1: helix)" in note for note in written.notes)
    lines = (tmp_path / "r_states.3line").read_text().splitlines()
    assert lines == [">a", "MKVLAEFX", "001110??", ">b", "MFLPW", "11111"]
    head, *stretches = (tmp_path / "r_states.bed").read_text().splitlines()
    assert 'itemRgb="On"' in head and stretches[1].endswith("\t0\t.\t2\t5\t255,127,14")
    assert [line.split("\t")[:4] for line in stretches] == [
        ["a", "0", "2", "in"], ["a", "2", "5", "helix"], ["a", "5", "6", "in"],
        ["b", "0", "5", "helix"],
    ]  # fmt: skip
    assert read(tmp_path / "r_states.3line").states == ("0", "1")


def test_qualities_are_guessed_by_their_range_said_and_changed(tmp_path):
    new = inspect(write(tmp_path, "new.fq", READS))
    assert taken(new, "quality") == "33" and new.kind == "FASTQ, Phred+33"
    assert new.size == "4 reads, 0-5 bases, DNA" and new.suggested["quality"] == "sequences:quality"
    old = write(tmp_path, "old.fq", "@a\nACGT\n+\nhhBh\n@b\nAC\n+\nff\n")
    preview = inspect(old)
    assert taken(preview, "quality") == "64"
    assert next(c.why for c in preview.choices if c.name == "quality")
    np.testing.assert_array_equal(read(old).ragged["quality"].row(0), [40, 40, 2, 40])
    np.testing.assert_array_equal(read(old, quality="33").ragged["quality"].row(1), [69, 69])
    with pytest.raises(DataError, match=r"qualities are below 0 by Phred\+64"):
        read(tmp_path / "new.fq", quality="64")


def test_what_the_letters_are_and_how_many_are_used_can_be_said(tmp_path):
    path = write(tmp_path, "a.fa", f">x\n{'ACGT' * 500}\n>y\n{'GGCC' * 10}\n>z\nA\n>w\nC\n")
    preview = inspect(path)
    assert preview.size == "4 sequences, 1-2,000 bases, DNA"
    assert any("1 of 4 sequences are longer than 1,024" in w for w in preview.warnings)
    assert taken(preview, "longest") == "1024" and preview.lengths["positions"] == 1_024
    assert read(path, longest="2000").ragged["sequences"].shape == (4, 2_000)
    as_protein = inspect(path, letters="protein")
    assert "residues, protein" in as_protein.size and as_protein.lengths["letters"] == 20
    for said in ({"letters": "klingon"}, {"longest": "0"}, {"longest": "many"}, {"quality": "12"}):
        with pytest.raises(DataError):
            Reading.of(said)


def test_letters_are_counted_in_words(tmp_path):
    text = "".join(f">s{i}\n{'ACGG' * (i + 1)}N\n" for i in range(10))
    told = inspect(write(tmp_path, "a.fa", text)).told
    assert told[0].startswith("230 letters: A 25.0%, C 25.0%, G 50.0%, T 0.0%; not told 10 of 230.")
    assert "GC content 75.0%" in told[0] and told[1].startswith("Lengths: median 23")


def test_a_table_or_a_folder_of_counts_stays_what_it_is(tmp_path):
    write(tmp_path, "counts.csv", "gene,c1,c2\nCD3D,1,0\nLYZ,3,2\nMS4A1,0,2\n")
    assert inspect(tmp_path / "counts.csv").rows == "cells"
    assert "sequences" not in suggest_fields(inspect(tmp_path / "counts.csv"))


def test_the_page_puts_files_together_by_the_endings_that_the_reader_knows():
    script = (Path(__file__).parents[2] / "app/data/grouped_files.js").read_text()
    (known,) = re.findall(r"LETTERS =\s*/\\\.\(([a-z0-9|]+)\)", script)
    assert {f".{ending}" for ending in known.split("|")} == set(kind_named("sequences").endings)


def test_what_people_have(shared_data):
    there = shared_data / "sequences"
    if not there.is_dir():
        pytest.skip("the sequences are not on this machine")
    sizes = {
        "encoders/enhancer_train.fa": "2,968 sequences, 200 bases each, DNA",
        "encoders/splice_train.fa": "2,200 sequences, 60 bases each, DNA",
        "preprocessing/adapter_reads.fastq.gz": "6,000 reads, 100 bases each, DNA",
        "profile_hmm/globins45.fa": "45 sequences, 141-153 residues, protein",
        "motifs/CTCF_peaks.fa": "500 sequences, 200 bases each, DNA",
    }
    for name, size in sizes.items():
        assert inspect(there / name).size == size
