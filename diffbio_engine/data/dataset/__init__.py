"""A data set: cells, genes, the matrices between them, and where each lies."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset.ambient_profiles import profiles_in
from diffbio_engine.data.dataset.gene_names import made_unique
from diffbio_engine.data.matrix.equivalence_classes import EquivalenceClasses
from diffbio_engine.data.matrix.matrices import InMemory, Matrix, OnDisk, taken
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.matrix.some_rows import SomeRows
from diffbio_engine.data.reading import Choice
from diffbio_engine.errors import DataError, did_you_mean
from diffbio_engine.ports import Place
from diffbio_engine.ports.alphabets import DNA, Alphabet

ORIGINAL_NAME = "original_name"


class Lazily(Mapping):
    """Arrays that are read from the file when they are asked for."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], read: Callable[[str], np.ndarray]):
        self.shapes, self._read = dict(shapes), read

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self.shapes:
            raise KeyError(key)
        return self._read(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def shapes_in(arrays: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each, without reading any that still lies in a file."""
    known = getattr(arrays, "shapes", None)
    return dict(known) if known else {k: tuple(np.shape(v)) for k, v in arrays.items()}


class Dataset:
    """Cells, genes, the matrices between them, and what is known of each.

    Args:
        name: What to call it, usually the name of the file.
        kind: What sort of file it came from, in words.
        obs, var: One row per cell, one row per gene.
        matrices: ``{"X": ..., "layers/counts": ..., "raw/X": ...}``.
        raw_var: Genes of ``raw/X``, where it has others.
        obsm: Arrays with one row per cell.
        uns: Whatever else came with it.
        rest: Arrays between cells, between genes and of genes that no block takes, by part:
            ``{"varm": {"PCs": ...}}``. Those of an h5ad stay in the file.
        warnings: What a person should know, in full sentences.
        path: The file, if it came from one.
        choices: How the file was read where there was a choice.
        samples: Name and number of cells of each sample that was joined, in order.
        kept: Which features of the file are the genes here, where some were left out: of ``"var"``
            and of ``"raw"``.
        ragged: Rows of letters, and what stands beside each letter: ``"sequences"``,
            ``"quality"``, ``"known_states"``.
        alphabet: Of which the letters are.
        states: Names of the known states.
    """

    def __init__(
        self,
        *,
        name: str,
        kind: str,
        obs: pd.DataFrame,
        var: pd.DataFrame,
        matrices: Mapping[str, Matrix],
        raw_var: pd.DataFrame | None = None,
        obsm: Mapping[str, np.ndarray] | None = None,
        uns: Mapping[str, Any] | None = None,
        rest: Mapping[str, Mapping[str, Any]] | None = None,
        warnings: tuple[str, ...] = (),
        path: Path | None = None,
        choices: tuple[Choice, ...] = (),
        samples: tuple[tuple[str, int], ...] = (),
        kept: Mapping[str, np.ndarray] | None = None,
        ragged: Mapping[str, Ragged] | None = None,
        alphabet: Alphabet = DNA,
        states: tuple[str, ...] = (),
    ):
        self.name, self.kind, self.path = name, kind, path
        self.choices, self.samples, self.kept = choices, samples, dict(kept or {})
        self.ragged, self.alphabet, self.states = dict(ragged or {}), alphabet, states
        # Fragments by the transcripts (``var``) that they fit.
        self.classes: EquivalenceClasses | None = None
        # Files of sequences that were read, in the order of the rows.
        self.files: tuple[Path, ...] = ()
        # Where uns holds profiles of empty droplets, the names of all genes that they are of, and
        # the group of the file that is laid out like an h5ad.
        self.profiles: tuple[str, ...] = ()
        self.all_genes, self.inside = pd.Index(var.index), ""
        # The column of ``obs`` that was made of what stands in the names of the rows.
        self.column_from_names = ""
        # Which samples it was joined from, and what was lost, as its file says.
        self.origin: list[str] = []
        # What a row is: the name of a kind of data, told when the file is opened.
        self.rows = "cells"
        # Which rows of the file these are, where some were left out; None: all of them.
        self.rows_kept: np.ndarray | None = None
        self._whole: Dataset | None = None
        # What a person says that "3m" stands for: "minutes" or "months".
        self.m = ""
        self.warnings = list(warnings)
        self._matrices, self.uns, self.rest = dict(matrices), uns or {}, rest or {}
        self.obsm = obsm if obsm is not None else Lazily({}, lambda key: np.empty(0))
        self.obs = self._with_unique_names(obs, "cell")
        self.var = self._with_unique_names(var, "gene")
        self._raw_var = raw_var
        self._check()

    @classmethod
    def from_anndata(cls, adata: Any, name: str = "data") -> "Dataset":
        """An AnnData that is already in memory."""
        matrices = {} if adata.X is None else {"X": InMemory(adata.X)}
        # A layer named None is X itself in newer versions of anndata.
        layers = {k: v for k, v in adata.layers.items() if k is not None}
        matrices |= {f"layers/{key}": InMemory(layer) for key, layer in layers.items()}
        if adata.raw is not None:
            matrices["raw/X"] = InMemory(adata.raw.X)
        made = cls(
            name=name,
            kind="AnnData in memory",
            obs=adata.obs.copy(),
            var=adata.var.copy(),
            matrices=matrices,
            raw_var=None if adata.raw is None else adata.raw.var,
            obsm={k: np.asarray(v) for k, v in adata.obsm.items()},
            uns=dict(adata.uns),
            rest={
                "obsm": {k: v for k, v in adata.obsm.items() if isinstance(v, pd.DataFrame)},
                **{p: dict(getattr(adata, p)) for p in ("varm", "obsp", "varp")},
            },
        )
        made.profiles = profiles_in(made.uns, made.n_genes)
        return made

    @property
    def n_cells(self) -> int:
        return len(self.obs)

    @property
    def n_genes(self) -> int:
        return len(self.var)

    @property
    def places(self) -> list[str]:
        """The matrices there are: ``X``, ``layers/...``, ``raw/X``."""
        return list(self._matrices)

    def stored(self, place: str) -> Matrix:
        """The matrix where it is, unread."""
        if place not in self._matrices:
            raise DataError(
                f"There is no matrix '{place}' in {self.name}; there are "
                f"{', '.join(self._matrices) or 'none'}.",
                fix=_added_up(place, self._matrices)
                or did_you_mean(place, self._matrices)
                or "Choose one of these.",
            )
        return self._matrices[place]

    def add_matrix(self, place: str, matrix: Matrix) -> None:
        """One more matrix of the same cells and genes."""
        self._matrices[place] = matrix
        self._check()

    def matrix(self, place: str, backed: bool | None = None) -> sp.csr_matrix | OnDisk | SomeRows:
        """A matrix as float32 CSR, or on disk where it is large (or where ``backed`` says so)."""
        found = taken(self.stored(place), backed)
        if isinstance(found, InMemory):
            # Read once; later questions find it in memory.
            self._matrices[place] = found
            return found.load()
        return found

    def genes(self, place: str) -> pd.DataFrame:
        """The table of genes that belongs to a matrix."""
        return self._raw_var if place == "raw/X" and self._raw_var is not None else self.var

    def column(self, name: str, table: str = "obs") -> pd.Series:
        """A column of ``obs`` or ``var``."""
        frame = self.obs if table == "obs" else self.var
        if name not in frame.columns:
            hint = did_you_mean(name, frame.columns) or (
                f"Choose one of: {', '.join(map(str, frame.columns[:20]))}."
                if len(frame.columns)
                else f"There are no columns in {table}."
            )
            raise DataError(f"The column '{name}' is not in {table}.", fix=hint)
        return frame[name]

    def to_anndata(self) -> Any:
        """All of it as an AnnData in memory."""
        import anndata

        layers = [p for p in self.places if Place.parse(p).table == "layers"]
        adata = anndata.AnnData(
            self.matrix("X", backed=False) if "X" in self._matrices else None,
            obs=self.obs.copy(),
            var=self.var.copy(),
            obsm=cast(Any, dict(self.obsm)),
            uns=dict(self.uns),
            layers={Place.parse(p).name: self.matrix(p, backed=False) for p in layers},
        )
        if "raw/X" in self._matrices:
            raw = self.matrix("raw/X", backed=False)
            adata.raw = anndata.AnnData(raw, obs=self.obs.copy(), var=self.genes("raw/X").copy())
        return adata

    def _with_unique_names(self, table: pd.DataFrame, what: str) -> pd.DataFrame:
        names = pd.Index([str(n) for n in table.index], dtype=object)
        repeated = int(names.duplicated().sum())
        if repeated:
            first = str(names[names.duplicated()][0])
            # A table of our own: the caller's is left as it was.
            table = table.copy()
            column = ORIGINAL_NAME
            while column in table.columns:
                column += "_2"
            table[column] = names.to_numpy()
            names = made_unique(names)
            self.warnings.append(
                f"{repeated:,} duplicated {what} names were made unique by adding -1, -2, ... "
                f"(for instance {first}). The names as they were are in the column '{column}'."
            )
        if not table.index.equals(names):
            table = table.set_axis(names, axis=0)
        return table

    def _check(self) -> None:
        if self.n_cells == 0:
            raise DataError(f"{self.name} has no cells.", fix="Choose a file that holds cells.")
        if self.n_genes == 0 and not len(self.obsm) and not self.ragged:
            raise DataError(f"{self.name} has no genes.", fix="Choose a file that holds genes.")
        for place, matrix in self._matrices.items():
            expected = (self.n_cells, len(self.genes(place)))
            if matrix.shape != expected:
                raise DataError(
                    f"{place} is {matrix.shape[0]:,} x {matrix.shape[1]:,}, but there are "
                    f"{expected[0]:,} cells and {expected[1]:,} genes.",
                    fix="Save the file again; it does not agree with itself.",
                )


def _added_up(place: str, there: Mapping[str, Matrix]) -> str:
    """What to say of a sum that is made only when it is asked for (see ``molecules.py``)."""
    parts = {"layers/spliced", "layers/unspliced"} <= set(there)
    return "Add it up: molecules 'spliced + unspliced'." if parts and "total" in place else ""
