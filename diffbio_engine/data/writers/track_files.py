"""What was found along the genome: stretches of states (BED), posteriors (bedGraph)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.writers.h5ad import whole_or_nothing
from diffbio_engine.data.writers.states_file import BedLines, States, runs_of


def write_stretches(dataset: Dataset, states: States, bed: Path) -> str:
    """Writes a line for each run of bins in one state, joined over windows that touch."""
    written: list[tuple[str, int, int, int]] = []
    for chromosome, start, bases, i, n in _windows(dataset):
        for low, high, state in runs_of(states.codes[i, :n]):
            at, to = start + low * bases, start + high * bases
            if written and (written[-1][0], *written[-1][2:]) == (chromosome, at, state):
                at = written.pop()[1]
            written.append((chromosome, at, to, state))
    told = BedLines(states)
    with whole_or_nothing(bed) as part, part.open("w", encoding="utf-8", newline="\n") as lines:
        lines.write(told.head)
        lines.writelines(told.line(*stretch) for stretch in written)
    return f"{bed.name} has the {len(written):,} stretches of the states (BED, counted from 0)."


def write_posteriors(
    dataset: Dataset, posteriors: np.ndarray, names: Sequence[str], graph: Path
) -> str:
    """Writes a track for each state: its posterior in each bin, to three digits, runs joined."""
    names = names or [f"state {k}" for k in range(posteriors.shape[-1])]
    with whole_or_nothing(graph) as part, part.open("w", encoding="utf-8", newline="\n") as lines:
        for k, name in enumerate(names):
            lines.write(f'track type=bedGraph name="{name}" viewLimits=0:1 autoScale=off\n')
            for chromosome, start, bases, i, n in _windows(dataset):
                rounded = np.round(1000 * posteriors[i, :n, k]).astype(int)
                for low, high, value in runs_of(rounded):
                    at, to = start + low * bases, start + high * bases
                    lines.write(f"{chromosome}\t{at}\t{to}\t{value / 1000:g}\n")
    return f"{graph.name} has the posterior of each state, a track each (bedGraph)."


def _windows(dataset: Dataset) -> Iterator[tuple[str, int, int, int, int]]:
    """Chromosome, first base, bases of a bin, row and number of bins of each window."""
    lengths = dataset.ragged["signal"].lengths
    columns = (dataset.obs[name] for name in ("chromosome", "start", "end"))
    for i, (chromosome, start, end) in enumerate(zip(*columns, strict=True)):
        n = int(lengths[i])
        yield str(chromosome), int(start), (int(end) - int(start)) // n, i, n
