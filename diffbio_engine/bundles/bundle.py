"""Saves and loads a bundle. Only JSON, TSV and safetensors: loading one never runs its code."""

import csv
import hashlib
import importlib.metadata
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from diffbio_engine.bundles.bundle_readme import texts_of_bundle
from diffbio_engine.data import Ragged, Records
from diffbio_engine.data.fields.classes import OF_CLASSES
from diffbio_engine.data.sampling.cell_totals import TOTAL_COUNTS
from diffbio_engine.declare import Buffer, Dial
from diffbio_engine.errors import DataError, RunError
from diffbio_engine.pipelines import DataPort, Pipeline, PipelineSpec, plan
from diffbio_engine.training.state import named_arrays, put_arrays

FORMAT = "diffbio-bundle"
SCHEMA = 1
_FIELD = "data/"
_FILES = ("pipeline.json", "weights.safetensors", "fields.json", "training.json")
GENES = "genes.tsv"
# For people; the workbench never runs or reads them, but nobody shall change them unnoticed.
_BESIDE = ("example.py", "README.md")


@dataclass(frozen=True)
class Bundle:
    """A trained pipeline and what it needs to know of the data it was trained on.

    Attributes:
        fields: By field name: ``place`` in the training file, ``shape``, ``n_classes``, and the
            ``names`` of the classes.
        genes: Names and ids of the trained genes, in the trained order.
        per_dataset: Fields of the training data as a whole (``ambient_profile``).
        training: Seed, steps, losses, versions, the training file.
    """

    pipeline: Pipeline
    fields: dict[str, dict[str, Any]]
    genes: dict[str, list[str]]
    per_dataset: dict[str, np.ndarray]
    training: dict[str, Any]


def save_bundle(
    folder: Path,
    pipeline: Pipeline,
    cells: Records,
    places: Mapping[str, str],
    training: Mapping[str, Any],
) -> Path:
    """Writes a bundle folder; what was there before is replaced only once all is written.

    Raises:
        RunError: If it cannot be written (disk full); the bundle that was there is intact.
    """
    folder = Path(folder)
    part = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _write(part, pipeline, cells, places, training)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise RunError(
            f"The bundle could not be written ({error}).", fix="Free some disk space."
        ) from None
    return folder


def _write(
    folder: Path,
    pipeline: Pipeline,
    cells: Records,
    places: Mapping[str, str],
    training: Mapping[str, Any],
) -> None:
    spec = pipeline.plan.spec
    arrays = named_arrays(pipeline, (nnx.Param, Dial, Buffer))
    fields = {}
    for name in pipeline.plan.needed_fields:
        port = pipeline.plan.data[name]
        fields[name] = {
            "place": places.get(name, ""),
            "shape": list(port.shape),
            "n_classes": port.n_classes,
            "names": list(cells.label_names.get(name, ())),
        }
        if name == TOTAL_COUNTS:
            fields[name]["of_genes"] = cells.of_all_genes.n_genes
        if isinstance(cells.per_record.get(name), Ragged):
            fields[name]["letters"] = list(cells.names.get("letters", ()))
            fields[name]["bin_size"] = list(cells.along.get("bin_size", ()))
        if places.get(name) in OF_CLASSES:  # of each sample its own
            fields[name]["along"] = list(cells.along.get(port.port.axes, ()))
        elif name in cells.per_dataset:
            arrays[_FIELD + name] = cells.per_dataset[name]
    # Not `ascontiguousarray`: it makes a vector of a single number.
    arrays = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    save_file(arrays, folder / "weights.safetensors")
    _write_json(folder / "pipeline.json", spec.to_json())
    _write_json(folder / "fields.json", fields)
    blocks = pipeline.blocks.items()
    fitted = {block_id: bool(block.fitted) for block_id, block in blocks}
    about = {**training, "fitted": fitted, "seed": pipeline.seed, "rows": cells.record.name}
    _write_json(folder / "training.json", about)
    names = [] if cells.var_names is None else list(map(str, cells.var_names))
    if names:
        with (folder / GENES).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, delimiter="\t")
            table.writerow(["name", "id"])
            ids = names if cells.var_ids is None else list(map(str, cells.var_ids))
            table.writerows(zip(names, ids, strict=True))
    for name, text in zip(_BESIDE, texts_of_bundle(spec.name, cells), strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    files = (*_FILES, *_BESIDE, *([GENES] if names else []))
    manifest = {
        "format": FORMAT,
        "schema": SCHEMA,
        "name": spec.name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {p: importlib.metadata.version(p) for p in _PACKAGES},
        "sha256": {name: _sha256(folder / name) for name in files},
    }
    _write_json(folder / "manifest.json", manifest)


_PACKAGES = ("diffbio-workbench", "jax", "flax", "numpy")


def load_bundle(folder: Path) -> Bundle:
    """Opens a bundle folder; every file is checked against the manifest first.

    Raises:
        DataError: If it is not a bundle, is newer than this workbench, or was changed.
    """
    _check(Path(folder))
    return _read(Path(folder))


def put_weights(folder: Path, pipeline: Pipeline) -> dict[str, Any]:
    """Puts what a bundle has learned into a pipeline of the same plan; returns ``training``.

    Raises:
        DataError: As ``load_bundle``.
    """
    _check(Path(folder))
    training = json.loads((Path(folder) / "training.json").read_text("utf-8"))
    _put(Path(folder), pipeline, training)
    return training


def _check(folder: Path) -> None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise DataError(
            f"{folder} is not a bundle: it has no readable manifest.json.",
            fix="Choose the folder `bundle` of a finished run.",
        ) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{folder} is not a bundle of the workbench.", fix="Choose another folder.")
    if not isinstance(manifest.get("schema"), int) or manifest["schema"] > SCHEMA:
        raise DataError(
            f"The bundle has schema {manifest.get('schema')}; this workbench reads up to {SCHEMA}.",
            fix="Open it with a newer version of the workbench.",
        )
    hashes = manifest.get("sha256")
    hashes = hashes if isinstance(hashes, dict) else {}
    # Bundles of before it was so have no hash of what lies beside, and not every kind of data has
    # genes.
    for name in (*_FILES, *(name for name in (*_BESIDE, GENES) if name in hashes)):
        path = folder / name
        if not path.is_file() or _sha256(path) != hashes.get(name):
            raise DataError(
                f"{name} of the bundle is missing or was changed after it was saved.",
                fix="Export the bundle again.",
            )


def _read(folder: Path) -> Bundle:
    spec = PipelineSpec.from_json(json.loads((folder / "pipeline.json").read_text("utf-8")))
    fields = json.loads((folder / "fields.json").read_text("utf-8"))
    training = json.loads((folder / "training.json").read_text("utf-8"))
    ports = {
        name: DataPort.named(name, *facts["shape"], n_classes=facts["n_classes"])
        for name, facts in fields.items()
    }
    pipeline = Pipeline(plan(spec, ports), seed=int(training["seed"]))
    arrays = _put(folder, pipeline, training)
    genes = genes_of_bundle(folder)
    per_dataset = {k.removeprefix(_FIELD): v for k, v in arrays.items() if k.startswith(_FIELD)}
    return Bundle(pipeline, fields, genes, per_dataset, training)


def _put(folder: Path, pipeline: Pipeline, training: Mapping[str, Any]) -> dict[str, np.ndarray]:
    arrays = load_file(folder / "weights.safetensors")
    put_arrays(pipeline, {k: v for k, v in arrays.items() if not k.startswith(_FIELD)})
    for block_id, fitted in training["fitted"].items():
        pipeline.blocks[block_id].fitted = bool(fitted)
    pipeline.eval_mode()
    return arrays


def genes_of_bundle(folder: Path) -> dict[str, list[str]]:
    """Names and ids of the trained genes, in the trained order, if there are any."""
    if not (folder / GENES).exists():
        return {"names": [], "ids": []}
    with (folder / GENES).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {"names": [r["name"] for r in rows], "ids": [r["id"] for r in rows]}


def per_dataset_of_bundle(folder: Path) -> dict[str, np.ndarray]:
    """What it keeps of the data as a whole, by field; no weights are read."""
    with safe_open(folder / "weights.safetensors", framework="numpy") as file:
        names = [name for name in file.keys() if name.startswith(_FIELD)]  # noqa: SIM118
        return {name.removeprefix(_FIELD): file.get_tensor(name) for name in names}


def fields_of_bundle(folder: Path) -> dict[str, dict[str, Any]]:
    """What it says of each field that it needs; nothing else is read."""
    file = folder / "fields.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
