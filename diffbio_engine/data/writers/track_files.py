"""What was found along the genome: stretches of states (BED), posteriors (bedGraph)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.writers.h5ad import whole_or_nothing
from diffbio_engine.data.writers.states_file import States, runs_of


def write_stretches(dataset: Dataset, states: States, bed: Path) -> str:
    """Writes a line for each run of bins in one state, joined over windows that touch."""
    written: list[list] = []
    for chromosome, start, bases, i, n in _windows(dataset):
        for low, high, state in runs_of(states.codes[i, :n]):
            said = states.names[state].replace(" ", "_")
            at, to = start + low * bases, start + high * bases
            before = written[-1] if written else None
            if before and before[0] == chromosome and before[2] == at and before[3] == said:
                before[2] = to
            else:
                written.append([chromosome, at, to, said])
    with whole_or_nothing(bed) as part, part.open("w", encoding="utf-8", newline="\n") as lines:
        lines.writelines("\t".join(map(str, line)) + "\n" for line in written)
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
