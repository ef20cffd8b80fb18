"""What a tab knows of a data set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffbio_engine.data import source_of


@dataclass(frozen=True)
class DatasetCard:
    """A data set that the tab works on.

    Attributes:
        fields: Port name and where it lies in the file: ``{"counts": "layers/counts"}``.
        preview: What ``diffbio_engine.data`` tells about the file, plain data.
        reading: How the person said the file is to be read; empty leaves it to the file.
    """

    id: str
    name: str
    path: str
    n_cells: int = 0
    n_genes: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    preview: dict[str, Any] = field(default_factory=dict)
    reading: dict[str, str] = field(default_factory=dict)

    @classmethod
    def told(cls, run: Mapping[str, Any]) -> "DatasetCard":
        """What a run was told of a data set, without a look at its file."""
        fields, reading = run.get("fields"), run.get("reading")
        return cls(
            id="",
            name=str(run.get("name") or ""),
            path=str(run.get("path") or ""),
            fields=dict(fields) if isinstance(fields, Mapping) else {},
            reading=dict(reading) if isinstance(reading, Mapping) else {},
        )

    @property
    def rows(self) -> str:
        """What its rows are called: "cells", or "spots" where the file says so."""
        return str(self.preview.get("rows") or "cells")

    @property
    def size(self) -> str:
        """How large it is, in the words of its kind; empty where its file was not looked at."""
        known = f"{self.n_cells:,} {self.rows}" if self.n_cells else ""
        known += f" x {self.n_genes:,} genes" if self.n_genes else ""
        return _thin(str(self.preview.get("size") or known).replace(" x ", " × "))

    @property
    def size_in_short(self) -> str:
        """Rows and genes; of what has no genes, or other columns, rows in words."""
        if self.n_genes and self.size.endswith("genes"):
            return _thin(f"{self.n_cells:,} × {self.n_genes:,}")
        return _thin(f"{self.n_cells:,} {self.rows}")

    @property
    def source(self) -> str:
        """One text for the file and the way it is read."""
        return source_of(self.path, self.reading)

    @property
    def for_a_run(self) -> dict[str, Any]:
        """What a run is told of it."""
        told = {"path": self.path, "name": self.name, "fields": dict(self.fields)}
        return {**told, "reading": dict(self.reading)} if self.reading else told


def _thin(said: str) -> str:
    """Thousands set apart by a thin blank."""
    return re.sub(r"(?<=\d),(?=\d)", "\u202f", said)
