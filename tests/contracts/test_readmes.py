"""What the READMEs name exists: files lie there, identifiers stand in the code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("app", "diffbio_engine", "tests", "assets", ".ci")
SOURCES = {".py", ".js", ".css", ".toml", ".sh", ".json", ".yml", ".txt", ""}
READMES = [
    ROOT / "README.md",
    *(p for folder in FOLDERS[:2] for p in sorted((ROOT / folder).rglob("README.md"))),
]
# Words of other programs: Panel's, Bokeh's, the provider of accounts, and a name to be filled in.
OF_OTHERS = re.compile(
    r"auth0|comm|_GAPDH|azure|cryptography|gitlab|okta|PANEL_\w+|\w+_URL|ColorBar|Rect|Toolbar|Tooltip|NAME_st"
)
TICKED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
FENCED = re.compile(r"```.*?```", re.S)
# `name`, `a.b.name`, `name()`, `Name(...)`: what is meant to be found in the code.
IDENTIFIER = re.compile(r"^([A-Za-z_][\w.]*)(\(.*\))?$")


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every word of the code, and the name of every file and folder."""
    found: set[str] = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            found |= {path.name, path.stem}
            if "__pycache__" in path.parts or path.suffix == ".md":
                continue
            if path.is_file() and path.suffix in SOURCES:
                found |= set(re.findall(r"\w+", path.read_text(encoding="utf-8", errors="ignore")))
    for name in ("pyproject.toml", "Makefile", "Dockerfile"):
        found |= set(re.findall(r"\w+", (ROOT / name).read_text(encoding="utf-8"))) | {name}
    return found


def _files_named(text: str, beside: Path) -> list[str]:
    """Names with a slash or a suffix of ours that lie nowhere near."""
    missing = []
    for name in TICKED.findall(FENCED.sub("", text)):
        if not re.fullmatch(r"[\w./-]+\.(py|js|css|md|toml|sh)", name):
            continue
        places = (ROOT, ROOT / "diffbio_engine", ROOT / "app", beside)
        if "/" in name and not any((place / name).exists() for place in places):
            missing.append(name)
    return missing


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_readme_names_lies_there(readme):
    assert not _files_named(readme.read_text(encoding="utf-8"), readme.parent)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_identifier_that_a_readme_names_stands_in_the_code(readme, words):
    text = FENCED.sub("", readme.read_text(encoding="utf-8"))
    unknown = set()
    for ticked in TICKED.findall(text):
        if found := IDENTIFIER.match(ticked):
            unknown |= set(filter(None, found.group(1).split("."))) - words
    assert not {word for word in unknown if not OF_OTHERS.fullmatch(word)}


def test_every_decision_has_a_number_of_its_own():
    text = (ROOT / "diffbio_engine" / "DECISIONS.md").read_text(encoding="utf-8")
    numbers = [int(n) for n in re.findall(r"^## (\d+)\.", text, re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
