"""Mistakes that a person can make, said in words that a person can act on.

A ``UserError`` says *what* is wrong with the values seen, how to *fix* it, and *where* it is.
Anything else that is raised is our own mistake and is shown as such.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something that the person can put right.

    Args:
        what: What is wrong, with the values seen; a full sentence.
        fix: What to do about it; a full sentence that starts with a verb.
        where: The place, from outside in: ``"cluster.temperature"``. It grows on the way up.
    """

    def __init__(self, what: str, *, fix: str = "", where: str = ""):
        self.what, self.fix, self.where = what, fix, where
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what} {self.fix}".strip()

    def __reduce__(self):
        return _rebuilt, (type(self), self.what, self.fix, self.where)

    def at(self, place: str) -> "UserError":
        """The same mistake, seen from one level further out."""
        where = f"{place}.{self.where}" if self.where else place
        return type(self)(self.what, fix=self.fix, where=where)

    def as_dict(self) -> dict[str, str]:
        """Plain data, for a file or a page."""
        return {
            "kind": type(self).__name__,
            "what": self.what,
            "fix": self.fix,
            "where": self.where,
        }


def _rebuilt(kind: type[UserError], what: str, fix: str, where: str) -> UserError:
    return kind(what, fix=fix, where=where)


class SettingError(UserError, ValueError):
    """A setting has a value that it cannot have."""


class UnknownNameError(UserError, LookupError):
    """A name stands for nothing here."""


class DataError(UserError, ValueError):
    """A file or an array cannot be used as it is."""


class PipelineError(UserError, ValueError):
    """A pipeline document, a block or a wire is not right.

    Args:
        all: Every problem found, this one first, where several were found at once.
    """

    def __init__(
        self, what: str, *, fix: str = "", where: str = "", all: "tuple[UserError, ...]" = ()
    ):
        super().__init__(what, fix=fix, where=where)
        self.all = all or (self,)


class TrainingError(UserError, ArithmeticError):
    """Training cannot go on: a value became infinite, or there is nothing to learn."""


class RunError(UserError, RuntimeError):
    """A run cannot be started, carried on or written."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint like ``Did you mean 'batch_id'?``, or nothing if no known name is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else ""
