"""Whether the parts of a 10x matrix have the forms that its readers count on."""

import h5py
import numpy as np

from diffbio_engine.errors import DataError

_AGAIN = "Copy the file again, or let Cell Ranger write it again."


def check_tenx_shapes(group: h5py.Group, file_name: str) -> None:
    """Looks at the declared forms only, before any value is read.

    Raises:
        DataError: If a part is no row of numbers or of names, or the lengths do not go together.
    """
    for part, kinds in (
        ("data", "iuf"), ("indices", "iu"), ("indptr", "iu"), ("shape", "iu"), ("barcodes", "SOU"),
    ):  # fmt: skip
        item = group[part]
        what = "names" if part == "barcodes" else "numbers"
        if part in ("indices", "indptr", "shape"):
            what = "whole numbers"
        if not isinstance(item, h5py.Dataset) or item.ndim != 1 or item.dtype.kind not in kinds:
            raise DataError(
                f"{file_name} is laid out like a 10x file, but {item.name} is {_form(item)} "
                f"instead of a row of {what}.",
                fix=_AGAIN,
            )
    shape = [int(n) for n in np.atleast_1d(group["shape"][:3])]
    if len(shape) != 2 or min(shape) < 0:
        raise DataError(
            f"{file_name} says in {group.name}/shape that it has "
            f"{' x '.join(map(str, shape)) or 'no'} features and cells, which is no shape.",
            fix=_AGAIN,
        )
    n_cells, n_values = shape[1], int(group["data"].shape[0])
    if group["indptr"].shape[0] != n_cells + 1 or group["indices"].shape[0] != n_values:
        raise DataError(
            f"{file_name} does not agree with itself: {n_cells:,} cells and {n_values:,} values, "
            f"but {group['indptr'].shape[0]:,} pointers and {group['indices'].shape[0]:,} places.",
            fix=_AGAIN,
        )
    names = group.get("features", group)
    for part in ("id", "name", "feature_type", "genome") if "features" in group else ("genes",):
        item = names.get(part) if isinstance(names, h5py.Group) else None
        named = isinstance(names, h5py.Group) and ("name" in names or "gene_names" in names)
        if part in ("id", "genes") and item is None and not named:
            raise DataError(
                f"{file_name} is laid out like a 10x file, but lacks {group.name}/"
                f"{'features/id' if part == 'id' else part}, the ids of its features.",
                fix=_AGAIN,
            )
        if item is not None and (not isinstance(item, h5py.Dataset) or item.shape != (shape[0],)):
            raise DataError(
                f"{file_name} names {shape[0]:,} features, but {item.name} is {_form(item)}.",
                fix=_AGAIN,
            )


def _form(item: h5py.Group | h5py.Dataset) -> str:
    if not isinstance(item, h5py.Dataset):
        return "a group"
    kind = {"i": "whole numbers", "u": "whole numbers", "f": "fractions"}.get(
        item.dtype.kind, "words"
    )
    shape = " x ".join(f"{n:,}" for n in item.shape) or "a single one"
    return f"{kind} ({shape})"
