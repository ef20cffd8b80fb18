"""Opens an AnnData that was written as a zarr store: a folder, or a zip of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.memory_limit import refuse_if_too_big
from diffbio_engine.data.readers.feature_kinds import kept_features, kept_of_raw
from diffbio_engine.data.readers.file_types import FileType
from diffbio_engine.data.reading import Reading
from diffbio_engine.errors import DataError

MARKS = (".zgroup", "zarr.json")
# Codecs that only unpack bytes. Others (pickle, json2, msgpack2 of objects) are not opened.
_CODECS = {
    "blosc", "zstd", "zlib", "gzip", "lz4", "lzma", "bz2", "shuffle", "vlen-utf8", "vlen-bytes",
    "bytes", "crc32c", "crc32", "transpose", "delta", "sharding_indexed", "packbits",
    "bitround", "fixedscaleoffset", "quantize", "astype", "numcodecs.zlib", "numcodecs.shuffle",
}  # fmt: skip
_MOST_FILES = 200_000
_MOST_WORDS = 4 * 2**20


def find_zarr(folder: Path) -> list[Path]:
    """The stores in a folder: itself, or folders one or two levels below."""
    if any((folder / mark).is_file() for mark in MARKS):
        return [folder]
    below = [p for pattern in ("*", "*/*") for p in sorted(folder.glob(pattern)) if p.is_dir()]
    found = [p for p in below[:5_000] if any((p / mark).is_file() for mark in MARKS)]
    return [p for p in found if not any(q != p and p.is_relative_to(q) for q in found)]


def open_zarr(store: Path, reading: Reading, name: str, *, with_uns: bool = True) -> Dataset:
    """All of a store, in memory, once its words have been looked at: nothing is unpickled."""
    n_bytes = _check(store, name)
    refuse_if_too_big(2 * n_bytes, name)
    from anndata.io import read_zarr

    try:
        adata = read_zarr(store)
    except Exception as error:
        if isinstance(error, DataError | MemoryError):
            raise
        raise DataError(
            f"{name} is a zarr store, but no AnnData can be read from it "
            f"({type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}).",
            fix="Write it again with adata.write_zarr(), or as an h5ad with adata.write_h5ad().",
        ) from None
    kept, left, choices = kept_features(adata.var, reading.features)
    if len(kept) < adata.n_vars:
        adata = _of_features(adata, kept)
    dataset = Dataset.from_anndata(adata, name)
    dataset.kind, dataset.path, dataset.choices = "zarr", store, choices
    dataset.warnings += left
    if not with_uns:
        dataset.uns = {}
    return dataset


def _of_features(adata: Any, kept: np.ndarray) -> Any:
    """The same cells with some of the features, in ``raw`` too."""
    some = adata[:, kept].copy()
    if adata.raw is not None:
        from anndata import AnnData

        of_raw = kept_of_raw(adata.raw.var, adata.var, kept)
        some.raw = AnnData(adata.raw.X[:, of_raw], obs=adata.obs, var=adata.raw.var.iloc[of_raw])
    return some


def _check(store: Path, name: str) -> int:
    """Refuses codecs that could run something and links out of the store; bytes when unpacked."""
    total, root = 0, store.resolve()
    for number, path in enumerate(store.rglob("*")):
        if number > _MOST_FILES:
            raise DataError(
                f"{name} holds more than {_MOST_FILES:,} files.",
                fix="Write it as an h5ad: adata.write_h5ad('new.h5ad').",
            )
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise DataError(f"{name} holds a link out of itself ({path.name}).", fix="Copy it.")
        if path.name in (".zarray", "zarr.json") and path.is_file():
            total += _looked_at(path, name)
        elif path.name == ".zmetadata" and path.is_file():
            for words in _words(path, name).get("metadata", {}).values():
                _codecs_are_known(words, name)
    return total


def _words(path: Path, name: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_WORDS:
            raise ValueError("too long")
        words = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{name} is damaged: {path.name} cannot be read ({error}).", fix="Write it again."
        ) from None
    return words if isinstance(words, dict) else {}


def _looked_at(path: Path, name: str) -> int:
    words = _words(path, name)
    _codecs_are_known(words, name)
    kept = words.get("consolidated_metadata")
    if isinstance(kept, dict):
        _codecs_are_known(kept, name)
    size = 1
    shape = words.get("shape")
    for n in shape if isinstance(shape, list) else [0]:
        size *= n if isinstance(n, int) and n >= 0 else 0
    return size * 8


def _codecs_are_known(words: Any, name: str) -> None:
    """Looks through all of the words for what unpacks bytes."""
    waiting = [words]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
            continue
        if not isinstance(part, dict):
            continue
        for key in ("compressor", "filters", "codecs", "index_codecs"):
            for codec in _listed(part.get(key)):
                kind = str(codec.get("id") or codec.get("name") or "").lower()
                if kind not in _CODECS:
                    raise DataError(
                        f"{name} is packed with '{kind}', which is not opened here.",
                        fix="Write it again with adata.write_zarr(), or as an h5ad.",
                    )
        waiting += part.values()


def _listed(codecs: Any) -> list[dict[str, Any]]:
    found = codecs if isinstance(codecs, list) else [codecs]
    return [c for c in found if isinstance(c, dict)]


FILE_TYPE = FileType("zarr", order=80)
