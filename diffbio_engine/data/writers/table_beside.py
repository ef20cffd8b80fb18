"""The table of the records of a data set, with what was found of each, beside a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.writers.h5ad import Written, whole_or_nothing
from diffbio_engine.data.writers.spreadsheet import as_csv
from diffbio_engine.ports import Place

_WIDEST = 64


@dataclass(frozen=True)
class Beside:
    """A file that lies beside a result.

    Attributes:
        title: What a person calls it.
        ending: What its name has in place of the ``.h5ad`` of the result.
    """

    title: str
    ending: str

    def of(self, result: Path) -> Path:
        """Where it lies."""
        return result.with_name(f"{result.stem}{self.ending}")


def write_table(
    dataset: Dataset, arrays: Mapping[str, Any], written: Written, out: Path, one: str
) -> str:
    """Writes the table; the sentence about it.

    Args:
        arrays: What was found, by place in the result.
        written: Where these are in the result.
        one: What a record is called: the title of the column of names.
    """
    table = dataset.obs.copy()
    table.insert(0, one if one not in table else f"{one}_name", dataset.obs.index)
    for place, values in arrays.items():
        kind, name = Place.parse(written.keys.get(place, place)).parts
        if kind == "obs":
            table[name] = np.asarray(values)
        elif kind == "obsm" and values.ndim == 2 and values.shape[1] <= _WIDEST:
            titles = getattr(values, "columns", range(1, values.shape[1] + 1))
            columns = [f"{name}_{title}" for title in titles]
            more = pd.DataFrame(np.asarray(values), index=table.index, columns=columns)
            table = pd.concat([table, more], axis=1)
    with whole_or_nothing(out) as part:
        part.write_bytes(as_csv(table))
    return f"{out.name} is the table of {dataset.rows} with what was found of each."
