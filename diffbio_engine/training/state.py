"""All that training needs to go on from, as named arrays and a few numbers."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from diffbio_engine.errors import RunError


@dataclass
class TrainingState:
    """Arrays by path (weights, optimizer moments, prepared state) and plain facts."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]

    def save(self, path: Path) -> None:
        """Writes one file by temp, fsync and rename: a reader sees the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        try:
            save_file(self.arrays, part, metadata={"facts": json.dumps(self.facts)})
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except (OSError, SafetensorError) as error:
            part.unlink(missing_ok=True)
            raise RunError(
                f"The checkpoint could not be written ({error}).",
                fix="Free some disk space; the checkpoint before it is intact.",
            ) from None

    @classmethod
    def load(cls, path: Path) -> "TrainingState":
        """Reads a file that ``save`` wrote."""
        from safetensors import safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                facts = json.loads((file.metadata() or {})["facts"])
            return cls(load_file(path), facts)
        except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise RunError(
                f"{path.name} cannot be read ({error}).", fix="Use an earlier checkpoint."
            ) from None


def named_arrays(module: nnx.Module, kinds: Iterable[type[nnx.Variable]]) -> dict[str, np.ndarray]:
    """Host copies of every variable of these kinds by its path, ``blocks/vae/encoder/kernel``."""
    state = nnx.state(module, lambda path, value: isinstance(value, tuple(kinds)))
    return {
        "/".join(map(str, path)): np.array(variable.get_value())
        for path, variable in nnx.to_flat_state(state)
    }


def put_arrays(module: nnx.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Sets the variables of these paths; their shapes may differ (prepared state)."""
    flat = dict(nnx.to_flat_state(nnx.state(module, nnx.Variable)))
    by_name = {"/".join(map(str, path)): path for path in flat}
    unknown = [name for name in arrays if name not in by_name]
    if unknown:
        raise RunError(
            f"The saved weights hold '{unknown[0]}', which this pipeline does not have.",
            fix="Open them with the version of the workbench that saved them.",
        )
    new = {}
    for name, value in arrays.items():
        variable = flat[by_name[name]]
        if np.ndim(variable.get_value()) == 0:
            value = np.reshape(value, ())  # bundles of before 22 Nov 2026 hold (1,) there
        new[by_name[name]] = variable.replace(jax.numpy.asarray(value))
    nnx.update(module, nnx.from_flat_state(new))
