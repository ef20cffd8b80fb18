"""Joins several files, a sample each, into one h5ad; matrices go through memory block by block."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset, shapes_in
from diffbio_engine.data.matrix.matrices import Matrix, OnDisk, Unread
from diffbio_engine.data.opening import look_at
from diffbio_engine.data.readers.joined_from import PROVENANCE
from diffbio_engine.data.reading import Reading
from diffbio_engine.data.samples.comparison import Comparison, compare
from diffbio_engine.data.samples.facts import RAW_X, Facts, facts_of
from diffbio_engine.data.samples.growing import GrowingRows
from diffbio_engine.data.samples.places import places_joined
from diffbio_engine.data.samples.slides import side_by_side
from diffbio_engine.data.samples.tables import GenesOf, cells_of, genes_of
from diffbio_engine.data.writers.h5ad import whole_or_nothing
from diffbio_engine.data.writers.plain_elements import write_elem, write_table
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place

SHARED, ALL = "shared", "all"
GENES = (SHARED, ALL)
_ROWS_AT_ONCE = 4_096
_PARTS = ("layers", "obsm", "obsp", "varm", "varp", "uns")


@dataclass(frozen=True)
class Sample:
    """One of the files that are joined.

    Attributes:
        path: The file, folder or archive.
        name: What the sample is called; no two alike.
        reading: How it is read; ``{"sample": ...}`` where an archive holds several.
        file: What a person knows it as; by default the name of the path.
    """

    path: Path
    name: str
    reading: Mapping[str, str] = field(default_factory=dict)
    file: str = ""

    @property
    def called(self) -> str:
        """The file as a person knows it."""
        part = self.reading.get("sample", "")
        return (self.file or self.path.name) + (f" ({part})" if part else "")


@dataclass(frozen=True)
class Joined:
    """What was written.

    Attributes:
        n_genes, n_any: Genes of the joined set, and how many any of the samples has.
        samples: Name and number of cells of each.
        said: What a person should know, in sentences.
    """

    path: Path
    n_cells: int
    n_genes: int
    n_any: int
    samples: tuple[tuple[str, int], ...]
    said: tuple[str, ...]


def join(
    samples: Sequence[Sample],
    to: Path,
    *,
    column: str = "sample",
    genes: str = SHARED,
    progress: Callable[[float], None] = lambda share: None,
) -> Joined:
    """Joins samples as ``anndata.concat(join="inner", label=column, index_unique="_")`` does.

    Counts, names of cells (``barcode_sample``) and names of genes are equal to its; genes are
    matched by ids where all samples have them. Matrices that all samples have are joined, each
    block of rows by itself. What was computed of a sample by itself (embeddings, graphs) is left
    out, as it says nothing of all together; slides are laid side by side. Columns of cells that
    only some samples have are kept, and missing elsewhere.

    Args:
        samples: Two or more, each with a name of its own.
        to: The h5ad to write; it appears when it is whole.
        column: The column of ``obs`` that names the sample.
        genes: ``"shared"`` by all samples, or ``"all"``: then 0 stands where a sample lacks one.
        progress: Told which share of the rows is written.

    Raises:
        DataError: One of them cannot be read or does not go with the others; names which.
    """
    _check_said(samples, column, genes)
    with ExitStack() as stack:
        opened: list[tuple[str, Dataset]] = []
        facts: list[tuple[str, Facts]] = []
        for sample in samples:
            with _naming(sample):
                dataset, preview = look_at(sample.path, Reading.of(sample.reading), stack)
            opened.append((sample.name, dataset))
            facts.append((sample.name, facts_of(dataset, preview)))
        found = compare(facts)
        _refuse_others(samples, found)
        return _written(
            samples, opened, found, facts, to, column, every=genes == ALL, progress=progress
        )


def _check_said(samples: Sequence[Sample], column: str, genes: str) -> None:
    if len(samples) < 2:
        raise DataError("One sample cannot be joined.", fix="Bring another one.")
    names = [s.name for s in samples]
    if twice := next((n for n in names if names.count(n) > 1), ""):
        raise DataError(
            f"Two samples are called '{twice}'.", fix="Give one of them another name.", where="name"
        )
    for what, said in (*(("sample", name) for name in names), ("column", column)):
        if not said.strip() or (what == "column" and (said == "." or "/" in said)):
            raise DataError(f"'{said}' is no name of a {what}.", fix="Give it another name.")
    if genes not in GENES:
        raise DataError(f"'{genes}' is no choice of genes.", fix=f"Say {' or '.join(GENES)}.")


class _naming:
    """Says of which sample a mistake is."""

    def __init__(self, sample: Sample):
        self._sample = sample

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DataError):
            raise DataError(
                f"{self._sample.name}: {error.what}", fix=error.fix, where=error.where
            ) from None


def _refuse_others(samples: Sequence[Sample], found: Comparison) -> None:
    for sample, verdict in zip(samples, found.verdicts, strict=True):
        if verdict.problem:
            raise DataError(f"{sample.name}: {verdict.problem}", fix=verdict.fix)


def _written(
    samples: Sequence[Sample],
    opened: list[tuple[str, Dataset]],
    found: Comparison,
    facts: list[tuple[str, Facts]],
    to: Path,
    column: str,
    *,
    every: bool,
    progress: Callable[[float], None],
) -> Joined:
    datasets = [d for _, d in opened]
    places, left = places_joined(datasets, found.mains, [f for _, f in facts])
    of_genes = {
        place: genes_of([d.genes(m if place == "X" else place)
                         for d, m in zip(datasets, found.mains, strict=True)],
                        found.by, every=every, name=place)
        for place in dict.fromkeys(("X", RAW_X)) if place in places
    }  # fmt: skip
    obs, of_obs = cells_of(opened, column)
    placed, of_obsm = _placed(datasets)
    main = of_genes["X"]
    said = (*_of_genes(found, main, every=every), *found.said, *left, *of_obsm, *of_obs)
    marks = {path: fingerprint(path) for path in {s.path for s in samples}}
    names, sizes = [n for n, _ in opened], [d.n_cells for d in datasets]
    told = {
        "column": column,
        "genes": ALL if every else SHARED,
        "matched_by": found.by,
        "n_genes": len(main.var),
        "of_genes": found.n_any,
        "said": said,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "samples": [
            {"name": s.name, "file": s.called, "sha256": marks[s.path],
             "kind": f.preview["kind"], "n_cells": d.n_cells, "n_genes": v.n_genes,
             "reading": dict(s.reading)}
            for s, d, v, (_, f) in zip(samples, datasets, found.verdicts, facts, strict=True)
        ],
    }  # fmt: skip
    with whole_or_nothing(to) as part, h5py.File(part, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name in _PARTS:
            _group(file, name)
        write_table(file, "obs", obs)
        write_table(file, "var", main.var)
        if RAW_X in places:
            write_table(_group(file, "raw", "raw"), "var", of_genes[RAW_X].var)
            _group(file["raw"], "varm")
        for key, array in placed.items():
            write_elem(file["obsm"], key, array)
        file["uns"].create_dataset(PROVENANCE, data=json.dumps(told), dtype=h5py.string_dtype())
        file[f"uns/{PROVENANCE}"].attrs.update(
            {"encoding-type": "string", "encoding-version": "0.2.0"}
        )
        _write_matrices(file, datasets, places, found.mains, of_genes, progress)
    pairs = tuple(zip(names, sizes, strict=True))
    return Joined(to, sum(sizes), len(main.var), found.n_any, pairs, said)


def _placed(datasets: list[Dataset]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Places in a tissue, where all samples have them, and what else is left out."""
    shapes = [{k: s for k, s in shapes_in(d.obsm).items() if len(s) == 2} for d in datasets]
    axes = {k: {o[k][1] if k in o else 0 for o in shapes} for k in shapes[0]}
    same = [k for k, found in axes.items() if "spatial" in k.lower() and len(found) == 1]
    laid = {k: side_by_side([np.asarray(d.obsm[k]) for d in datasets]) for k in same}
    said = [
        f"Slides lay over each other: in obsm/{k} they lie side by side, so that no row has"
        " neighbours on another slide."
        for k, (_, moved) in laid.items() if moved
    ]  # fmt: skip
    if left := sorted({k for o in shapes for k in o} - set(laid)):
        why = "computed of each sample by itself, which has no axes in common with the others"
        said.append(f"Left out of obsm: {', '.join(left[:6])} ({why}).")
    return {k: places for k, (places, _) in laid.items()}, said


def _of_genes(found: Comparison, genes: GenesOf, *, every: bool) -> list[str]:
    n = len(found.verdicts)
    if every and genes.lacking:
        return [
            f"{len(genes.var):,} genes of any of the {n} samples were kept, matched by their "
            f"{found.by}; {genes.lacking:,} of them some samples lack: they are 0 there, which is "
            "right only where they were left out for having no counts."
        ]
    if found.n_shared == found.n_any:
        return [f"All {found.n_any:,} genes are in all {n} samples, matched by their {found.by}."]
    return [
        f"{len(genes.var):,} of {found.n_any:,} genes are in all {n} samples, matched by their "
        f"{found.by}, and were kept; {found.n_any - len(genes.var):,} that some lack were left out."
    ]


def _write_matrices(
    file: h5py.File,
    datasets: list[Dataset],
    places: list[str],
    mains: Sequence[str],
    of_genes: Mapping[str, GenesOf],
    progress: Callable[[float], None],
) -> None:
    """Sample by sample, so that what was read of one is let go before the next."""
    growing = {p: _growing(file, p, of_genes.get(p, of_genes["X"])) for p in places}
    done, total = 0, len(growing) * sum(d.n_cells for d in datasets)
    for i, main in enumerate(mains):
        for place, rows in growing.items():
            columns = of_genes.get(place, of_genes["X"]).columns[i]
            for block in _blocks(datasets[i].stored(main if place == "X" else place)):
                rows.add(block, columns)
                done += block.shape[0]
                progress(done / total)
    for rows in growing.values():
        rows.end()


def _growing(file: h5py.File, place: str, genes: GenesOf) -> GrowingRows:
    table, name = Place.parse(place).parts
    group = file[table] if name else file
    return GrowingRows(group, name or table, len(genes.var))


def _blocks(matrix: Matrix) -> Iterator[sp.csr_matrix]:
    if not isinstance(matrix, OnDisk) or matrix.stored == "CSC":
        yield matrix.load()
        if isinstance(matrix, Unread):
            matrix.forget()
        return
    width = max(matrix.shape[1], 1)
    step = max(1, min(_ROWS_AT_ONCE, 2**25 // width))
    for start in range(0, matrix.shape[0], step):
        yield matrix.block(start, start + step)
    matrix.close()


def _group(parent: h5py.Group, name: str, kind: str = "dict") -> h5py.Group:
    group = parent.require_group(name)
    group.attrs.update({"encoding-type": kind, "encoding-version": "0.1.0"})
    return group


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; of a folder, of the names and fingerprints of its files in order."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        lines = [f"{p.relative_to(path).as_posix()} {fingerprint(p)}\n" for p in files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
