"""Vocabularies of tokens beside sequences: read, refused, and matched with what was trained on."""

import itertools

import numpy as np
import pytest

from diffbio_engine.data import inspect, open_source, read
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.errors import DataError
from diffbio_engine.pipelines import presets
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.open_run import open_run

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
THREES = ["".join(word) for word in itertools.product("ACGT", repeat=3)]
DNABERT = [*MARKS, *THREES]
# As ESM writes it, marks at both ends; and as Nucleotide Transformer does, words of two lengths.
ESM = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWC", "<mask>"]
NUCLEOTIDES = ["<unk>", "<pad>", "<mask>", "ACGT", "AC", "GT", *"ACGTN"]


def folder_of(folder, tokens, name, text):
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    (folder / name).write_text(text)
    return folder


def words_in(dataset):
    """Words of each sequence; ? is one that is not told."""
    found = dataset.ragged["sequences"]
    names = [*dataset.alphabet.letters, "?"]
    return [[names[code] for code in found.row(i)] for i in range(len(found))]


def fasta(*letters):
    return "".join(f">s{i}\n{word}\n" for i, word in enumerate(letters))


# Tokens and letters; the words that come out, and what is said.
READ = {
    "overlapping": (DNABERT, "acgtnacg", ["ACG", "CGT", "?", "?", "?", "ACG"], "3 of 8 are not"),
    "a letter each": (ESM, "MKVLLB", [*"MKVLL", "?"], "a word for each letter"),
    "the longest": (NUCLEOTIDES, "ACGTACGNAGG", ["ACGT", "AC", *"GNAGG"], "the longest that fits"),
    "pieces": ([*MARKS, "MK", "##VL", "##A"], "MKVLVLAW", ["MK", "##VL", "##VL", "##A", "?"], ""),
}  # fmt: skip


@pytest.mark.parametrize("tokens, letters, words, said", READ.values(), ids=READ)
def test_letters_become_words_of_the_vocabulary_beside_them(tmp_path, tokens, letters, words, said):
    folder = folder_of(tmp_path / "x", tokens, "a.fa", fasta(letters, letters[:4]))
    dataset = read(folder)
    assert words_in(dataset)[0] == words
    preview = inspect(folder)
    assert said in " ".join(preview.warnings) and "tokens" in preview.size
    letters_again = inspect(folder, vocabulary="none")
    assert "tokens" not in letters_again.size
    assert letters_again.suggested["sequences"] == "sequences:letters"


def test_ids_are_tokens_without_their_marks(tmp_path):
    text = 'input_ids,label\n"[2, 5, 6, 1, 3, 0]",a\n"2 68 3",b\n'
    folder = folder_of(tmp_path / "x", DNABERT, "t.csv", text)
    assert words_in(read(folder)) == [["AAA", "AAC", "?"], ["TTT"]]
    preview = inspect(folder)
    assert preview.suggested["sequences"] == "sequences:words-of-3"
    assert any("5 of 9 tokens are marks ([PAD], [CLS], [SEP])" in said for said in preview.warnings)
    for ids, said in (("2 69 3", "Row 2 of t.csv has the id 69"), ("2 x 3", "Row 2 .* holds 'x'")):
        rows = "".join(f"{ids if i == 1 else '2 5 3'},a\n" for i in range(300))
        with pytest.raises(DataError, match=said):
            inspect(folder_of(tmp_path / "odd", DNABERT, "t.csv", f"input_ids,label\n{rows}"))
    (folder / "vocab.txt").unlink()
    with pytest.raises(DataError, match="holds ids of tokens, and not which"):
        inspect(folder)


@pytest.mark.parametrize(
    "tokens, said",
    {
        "twice": ([*MARKS, "AC", "GT", "AC"], "has 'AC' in the lines 6 and 8"),
        "a gap": (["AC", "", "GT"], "has no token in line 2"),
        "two a line": (["AC", "GT CA"], "has no token but 'GT CA' in line 2"),
        "only marks": (MARKS, "has 0 words besides 5 marks"),
        "not its letters": ([*MARKS, "hello", "world"], "No word of vocab.txt"),
    }.values(),
)
def test_what_is_no_vocabulary_is_refused_with_its_line(tmp_path, tokens, said):
    with pytest.raises(DataError, match=said) as refused:
        inspect(folder_of(tmp_path / "x", tokens, "a.fa", fasta("ACGTACGT", "ACGTAC")))
    assert refused.value.fix


def test_new_data_are_read_in_the_trained_words_whatever_their_vocabulary(tmp_path):
    letters = ["ACGTACGA", "GGTTAC"]
    own = folder_of(tmp_path / "own", DNABERT, "a.fa", fasta(*letters))
    other = folder_of(tmp_path / "other", [*MARKS, *THREES[::-1]], "a.fa", fasta(*letters))
    plain = tmp_path / "plain.fa"
    plain.write_text(fasta(*letters))
    place = {"sequences": "sequences:words-of-3"}
    trained = {"sequences": {"letters": THREES, "shape": [6], "place": place["sequences"]}}
    sequences = kind_named("sequences")

    def placed(path, fields=trained):
        records = open_source(read(path), place, place)
        return sequences.as_trained(records, fields, path.name)

    first, notes = placed(own)
    assert not notes
    for path, said in ((other, "another vocabulary"), (plain, "12 of 12")):
        records, notes = placed(path)
        if path is other:
            assert said in notes[0]
        rows = [r.rows("sequences", np.arange(2))[:, :6] for r in (first, records)]
        np.testing.assert_array_equal(*rows)
        assert list(records.names["letters"]) == THREES
    with pytest.raises(DataError, match=r"only 0 of 10 words of own"):
        placed(own, {"sequences": {**trained["sequences"], "letters": ["HEL", "LOW"]}})
    with pytest.raises(DataError, match=r"trained on letters \(DNA\)"):
        placed(own, {"sequences": {**trained["sequences"], "letters": list("ACGT")}})


def test_the_transformer_hides_overlapping_words_of_a_vocabulary_together(tmp_path):
    folder = folder_of(tmp_path / "x", DNABERT, "a.fa", fasta(*["ACGTACGATT"] * 8))
    fields = {"sequences": inspect(folder).suggested["sequences"]}
    document = presets()["pretrain_sequences"].make(fields).to_json()
    opened = open_run(RunSpec(document, {"path": str(folder), "fields": fields}))
    encoder = opened.pipeline.blocks["encode"]
    assert encoder.config.n_words == 64 and encoder.config.mask_span == 3
    hidden = np.asarray(encoder(np.full((1, 60), 27, np.uint8))["mlm_mask"])[0]
    runs = [len(list(same)) for told, same in itertools.groupby(hidden) if told]
    inside = runs[1:-1]  # the ends of a sequence may cut one
    assert inside and min(inside) >= 3  # a word alone would be spelled by its neighbours
