"""What a block has to tell of the data, beside its numbers."""

import warnings
from collections.abc import Iterable, Iterator


class Notes:
    """Sentences that ``prepare`` has to tell a person; they stand with the results.

    No part of the mathematics: to JAX all notes are the same, so that a refresh which has something
    else to tell compiles no step anew.
    """

    def __init__(self, told: Iterable[str] = ()) -> None:
        self._told = tuple(told)

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __getitem__(self, place: int) -> str:
        return self._told[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Notes)

    def __hash__(self) -> int:
        return hash(Notes)


def warn_untrained(name: str) -> None:
    """Says once, where it happens, that what comes out is not a result yet."""
    warnings.warn(
        f"{name} has not been trained or prepared: its output is a starting point, not a result.",
        stacklevel=3,
    )
