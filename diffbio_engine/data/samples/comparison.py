"""Which of several samples can be joined, what is wrong with each other one, and what is shared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.samples.cells_twice import judge_cells
from diffbio_engine.data.samples.facts import RAW_X, Facts
from diffbio_engine.data.samples.verdict import Verdict

IDS, NAMES = "ids", "names"
# Below this share of the smaller list of genes two samples are of different worlds; of two
# selections of the most variable genes a third is usual.
_OTHER_GENES = 0.05
_FEW_GENES = 0.5


@dataclass(frozen=True)
class Comparison:
    """Several samples beside each other.

    Attributes:
        verdicts: Of each sample, in order.
        by: What genes are matched by: ``"ids"`` or ``"names"``.
        mains: Of each sample the matrix that becomes X.
        n_shared, n_any: How many genes all good samples have, and how many any of them has.
        said: What is to be known of the whole, in sentences.
    """

    verdicts: tuple[Verdict, ...]
    by: str = NAMES
    mains: tuple[str, ...] = ()
    n_shared: int = 0
    n_any: int = 0
    said: tuple[str, ...] = ()

    @property
    def good(self) -> list[int]:
        """Which samples can be joined."""
        return [i for i, verdict in enumerate(self.verdicts) if verdict.is_good]


def compare(samples: Sequence[tuple[str, Facts]]) -> Comparison:
    """Tells samples that belong together from those that do not; each is judged by itself.

    Of several worlds (cells and spots, two species, ids and symbols) the one with most samples
    stays, of equal ones that of the first sample.

    Args:
        samples: Name and facts of each that could be read.
    """
    verdicts = [Verdict() for _ in samples]
    _judge_rows(samples, verdicts)
    judge_cells(samples, verdicts)
    mains = _mains(samples, verdicts)
    tables = ["raw" if m == RAW_X and "raw" in f.genes else "var"
              for m, (_, f) in zip(mains, samples, strict=True)]  # fmt: skip
    by = _judge_genes(samples, verdicts, tables)
    _judge_values(samples, verdicts)
    good = [i for i, v in enumerate(verdicts) if v.is_good]
    if not good:
        return Comparison(tuple(verdicts), by, tuple(mains))
    keys = {i: _keys(samples[i][1], tables[i], by) for i in good}
    shared = _of_all([keys[i] for i in good])
    n_any = len(_of_any([keys[i] for i in good]))
    for i in good:
        verdicts[i] = replace(verdicts[i], n_genes=len(keys[i]), n_shared=len(shared))
        if len(good) > 1 and len(shared) < _FEW_GENES * len(keys[i]):
            said = f"More than half of its genes ({len(keys[i]) - len(shared):,}) some others lack."
            verdicts[i] = replace(verdicts[i], notes=(*verdicts[i].notes, said))
    told = _said_of_mains(samples, mains, good)
    return Comparison(tuple(verdicts), by, tuple(mains), len(shared), n_any, told)


def _judge_rows(samples: Sequence[tuple[str, Facts]], verdicts: list[Verdict]) -> None:
    for i, (_, facts) in enumerate(samples):
        rows = str(facts.preview["rows"])
        if not kind_named(rows).joins:
            verdicts[i] = Verdict(
                f"It holds {rows}, which are not joined with others.", "Open it by itself."
            )
        elif not facts.places:
            verdicts[i] = Verdict(
                "It holds no matrix of genes.", "Bring the file that holds the counts."
            )
    judged = zip(samples, verdicts, strict=True)
    good = [str(facts.preview["rows"]) for (_, facts), v in judged if v.is_good]
    if not good:
        return
    usual = _most(good)
    for i, (_, facts) in enumerate(samples):
        if verdicts[i].is_good and facts.preview["rows"] != usual:
            verdicts[i] = Verdict(
                f"Its rows are {facts.preview['rows']}, those of the others {usual}.",
                f"If they are {usual}, open it and say so under 'Rows are'; else leave it out.",
            )


def _most(words: Sequence[str]) -> str:
    counts = Counter(words)
    return max(dict.fromkeys(words), key=lambda w: counts[w])


def _mains(samples: Sequence[tuple[str, Facts]], verdicts: list[Verdict]) -> list[str]:
    """Of each the matrix that becomes X: X itself, or the counts where they lie in other places,
    and where X of one holds other values than X of another.
    """
    first = ["X" if "X" in f.places else (f.places or ["X"])[0] for _, f in samples]
    judged = zip(first, samples, verdicts, strict=True)
    good = [(x, f) for x, (_, f), v in judged if v.is_good]
    counts = {f.counts for _, f in good if f.counts}
    if not counts or (len(counts) == 1 and len({f.holds_at(x) for x, f in good}) == 1):
        return first
    return [f.counts or x for x, (_, f) in zip(first, samples, strict=True)]


def _keys(facts: Facts, table: str, by: str) -> np.ndarray:
    names, ids = facts.genes[table]
    return ids if by == IDS else names


def _of_all(keys: Sequence[np.ndarray]) -> np.ndarray:
    found = keys[0]
    for other in keys[1:]:
        if not np.array_equal(found, other):  # of one reference, which is usual
            found = np.intersect1d(found, other)
    return found


def _of_any(keys: Sequence[np.ndarray]) -> np.ndarray:
    found = keys[0]
    for other in keys[1:]:
        if not np.array_equal(keys[0], other):
            found = np.union1d(found, other)
    return found


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    fewest = min(len(one), len(other))
    if np.array_equal(one, other):
        return float(fewest > 0)
    return len(np.intersect1d(one, other)) / fewest if fewest else 0.0


def _judge_genes(
    samples: Sequence[tuple[str, Facts]], verdicts: list[Verdict], tables: list[str]
) -> str:
    """Leaves the largest group of samples that share genes; by ids where it is as large so."""
    good = [i for i, v in enumerate(verdicts) if v.is_good]
    best: tuple[str, list[int]] = (NAMES, [])
    for by in (IDS, NAMES):
        groups: list[list[int]] = []
        for i in good:
            mine = _keys(samples[i][1], tables[i], by)
            if not len(mine):
                continue
            firsts = ((g, _keys(samples[g[0]][1], tables[g[0]], by)) for g in groups)
            near = (g for g, first in firsts if _overlap(first, mine) >= _OTHER_GENES)
            found = next(near, None)
            if found is None:
                groups.append([i])
            else:
                found.append(i)
        largest = max(groups, key=len, default=[])
        if len(largest) > len(best[1]):
            best = (by, largest)
    by, group = best
    for i in good:
        if i not in group:
            verdicts[i] = _of_other_genes(samples, i, group, tables, by)
    return by


def _of_other_genes(
    samples: Sequence[tuple[str, Facts]], i: int, group: list[int], tables: list[str], by: str
) -> Verdict:
    facts, (name, first) = samples[i][1], samples[group[0]]
    mine = _keys(facts, tables[i], by)
    mine = mine if len(mine) else _keys(facts, tables[i], NAMES)
    n = len(np.intersect1d(mine, _keys(first, tables[group[0]], by)))
    example, other = (f.preview["gene_examples"][:1] for f in (facts, first))
    called = f"{facts.spelling} ({', '.join(example)})"
    others = f"{first.spelling} ({', '.join(other)})"
    of = [f.organism for f in (facts, first)]
    same = of[0] and of[0] == of[1]
    why = f"Its genes are {called}, those of {name} {others}"
    if all(of) and not same:
        why = f"Its genes look like those of {of[0]}, those of {name} like {of[1]}"
    fix = (
        "Bring it with names and ids of its genes (features.tsv has both), or leave it out."
        if same
        else "Leave it out, or join samples of one species with one kind of gene names."
    )
    return Verdict(f"{why}: {n:,} of its {len(mine):,} genes are shared.", fix)


def _judge_values(samples: Sequence[tuple[str, Facts]], verdicts: list[Verdict]) -> None:
    """Counts are not stacked on logarithms."""
    good = [i for i, v in enumerate(verdicts) if v.is_good]
    counted = [i for i in good if samples[i][1].counts]
    usual = "raw counts" if counted else _most([samples[i][1].holds for i in good] or [""])
    for i in good:
        facts = samples[i][1]
        holds = "raw counts" if facts.counts else facts.holds
        if holds != usual:
            verdicts[i] = Verdict(
                f"It holds {_values(holds)}, the others {_values(usual)}: the two cannot stand in "
                "one matrix.",
                f"Bring its {usual if counted else 'values as those of the others are'}, or leave "
                "it out.",
            )


def _values(holds: str) -> str:
    return holds if "counts" in holds or "zeros" in holds else f"{holds} values"


def _said_of_mains(
    samples: Sequence[tuple[str, Facts]], mains: list[str], good: list[int]
) -> tuple[str, ...]:
    places: dict[str, list[str]] = {}
    for i in good:
        places.setdefault(mains[i], []).append(samples[i][0])
    held = sorted({samples[i][1].holds_at("X") for i in good} - {""})
    if len(places) == 1 and "X" not in places and len(held) > 1:
        (place,) = places
        told = " and ".join(map(_values, held))
        return (f"X of the samples holds {told}: X of the joined set is their {place}.",)
    if len(places) < 2:
        return ()
    of = " and ".join(f"{place} of {', '.join(names[:5])}" for place, names in places.items())
    return (f"The counts lie in different places: X of the joined set is {of}.",)
