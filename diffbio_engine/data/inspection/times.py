"""Times as people write them ("day 2", "E10.5", "12h", "0-4 h"), in their order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from diffbio_engine.errors import DataError

# Words that stand for no time.
_MISSING = {"", "nan", "na", "n/a", "none", "null", "unknown", "unassigned", "missing", "-", "?"}
_HOURS = {
    "second": 1 / 3600, "minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0,
    "month": 730.5, "year": 8766.0,
}  # fmt: skip
_WRITTEN = {
    "s sec secs second seconds": "second",
    "min mins minute minutes": "minute",
    "h hr hrs hour hours": "hour",
    "d day days": "day",
    "w wk wks week weeks": "week",
    # "m" is minutes beside seconds and hours, else months: ages of mice are written so.
    "m mo mos mon month months": "month",
    "y yr yrs year years": "year",
}
_UNITS = {word: unit for words, unit in _WRITTEN.items() for word in words.split()}
# Days counted from something: since when, in which unit. Times since one thing are compared.
_COUNTED = {
    "e": ("conception", "day"), "dpc": ("conception", "day"), "pcw": ("conception", "week"),
    "pcd": ("conception", "day"), "wpc": ("conception", "week"), "embryonic": ("conception", "day"),
    "gw": ("the last menstruation", "week"), "ga": ("the last menstruation", "week"),
    "p": ("birth", "day"), "pnd": ("birth", "day"), "pn": ("birth", "day"),
    "postnatal": ("birth", "day"), "mpf": ("fertilisation", "minute"),
    "hpf": ("fertilisation", "hour"), "dpf": ("fertilisation", "day"),
    "wpf": ("fertilisation", "week"), "mpi": ("infection or injury", "month"),
    "hpi": ("infection or injury", "hour"), "dpi": ("infection or injury", "day"),
    "wpi": ("infection or injury", "week"), "dpa": ("amputation", "day"),
    "hpa": ("amputation", "hour"), "div": ("plating", "day"), "zt": ("lights on", "hour"),
    "ct": ("subjective dawn", "hour"), "carnegie": ("Carnegie stage", ""),
    "theiler": ("Theiler stage", ""),
    "hh": ("Hamburger-Hamilton stage", ""),
    "cs": ("Carnegie stage", ""), "ts": ("Theiler stage", ""), "nf": ("Nieuwkoop-Faber stage", ""),
    "ss": ("somites", ""), "somite": ("somites", ""), "somites": ("somites", ""),
    "passage": ("passage", ""),
}  # fmt: skip
# Birth comes after conception, whatever the day of birth.
_BORN_LATER = ("conception", "birth")
_BEFORE_BIRTH = -1e9
_ORDER_IN_WORDS = (
    "baseline", "before", "pre", "initial", "start", "early", "mid", "middle", "intermediate",
    "late", "end", "final", "after", "post", "followup", "follow-up", "relapse",
)  # fmt: skip
_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_FILLER = {
    "time", "timepoint", "point", "tp", "t", "at", "post", "old", "since", "stage", "age", "after",
    "of", "in", "vitro", "the", "infection", "injury", "treatment", "stimulation", "activation",
    "induction", "differentiation", "culture",
}  # fmt: skip
_BARE_M = re.compile(r"(?<![a-z])m(?![a-z])", re.IGNORECASE)
_HYPHEN = re.compile(r"^(.*[a-z])[-–−](\d.*)$", re.IGNORECASE)
_SPAN = re.compile(rf"({_NUMBER})\s*(?:-|–|to)\s*(?:[a-z]*\s*)?(\d+(?:[.,]\d+)?)")


@dataclass(frozen=True)
class Time:
    """One time: how much, in which unit (empty for a bare number), since what (empty: a start)."""

    value: float
    unit: str = ""
    since: str = ""


# An adult is older than any day that is counted from birth.
_ADULT = Time(1e6, "day", "birth")


@dataclass(frozen=True)
class TimesInOrder:
    """Names of times from first to last.

    Attributes:
        names: One name for each time, in order; of two names for one time, the first.
        place: From each name to its place in the order; names that stand for no time are left out.
        sentence: The order and how it was found, in words.
        m: What an "m" was taken for (``"minutes"``, ``"months"``); empty if none stands there.
    """

    names: list[str]
    place: dict[str, int]
    sentence: str
    m: str = ""


def parse_time(name: str, m: str = "month") -> Time | None:
    """The time that a name stands for, or None.

    Understood: numbers, alone or with a unit before or after (``"day 2"``, ``"12h"``, ``"2 wk"``,
    ``"T3"``), days of development (``"E10.5"``, ``"P7"``, ``"24 hpf"``, ``"GW12"``), and spans
    (``"0-4h"``: its middle).

    Args:
        m: What an "m" stands for; see ``times_in_order``, which has the other names to tell by.
    """
    text = re.sub(r"[_/()=:]+", " ", str(name).strip().lower())
    if text in ("adult", "adults"):
        return _ADULT
    text = re.sub(r"\b(e|p) ?(\d+) (\d)$", r"\1\2.\3", text)  # E8_5
    text = re.sub(r"(?<=\d)\s*(?:-|to)\s*[a-z]+(?=\d)", "-", text)  # E9.5-E10.5
    text = re.sub(r"(?<=[a-z])[-.](?=\d)|(?<=\d)-(?=[a-z])|(?<=[a-z])-(?=[a-z])", " ", text)
    span = _SPAN.search(text)
    if span and not text[: span.start()].rstrip().endswith("."):
        first, last = (float(span[i].replace(",", ".")) for i in (1, 2))
        if last > first:
            text = f"{text[: span.start()]} {(first + last) / 2} {text[span.end() :]}"
    if len(numbers := re.findall(rf"(?<![\d.]){_NUMBER}", text)) != 1:
        return None
    words = [w for w in re.sub(rf"(?<![\d.]){_NUMBER}", " ", text).split() if w.strip(".,")]
    value = float(numbers[0].replace(",", "."))
    since, unit = "", ""
    for word in (w.strip(".,") for w in words):
        if word in _COUNTED and not since:
            since, counted = _COUNTED[word]
            unit = unit or counted
        elif word in _UNITS and not (unit and not since):
            unit = m if word == "m" else _UNITS[word]
        elif word not in _FILLER:
            return None
    return Time(value, unit, since)


def is_missing(name: Any) -> bool:
    """Whether a value stands for no time."""
    return bool(pd.isna(name)) or str(name).strip().lower() in _MISSING


def times_in_order(
    values: Sequence[Any],
    place: str = "the time column",
    ordered: Sequence[Any] | None = None,
    m: str = "",
) -> TimesInOrder:
    """Puts the distinct values of a column in the order of time.

    "m" is minutes beside seconds or hours, else months. In "D-7" the hyphen is a minus where
    another name stands without one (D0, D7). Both are said.

    Args:
        values: The distinct values.
        place: The column, for the sentences.
        ordered: The order that the file gives its categories, where it gives one.
        m: What an "m" stands for, where a person says so: ``"minutes"`` or ``"months"``.

    Raises:
        DataError: If they cannot be put in order: no numbers, or units that do not compare.
    """
    names = [_text(v) for v in values if not is_missing(v)]
    if ordered is not None and all(_text(v) in names for v in ordered if not is_missing(v)):
        given = [_text(v) for v in ordered if not is_missing(v)]
        return _told(given, {n: i for i, n in enumerate(given)}, place, "as the file orders them")
    found, said, meant = _parsed(names, m)
    strange = [n for n, t in found.items() if t is None]
    if strange:
        words = {n: _in_words(n) for n in names}
        if all(w is not None for w in words.values()):
            rank = {n: float(w) for n, w in words.items() if w is not None}
            return _ranked(rank, place, "by what their words say")
        raise DataError(
            f"The times in {place} cannot be put in order: "
            f"{', '.join(repr(n) for n in strange[:3])} "
            f"{'has' if len(strange) == 1 else 'have'} no number that can be read as a time.",
            fix="Write them as numbers with one unit (2 d, 10 d, 21 d), or save the column as an "
            "ordered category.",
        )
    times = {n: t for n, t in found.items() if t is not None}
    rank, how = _comparable(times, place)
    return replace(_ranked(rank, place, "; ".join((how, *said))), m=meant)


def _parsed(names: list[str], m: str) -> tuple[dict[str, Time | None], list[str], str]:
    """The time of each name, what was taken where a name alone does not tell, and what m is."""
    said = []
    written, hyphens = {n: n for n in names}, {n: h for n in names if (h := _HYPHEN.match(n))}
    if hyphens:
        stems = {h[1].strip().lower() for h in hyphens.values()}
        rest = [n for n in names if n not in hyphens]
        zero = any((t := parse_time(n)) is not None and t.value == 0 for n in rest)
        minus = zero or any(re.sub(r"\s*\d.*$", "", n).strip().lower() in stems for n in rest)
        if minus:
            written |= {n: f"{h[1]} -{h[2]}" for n, h in hyphens.items()}
        said.append(f"a hyphen before a number is {'' if minus else 'not '}taken for a minus")
    with_m = {n for n in names if _BARE_M.search(re.sub(r"\d", " ", n).replace("_", " "))}
    times = {n: parse_time(text) for n, text in written.items()}
    units = {t.unit for n, t in times.items() if t is not None and n not in with_m}
    if not with_m or not any(times.values()):
        return times, said, ""
    meant = m or ("minutes" if units & {"second", "minute", "hour"} else "months")
    if meant == "minutes":
        times |= {n: parse_time(written[n], "minute") for n in with_m}
    other = "" if m or meant == "minutes" else "; write min for minutes"
    said.append(f"m is taken for {meant}{', as you said' if m else ''}{other}")
    return times, said, meant


def _comparable(times: dict[str, Time], place: str) -> tuple[dict[str, float], str]:
    since = {t.since for t in times.values()}
    units = {t.unit for t in times.values()}
    # Zero needs no unit; no other bare number goes without saying.
    bare = [n for n, t in times.items() if not t.unit and not t.since and t.value != 0]
    mixed = bool(bare) and (units != {""} or since != {""})
    if len(since - {""}) > 1 and since != set(_BORN_LATER):
        mixed = True
    if "" in since and since != {""} and any(not t.since and t.value != 0 for t in times.values()):
        mixed = True
    if mixed:
        shown = ", ".join(repr(n) for n in _one_of_each(times))
        raise DataError(
            f"The times in {place} have different units that cannot be compared ({shown}).",
            fix="Write all of them in one unit, counted from one start.",
        )
    rank = {}
    for name, time in times.items():
        hours = time.value * (_HOURS[time.unit] if time.unit and len(units - {""}) > 1 else 1.0)
        if since == set(_BORN_LATER) and time.since == _BORN_LATER[0]:
            hours += _BEFORE_BIRTH
        rank[name] = hours
    units, since = units - {""}, since - {""}
    if since == set(_BORN_LATER):
        return rank, "those before birth first"
    if len(units) > 1:
        return (
            rank,
            f"{' and '.join(f'{u}s' for u in sorted(units))} were converted to compare them",
        )
    if units:
        (unit,) = units
        return rank, f"in {unit}s{f' since {since.pop()}' if since else ''}"
    return rank, f"by {since.pop()}" if since else "by their numbers; no unit is given"


def _one_of_each(times: dict[str, Time]) -> list[str]:
    return list({(t.unit, t.since): n for n, t in reversed(times.items())}.values())[:4]


def _ranked(rank: dict[str, float], place: str, how: str) -> TimesInOrder:
    order = sorted(set(rank.values()))
    names = [next(n for n, r in rank.items() if r == value) for value in order]
    same = len(rank) - len(order)
    if same:
        more = "name stands" if same == 1 else "names stand"
        how += f"; {same} more {more} for a time that is there already"
    return _told(names, {n: order.index(r) for n, r in rank.items()}, place, how)


def _told(names: list[str], places: dict[str, int], place: str, how: str) -> TimesInOrder:
    shown = names if len(names) <= 8 else [*names[:4], "...", *names[-3:]]
    return TimesInOrder(names, places, f"Times in {place}: {' → '.join(shown)} ({how}).")


def _in_words(name: str) -> int | None:
    words = re.split(r"[^a-z-]+", name.strip().lower())
    found = [i for i, word in enumerate(_ORDER_IN_WORDS) if word in words]
    return found[0] if len(found) == 1 else None


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{int(value)}" if float(value).is_integer() else f"{float(value):g}"
    return str(value)


def time_codes(
    column: pd.Series, place: str, m: str = ""
) -> tuple[np.ndarray, list[str], list[str]]:
    """The time of each cell (-1: no time), the names of the times in order, and what to know."""
    ordered = None
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        ordered = list(column.cat.categories) if column.cat.ordered else None
    values = list(pd.unique(column.dropna()))
    order = times_in_order(values, place, ordered, m)
    places = {v: order.place.get(_text(v), -1) for v in values}
    codes = np.array([-1 if pd.isna(v) else places[v] for v in column], np.int32)
    notes, missing = [order.sentence], int((codes < 0).sum())
    if missing:
        notes.append(
            f"{missing:,} of {len(codes):,} cells have no time in {place}: they are left out of "
            "what needs one."
        )
    return codes, order.names, notes
