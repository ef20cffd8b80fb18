"""A folder of Matrix Market files as a data set: one sample, or all of them joined."""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.in_memory import Sample, Unread
from diffbio_engine.data.readers.about_cells import is_about_cells, join_tables
from diffbio_engine.data.readers.feature_kinds import kept_features
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.readers.folders import Block, data_files, find_blocks, is_mtx
from diffbio_engine.data.readers.joining import join_samples
from diffbio_engine.data.readers.mtx import load_mtx, sample_mtx
from diffbio_engine.data.readers.names_beside import cell_table, gene_table, is_list, role_of
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.same_cells import no_part
from diffbio_engine.data.readers.samples_in_names import is_aggregation
from diffbio_engine.data.reading import Choice, Reading
from diffbio_engine.errors import DataError

# The matrix itself, where a folder has layers only: the likeliest counts come first.
_COUNTS = ("cell", "total", "spliced")
_OTHERS = (".h5ad", ".loom", ".h5mu", ".rds", ".xlsx")


def open_mtx(folder: Path, reading: Reading, name: str = "", *, deep: bool = True) -> Dataset:
    """Every sample of a folder; the matrices are read when they are asked for.

    Args:
        folder: Where the files lie.
        reading: Which of several readings is taken.
        name: What the data set is called; by default as the folder.
        deep: Whether the folders in it belong to it; they do not if one of its files was chosen.
    """
    name = name or folder.name
    samples: dict[str, list[Block]] = {}
    for block in find_blocks(folder, name, deep=deep):
        samples.setdefault(block.sample, []).append(block)
    said, choices = [], []
    chosen: dict[str, Block] = {}
    for sample, blocks in samples.items():
        blocks.sort(key=lambda b: b.rank)
        chosen[sample] = _chosen(blocks, reading.part)
    # The same parts are there for every sample, or nearly.
    parts = list(dict.fromkeys(b.part for blocks in samples.values() for b in blocks))
    if len(parts) > 1:
        taken = next(iter(chosen.values())).part
        possible = tuple((p, p or "matrix.mtx") for p in parts)
        why = (
            ""
            if reading.part
            else "filtered before raw, genes before other counts, counts before other values"
        )
        choices.append(Choice("part", "Which matrix", taken, possible, why))
        others = ", ".join(p or "matrix.mtx" for p in parts if p != taken)
        said.append(f"The matrix {taken or 'matrix.mtx'} is used; there is also {others}.")
    if reading.part and reading.part not in parts:
        raise no_part(reading.part, parts, name, "matrix.mtx")
    opened = [
        (sample or name, _one(block, samples[sample], reading, sample or name, folder))
        for sample, block in chosen.items()
    ]
    if len(opened) > 1:
        dataset = join_samples(opened, name=name, path=folder, said=tuple(said))
    else:
        dataset = opened[0][1]
        dataset.name = name
        dataset.warnings[:0] = said
        if "sample" in dataset.obs and dataset.obs["sample"].nunique() > 1:
            counts = dataset.obs["sample"].value_counts(sort=False)
            dataset.samples = tuple((str(s), int(n)) for s, n in counts.items())
    dataset.choices = (*choices, *dataset.choices)
    every = [b for blocks in samples.values() for b in blocks]
    lists = {n.path for b in every for n in (b.cells, *b.genes) if n is not None}
    _about(dataset, folder, lists, reading, deep=deep)
    return dataset


def _chosen(blocks: list[Block], part: str) -> Block:
    return next((b for b in blocks if part and b.part == part), blocks[0])


def _one(block: Block, of_sample: list[Block], reading: Reading, name: str, path: Path) -> Dataset:
    assert block.cells is not None, "find_blocks gives names or refuses"
    n_rows, n_columns = block.header[:2]
    n_cells, n_genes = (n_rows, n_columns) if block.cells_are_rows else (n_columns, n_rows)
    obs, var = cell_table(block.cells, n_cells), gene_table(block.genes, n_genes)
    said: list[str] = []
    velocyto = next((b for b in of_sample if b is not block and _same_cells(b, block)), None)
    files = dict(block.matrices)
    if velocyto is not None:
        files |= {
            layer: p for layer, p in velocyto.matrices.items() if layer and layer not in files
        }
    if thirds := _thirds(var):
        return _of_three(block, obs, var.iloc[:thirds], reading, name, path)
    matrices: dict[str, Unread] = {}
    main = files.pop("", None)
    if main is None:
        layer = next((x for x in _COUNTS if x in files), next(iter(files)))
        main = files[layer]
        said.append(f"The counts are those of {main.name}; {_beside(files)} are layers.")
    matrices["X"] = _matrix(main, block)
    matrices |= {f"layers/{layer}": _matrix(p, block) for layer, p in files.items()}
    kept, left, choice = kept_features(var, reading.features)
    if len(kept) < len(var):
        matrices = {place: _some(m, kept) for place, m in matrices.items()}
    return Dataset(
        name=name,
        kind=_kind(block),
        obs=obs,
        var=var.iloc[kept],
        matrices=matrices,
        warnings=(*said, *left),
        path=path,
        choices=choice,
    )


def _beside(files: dict[str, Path]) -> str:
    return ", ".join(files)


def _same_cells(other: Block, block: Block) -> bool:
    """Whether velocyto's counts beside a matrix are of the same cells and genes."""
    return (
        "velocyto" in other.part.lower()
        and other.header[:2] == block.header[:2]
        and other.cells is not None
        and block.cells is not None
        and other.cells.lines == block.cells.lines
        and [g.lines for g in other.genes] == [g.lines for g in block.genes]
    )


def _matrix(path: Path, block: Block) -> Unread:
    n_rows, n_columns = block.header[:2]
    shape = (n_rows, n_columns) if block.cells_are_rows else (n_columns, n_rows)
    return Unread(
        shape,
        lambda: load_mtx(path, cells_are_rows=block.cells_are_rows),
        lambda: sample_mtx(path, cells_are_rows=block.cells_are_rows),
        stored="Matrix Market",
        n_values=block.header.n_entries,
    )


def _some(matrix: Unread, kept: np.ndarray) -> Unread:
    return Unread(
        (matrix.shape[0], len(kept)),
        lambda: matrix.load()[:, kept],
        matrix.sample,
        stored=matrix.stored,
        n_values=matrix.n_bytes // 8,
    )


def _thirds(var: pd.DataFrame) -> int:
    """alevin-fry writes spliced, unspliced (-U) and ambiguous (-A) counts side by side."""
    names, n = list(var["gene_ids"]), len(var) // 3
    if not n or len(var) % 3:
        return 0
    marked = [f"{g}{mark}" for mark in ("-U", "-A") for g in names[:n]]
    return n if names[n:] == marked else 0


def _of_three(
    block: Block, obs: pd.DataFrame, var: pd.DataFrame, reading: Reading, name: str, path: Path
) -> Dataset:
    whole, n = _matrix(block.matrices[""], block), len(var)

    def part(numbers: tuple[int, ...]) -> Unread:
        def load() -> sp.csr_matrix:
            read = whole.load()
            return sum((read[:, n * i : n * (i + 1)] for i in numbers[1:]),
                       read[:, n * numbers[0] : n * (numbers[0] + 1)]).tocsr()  # fmt: skip

        def sample() -> Sample:
            # All of it: which third a value is of stands beside it.
            rows = load()[:512]
            looked = f"{rows.shape[0]:,} of {whole.shape[0]:,} rows looked at"
            return Sample(rows, looked)

        return Unread(
            (whole.shape[0], n), load, sample, stored="Matrix Market", n_values=whole.n_bytes // 24
        )

    matrices = {"X": part((0, 2))}
    for number, layer in enumerate(("spliced", "unspliced", "ambiguous")):
        matrices[f"layers/{layer}"] = part((number,))
    said = (
        "alevin-fry wrote spliced, unspliced and ambiguous counts; the counts are spliced + "
        "ambiguous, and all three are layers. (For nuclei, unspliced ones count too.)"
    )
    return Dataset(
        name=name, kind=_kind(block), obs=obs, var=var, matrices=matrices, warnings=(said,),
        path=path,
    )  # fmt: skip


def _kind(block: Block) -> str:
    names = " ".join([*(bare_name(p) for p in block.matrices.values()), block.part.lower()])
    for word, kind in (
        ("cells_x_genes", "kallisto-bustools folder"),
        ("quants_mat", "alevin-fry folder"),
        ("aggregated_filtered_counts", "Expression Atlas folder"),
        ("velocyto", "STARsolo folder"),
        ("gene/", "STARsolo folder"),
        ("genefull", "STARsolo folder"),
        ("spliced", "folder of spliced and unspliced counts"),
    ):
        if word in names:
            return kind
    parse = block.cells is not None and "metadata" in bare_name(block.cells.path)
    return "Parse folder" if parse else "10x folder"


def _about(
    dataset: Dataset, folder: Path, lists: set[Path], reading: Reading, *, deep: bool
) -> None:
    """Joins the tables about its cells, and names matrices of other kinds in the same folder."""
    files = data_files(folder, deep=deep)
    tables = [p for p in files if p not in lists and is_about_cells(p)]
    known = join_tables(dataset, folder, tables, reading)
    known += lists
    others = [
        p.name
        for p in files
        if p not in known and (bare_name(p).endswith(_OTHERS) or role_of(p) == "genes")
    ]
    if others:
        more = ", ..." if len(others) > 5 else ""
        dataset.warnings.append(
            f"Not opened: {', '.join(others[:5])}{more}. Choose a file by itself to open it."
        )


def is_names_of_mtx(path: Path) -> bool:
    """Whether it is the list of cells or of genes that belongs to a matrix, by its name."""
    name = bare_name(path)
    return name.endswith(("barcodes.tsv", "features.tsv", "mtx_rows", "mtx_cols")) or (
        name == "genes.tsv"
    )


def read_along(path: Path) -> list[Path]:
    """The files that may be read besides a chosen one: matrices and lists in its folder."""
    if path.is_dir():
        return []
    if not (is_mtx(path) or is_names_of_mtx(path)):
        # Of a 10x file only the list of samples that aggr leaves beside it.
        files = data_files(path.parent, deep=False) if path.suffix == ".h5" else []
        return [p for p in files if is_aggregation(p)]
    kinds = (is_mtx, is_list, is_about_cells, is_aggregation)
    return [p for p in data_files(path.parent, deep=False) if any(is_one(p) for is_one in kinds)]


def folder_of_mtx(path: Path) -> Path:
    """The folder of one of the three files, chosen by itself; the other two lie there too."""
    files = [p for p in path.parent.iterdir() if p.is_file()]
    roles = {role_of(p) for p in files} | {"matrix" for p in files if is_mtx(p)}
    if {"rows", "columns"} <= roles:
        roles |= {"genes", "cells"}
    missing = [
        words
        for role, words in (
            ("matrix", "matrix.mtx, the counts,"),
            ("genes", "features.tsv (or genes.tsv), the names of the genes,"),
            ("cells", "barcodes.tsv, the names of the cells,"),
        )
        if role not in roles
    ]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        holds = "names" if is_names_of_mtx(path) else "numbers"
        raise DataError(
            f"{path.name} holds {holds} alone: {' and '.join(missing)} {verb} missing beside it.",
            fix="Choose the three files together, or the folder that holds them, or a zip of it; "
            ".gz is fine.",
        )
    return path.parent


FILE_TYPE = FileType("mtx", (".mtx",), order=30, said="mtx (folder, files or zip; all samples)")
