"""Folders of Matrix Market files as programs write them: which file is what, of which sample.

Cell Ranger, GEO (prefixes), STARsolo, kallisto-bustools, alevin-fry, Parse, Expression Atlas; and
any other matrix with a list of cells and a list of genes beside it whose lengths fit.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from diffbio_engine.data.readers.mtx import AGAIN, MtxHeader, mtx_header
from diffbio_engine.data.readers.names_beside import (
    ABOUT_CELLS,
    ABOUT_GENES,
    NameList,
    read_names,
    role_of,
)
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.same_cells import later
from diffbio_engine.errors import DataError

# Words in the names of folders that say which matrix it is, not which sample.
_PART_WORDS = re.compile(
    r"^((sample_)?(raw|filtered)(_(feature|gene)_bc_matri(x|ces))?|gene(full\w*)?|velocyto|sj|"
    r"counts_(un)?filtered\w*|dge_(un)?filtered|alevin|count|outs|per_sample_outs|multi|solo\.?out|"
    r"\.?solo|quants?|af_\w+|fry\w*|cellranger|matri(x|ces)|mtx|kb_?\w*|starsolo|"
    r"hg\d+|grch\d+|mm\d+|grcm\d+|ercc\w*)$"
)
_NO_WORD = {"outs", "count", "per_sample_outs", "multi", "solo.out", ".solo", "alevin", "solo"}
# How the name of a matrix ends; what stands before it names the sample.
_TAIL = re.compile(
    r"(cells_x_genes(?:\.(?P<kb>mature|nascent|ambiguous|total|cell|nucleus))?"
    r"|(?P<velocyto>spliced|unspliced|ambiguous|spanning)|quants_mat|dge|count_?matrix"
    r"|uniqueandmult-(?P<multi>\w+)|aggregated_filtered_counts|matrix|counts?)$"
)
_LAYERS = {"mature": "spliced", "nascent": "unspliced"}
_CELLS_FIRST = ("cells_x_genes", "quants_mat", "dge", "count_matrix", "countmatrix")
_NO_GENES = "cells_x_tcc"
_SKIPPED = ("_normalised_counts", "_normalized_counts")
IS_WHOLE = re.compile(r"^(all[-_ ]?samples?|combined|aggregated?)$")
MOST_FILES = 20_000


@dataclass
class Block:
    """Matrices of the same cells and genes: one with counts, and layers beside it.

    Attributes:
        sample: Which cells they are of; empty if the folder holds one sample.
        part: Which of several matrices of that sample: ``"Gene/filtered"``.
        matrices: Layer and file; ``""`` is the matrix itself.
        header: Rows and columns as the files have them.
        cells_are_rows: Else they are the columns.
    """

    sample: str
    part: str
    matrices: dict[str, Path]
    header: MtxHeader
    cells_are_rows: bool = False
    cells: NameList | None = None
    genes: list[NameList] = field(default_factory=list)

    @property
    def rank(self) -> tuple:
        """Which of the matrices of a sample is taken: the best comes first."""
        part = self.part.lower()
        kinds = ("genefull", "velocyto", "multi")
        worse = next((1 + i for i, kind in enumerate(kinds) if kind in part), 0)
        raw = "raw" in part or "unfiltered" in part
        return (raw, worse, later(part), -self.header.n_entries, part)


def data_files(folder: Path, *, deep: bool = True) -> list[Path]:
    """The files of a folder and, if `deep`, of those in it; without those of the system."""
    found = []
    for path in sorted(folder.rglob("*") if deep else folder.iterdir()):
        names = path.relative_to(folder).parts
        if path.is_file() and not any(n.startswith((".", "__MACOSX")) for n in names):
            found.append(path)
            if len(found) > MOST_FILES:
                raise DataError(
                    f"{folder.name} holds more than {MOST_FILES:,} files.",
                    fix="Choose the folder of one data set.",
                )
    return found


def is_mtx(path: Path) -> bool:
    """Whether it is a Matrix Market file, by its name."""
    return bare_name(path).endswith(".mtx")


def find_blocks(folder: Path, name: str, *, deep: bool = True) -> list[Block]:
    """All matrices of a folder with their lists, by sample; each sample once or more.

    Args:
        folder: Where they lie.
        name: What the person calls the folder, for sentences.
        deep: Whether the folders in it are looked through, too.
    """
    files = data_files(folder, deep=deep)
    every = [f for f in files if is_mtx(f) and _NO_GENES not in bare_name(f)]
    # Normalised values are taken only where there are no counts beside them.
    matrices = [f for f in every if not any(s in bare_name(f) for s in _SKIPPED)] or every
    if not matrices:
        raise _lacks(["matrix.mtx"], files, name)
    groups: dict[tuple[Path, str, str], dict[str, Path]] = {}
    for path in matrices:
        before, layer, part = taken_apart(path)
        if layer in groups.get((path.parent, before, part), {}):
            part = bare_name(path).removesuffix(".mtx")  # matrix.mtx beside counts.mtx
        groups.setdefault((path.parent, before, part), {}).setdefault(layer, path)
    prefixes = {before for _, before, _ in groups if before}
    blocks = []
    for (place, before, part), found in groups.items():
        place_words = place.relative_to(folder).parts
        sample, parts = _named(place_words, before)
        main = found.get("", found.get("spliced", next(iter(found.values()))))
        header = mtx_header(main)
        same = {k: p for k, p in found.items() if mtx_header(p)[:2] == header[:2]}
        block = Block(sample, "/".join([*parts, *([part] if part else [])]), same, header)
        others = {b for b in prefixes if b != before and not before.startswith(b)}
        _give_names(block, main, _lists(main, before, others, folder), files, name)
        blocks.append(block)
    _same_list_same_sample(blocks, list(groups), folder)
    return _disambiguated(blocks)


def _same_list_same_sample(
    blocks: list[Block], keys: list[tuple[Path, str, str]], folder: Path
) -> None:
    """Matrices with one list of cells (molecules and reads) are parts of one sample."""
    by_list: dict[Path, list[int]] = {}
    for i, block in enumerate(blocks):
        assert block.cells is not None, "every block was given names"
        by_list.setdefault(block.cells.path, []).append(i)
    for mine in by_list.values():
        if len({blocks[i].sample for i in mine}) < 2:
            continue
        places = [keys[i][0].relative_to(folder).parts for i in mine]
        shared = places[0][: _n_alike(places)]
        names = [keys[i][1] for i in mine]
        before = re.sub(r"[^._\- ]*$", "", names[0][: _n_alike(names)])
        sample, _ = _named(shared, before)
        for i, place in zip(mine, places, strict=True):
            path = next(iter(blocks[i].matrices.values()))
            stem = path.name[: len(bare_name(path)) - len(".mtx")].removeprefix(before)
            blocks[i].sample, blocks[i].part = sample, "/".join([*place[len(shared) :], stem])


def _n_alike(words: Sequence[Sequence[str]]) -> int:
    """How many of the first letters (or folders) all have."""
    sizes = min(map(len, words))
    return next((i for i in range(sizes) if len({w[i] for w in words}) > 1), sizes)


def taken_apart(path: Path) -> tuple[str, str, str]:
    """What stands before the kind of matrix, which layer it is, which part."""
    stem = bare_name(path).removesuffix(".mtx")
    match = _TAIL.search(stem)
    if match is None:
        return path.name[: len(stem)], "", ""
    before = path.name[: match.start()]
    layer = match["kb"] or match["velocyto"] or ""
    part = f"multi-{match['multi']}" if match["multi"] else ""
    return before, _LAYERS.get(layer, layer), part


def _words(places: Sequence[str]) -> list[str]:
    return [p.removesuffix("Solo.out").rstrip("._") or "Solo.out" for p in places]


def own_words(places: Sequence[str]) -> tuple[str, ...]:
    """Of folders, those that tell samples apart; others (outs, filtered) say which matrix it is."""
    return tuple(w for w in _words(places) if not _PART_WORDS.match(w.lower()))


def _named(places: tuple[str, ...], before: str) -> tuple[str, list[str]]:
    """The sample and the part that a matrix is of, by its folders and what its name begins with."""
    parts = [w for w in _words(places) if _PART_WORDS.match(w.lower())]
    own = list(own_words(places))
    own += [before.strip("._- ")] if before.strip("._- ") else []
    return "/".join(own), [p for p in parts if p.lower() not in _NO_WORD]


def _lists(main: Path, before: str, others: set[str], folder: Path) -> list[NameList]:
    """Lists that may belong to a matrix, the likeliest first: its own, then shared ones."""
    stem = bare_name(main).removesuffix(".mtx")
    without_layer = re.sub(r"\.(mature|nascent|ambiguous|total|cell|nucleus)$", "", stem)
    begins = (stem, without_layer, before.lower())
    found: list[tuple[float, NameList]] = []
    place, far = main.parent, 0
    while True:
        for path in sorted(p for p in place.iterdir() if p.is_file()):
            name = bare_name(path)
            if is_mtx(path) or any(name.startswith(o.lower()) for o in others):
                continue
            known = next((b for b in begins if b and name.startswith(b)), "")
            if role := role_of(path, known):
                # A list comes before a table about cells or genes, whose order may be another.
                tells = {"cells": ABOUT_CELLS, "genes": ABOUT_GENES}.get(role)
                about = 0.5 if tells is not None and tells.search(name) else 0.0
                near = far + (0 if known or not before else 1) + about
                found.append((near, read_names(path, role)))
        if place == folder or far > 4:
            break
        place, far = place.parent, far + 2
    return [names for _, names in sorted(found, key=lambda f: f[0])]


def _give_names(
    block: Block, main: Path, lists: list[NameList], files: list[Path], name: str
) -> None:
    """Decides which list is of cells and which of genes, and which way round the matrix lies."""
    n_rows, n_columns = block.header[:2]
    usual = any(bare_name(main).startswith(w) or f"_{w}" in bare_name(main) for w in _CELLS_FIRST)
    for names in lists:
        if names.role in ("rows", "columns"):
            # alevin-fry has cells in rows, Expression Atlas has genes there.
            are_cells = (names.role == "rows") == usual
            object.__setattr__(names, "role", "cells" if are_cells else "genes")
    cells = [x for x in lists if x.role == "cells"]
    genes = [x for x in lists if x.role == "genes"]
    missing = [
        words
        for found, words in ((cells, "barcodes.tsv"), (genes, "features.tsv (or genes.tsv)"))
        if not found
    ]
    if missing:
        raise _lacks(missing, files, name)
    for turned in (usual, not usual):
        n_cells, n_genes = (n_rows, n_columns) if turned else (n_columns, n_rows)
        of_cells = next((x for x in cells if x.fits(n_cells)), None)
        of_genes = [x for x in genes if x.fits(n_genes)]
        if of_cells is not None and of_genes:
            block.cells, block.genes, block.cells_are_rows = of_cells, of_genes, turned
            return
    n_cells, n_genes = (n_rows, n_columns) if usual else (n_columns, n_rows)
    n, found, what = (
        (n_genes, genes[0], "genes")
        if any(x.fits(n_cells) for x in cells)
        else (n_cells, cells[0], "cells")
    )
    raise DataError(
        f"{main.name} says {n:,} {what}, but {found.path.name} has {len(found.lines):,} lines; "
        "one of them was probably cut off.",
        fix=AGAIN,
    )


def _disambiguated(blocks: list[Block]) -> list[Block]:
    """Samples without the folders that all have; a folder of all samples stands for its parts."""
    words = [b.sample.split("/") for b in blocks]
    while len({w[0] for w in words}) == 1 and any(words[0]) and words[0]:
        if len(blocks) > 1 and all(len(w) == 1 for w in words):
            break
        words = [w[1:] or [""] for w in words]
    for block, word in zip(blocks, words, strict=True):
        block.sample = "/".join(word)
    whole = [b for b in blocks if IS_WHOLE.match(b.sample.lower())]
    return whole if whole and len(blocks) > len(whole) else blocks


def _lacks(missing: list[str], files: list[Path], name: str) -> DataError:
    there = ", ".join(p.name for p in files[:8]) or "nothing"
    return DataError(
        f"{name} lacks {' and '.join(missing)}; it holds {there}.",
        fix="Add the missing file; .gz is fine.",
    )
