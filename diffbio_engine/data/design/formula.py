"""Formulas of designs as R writes them: ``~ batch + relevel(condition, ref="control")``.

They are read here, word by word: a library that evaluates formulas runs whatever a person writes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from diffbio_engine.errors import DataError

# What a place begins with that is a formula over the columns of ``obs``.
FORMULA = "formula:"
_PLAIN = re.compile(r"[^\W\d][\w.]*")
_WORDS = re.compile(
    r"\s*(?:(?P<quoted>`(?:[^`\\]|\\.)*`)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|"
    r"(?P<name>[^\W\d][\w.]*)|"
    r"(?P<number>\d+(?:\.\d+)?)|(?P<sign>[-+*:~(),=^/|%]))"
)
_WRITTEN = "Write it like ~ batch + condition: columns of the samples, what is compared last."
# A column is named once in each; more would be a mistake or an attack.
_MOST_TERMS, _LONGEST = 24, 2_000


@dataclass(frozen=True)
class Formula:
    """Which columns a design takes into account.

    Attributes:
        terms: Columns, or several whose effects depend on each other, in the order written.
        references: By column, the level that the others are compared with.
        classes: Columns of numbers that name classes (``factor(batch)``).
        levels: By column, its levels in their order (``factor(dose, levels=c("none", "low"))``):
            the others are compared with the first, and of what is compared the last is tested.
    """

    terms: tuple[tuple[str, ...], ...]
    references: Mapping[str, str] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column once, in the order written."""
        return tuple(dict.fromkeys(name for term in self.terms for name in term))

    @property
    def text(self) -> str:
        """As R reads it."""
        return "~ " + " + ".join(":".join(map(self._written, term)) for term in self.terms)

    @property
    def place(self) -> str:
        """As a field of the data names it."""
        return FORMULA + self.text

    def with_reference(self, column: str, level: str) -> "Formula":
        """The same, compared with another level of a column."""
        if column in self.levels:
            rest = [v for v in self.levels[column] if v != level]
            return self.with_levels(column, (level, *rest))
        return replace(self, references={**self.references, column: level})

    def with_levels(self, column: str, levels: Iterable[str]) -> "Formula":
        """The same, with the levels of a column in this order."""
        references = {name: v for name, v in self.references.items() if name != column}
        return replace(self, references=references, levels={**self.levels, column: tuple(levels)})

    def _written(self, column: str) -> str:
        name = column if _PLAIN.fullmatch(column) else _quoted(column, "`")
        if order := self.levels.get(column):
            return f"factor({name}, levels=c({', '.join(map(_in_quotes, order))}))"
        name = f"factor({name})" if column in self.classes else name
        level = self.references.get(column)
        if level is None:
            return name
        return f"relevel({name}, ref={_in_quotes(level)})"

    @classmethod
    def parse(cls, text: str) -> "Formula":
        """From its text.

        Raises:
            DataError: It is none, or says something that no design here can be.
        """
        return _Reader(text).formula()


def formula_at(place: str) -> Formula | None:
    """The formula that a place is, or that one column alone is; None for another place."""
    if place.startswith(FORMULA):
        return Formula.parse(place.removeprefix(FORMULA))
    table, _, name = place.partition("/")
    return Formula(((name,),)) if table == "obs" and name else None


class _Reader:
    """One formula, taken apart from left to right."""

    def __init__(self, text: str):
        if len(text) > _LONGEST:
            raise DataError("is too long for a formula.", fix=_WRITTEN, where="design")
        self._text, self._words = text.strip(), _words_of(text)
        self._references: dict[str, str] = {}
        self._classes: set[str] = set()
        self._levels: dict[str, tuple[str, ...]] = {}

    def formula(self) -> Formula:
        self._take("~")
        terms: list[tuple[str, ...]] = []
        while True:
            terms += self._crossed()
            if not self._words:
                break
            self._take("+")
        terms = [t for t in dict.fromkeys(terms) if t]
        if not terms:
            raise self._wrong("names no column")
        if len(terms) > _MOST_TERMS:
            raise self._too_many()
        whole = {frozenset(t) for t in terms}
        for term in terms:
            for part in combinations(term, len(term) - 1):
                if part and frozenset(part) not in whole:
                    raise DataError(
                        f"The formula '{self._text}' has {':'.join(term)} without"
                        f" {':'.join(part)}.",
                        fix=f"Write {' * '.join(term)}: what each does, and what they do together.",
                        where="design",
                    )
        # What columns do together comes after what each does, as R orders it.
        ordered = sorted(terms, key=len)
        return Formula(tuple(ordered), self._references, frozenset(self._classes), self._levels)

    def _crossed(self) -> list[tuple[str, ...]]:
        """``a * b`` is a, b, and both together."""
        factors = [self._together()]
        while self._next("*"):
            factors.append(self._together())
        if 2 ** len(factors) > _MOST_TERMS + 1:  # before they are made: they are twice as many each
            raise self._too_many()
        some = (c for n in range(1, len(factors) + 1) for c in combinations(factors, n))
        return [tuple(dict.fromkeys(name for term in c for name in term)) for c in some]

    def _together(self) -> tuple[str, ...]:
        """``a:b``; an empty term is the intercept, which is always there."""
        term = [self._variable()]
        while self._next(":"):
            term.append(self._variable())
        return tuple(dict.fromkeys(name for name in term if name))

    def _variable(self) -> str:
        kind, word = self._words.pop(0) if self._words else ("", "")
        if kind == "number" and word == "1":
            return ""
        if word in ("0", "-"):
            raise DataError(
                f"The formula '{self._text}' leaves the intercept out.",
                fix="Write it with the intercept, which is the reference level: ~ condition.",
                where="design",
            )
        if kind == "quoted":
            return _unquoted(word)
        if kind != "name":
            raise self._wrong(f"cannot be understood at '{word}'" if word else "ends too early")
        if not self._next("("):
            return word
        if word == "factor":
            name = self._variable()
            self._classes.add(name)
            if self._next(","):
                self._levels[name] = self._order()
            self._take(")")
            return name
        if word == "relevel":
            name = self._variable()
            self._take(",")
            if self._words[:1] == [("name", "ref")]:
                self._words.pop(0)
                self._take("=")
            kind, level = self._words.pop(0) if self._words else ("", "")
            if kind != "text":
                raise self._wrong('wants the level in quotes: relevel(condition, ref="control")')
            level = _unquoted(level)
            if order := self._levels.get(name):  # as R does it: to the front, the others stay
                self._levels[name] = (level, *(v for v in order if v != level))
            else:
                self._references[name] = level
            self._take(")")
            return name
        raise self._wrong(f"asks for {word}(), and only relevel() and factor() are known")

    def _order(self) -> tuple[str, ...]:
        """``levels = c("control", "low", "high")``."""
        for word in (("name", "levels"), ("sign", "="), ("name", "c"), ("sign", "(")):
            if self._words[:1] != [word]:
                raise self._wrong('wants levels in order: factor(dose, levels=c("none", "low"))')
            self._words.pop(0)
        found: list[str] = []
        while True:
            kind, level = self._words.pop(0) if self._words else ("", "")
            if kind != "text" or (level := _unquoted(level)) in found:
                raise self._wrong("wants each level once, in quotes")
            found.append(level)
            if not self._next(","):
                break
        self._take(")")
        return tuple(found)

    def _next(self, sign: str) -> bool:
        there = bool(self._words) and self._words[0] == ("sign", sign)
        if there:
            self._words.pop(0)
        return there

    def _take(self, sign: str) -> None:
        if not self._next(sign):
            word = self._words[0][1] if self._words else ""
            if word == "-":
                self._variable()
            why = f"has '{word}' where '{sign}' is expected"
            raise self._wrong(why if word else "ends too early")

    def _too_many(self) -> DataError:
        return self._wrong(f"has more than {_MOST_TERMS} terms")

    def _wrong(self, why: str) -> DataError:
        return DataError(f"The formula '{self._text}' {why}.", fix=_WRITTEN, where="design")


def _quoted(word: str, quote: str) -> str:
    """In quotes; a quote or a backslash in it has a backslash before it, as R has them."""
    return quote + word.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


def _in_quotes(level: str) -> str:
    return _quoted(level, "'" if '"' in level else '"')


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)


def _words_of(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _WORDS.match(text, at)
        if match is None:
            raise DataError(
                f"The formula '{text}' cannot be understood at '{text[at:][:20].strip()}'.",
                fix=_WRITTEN + " Put a name with blanks or signs into `backquotes`.",
                where="design",
            )
        found.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
        at = match.end()
    return found
