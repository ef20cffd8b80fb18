"""In a reader: answers questions about one person's file, as plain data."""

import json
import os
import socket
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.apart.frames import receive, send
from diffbio_engine.apart.gene_values import (
    as_stored,
    columns_by_name,
    log_normalised,
    summed,
)
from diffbio_engine.apart.limits import Limits, allow_time, confine
from diffbio_engine.apart.progress import telling
from diffbio_engine.data import Dataset, Reading, Records, align_genes, inspect, names_and_ids, read
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.matrix.matrix_preview import RAW, look
from diffbio_engine.data.quality import filtered, measured
from diffbio_engine.data.quality.filtering import samples_of
from diffbio_engine.data.quality.metrics import columns_that_mark
from diffbio_engine.data.readers.archives import allow_to_unpack
from diffbio_engine.data.samples import Sample, join, look_at_sample, samples_inside
from diffbio_engine.errors import DataError, UserError, did_you_mean
from diffbio_engine.ports.quality_control import QualityControl

type Arrays = dict[str, np.ndarray]
type Answer = tuple[dict[str, Any], Arrays]

# What a page can be told of one file.
_MOST_SHOWN, _LONGEST_NAME = 8 * 2**20, 200
# Names of cells are matched, not shown, so there is one for each; `ask_inspect` looks itself.
_LONG_ANSWERS = ("cells", "inspect")


def serve(connection: socket.socket, told: dict[str, Any]) -> None:
    """Answers until the page closes the connection.

    Args:
        connection: To the page.
        told: ``limits``, ``scratch`` (a folder of its own), ``patient`` (whether others come
            first on the processor).
    """
    limits = Limits(**told["limits"])
    with open(os.devnull, "r+b") as nothing:  # a crash is told by how it ended, not by its noise
        for number in (0, 1, 2):
            os.dup2(nothing.fileno(), number)
    tempfile.tempdir = told["scratch"]
    if told["patient"]:
        os.nice(5)
    confine(limits)
    allow_to_unpack(limits.unpacked)
    reader = Reader()
    while True:
        try:
            asked, _ = receive(connection)
        except EOFError:
            return
        allow_time(limits)
        content, arrays = _answered(reader, asked)
        try:
            send(connection, content, arrays)
        except MemoryError:
            send(connection, {"trouble": "memory"})
        allow_time(None)


def _answered(reader: "Reader", asked: dict[str, Any]) -> Answer:
    try:
        question: Callable[..., Answer] = getattr(reader, f"ask_{asked['question']}")
        content, arrays = question(**asked["with"])
        if asked["question"] not in _LONG_ANSWERS:
            _check_length(content)
        return {"answer": content}, arrays
    except UserError as error:
        return {"error": error.as_dict()}, {}
    except MemoryError:
        return {"trouble": "memory"}, {}
    except PermissionError as error:
        name = Path(os.fsdecode(error.filename or "it")).name
        refusal = DataError(
            f"'{_short(name)}' may not be read by the account under which the workbench runs.",
            fix="Ask whoever looks after the files to give it that right, or choose another file.",
        )
        return {"error": refusal.as_dict()}, {}
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if "memory" in said.lower() and "alloc" in said.lower():  # so does HDF5 say it
            return {"trouble": "memory"}, {}
        return {"trouble": "mistake", "said": said, "trace": traceback.format_exc()[-4000:]}, {}


def _check_length(content: dict[str, Any]) -> None:
    size = len(json.dumps(content, default=str))
    if size > _MOST_SHOWN:
        raise DataError(
            f"The answer would hold {size / 2**20:,.0f} MB of names; at most "
            f"{_MOST_SHOWN >> 20} MB can be shown.",
            fix="Shorten very long names in the file.",
        )


def _short(name: Any) -> str:
    """A name as it is shown: of a very long one, how it begins."""
    said = str(name)
    return said if len(said) <= _LONGEST_NAME else f"{said[: _LONGEST_NAME - 1]}…"


class Reader:
    """One file. What begins with ``ask_`` can be asked by the page."""

    def __init__(self) -> None:
        self._dataset: Dataset | None = None
        self._raw: dict[str, bool] = {}
        self._totals: Arrays = {}

    def ask_inspect(self, path: str, options: dict[str, Any]) -> Answer:
        """What `diffbio_engine.data.inspect` says, as plain data."""
        found = inspect(path, **options).as_dict()
        size = len(json.dumps(found, default=str))
        if size > _MOST_SHOWN:
            raise DataError(
                f"{Path(path).name} holds {len(found['obs']):,} columns of cells and "
                f"{len(found['var']):,} of genes, with names and examples of "
                f"{size / 2**20:,.0f} MB; at most {_MOST_SHOWN >> 20} MB can be shown.",
                fix="Leave out columns that are not needed, and shorten very long names.",
            )
        return found, {}

    def ask_samples(self, path: str) -> Answer:
        """Names of the samples of a folder or archive, none where it is one data set."""
        return {"names": samples_inside(Path(path))}, {}

    def ask_sample(self, path: str, reading: dict[str, str]) -> Answer:
        """What has to be known of one sample to compare it with others."""
        told, hashes = look_at_sample(Path(path), Reading.of(reading)).as_answer()
        return told, {"hashes": hashes}

    def ask_join(self, samples: list[dict[str, Any]], to: str, column: str, genes: str) -> Answer:
        """Joins samples into an h5ad."""
        parts = [Sample(**{**told, "path": Path(told["path"])}) for told in samples]
        with telling(Path(to)) as tell:
            made = join(parts, Path(to), column=column, genes=genes, progress=tell)
        return {**vars(made), "path": to}, {}

    def ask_open(self, path: str, options: dict[str, Any]) -> Answer:
        """Opens the file for the questions below."""
        self._dataset = read(Path(path), **options)
        return {"n_cells": self._dataset.n_cells, "name": self._dataset.name}, {}

    def ask_cells(self, rows: list[int] | None = None) -> Answer:
        """The names of the cells: of all, or of those in some rows that are there."""
        names = self._opened.obs.index
        if rows is not None:
            names = names[[row for row in rows if 0 <= row < len(names)]]
        return {"names": [str(n) for n in names]}, {}

    def ask_column(self, name: str, most: int) -> Answer:
        """A column of ``obs``: ``values``, or ``codes`` of ``names`` with their ``colors``."""
        dataset = self._opened
        series = dataset.column(name)
        if series.dtype.kind in "fiu" and not isinstance(series.dtype, pd.CategoricalDtype):
            return {}, {"values": series.to_numpy(np.float32)}
        marked = series if series.dtype.name == "category" else series.astype("category")
        names = [_short(c) for c in marked.cat.categories]
        if len(names) > most:
            raise DataError(
                f"The column '{name}' has {len(names):,} different values, and at most "
                f"{most} can be told apart by colour.",
                fix="Choose a column with fewer categories.",
            )
        stored = dataset.uns.get(f"{name}_colors")
        # A single colour comes back as a string, several as an array.
        colors = (
            [str(c)[:_LONGEST_NAME] for c in np.atleast_1d(stored)[:most]]
            if stored is not None
            else []
        )
        codes = marked.cat.codes.to_numpy(np.int32)
        return {"names": names, "colors": colors}, {"codes": codes}

    def ask_gene(self, gene: str, place: str) -> Answer:
        """Values of a gene by cell; of raw counts ``log(1 + counts per 10 000)``.

        Cost: one look at the stored values of the matrix, O(values), without a copy.
        """
        dataset = self._opened
        gene, column = self._found(gene, place)
        if place not in self._raw:
            self._raw[place] = look(place, dataset.stored(place)).holds == RAW
        values = self._column_of(place, column)
        if self._raw[place]:
            values = log_normalised(values, self._totals[place]).astype(np.float32)
        return {"gene": _short(gene), "raw": self._raw[place]}, {"values": values}

    def ask_gene_set(self, genes: list[str], place: str) -> Answer:
        """Mean over some genes of what `ask_gene` says of each; which are there, and which not.

        Cost: one look at the stored values of the matrix, however many genes.
        """
        dataset = self._opened
        columns: dict[int, str] = {}
        missing = []
        table = dataset.genes(place)
        names, ids = names_and_ids(table)
        exact, small = columns_by_name(table.index, names, names if ids is None else ids)
        for gene in genes:
            same = exact.get(gene, small.get(gene.lower(), ()))
            if len(same) == 1:
                columns.setdefault(same[0], gene)
            else:
                missing.append(_short(gene))
        if place not in self._raw:
            self._raw[place] = look(place, dataset.stored(place)).holds == RAW
        told = {"found": [_short(g) for g in columns.values()], "missing": missing}
        sums = self._summed(place, list(columns), log_normalised if self._raw[place] else as_stored)
        values = (sums / max(len(columns), 1)).astype(np.float32)
        return {**told, "raw": self._raw[place]}, {"values": values}

    def ask_counts_of(self, gene: str, place: str) -> Answer:
        """Values of a gene by record, as they are in the file."""
        gene, column = self._found(gene, place)
        return {"gene": _short(gene)}, {"values": self._column_of(place, column)}

    def ask_genes_like(self, text: str, place: str, most: int) -> Answer:
        """Genes whose name begins with or holds a text, the shortest first."""
        small = text.strip().lower()
        names = [str(n) for n in self._opened.genes(place).index] if small else []
        begin = sorted((n for n in names if n.lower().startswith(small)), key=len)
        if len(begin) < most:
            begin += [n for n in names if small in n.lower() and not n.lower().startswith(small)]
        return {"names": [_short(n) for n in begin[:most]]}, {}

    def ask_overlap(self, place: str, names: list[str], ids: list[str]) -> Answer:
        """How many of the genes of a trained pipeline are there."""
        found = align_genes(*names_and_ids(self._opened.genes(place)), names, ids)
        return {
            "sentence": found.sentence,
            "share": float(found.share),
            "doubtful": bool(found.is_doubtful),
        }, {}

    def ask_genes(self, place: str) -> Answer:
        """Names and ids of all genes."""
        names, ids = names_and_ids(self._opened.genes(place))
        there = [] if ids is None else [str(i) for i in ids]
        return {"names": [str(n) for n in names], "ids": there}, {}

    def ask_quality(self, place: str, mitochondrial: str, samples: str) -> Answer:
        """The metrics of quality control of each cell (`measured`), and of which sample it is."""
        dataset = self._opened
        found = measured(dataset, place, mitochondrial)
        codes, names = np.zeros(dataset.n_cells, np.int32), list[str]()
        if samples:
            codes, names = samples_of(dataset.obs, samples)
        told = {
            "samples": [_short(name) for name in names],
            "n_mitochondrial": found.n_mitochondrial,
            "mitochondrial": found.mitochondrial,
            "columns": columns_that_mark(dataset, place),
        }
        return told, {**found.values, "samples": codes}

    def ask_genes_kept(self, place: str, control: dict[str, Any]) -> Answer:
        """How many genes, of how many, the limits of a document keep; see `filtered`."""
        facts = filtered(self._opened, QualityControl.from_json(control), place).facts
        return {"kept": int(facts.get("genes_kept", 0)), "of": int(facts.get("genes", 0))}, {}

    def ask_beside(
        self, port: str, fields: dict[str, str], names: list[str], ids: list[str]
    ) -> Answer:
        """What it would tell as a second data set over these genes, in words; no counts are summed.

        Raises:
            DataError: It cannot be one, and why.
        """
        dataset = self._opened
        genes = np.zeros((0, len(names)), np.float32)
        data = Records(genes, var_names=names, var_ids=ids or None)
        found = kind_named(dataset.rows).beside(port, dataset, fields, data, measure=False)
        return {"notes": list(found.notes), "names": [_short(n) for n in found.names]}, {}

    def _found(self, gene: str, place: str) -> tuple[str, int]:
        """A gene as the file writes it, by its key, its name or these in other letters."""
        table = self._opened.genes(place)
        keys = [str(n) for n in table.index]
        for names in (keys, [str(n) for n in names_and_ids(table)[0]]):
            if gene in names:
                return gene, names.index(gene)
            same = [i for i, n in enumerate(names) if _short(n).lower() == gene.lower()]
            if len(same) > 1:
                raise DataError(
                    f"'{gene}' can be {len(same)} genes of {self._opened.name}:"
                    f" {', '.join(names[i] for i in same[:4])}.",
                    fix="Write it as one of them is written.",
                )
            if same:
                return names[same[0]], same[0]
        raise DataError(
            f"There is no gene '{gene}' in {self._opened.name}.",
            fix=did_you_mean(gene, keys) or "Look at how its genes are named.",
        )

    @property
    def _opened(self) -> Dataset:
        if self._dataset is None:
            raise DataError("The file was not opened.", fix="Open it again.")
        return self._dataset

    def _column_of(self, place: str, column: int) -> np.ndarray:
        return self._summed(place, [column], as_stored)

    def _summed(
        self, place: str, columns: list[int], made: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        matrix: Any = self._opened.matrix(place)
        known, n = self._totals.get(place), self._opened.n_cells
        values, self._totals[place] = summed(matrix, n, columns, made, known)
        if hasattr(matrix, "close"):
            matrix.close()
        return values
