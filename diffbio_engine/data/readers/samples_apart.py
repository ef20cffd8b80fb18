"""Which samples a folder or an archive holds, by the names of its files; and one of them alone."""

import re
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from diffbio_engine.data.readers.archive_names import is_archive, names_in
from diffbio_engine.data.readers.file_types import hdf5_endings
from diffbio_engine.data.readers.folders import IS_WHOLE, own_words, taken_apart
from diffbio_engine.data.readers.names_beside import role_of
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.tables import FILE_TYPE as TABLES
from diffbio_engine.errors import DataError, did_you_mean

# Words in the name of a file that say what it is, not which sample it is of.
_NO_SAMPLE = re.compile(
    r"[._-]*(sample_)?(raw|filtered)?_?(feature|gene)s?_bc_matri(x|ces)(_h5)?|[._-]*(raw|counts?|"
    r"matrix|dge|expression|umi|gene_expression|readspergene\.out)$",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"(\.(csv|tsv|txt|tab|gct|xlsx|h5|hdf5|h5ad|h5mu|loom|zarr|zip|tar))+$", re.IGNORECASE
)
ABOUT_CELLS = re.compile(
    r"meta_?data|annotation|clusters?|barcodes|obs|coldata|cell_?info|design|pheno|"
    r"samples?[-_]?(info|sheet|table)|sra_?run_?table",
    re.I,
)
# What lies beside the matrices of Cell Ranger in the same form.
_NO_MATRIX = re.compile(r"molecule_info|per_barcode_metrics|summary|metrics|aggregation")
_LISTS_OF_CELLS = ("cells", "rows", "columns")
_MOST_FILES = 20_000


def sample_word(name: str) -> str:
    """The part of a file's name that says which sample it is of; empty if none does."""
    stem = _ENDS.sub("", name[: len(bare_name(name))])
    return _NO_SAMPLE.sub("", stem).strip("._- ")


@dataclass
class _Unit:
    """A sample by its key, the words of its folders and of its files."""

    key: tuple[str, ...]
    folder: tuple[str, ...]
    before: str = ""
    needs_cells: bool = False
    files: list[str] = field(default_factory=list)


def samples_in_names(names: Iterable[str]) -> dict[str, list[str]]:
    """The files of each sample, where names tell several; else nothing.

    A sample is a matrix of text with its own list of cells, a zarr store, an HDF5 file or, where
    there is none of these, a table of counts; what shares its folder or the beginning of its name
    belongs to it. What lies above several samples (one list of genes for all) belongs to each.

    Args:
        names: Paths inside the folder or archive, with ``/``.
    """
    every = list(names)
    if len(every) > _MOST_FILES:
        return {}
    units: dict[tuple[str, ...], _Unit] = {}
    rest = _units_of(every, units, hdf5_endings())
    if not units:
        rest = _units_of(every, units, TABLES.endings)
    titles = ["/".join(key) for key in units]
    if len(units) < 2 or any(IS_WHOLE.match(t.lower()) for t in titles):
        return {}
    with_cells: set[tuple[str, ...]] = set()
    for name in rest:
        owners = _owners(name, list(units.values()))
        for unit in owners:
            unit.files.append(name)
        if len(owners) == 1 and role_of(Path(name), owners[0].before) in _LISTS_OF_CELLS:
            with_cells.add(owners[0].key)
    # Matrices of one list of cells (molecules and reads) are parts of one sample.
    if any(unit.needs_cells and unit.key not in with_cells for unit in units.values()):
        return {}
    shared = _n_shared(list(units))
    named = {
        "/".join(key[shared:]) or Path(unit.files[0]).name: unit.files
        for key, unit in units.items()
    }
    return {name: named[name] for name in sorted(named, key=_counted)}


def _counted(name: str) -> list[tuple[int, str]]:
    """Puts sample 2 before sample 10."""
    return [(int(p), "") if p.isdecimal() else (0, p) for p in re.split(r"(\d+)", name)]


def _units_of(
    names: Sequence[str], units: dict[tuple[str, ...], _Unit], endings: tuple[str, ...]
) -> list[str]:
    """Finds the samples; the names of what belongs to some of them only by its place."""
    rest = []
    for name in names:
        path = PurePosixPath(name)
        store = next((i for i, p in enumerate(path.parts) if p.lower().endswith(".zarr")), -1)
        bare = bare_name(name)
        if store >= 0:
            folder, word = own_words(path.parts[:store]), sample_word(path.parts[store])
            unit = _Unit((*folder, *([word] if word else [])), folder, word)
        elif bare.endswith(".mtx"):
            before, _, _ = taken_apart(Path(name))
            folder, word = own_words(path.parts[:-1]), before.strip("._- ")
            key = (*folder, *([word] if word else []))
            unit = _Unit(key, folder, before, needs_cells=True)
        elif bare.endswith(endings) and not _is_beside(bare, endings):
            folder, word = own_words(path.parts[:-1]), sample_word(path.name)
            unit = _Unit((*folder, *([word] if word else [])), folder, word)
        else:
            rest.append(name)
            continue
        found = units.setdefault(unit.key, unit)
        found.files.append(name)
    return rest


def _is_beside(bare: str, endings: tuple[str, ...]) -> bool:
    about = ABOUT_CELLS.search(bare) or role_of(Path(bare)) if endings == TABLES.endings else None
    return bool(about or _NO_MATRIX.search(bare))


def _owners(name: str, units: list[_Unit]) -> list[_Unit]:
    """The samples that a file beside the matrices belongs to; several if it lies above them."""
    path = PurePosixPath(name)
    folder = own_words(path.parts[:-1])
    begun = [u for u in units if u.before and u.folder == folder and _begins(path.name, u.before)]
    if begun:
        return [max(begun, key=lambda u: len(u.before))]
    around = [u for u in units if u.key and folder[: len(u.key)] == u.key]
    if around:
        return [max(around, key=lambda u: len(u.key))]
    return [u for u in units if u.key[: len(folder)] == folder]


def _begins(name: str, word: str) -> bool:
    follows = name[len(word) : len(word) + 1]
    return name.startswith(word) and (not word[-1].isalnum() or not follows.isalnum())


def _n_shared(keys: list[tuple[str, ...]]) -> int:
    """How many folders all samples lie in."""
    shortest = min(map(len, keys))
    return next((i for i in range(shortest) if len({k[i] for k in keys}) > 1), shortest)


def names_below(path: Path) -> list[str]:
    """The files of a folder or an archive, as paths inside it; none of any other file."""
    if path.is_dir():
        found = (p for p in sorted(path.rglob("*")) if p.is_file())
        names = [p.relative_to(path).as_posix() for p in found]
        return [n for n in names if ".zarr/" in n or not _is_hidden(n)]
    return names_in(path) if is_archive(path) else []


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def sample_alone(path: Path, sample: str, inside: Path, stack: ExitStack) -> Path:
    """A folder with the files of one sample and of no other.

    Args:
        path: The folder or archive, as a person chose it.
        sample: A name of ``samples_in_names``.
        inside: The folder, or that into which the archive is unpacked.
        stack: Takes the folder away.
    """
    samples = samples_in_names(names_below(path))
    if sample not in samples:
        there = ", ".join(list(samples)[:8]) or "one data set"
        raise DataError(
            f"There is no sample '{sample}' in {path.name}; there is {there}.",
            fix=did_you_mean(sample, samples) or "Choose one of these.",
            where="sample",
        )
    made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="diffbio-sample-")))
    for name in samples[sample]:
        target = made / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to((inside / name).resolve())
    return made
