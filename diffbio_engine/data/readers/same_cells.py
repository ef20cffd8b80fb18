"""Several matrices of the same cells are no samples: one is taken, and a person may take another.

Exons and introns, molecules and reads, counts and their logarithms lie side by side in many
folders; joined as samples, every cell would be there twice.
"""

import re
from collections.abc import Sequence

import pandas as pd

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.reading import Choice, Reading
from diffbio_engine.errors import DataError, did_you_mean

# What the name of a matrix tells of it; what stands later is taken later.
_LATER = (
    re.compile(r"intron|unspliced|nascent|reads|ambiguous|spanning"),
    re.compile(r"adt|hto|antibod|protein|crispr|guide|atac|peak"),
    re.compile(r"log|norm|tpm|cpm|[fr]pkm|scale|sct|correct|imput|magic|denois|z_?score|resid"),
)
_BARCODE = re.compile(r"^[ACGTN]{8,}([-_.]\d+)?$")
# Names that any sample may have: counted through, or wells of a plate.
_OF_ANY = re.compile(
    r"^(\d+|(cell|barcode|bc|spot|nucleus|well|sample|[a-z])?[-_. ]?\d+|[A-P]-?\d{1,2})$", re.I
)
# A raw matrix of 10x has every barcode there is, in every sample.
_EVERY_BARCODE = 100_000
_SAME, _FEWEST = 0.9, 2


def later(name: str) -> int:
    """Whether a matrix of this name is taken after others of the same cells; 0 comes first."""
    return next((n for n in (3, 2, 1) if _LATER[n - 1].search(name.lower())), 0)


def are_same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether nearly all names of the smaller list are in the other one."""
    a, b = pd.Index(one), pd.Index(other)
    fewest = min(len(a), len(b))
    if fewest < _FEWEST or fewest < 0.5 * max(len(a), len(b)):
        return False
    if fewest >= _EVERY_BARCODE and _share(_BARCODE, a) > 0.9:
        return False
    return int(a.isin(b).sum()) >= _SAME * fewest


def any_sample_has(names: Sequence[str]) -> bool:
    """Whether most names of cells are such as any sample may have: counted through, wells."""
    return _share(_OF_ANY, pd.Index(names)) > 0.5


def _share(pattern: re.Pattern[str], names: pd.Index) -> float:
    some = [str(n) for n in names[:1_000]]
    return sum(bool(pattern.match(n)) for n in some) / max(len(some), 1)


def no_part(part: str, parts: Sequence[str], name: str, whole: str = "") -> DataError:
    """There is no such matrix.

    Args:
        whole: What to call the part without a name.
    """
    there = ", ".join(p or whole for p in parts)
    return DataError(
        f"There is no matrix '{part}' in {name}; there is {there}.",
        fix=did_you_mean(part, parts) or "Choose one of these.",
        where="part",
    )


def one_of_the_same(
    parts: list[tuple[str, Dataset]], reading: Reading, name: str
) -> Dataset | None:
    """The matrix to take where all are of the same cells, with the choice; else None."""
    first = parts[0][1].obs.index
    if any_sample_has(first) or not all(are_same(first, d.obs.index) for _, d in parts[1:]):
        return None
    names = [part for part, _ in parts]
    if reading.part and reading.part not in names:
        raise no_part(reading.part, names, name)
    taken = reading.part or min(names, key=lambda n: (later(n), names.index(n)))
    dataset = dict(parts)[taken]
    others = ", ".join(n for n in names if n != taken)
    dataset.warnings.insert(
        0, f"The matrix {taken} is used; there is also {others}, of the same cells."
    )
    why = "" if reading.part else "counts before other values"
    choice = Choice("part", "Which matrix", taken, tuple((n, n) for n in names), why)
    dataset.choices = (choice, *dataset.choices)
    return dataset


def doubled(parts: list[tuple[str, Dataset]], name: str) -> list[str]:
    """What is to be said of samples whose cells are called the same; two of one cell are refused.

    Names that any sample may have (counted through, wells of a plate) are said, not refused.
    """
    said = []
    for i, (one, first) in enumerate(parts):
        for other, second in parts[i + 1 :]:
            if not are_same(first.obs.index, second.obs.index):
                continue
            if any_sample_has(first.obs.index):
                said.append(
                    f"The cells of {one} and {other} have the same names ({first.obs.index[0]}, "
                    "...) and were taken for different cells; if they are not, open one of them."
                )
                continue
            raise DataError(
                f"{one} and {other} of {name} hold the same cells ({first.obs.index[0]}, ...): "
                "joined, each would be there twice.",
                fix="Open one of them, or leave one out of the folder.",
            )
    return said[:5] + ([f"So it is with {len(said) - 5} more pairs."] if len(said) > 5 else [])
