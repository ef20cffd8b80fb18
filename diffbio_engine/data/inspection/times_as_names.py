"""Whether names of samples are times ("D0", "D3", "D7"), and not donors D1, D2, D3."""

import itertools
import re
from collections.abc import Sequence

from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.inspection.times import is_missing, parse_time, times_in_order
from diffbio_engine.errors import DataError

# D1 is a donor, M2 a mouse, P3 a patient, where the column is called so.
_SOMEBODY = {
    "donor", "patient", "individual", "participant", "subject", "mouse", "animal", "specimen",
    "replicate", "rep", "lane", "channel", "chip", "plate", "pool",
}  # fmt: skip
_LETTER = re.compile(r"^([a-z])[-_ ]?(\d+)$")
# Letters that stand for times more often than for samples; S1, M2, P3 and T4 are samples.
_OF_TIME = "dehw"


def named_by_time(name: str, values: Sequence[str]) -> bool:
    """Whether the values of a column that is called like a batch are times.

    A bare number is none. A letter and a number (D0) is one where the numbers are not counted
    through from one, as people count donors; never where the column is called after somebody.
    """
    names = [v for v in values if not is_missing(v)]
    if len(names) < 2:
        return False
    try:
        if len(times_in_order(names).names) < len(names):
            return False
    except DataError:
        return False
    times = [parse_time(v) for v in names]
    if any(t is not None and not t.unit and not t.since and t.value for t in times):
        return False
    letters = [_LETTER.match(v.strip().lower()) for v in names]
    if not any(letters):
        return True
    if _SOMEBODY & set(words_of(name)):
        return False
    numbers = sorted(int(m[2]) for m in letters if m)
    if 0 in numbers:
        return True
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    return all(m is None or m[1] in _OF_TIME for m in letters) and steps != {1}
