"""Opens an h5mu file (MuData): the part that holds RNA."""

from pathlib import Path

import h5py

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.hdf5_check import open_hdf5
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.readers.h5ad import open_h5ad
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError

_RNA = ("rna", "gex", "gene expression", "gene_expression", "transcriptome", "mrna", "expression")


_GLOBAL = ("obs", "obsm", "obsp", "var", "varm", "varp", "uns")
# Which cells and features are of which modality: true of the file, and of nothing else.
_MAPS = ("obsmap", "varmap")


def _keys_of(part: h5py.Group | None) -> list[str]:
    if not isinstance(part, h5py.Group):
        return []
    names = part.attrs.get("column-order", list(part))
    return [n.decode() if isinstance(n, bytes) else str(n) for n in names]


def _beside(file: h5py.File) -> list[str]:
    """What a file holds of all modalities together, without copies of what each holds."""
    mods = {str(m): file["mod"][m] for m in file["mod"] if isinstance(file["mod"][m], h5py.Group)}
    found = []
    for part in _GLOBAL:
        of_mods = {m: set(_keys_of(mod.get(part))) for m, mod in mods.items()}
        for key in _keys_of(file.get(part)):
            mod, _, rest = key.partition(":")
            is_map = part in ("obsm", "varm") and key in mods
            copied = rest in of_mods.get(mod, ()) or any(
                part == "var" and key in keys for keys in of_mods.values()
            )
            if not is_map and not copied:
                found.append(f"{part}/{key}")
    known = {*_GLOBAL, *_MAPS, "mod"}
    return found + [f"/{name}" for name in file if name not in known]


def is_h5mu(file: h5py.File) -> bool:
    """Whether an HDF5 file is laid out as mudata does."""
    return isinstance(file.get("mod"), h5py.Group) and len(file["mod"]) > 0


def open_h5mu(path: Path, reading: Reading, *, with_uns: bool = True) -> Dataset:
    """The RNA of a multimodal file; the other modalities are left out, and said."""
    with open_hdf5(path) as file:
        beside = _beside(file)
        found = [str(m) for m in file["mod"] if isinstance(file["mod"][m], h5py.Group)]
    rna = [m for word in _RNA for m in found if m.lower() == word]
    rna += [m for m in found if "rna" in m.lower()]
    if not rna and len(found) > 1:
        raise DataError(
            f"{path.name} holds {', '.join(found)}, and none of them is called rna.",
            fix="Save the modality with the counts of genes as an h5ad: "
            "mdata['name'].write_h5ad('rna.h5ad').",
        )
    taken = (rna or found)[0]
    dataset = open_h5ad(path, reading, with_uns=with_uns, inside=f"mod/{taken}")
    others = [m for m in found if m != taken]
    left = f"; {', '.join(others)} left out" if others else ""
    dataset.warnings.insert(0, f"The modality {taken} is used{left}.")
    if beside:
        more = f" and {len(beside) - 8} more" if len(beside) > 8 else ""
        dataset.warnings.insert(
            1,
            f"What the file holds of all modalities together was left out: "
            f"{', '.join(beside[:8])}{more}.",
        )
    return dataset


FILE_TYPE = FileType(
    "h5mu",
    (".h5mu",),
    lambda path, reading, with_uns: open_h5mu(path, reading, with_uns=with_uns),
    is_h5mu,
    order=5,  # it has what an h5ad has, too
    listed=70,
)
