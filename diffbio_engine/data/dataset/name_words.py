"""Names of columns and layers, as the words they are made of."""

import re

_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
# Words after a thing that say which one: "sample_id" is a sample, "batch.labels" a batch.
_WHICH = {
    "id", "ids", "no", "nr", "num", "number", "name", "names", "label", "labels", "code", "codes",
    "key", "ident", "idx", "index", "uuid", "info", "accession", "barcode", "value",
}  # fmt: skip


def words_of(name: str) -> list[str]:
    """``"donorID.2"`` as ``["donor", "id", "2"]``."""
    return [word.lower() for word in _PARTS.findall(str(name))]


def head_of(name: str) -> str:
    """What it names: ``"sample"`` of ``"sample_id"``, ``"type"`` of ``"sample_type"``."""
    words = [w for w in words_of(name) if not w.isdigit()]
    while len(words) > 1 and words[-1] in _WHICH:
        words.pop()
    return words[-1] if words else ""


def holds_phrase(name: str, phrase: str) -> bool:
    """Whether the words of a phrase stand in a name, side by side and whole."""
    words, wanted = words_of(name), phrase.split()
    return any(words[i : i + len(wanted)] == wanted for i in range(len(words)))
