"""`join`: several files, a sample each, as one data set; a line for each that says what it is."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from diffbio_engine.apart.samples import SamplesApart
from diffbio_engine.command_line.looking import readers
from diffbio_engine.data.samples import Facts, Sample, compare, proposed_names
from diffbio_engine.errors import DataError, did_you_mean


def join_samples(asked: argparse.Namespace) -> int:
    """Looks at each file by itself, says what is found, and joins what belongs together."""
    apart = readers(limited=not asked.no_limits).samples
    samples = _named(_listed(apart, asked.data), asked.name)
    found: list[tuple[Sample, Facts | DataError]] = []
    for sample in samples:
        try:
            found.append((sample, apart.look(sample.path, sample.reading)))
        except DataError as error:
            found.append((sample, error))
    readable = [(s, one) for s, one in found if isinstance(one, Facts)]
    compared = compare([(s.name, facts) for s, facts in readable])
    verdicts = iter(compared.verdicts)
    good = []
    for sample, one in found:
        if isinstance(one, DataError):
            print(f"x {sample.name} ({sample.called}): {one}")
            continue
        verdict, size = next(verdicts), one.preview["size"]
        of = f", {one.organism}" if one.organism else ""
        told = f"{sample.name} ({sample.called}): {size}, {one.preview['kind']}{of}."
        if verdict.is_good:
            good.append(sample)
            share = f" {verdict.n_shared:,} of its {verdict.n_genes:,} genes are in all."
            print(" ".join([f"+ {told}{share}", *verdict.notes]))
        else:
            print(f"x {told} {verdict.problem} {verdict.fix}")
    if len(good) < len(found) and not asked.skip:
        n = len(found) - len(good)
        raise DataError(
            f"{n} of {len(found)} samples cannot be joined, and nothing was written.",
            fix="Mend them, or say --skip to leave them out.",
        )
    made = apart.join(good, asked.to.absolute(), column=asked.column, genes=asked.genes)
    print(f"{asked.to}: {made.n_cells:,} rows x {made.n_genes:,} genes of {len(good)} samples.")
    print("\n".join(f"Note: {said}" for said in made.said))
    sys.stdout.flush()
    return 0


def _listed(apart: SamplesApart, paths: Sequence[Path]) -> list[Sample]:
    """A sample for each file, and for each one of a folder or archive that holds several."""
    found = []
    for given in paths:
        path = given.absolute()
        several = path.is_dir() or path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz")
        parts = apart.parts(path) if several and path.exists() else []
        found += [Sample(path, "", {"sample": part}, str(given)) for part in parts]
        if not parts:
            found.append(Sample(path, "", {}, str(given)))
    return found


def _named(samples: list[Sample], said: Sequence[str]) -> list[Sample]:
    ways = [s.reading.get("sample") or s.file for s in samples]
    names = proposed_names(ways)
    for pair in said:
        file, equals, name = pair.rpartition("=")
        places = (i for i, (s, way) in enumerate(zip(samples, ways, strict=True))
                  if file in (s.called, s.file, way))  # fmt: skip
        place = next(places, None)
        if not equals or place is None:
            raise DataError(
                f"'{pair}' names none of the samples.",
                fix=did_you_mean(file, ways) or f"Say FILE=NAME of {', '.join(ways[:8])}.",
                where="name",
            )
        names[place] = name
    return [Sample(s.path, n, s.reading, s.file) for s, n in zip(samples, names, strict=True)]
