"""Sequences of letters: DNA, RNA or protein, from FASTA and FASTQ, with what their headers say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from diffbio_engine.axes import axis_of
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.fields.letters import (
    FREQUENCIES,
    LETTERS,
    QUALITIES,
    STATES,
    frequencies,
)
from diffbio_engine.data.fields.letters_told import told_of_letters
from diffbio_engine.data.inspection.column_names import called_labels
from diffbio_engine.data.inspection.preview import Preview
from diffbio_engine.data.kinds import DataKind, Opening
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.readers.about_cells import is_about_cells, join_tables
from diffbio_engine.data.readers.archive_names import is_archive
from diffbio_engine.data.readers.archives import is_zip
from diffbio_engine.data.readers.file_types import hdf5_endings
from diffbio_engine.data.readers.folders import data_files, is_mtx
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.sequence_columns import (
    is_table_of_sequences,
    zip_holds_tables_of_sequences,
)
from diffbio_engine.data.readers.sequence_files import (
    ENDINGS,
    holds_sequences,
    is_sequence_file,
    open_sequences,
)
from diffbio_engine.data.readers.sequence_tables import open_tables
from diffbio_engine.data.readers.sequence_text import FASTQ, THREE_LINES
from diffbio_engine.data.readers.sequences_in_words import take_vocabulary
from diffbio_engine.data.readers.tables import FILE_TYPE as TABLES
from diffbio_engine.data.readers.vocabularies import is_vocabulary, overlap_of
from diffbio_engine.data.readers.words_of_new_data import in_trained_words
from diffbio_engine.data.reading import NO_COLUMN, Reading
from diffbio_engine.data.sampling.records import Records
from diffbio_engine.data.writers.h5ad import Written, with_clusters
from diffbio_engine.data.writers.motif_file import write_motifs
from diffbio_engine.data.writers.sequence_file import write_sequences
from diffbio_engine.data.writers.states_file import States, write_states
from diffbio_engine.data.writers.table_beside import Beside, write_table
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place, offer_of
from diffbio_engine.ports.alphabets import ALPHABETS, Alphabet, alphabet_of
from diffbio_engine.ports.sequence_ports import SPANS

_MOST_CLASSES, _MOST_TABLES = 200, 16
# What a fact of the preview calls words of a vocabulary, and the place that says the same.
_VOCABULARIES = {
    "vocabulary" if k == 1 else f"vocabulary, overlapping words of {k} letters": place
    for place, k in SPANS.items()
}
# What people call the class of a sequence besides what `labels` is called elsewhere.
_CLASSES = ("label", "labels", "class", "target", "category", "family", "y")


class Sequences(DataKind):
    """Sequences, a record each; what lies in them are letters along positions."""

    record = axis_of("sequences")
    endings = ENDINGS
    order = 20
    fewest = 4
    never = frozenset(
        {
            "ambient_profile",
            "total_counts",
            "spatial_coords",
            "slice_labels",
            "time_points",
        }
    )
    offers: ClassVar = {
        "labels": replace(
            offer_of("labels"),
            help="The class of each sequence where it is known: bound or not, a family, a kind of"
            " site. Only blocks wired to it see it.",
            lacking="known classes of sequences",
        ),
        "batch_labels": replace(
            offer_of("batch_labels"), help="What is to be corrected for: library, run, donor."
        ),
    }
    leaves = (
        Beside("Table (CSV)", "_sequences.csv"),
        Beside("Sequences (FASTA)", "_sequences.fasta"),
        Beside("Sequences (FASTQ)", "_sequences.fastq"),
        Beside("Sequences (3 lines)", "_sequences.3line"),
        Beside("States (3 lines)", "_states.3line"),
        Beside("States (BED)", "_states.bed"),
        Beside("Motifs (MEME)", "_motifs.meme"),
    )
    repeats = 2

    def opens(self, path: Path) -> bool:
        """A file, or a folder or zip, with sequences and no matrix in it."""
        if path.is_dir():
            files = data_files(path)
            # By their names alone: a folder may be a store of many thousand pieces.
            names = [bare_name(f) for f in files]
            matrices = any(map(is_mtx, files)) or any(n.endswith(hdf5_endings()) for n in names)
            return not matrices and (
                any(n.endswith(ENDINGS) for n in names) or bool(_tables_of_sequences(files))
            )
        if not path.is_file() or not path.stat().st_size:
            return path.is_file() and bare_name(path).endswith(ENDINGS)
        if is_archive(path):
            of_tables = is_zip(path) and zip_holds_tables_of_sequences(path, TABLES.endings)
            return holds_sequences(path) or of_tables
        return is_sequence_file(path) or (_is_table(path) and is_table_of_sequences(path))

    def takes(self, path: Path, reading: Reading) -> bool:
        """Of a table a person may say in which column its sequences are, or that it has none."""
        if reading.sequence_column and not is_sequence_file(path):
            return reading.sequence_column != NO_COLUMN and (_is_table(path) or self.opens(path))
        return self.opens(path)

    def open(self, path: Path, how: Opening) -> Dataset:
        packed = is_archive(path)
        if path.is_file() and not packed:
            read = open_tables if _is_table(path) and not is_sequence_file(path) else open_sequences
            return read([path], path.name, path, how.reading)
        folder = how.unpacked(path) if packed else path
        files = data_files(folder)
        mine = [f for f in files if is_sequence_file(f)]
        read = open_sequences if mine else open_tables
        vocabularies = [f for f in files if is_vocabulary(f)]
        mine = mine or _tables_of_sequences(files) or [f for f in files if _is_table(f)]
        place = mine[0] if len(mine) == 1 else path
        if read is open_tables:
            dataset = open_tables(mine, path.name, place, how.reading, vocabularies)
        else:
            dataset = open_sequences(mine, path.name, place, how.reading)
        take_vocabulary(dataset, vocabularies, how.reading)
        dataset.path = path
        tables = [f for f in files if f not in (*mine, *vocabularies) and _is_table(f)]
        known = {*mine, *vocabularies, *join_tables(dataset, folder, tables, how.reading)}
        if others := [f.name for f in files if f not in known]:
            more = ", ..." if len(others) > 5 else ""
            dataset.warnings.append(f"Not opened: {', '.join(others[:5])}{more}.")
        return dataset

    def adopt(self, dataset: Dataset) -> None:
        """What tables beside say of cells is said of sequences."""
        self.say_of_rows(dataset)

    def told(self, dataset: Dataset, why: str) -> tuple[str, ...]:
        n = dataset.n_cells
        if n >= self.fewest:
            return ()
        return (f"A run needs {self.fewest} sequences or more; there {_are(n)}.",)

    def preview(self, dataset: Dataset) -> Preview:
        found = super().preview(dataset)
        sequences = dataset.ragged["sequences"]
        one = "reads" if "quality" in dataset.ragged else "sequences"
        unit = dataset.alphabet.unit
        lengths = np.diff(sequences.offsets)
        low, high = int(lengths.min()), int(lengths.max())
        long = f"{low:,}" if low == high else f"{low:,}-{high:,}"
        what = f"{unit}s each" if low == high else f"{unit}s"
        n = dataset.n_cells
        size = f"{n:,} {one if n != 1 else one[:-1]}, {long} {what}, {dataset.alphabet.name}"
        return replace(
            found,
            size=size,
            facts=(
                (f"{n:,}", one if n != 1 else one[:-1]),
                (long, what),
                (dataset.alphabet.name, _what_letters_are(dataset.alphabet)),
            ),
            told=tuple(told_of_letters(dataset, lengths)),
            parts="Files",
            lengths={"positions": sequences.widths[-1], "letters": len(dataset.alphabet)},
        )

    def fields(self, found: Preview, places: Mapping[str, str]) -> dict[str, str]:
        """Letters and their frequencies always; qualities and labels where there are any."""
        has_quality = any(choice.name == "quality" for choice in found.choices)
        own = {"sequences": _place_of(found), "background": FREQUENCIES}
        own |= {"quality": QUALITIES} if has_quality else {}
        own |= {"known_states": STATES} if found.kind == THREE_LINES else {}
        taken = super().fields(found, places)
        # A number of its own for each sequence is measured, whatever its column is called.
        most = min(_MOST_CLASSES, max(2, found.n_cells // 2))
        classes = {c.name for c in found.obs if 2 <= c.n_values <= most and c.kind != "text"}
        named = [c.name for c in found.obs if c.name.lower() in _CLASSES]
        named = [n for n in (*named, *called_labels(found.obs)) if n in classes]
        taken.pop("labels", None)
        joined = [n for n in ("file", "from_file") if n in classes and len(found.samples) > 1]
        for name in (*named, *joined)[:1]:
            taken["labels"] = f"obs/{name}"
        if taken.get("batch_labels") == taken.get("labels"):
            taken.pop("batch_labels", None)
        return own | taken

    def as_trained(
        self, records: Records, fields: Mapping[str, Mapping[str, Any]], name: str
    ) -> tuple[Records, list[str]]:
        """The same alphabet, and no more positions than in training."""
        trained = fields.get("sequences")
        if trained is None:
            return records, []
        notes = _of_alphabets(trained.get("letters", ()), records, name)
        width, letters = int(trained["shape"][0]), records.per_record["sequences"]
        if longer := int((letters.lengths > width).sum()):
            notes.append(
                f"{longer:,} of {records.n:,} sequences are longer than the {width:,} letters that"
                f" the pipeline was trained on: the first {width:,} of each are used."
            )
            for field, values in records.per_record.items():
                if isinstance(values, Ragged):
                    records.per_record[field] = values.up_to(width)
        if "known_states" in fields:  # what is placed is told nothing
            letters = records.per_record["sequences"]
            unknown = np.full(len(letters.flat), -1, np.int8)
            records.per_record["known_states"] = Ragged(
                unknown, letters.offsets, -1, letters.longest
            )
        return records, notes

    def unlike(self, fields: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]) -> str:
        trained = fields.get("sequences")
        if trained is None:
            return "It was not trained on sequences of letters."
        before = alphabet_of(trained.get("letters", ()))
        taken = (c["taken"] for c in found.get("choices", ()) if c["name"] == "letters")
        now = ALPHABETS.get(next(taken, ""))
        in_words = any(what in _VOCABULARIES for _, what in found.get("facts", ()))
        if before and before.unit != "token" and in_words:
            return f"It was trained on letters ({before.name}); this file is in words."
        if before and before.unit == "token":
            return ""  # letters, or other words, are read in those that it knows
        if before and now and len(before) != len(now):
            return f"It was trained on {before.name}, and this file holds {now.name}."
        return ""

    def described(self, records: Records) -> str:
        alphabet = alphabet_of(list(records.names.get("letters", ())))
        letters = records.per_record.get("sequences")
        said = f"{records.n:,} sequences"
        if letters is None or alphabet is None:
            return said
        return f"{said} of up to {int(letters.lengths.max()):,} letters ({alphabet.name})"

    def write(self, dataset: Dataset, out: Path, arrays: Mapping[str, Any], **more: Any) -> Written:
        """Also ``..._sequences.csv``, the sequences with what was found in their headers, and the
        states of letters, which have no place in an h5ad.
        """
        states = [values for values in arrays.values() if isinstance(values, States)]
        motifs = [v for p, v in arrays.items() if Place.parse(p).table == "motifs"]
        arrays = {
            p: values
            for p, values in arrays.items()
            if not isinstance(values, States) and Place.parse(p).table != "motifs"
        }
        written = super().write(dataset, out, arrays, **more)
        arrays = with_clusters(arrays, more.get("cluster_names"))
        table, fasta, fastq, three_lines, of_states, bed, meme = self.leaves
        said = [write_table(dataset, arrays, written, table.of(out), self.record.one)]
        form = dataset.kind.partition(",")[0]
        if dataset.files:
            place = {FASTQ: fastq, THREE_LINES: three_lines}.get(form, fasta).of(out)
            said.append(write_sequences(dataset, form, dataset.files, arrays, written, place))
        if states and dataset.alphabet.unit != "token":
            said += write_states(dataset, states[0], of_states.of(out), bed.of(out))
        if motifs:
            shares = frequencies(dataset.ragged["sequences"], len(dataset.alphabet))
            found, windows = motifs[:2]
            said.append(write_motifs(found, windows, dataset.alphabet, shares, meme.of(out)))
        if len(states) > 1:
            said.append(f"States of the first of {len(states)} blocks that find some are written.")
        return replace(written, notes=(*written.notes, *filter(None, said)))


def _what_letters_are(alphabet: Alphabet) -> str:
    """As a fact of the preview, by which pipelines know words and how many share a letter."""
    if alphabet.unit != "token":
        return "letters"
    k = overlap_of(alphabet.letters)
    return next(what for what, place in _VOCABULARIES.items() if SPANS[place] == max(k, 1))


def _place_of(found: Preview) -> str:
    """Where sequences lie: letters, or words of a vocabulary."""
    said = (_VOCABULARIES[what] for _, what in found.facts if what in _VOCABULARIES)
    return next(said, LETTERS)


def _is_table(path: Path) -> bool:
    return path.is_file() and bare_name(path).endswith(TABLES.endings)


def _tables_of_sequences(files: Sequence[Path]) -> list[Path]:
    """Tables of sequences, if every table is one, or tells of sequences by its name."""
    tables = [f for f in files if _is_table(f) and not is_vocabulary(f)]
    if not tables or len(tables) > _MOST_TABLES:
        return []
    mine = [f for f in tables if is_table_of_sequences(f)]
    return mine if all(f in mine or is_about_cells(f) for f in tables) else []


def _of_alphabets(trained: Sequence[str], records: Records, name: str) -> list[str]:
    """What to know where letters are of another alphabet; a ``DataError`` where they cannot be."""
    there = list(records.names.get("letters", ()))
    before, now = alphabet_of(trained), alphabet_of(there)
    if before is None or now is None or before == now:
        return []
    if before.unit == "token":
        return in_trained_words(records, now, before, name)
    if now.unit == "token":
        raise DataError(
            f"This pipeline was trained on letters ({before.name}), and {name} is in words of a"
            " vocabulary.",
            fix="Choose 'none: letters' under 'Words are of' (--vocabulary none), or leave the"
            " vocabulary away.",
            where="data",
        )
    if len(before) != len(now):
        raise DataError(
            f"This pipeline was trained on {before.name}; the letters of {name} are taken for"
            f" {now.name}.",
            fix=f"Choose a file of {before.name}, or say under 'Letters are' (--letters) that it"
            " is, if the guess is wrong.",
            where="data",
        )
    return [
        f"This pipeline was trained on {before.name}; {name} is {now.name}: T and U are read as the"
        " same base."
    ]


def _are(n: int) -> str:
    return "is one" if n == 1 else f"are {n}"
