"""What has to be known of one sample to compare it with others, without its counts."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.gene_names import made_unique, names_and_ids, without_version
from diffbio_engine.data.genes.spelling import kind_of_names, organism_of
from diffbio_engine.data.inspection.preview import Preview
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.opening import look_at
from diffbio_engine.data.readers.same_cells import any_sample_has
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError

RAW_X = "raw/X"
# So many names of cells are compared: those with the smallest hashes, of one sample as of another.
SKETCH = 2_000
# More genes than any genome and more peaks than any caller finds; all are compared in memory.
MOST_GENES = 1_000_000


@dataclass(frozen=True)
class Facts:
    """One sample, as a reader tells of it; names are told as hashes of 64 bits.

    Attributes:
        preview: What a person sees of the file, as plain data.
        genes: Of each table of genes (``"var"``, and ``"raw"`` where raw/X has others) the hashes
            of names and of ids; no ids where the file has none, or one of them twice.
        cells: The smallest hashes of the names of its cells.
        cells_of_any: Whether any sample may have such names (counted through, wells of a plate).
        spelling: What its genes are called: ``"human symbols"``.
        organism: Of whom they are, as far as names tell; else empty.
        counts: Where its raw counts lie; empty if it has none.
    """

    preview: dict[str, Any]
    genes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    cells: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    cells_of_any: bool = False
    spelling: str = ""
    organism: str = ""
    counts: str = ""

    @property
    def n_cells(self) -> int:
        """How many rows it has."""
        return int(self.preview["n_cells"])

    @property
    def places(self) -> list[str]:
        """Its matrices."""
        return [m["place"] for m in self.preview["matrices"]]

    @property
    def holds(self) -> str:
        """What its first matrix holds, where it has no counts."""
        return str(self.preview["matrices"][0]["holds"]) if self.preview["matrices"] else ""

    def holds_at(self, place: str) -> str:
        """What one of its matrices holds; empty where it has none there."""
        found = (str(m["holds"]) for m in self.preview["matrices"] if m["place"] == place)
        return next(found, "")

    def as_answer(self) -> tuple[dict[str, Any], np.ndarray]:
        """Plain data, and all hashes one after the other, each as two numbers of 32 bits."""
        parts = {"cells": self.cells}
        for table, (names, ids) in self.genes.items():
            parts |= {f"{table} names": names, f"{table} ids": ids}
        said = {
            "preview": self.preview,
            "cells_of_any": self.cells_of_any,
            "spelling": self.spelling,
            "organism": self.organism,
            "counts": self.counts,
            "hashes": {name: len(part) for name, part in parts.items()},
        }
        whole = np.concatenate([part.astype("<u8") for part in parts.values()])
        return said, whole.view("<i4")

    @classmethod
    def of_answer(cls, said: dict[str, Any], hashes: np.ndarray) -> "Facts":
        """From what a reader answered."""
        words = {k: v for k, v in said.items() if k != "hashes"}
        sizes = said["hashes"]
        whole = np.split(hashes.view("<u8"), np.cumsum(list(sizes.values()))[:-1])
        parts = dict(zip(sizes, whole, strict=True))
        tables = [key.split()[0] for key in parts if key.endswith(" names")]
        genes = {t: (parts[f"{t} names"], parts[f"{t} ids"]) for t in tables}
        return cls(genes=genes, cells=parts["cells"], **words)


def look_at_sample(path: Path, reading: Reading) -> Facts:
    """Looks at one file, folder or sample of an archive; its headers and a part of its values.

    Raises:
        DataError: It cannot be read, and why.
    """
    with ExitStack() as stack:
        dataset, preview = look_at(path, reading, stack)
        return facts_of(dataset, preview)


def facts_of(dataset: Dataset, preview: Preview) -> Facts:
    """The same of a data set that is open.

    Raises:
        DataError: It has more genes than are compared.
    """
    n = max([len(dataset.var), *(len(dataset.genes(place)) for place in dataset.places)])
    if n > MOST_GENES:
        raise DataError(
            f"It has {n:,} genes; samples of {MOST_GENES:,} genes at most are joined.",
            fix="Leave out what is not counted in any cell, or join them with anndata.concat.",
        )
    names, ids = names_and_ids(dataset.var)
    tables = {"var": dataset.var}
    if RAW_X in dataset.places and dataset.genes(RAW_X) is not dataset.var:
        tables["raw"] = dataset.genes(RAW_X)
    of_cells = _hashed([str(n) for n in dataset.obs.index])
    return Facts(
        preview=preview.as_dict(),
        genes={table: _hashed_genes(var) for table, var in tables.items()},
        cells=np.sort(of_cells)[:SKETCH],
        cells_of_any=kind_named(dataset.rows).same_names or any_sample_has(dataset.obs.index),
        spelling=kind_of_names(dataset.var.index),
        organism=organism_of(names, ids, sum(preview.known_genes.values())),
        counts=preview.suggested.get("counts", ""),
    )


def names_of(var: pd.DataFrame) -> pd.Index:
    """Names of genes, each once."""
    return made_unique(pd.Index(names_and_ids(var)[0], dtype=object))


def ids_of(var: pd.DataFrame) -> pd.Index | None:
    """Ids of genes, where each has one of its own."""
    ids = names_and_ids(var)[1]
    if ids is None or not len(ids) or not all(ids):
        return None
    found = pd.Index([str(i) for i in ids], dtype=object)
    return found if found.is_unique else None


def without_versions(keys: pd.Index) -> pd.Index:
    """``ENSG00000111640`` for ``ENSG00000111640.15``, where each stays of its own."""
    plain = pd.Index([without_version(name) for name in keys], dtype=object)
    return plain if plain.is_unique else keys


def _hashed_genes(var: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    ids = ids_of(var)
    names = _hashed(without_versions(names_of(var)))
    return names, _hashed([] if ids is None else without_versions(ids))


def _hashed(names: Any) -> np.ndarray:
    words = np.array(list(names), dtype=object)
    return pd.util.hash_array(words, categorize=False) if len(words) else np.empty(0, np.uint64)
