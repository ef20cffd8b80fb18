"""Tables with a line for each count (gene, cell, count), as ``umi_tools count`` writes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.in_memory import InMemory
from diffbio_engine.data.readers.line_names import cell_like, corner_says, gene_like
from diffbio_engine.data.readers.table_text import TableText, form_of
from diffbio_engine.data.readers.text_stream import Stream
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError

_FEWEST, _MOST_DIFFERENT = 8, 0.5


def open_triplets(path: Path, reading: Reading) -> Dataset | None:
    """The counts of such a table; None where it is another one.

    It has two columns of words (names of genes and of cells, again and again) and one of numbers.
    """
    text = form_of(path, reading.separator)
    columns = _columns(text)
    if columns is None:
        return None
    first, second, count = columns
    titles = text.header or []
    if len(titles) == text.width and text.number(titles[count]) is not None:
        text, titles = replace(text, header=None), []  # a first line with a count is a count, too
    table = pd.read_csv(
        Stream(text.body()),
        sep=r"\s+" if text.separator == " " else text.separator,
        header=None,
        names=range(text.width),
        usecols=[first, second, count],
        index_col=False,
        dtype={first: str, second: str},
        keep_default_na=False,
    )
    names = [table[first].str.strip(), table[second].str.strip()]
    if any(n.nunique() > _MOST_DIFFERENT * len(table) for n in names):
        return None
    values = pd.to_numeric(table[count], errors="coerce")
    if values.isna().any():
        raise DataError(
            f"{path.name} has a line without a count ({names[0][values.isna().argmax()]}).",
            fix="Write a whole number in each line.",
        )
    titles = [titles[c] for c in columns] if len(titles) == text.width else []
    if (values < 0).any():
        what = f" ('{titles[2]}')" if titles else ""
        raise DataError(
            f"{path.name} has two columns of names and one of numbers, which are below 0 in "
            f"{int((values < 0).sum()):,} of {len(values):,} lines{what}: they are no counts.",
            fix="Choose the table of counts; this may be one of markers.",
        )
    first_genes = _genes_come_first(text, columns, names)
    genes, cells = names if first_genes else names[::-1]
    titles = titles if first_genes else [*titles[1::-1], *titles[2:]]
    gene_codes, gene_names = pd.factorize(genes, sort=True)
    cell_codes, cell_names = pd.factorize(cells)
    twice = int(pd.DataFrame({"g": gene_codes, "c": cell_codes}).duplicated().sum())
    shape = (len(cell_names), len(gene_names))
    matrix = sp.csr_matrix((values.to_numpy(np.float32), (cell_codes, gene_codes)), shape)
    each = "a gene, a cell and a count"
    if titles:
        each = "a gene ('{}'), a cell ('{}') and a count ('{}')".format(*titles)
    said = [
        f"Each line is {each}: {len(table):,} counts of {shape[0]:,} cells and "
        f"{shape[1]:,} genes. Genes without any count are not in such a file."
    ]
    if twice:
        said.append(f"{twice:,} lines name a gene and a cell again; their counts were added up.")
    return Dataset(
        name=path.name,
        kind="table with a line for each count",
        obs=pd.DataFrame(index=pd.Index(cell_names, dtype=object)),
        var=pd.DataFrame(index=pd.Index(gene_names, dtype=object)),
        matrices={"X": InMemory(matrix)},
        warnings=tuple(said),
        path=path,
    )


def _columns(text: TableText) -> tuple[int, int, int] | None:
    """The two columns of words and the one of numbers; None where there are others."""
    lines = [line for line in text.lines if len(line) == text.width]
    if text.width not in (3, 4) or len(lines) < _FEWEST:
        return None
    kinds = []
    for column in range(text.width):
        fields = [line[column].strip().strip('"') for line in lines]
        numbers = [text.number(f) for f in fields]
        counted = [str(i) for i in range(len(fields) + 1)]
        if column == 0 and text.width == 4 and fields in (counted[:-1], counted[1:]):
            continue  # rows that are only counted
        if all(n is not None and n == n for n in numbers):
            kinds.append((column, "number"))
        elif all(n is None for n in numbers):
            kinds.append((column, "word"))
    if [k for _, k in kinds].count("word") != 2 or len(kinds) != 3:
        return None
    words = [c for c, k in kinds if k == "word"]
    number = next(c for c, k in kinds if k == "number")
    pairs = {(line[words[0]], line[words[1]]) for line in lines}
    # Names of rows differ from each other; here the pairs do, and one of the names comes again.
    again = min(len({line[w] for line in lines}) for w in words) <= _MOST_DIFFERENT * len(lines)
    return (words[0], words[1], number) if again and len(pairs) > 0.9 * len(lines) else None


def _genes_come_first(
    text: TableText, columns: tuple[int, int, int], names: list[pd.Series]
) -> bool:
    if text.header is not None and len(text.header) == text.width:
        told = [corner_says(text.header[c]) for c in columns[:2]]
        if told[0] != told[1]:
            return told[0] == "genes" or told[1] == "cells"
    one, other = (list(n.unique()) for n in names)
    return gene_like(one) + cell_like(other) >= gene_like(other) + cell_like(one)
