"""What is told of a file without anything being amiss in it."""


class PlainNote(str):
    """A sentence of how a file was read, among what a person should know: told, and no warning."""

    __slots__ = ()


def in_other_words(said: str, words: str) -> str:
    """The same sentence in other words: a plain note stays one."""
    return PlainNote(words) if isinstance(said, PlainNote) else words
