"""The scripts of components: each is one module for the browser, and can import no other."""

from pathlib import Path

_DOM = Path(__file__).with_name("dom.js")


def script(*files: Path) -> str:
    """One module of these scripts in their order, behind what all draw with (``dom.js``)."""
    return "\n".join(file.read_text(encoding="utf-8") for file in (_DOM, *files))
