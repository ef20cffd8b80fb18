"""Tracks: a signal along the genome in bins, from bedGraph; a row is a window of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.axes import axis_of
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.fields.letters import ORDER, SIGNALS
from diffbio_engine.data.inspection.preview import Preview
from diffbio_engine.data.kinds import DataKind, Opening
from diffbio_engine.data.readers.bedgraph import ENDINGS, WINDOW, open_track, window_at
from diffbio_engine.data.sampling.records import Records
from diffbio_engine.data.writers.h5ad import Written
from diffbio_engine.data.writers.states_file import States
from diffbio_engine.data.writers.table_beside import Beside, write_table
from diffbio_engine.data.writers.track_files import write_posteriors, write_stretches
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Place


class Tracks(DataKind):
    """Windows of a track, a record each; along its positions lie bins."""

    record = axis_of("windows")
    endings = ENDINGS
    order = 25
    fewest = 4
    or_else = ", or smaller bins under 'Bases of a bin' (--bin-size 25)"
    never = frozenset(
        {
            "ambient_profile",
            "total_counts",
            "spatial_coords",
            "slice_labels",
            "time_points",
            "labels",
            "batch_labels",
            "condition_labels",
        }
    )
    leaves = (
        Beside("Table (CSV)", "_windows.csv"),
        Beside("States (BED)", "_segments.bed"),
        Beside("Posteriors (bedGraph)", "_posteriors.bedGraph"),
    )

    def open(self, path: Path, how: Opening) -> Dataset:
        return open_track(path, how.reading)

    def told(self, dataset: Dataset, why: str) -> tuple[str, ...]:
        n = dataset.n_cells
        if n >= self.fewest:
            return ()
        return (
            f"A run needs {self.fewest} windows of {WINDOW} bins or more; there"
            f" {'is one' if n == 1 else f'are {n}'}. Smaller bins make more.",
        )

    def preview(self, dataset: Dataset) -> Preview:
        found = super().preview(dataset)
        signal, n = dataset.ragged["signal"], dataset.n_cells
        bases = int(dataset.choices[0].taken)
        chromosomes = dataset.obs["chromosome"].nunique()
        of = f"{chromosomes:,} chromosome{'s' if chromosomes != 1 else ''}"
        values = signal.flat
        zeros = int((values == 0).sum())
        return replace(
            found,
            size=f"{n:,} window{'s' if n != 1 else ''} of {of}, {len(values):,} bins of"
            f" {bases:,} bases",
            facts=(
                (f"{n:,}", "windows" if n != 1 else "window"),
                (f"{len(values):,}", "bins"),
                (f"{bases:,}", "bases a bin"),
            ),
            told=(
                f"Signal of {len(values):,} bins: median {np.median(values):.3g}, largest"
                f" {values.max():.4g}; 0 in {zeros:,} of {len(values):,}.",
            ),
            lengths={"positions": signal.widths[-1]},
        )

    def fields(self, found: Preview, places: Mapping[str, str]) -> dict[str, str]:
        return {"signal": SIGNALS, "window_order": ORDER} | super().fields(found, places)

    def as_trained(
        self, records: Records, fields: Mapping[str, Mapping[str, Any]], name: str
    ) -> tuple[Records, list[str]]:
        """Bins of the same size: how long a state lasts is counted in bins."""
        if before := _other_bins(fields, records.along.get("bin_size", ())):
            raise DataError(
                f"This pipeline was trained on bins of {int(before):,} bases; those of {name} are"
                " of another size.",
                fix=f"Choose {before} under 'Bases of a bin' (--bin-size {before}).",
                where="data",
            )
        return records, []

    def unlike(self, fields: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]) -> str:
        if "signal" not in fields:
            return "It was not trained on a signal along the genome."
        taken = [c["taken"] for c in found.get("choices", ()) if c["name"] == "bin_size"]
        if before := _other_bins(fields, taken):
            return f"It was trained on bins of {before} bases: choose these under 'Bases of a bin'."
        return ""

    def ruler(self, name: str, length: int) -> tuple[str, int, int, int]:
        found = window_at(name)
        if found is None or not length:
            return super().ruler(name, length)
        chromosome, start, end = found
        return chromosome, start, (end - start) // length, length

    def described(self, records: Records) -> str:
        signal = records.per_record.get("signal")
        said = f"{records.n:,} windows of the genome"
        return said if signal is None else f"{said} of up to {int(signal.lengths.max()):,} bins"

    def write(self, dataset: Dataset, out: Path, arrays: Mapping[str, Any], **more: Any) -> Written:
        """Also a table of windows, stretches of each state (BED) and posteriors (bedGraph)."""
        beside = {p: v for p, v in arrays.items() if Place.parse(p).table == "positions"}
        arrays = {p: v for p, v in arrays.items() if p not in beside}
        written = super().write(dataset, out, arrays, **more)
        table, bed, graph = self.leaves
        said = [write_table(dataset, arrays, written, table.of(out), self.record.one)]
        states = [v for v in beside.values() if isinstance(v, States)]
        posteriors = [v for v in beside.values() if not isinstance(v, States)]
        if states:
            said.append(write_stretches(dataset, states[0], bed.of(out)))
        if posteriors:
            names = states[0].names if states else ()
            said.append(write_posteriors(dataset, posteriors[0], names, graph.of(out)))
        if len(states) > 1:
            said.append(f"States of the first of {len(states)} blocks that find some are written.")
        return replace(written, notes=(*written.notes, *said))


def _other_bins(fields: Mapping[str, Mapping[str, Any]], now: Sequence[str]) -> str:
    """The size of bins that a pipeline was trained on, where it is known to be another one."""
    before = list(fields.get("signal", {}).get("bin_size", ()))
    return before[0] if before and now and before != list(now) else ""
