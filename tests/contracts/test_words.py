"""People read the field's words: what the glossary says is not said, no help of a setting says."""

import re
from pathlib import Path

from diffbio_engine.declare import operators

GLOSSARY = Path(__file__).resolve().parents[2] / "diffbio_engine/GLOSSARY.md"
# Only those words of the second column that mean nothing else.
AVOIDED = {"stranger", "strangers", "slope", "slopes", "shuffle", "shuffles", "soup"}


def _sentences() -> list[tuple[str, str]]:
    found = []
    for declared in operators().values():
        found.append((declared.id, declared.summary))
        found += [(f"{declared.id}.{s.name}", s.doc) for s in declared.settings]
        found += [(f"{declared.id}.{p.name}", p.doc) for p in (*declared.inputs, *declared.outputs)]
    return found


def test_no_help_says_a_word_that_nobody_searches_for():
    wrong = {
        where: text
        for where, text in _sentences()
        if AVOIDED & set(re.findall(r"[a-z]+", text.lower()))
    }
    assert not wrong


def test_the_glossary_has_each_word_once_in_order():
    rows = re.findall(r"^\| ([^|]+) \|", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)[2:]
    words = [word.strip().lower() for word in rows]
    assert len(words) == len(set(words)) >= 60
    initials = [word[0] for word in words]
    assert initials == sorted(initials)
