"""Each component of the page: its script reads and watches what it declares, its colours exist."""

import re
from pathlib import Path

import pytest

from app.style import theme
from tests.contracts.components_of_page import components, declared

ROOT = Path(__file__).resolve().parents[2]
# What Panel itself gives a script besides the declared parameters.
OF_PANEL = {"send_msg", "on", "off", "get_child"}
EVENTS = {"remove", "msg:custom", "lifecycle:mounted"}
READS = re.compile(r"\bmodel\.(\w+)")
CHILDREN = re.compile(r"\bmodel\.get_child\(\"(\w+)\"\)")
WATCHES = re.compile(r"\bmodel\.on\(\s*\"([\w:]+)\"")
WATCHES_EACH = re.compile(r"of \[([^\]]*)\]\)\s*\{?\s*model\.on\(")
COLOURS = re.compile(r"var\((--[\w-]+)")


COMPONENTS = components()
each_component = pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS)


def _watched(script: str) -> set[str]:
    several = {n for names in WATCHES_EACH.findall(script) for n in re.findall(r"\"(\w+)\"", names)}
    return several | set(WATCHES.findall(script))


@each_component
def test_a_script_reads_and_watches_what_its_component_declares(component):
    script, own = component._esm, set(declared(component))
    read = set(READS.findall(script)) - OF_PANEL | set(CHILDREN.findall(script))
    watched = _watched(script) - EVENTS
    assert read <= own, "reads what nobody sets"
    assert watched <= own, "watches what nobody sets"
    assert own <= read | watched, "declares what no script looks at"


def test_every_colour_and_size_that_a_style_names_is_declared():
    styles = [p for p in (ROOT / "app").rglob("*") if p.suffix in {".css", ".js", ".py"}]
    texts = {path: path.read_text(encoding="utf-8") for path in styles}
    everything = "\n".join(texts.values())
    declared = set(re.findall(r"(--[\w-]+)\s*:", everything))
    declared |= set(re.findall(r"setProperty\(\s*[\"'`](--[\w-]+)", everything))
    declared |= set(re.findall(r"[\"'](--[\w-]+)[\"']\s*[:\]]", everything))
    declared |= set(re.findall(r"(--[\w-]+):", theme._variables(0)))
    named = {name for text in texts.values() for name in COLOURS.findall(text)}
    assert not {name for name in named if name not in declared and not name.endswith("-")}


def test_no_script_gives_another_meaning_to_what_all_draw_with():
    dom = (ROOT / "app/style/dom.js").read_text(encoding="utf-8")
    shared = set(re.findall(r"^const (\w+)", dom, re.MULTILINE))
    assert len(shared) == 3
    for name, component in COMPONENTS.items():
        if not component._esm.startswith(dom):
            continue
        own = re.sub(r"/\*.*?\*/", "", component._esm.removeprefix(dom), flags=re.DOTALL)
        named = set(re.findall(r"\b(?:const|let|function)\s+(\w+)", own))
        for parameters in re.findall(r"\(([^()]*)\)\s*=>", own):
            named |= set(re.findall(r"\b(\w+)\b", parameters))
        assert not named & shared, name
