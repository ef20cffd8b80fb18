"""Equivalence classes: fragments of one RNA-seq sample by the transcripts that they fit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.axes import axis_of
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.fields.classes import PLACES
from diffbio_engine.data.inspection.preview import Preview
from diffbio_engine.data.kinds import DataKind, Opening
from diffbio_engine.data.readers.archive_names import is_archive, names_in
from diffbio_engine.data.readers.equivalence_classes import (
    CLASSES,
    is_classes,
    lengths_beside,
    read_classes,
)
from diffbio_engine.data.readers.folders import data_files
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.sampling.records import Records
from diffbio_engine.data.writers.h5ad import Written
from diffbio_engine.data.writers.quant_file import write_quant
from diffbio_engine.data.writers.table_beside import Beside
from diffbio_engine.errors import DataError
from diffbio_engine.ports import DATA_PORTS

_SALMON = "Bring the folder that 'salmon quant --dumpEq' wrote, or a zip of it: the classes lie in"
_BOTH = f"{_SALMON} aux_info/{CLASSES}.gz, the effective lengths in quant.sf."


class Classes(DataKind):
    """Equivalence classes, a record each; all of them together say how common transcripts are."""

    record = axis_of("equivalence classes")
    endings = (".zip", ".sf")
    said = "salmon quant --dumpEq (folder or zip)"
    order = 15
    never = frozenset(DATA_PORTS) - frozenset(PLACES)
    leaves = (
        Beside("Abundances (quant.sf)", "_quant.sf"),
        Beside("Transcripts (CSV)", "_transcripts.csv"),
    )

    def opens(self, path: Path) -> bool:
        """A file of classes, or a folder, zip or tar with one in it, by the names."""
        if path.is_dir():
            return any(map(is_classes, data_files(path)))
        if not path.is_file() or not path.stat().st_size:
            return False
        if is_archive(path):
            return any(map(is_classes, names_in(path)))
        return is_classes(path)

    def open(self, path: Path, how: Opening) -> Dataset:
        folder = how.unpacked(path) if is_archive(path) else path
        files = data_files(folder) if folder.is_dir() else _beside(path)
        mine = [f for f in files if is_classes(f)] if folder.is_dir() else [path]
        if len(mine) > 1:
            raise DataError(
                f"{path.name} holds the classes of {len(mine)} samples.",
                fix="Bring the folder of one sample.",
            )
        lengths = lengths_beside(mine[0], files)
        if lengths is None:
            raise DataError(
                f"Effective lengths are missing beside {mine[0].name}: there is no quant.sf.",
                fix=_BOTH,
            )
        transcripts, classes = read_classes(mine[0], lengths)
        names = [f"class {i}" for i in range(1, len(classes.counts) + 1)]
        sizes = np.diff(np.append(classes.starts, len(classes.transcripts)))
        dataset = Dataset(
            name=path.name,
            kind="salmon's classes" if CLASSES in bare_name(mine[0]) else "table of classes",
            obs=pd.DataFrame({"fragments": classes.counts, "transcripts": sizes}, index=names),
            var=pd.DataFrame(
                {"length": transcripts.lengths, "effective_length": transcripts.effective},
                index=transcripts.names,
            ),
            matrices={},
            path=path,
        )
        dataset.classes = classes
        return dataset

    def size(self, n: int, n_genes: int) -> str:
        rows = self.name if n != 1 else self.record.one
        return f"{n:,} {rows} of {n_genes:,} transcripts"

    def preview(self, dataset: Dataset) -> Preview:
        found, classes = super().preview(dataset), dataset.classes
        assert classes is not None
        n_fragments = int(classes.counts.sum(dtype=np.float64))
        n_classes, n = len(classes.counts), dataset.n_genes
        size = f"{self.size(n_classes, n)}, {n_fragments:,} fragments"
        sizes = np.diff(np.append(classes.starts, len(classes.transcripts)))
        alone = int(classes.counts[sizes == 1].sum(dtype=np.float64))
        seen = len(np.unique(classes.transcripts))
        weights = (
            "Weights are those of the file, with 1 / effective length in them."
            if classes.weighed
            else "The file has no weights (--dumpEqWeights writes them): they are 1 / effective"
            " length."
        )
        low, middle, high = np.percentile(classes.effective_lengths, [0, 50, 100])
        return replace(
            found,
            size=size,
            matrices=(),
            gene_names="",
            facts=(
                (f"{n_classes:,}", "equivalence classes"),
                (f"{n:,}", "transcripts"),
                (f"{n_fragments:,}", "fragments"),
            ),
            told=(
                f"{alone:,} of {n_fragments:,} fragments fit one transcript only; the others up to"
                f" {sizes.max():,}. {seen:,} of {n:,} transcripts are fitted by any.",
                weights,
                f"Effective lengths: {low:,.0f}-{high:,.0f} bases, median {middle:,.0f}.",
                *_rounded(classes.counts),
            ),
            lengths={
                "fragment_classes": n_classes,
                "memberships": len(classes.transcripts),
                "transcripts": n,
            },
        )

    def fields(self, found: Preview, places: Mapping[str, str]) -> dict[str, str]:
        """All of them, always, and nothing else."""
        return dict(PLACES)

    def as_trained(
        self, records: Records, fields: Mapping[str, Mapping[str, Any]], name: str
    ) -> tuple[Records, list[str]]:
        """The same transcripts in the same order."""
        trained = fields.get("effective_lengths", {})
        if list(trained.get("along", ())) != list(records.along.get("transcripts", ())):
            raise DataError(
                f"{name} is of other transcripts than this pipeline was run on.",
                fix="Open it with the ready pipeline 'Quantify transcripts', or quantify both with"
                " the same index of salmon.",
                where="data",
            )
        return records, []

    def unlike(self, fields: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]) -> str:
        if "class_counts" not in fields:
            return "It was not made for equivalence classes."
        return ""

    def described(self, records: Records) -> str:
        return f"{records.n:,} equivalence classes"

    def write(self, dataset: Dataset, out: Path, arrays: Mapping[str, Any], **more: Any) -> Written:
        """One sample by transcripts as h5ad, ``..._quant.sf`` and a table with all that is known
        of each transcript.
        """
        quant, table = self.leaves
        return write_quant(dataset, out, arrays, quant.of(out), table.of(out), **more)


def _rounded(counts: np.ndarray) -> tuple[str, ...]:
    """What a run, which reckons in 32 bits, knows of very large counts; nothing where it is all."""
    n = int((counts.astype(np.float32) != counts).sum())
    if not n:
        return ()
    return (
        f"{n:,} of {len(counts):,} classes have more fragments than 32 bits count one by one"
        f" (largest {counts.max():,.0f}): a run knows these to seven digits.",
    )


def _beside(path: Path) -> list[Path]:
    """The files of its folder and of the one around it, where salmon puts quant.sf."""
    folders = (
        (path.parent, path.parent.parent) if path.parent.name == "aux_info" else (path.parent,)
    )
    return [file for folder in folders for file in data_files(folder, deep=False) if file.is_file()]
