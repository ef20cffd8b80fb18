"""The column of times among those of the cells, and why one that is called so was not taken."""

from collections.abc import Sequence

from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.inspection.column_names import called_times, named_times
from diffbio_engine.data.inspection.preview import ColumnPreview
from diffbio_engine.data.inspection.times import TimesInOrder, times_in_order
from diffbio_engine.data.reading import MEANINGS_OF_M, Choice
from diffbio_engine.errors import DataError

_MOST_TIMES, _MOST_TOLD = 50, 4


def suggested_time(
    columns: Sequence[ColumnPreview], n_cells: int, m: str = ""
) -> tuple[str, list[str], tuple[Choice, ...]]:
    """The name of the column (empty: none), what to know of it, and what may be said of it.

    Args:
        m: What an "m" stands for, where a person said so.
    """
    by_name = {c.name: c for c in columns}
    usable = called_times(columns)
    left: list[str] = []
    for name in [*usable, *(n for n in named_times(columns) if n not in usable)]:
        order = _order(by_name[name], m)
        if isinstance(order, str):
            left.append(f"obs/{name} is called like a time, and is not taken for one: {order}")
            continue
        missing = by_name[name].missing
        told = f" {missing:,} of {n_cells:,} cells have no time." if missing else ""
        others = [f"obs/{n}" for n in usable if n != name and _is_time(by_name[n], m)]
        also = f" {', '.join(others)} could be taken instead." if others else ""
        return name, [*left[:_MOST_TOLD], order.sentence + told + also], _choice(order, m)
    return "", left[:_MOST_TOLD], ()


def _choice(order: TimesInOrder, m: str) -> tuple[Choice, ...]:
    if not order.m:
        return ()
    possible = tuple((meaning, f"3m is 3 {meaning}") for meaning in MEANINGS_OF_M)
    why = "" if m else "by the other times"
    return (Choice("m", "What m stands for in times", order.m, possible, why),)


def _is_time(column: ColumnPreview, m: str) -> bool:
    return not isinstance(_order(column, m), str)


def _order(column: ColumnPreview, m: str) -> TimesInOrder | str:
    """The times of a column in order, or why they are none."""
    if column.n_values < 2:
        return f"it has {'one value' if column.n_values else 'no values'}."
    if column.n_values > _MOST_TIMES or not column.values:
        return f"it has {column.n_values:,} values, and a course has at most {_MOST_TIMES} times."
    # "25-year-old stage": how old the donor was, no time of a course.
    old = next((value for value in column.values if "old" in words_of(value)), "")
    if old:
        return f"its values tell how old somebody was ('{old}'). Choose it if that is the time."
    ordered = column.values if column.ordered else None
    try:
        return times_in_order(column.values, f"obs/{column.name}", ordered, m)
    except DataError as error:
        return f"{error.what} {error.fix}".strip()
