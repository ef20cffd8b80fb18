"""The sheet of keyboard shortcuts."""

import panel as pn

_KEYS = {
    "Run": [
        ("Ctrl Enter", "Run"),
        ("Ctrl Alt Enter", "Stop and keep the result"),
    ],
    "Canvas": [
        ("Ctrl Z", "Undo: blocks, wires, places, settings, dials"),
        ("Ctrl Y", "Redo; also Ctrl Shift Z"),
        ("Space", "Search a block; Enter puts it on the canvas; also /"),
        ("Del", "Delete what is chosen; also Backspace"),
        ("Ctrl D", "Duplicate the chosen blocks"),
        ("Ctrl C, Ctrl V", "Copy and paste blocks, with the wires among them"),
        ("Shift drag", "Choose several blocks"),
        ("Shift A", "Tidy up"),
        (".", "Show everything"),
    ],
    "Page": [
        ("1", "Layout Build: blocks, canvas and inspector"),
        ("2", "Layout Explore: the map has the window"),
        ("3", "Layout Train: map, losses and dials"),
        ("F", "The map in the whole window; Esc leaves"),
        ("?", "This sheet"),
        ("Esc", "Close"),
    ],
}
_CSS = """
table { border-collapse: collapse; width: 100%;
        font: 13px/1.5 var(--db-font); color: var(--db-text); }
th { text-align: left; padding: 12px 0 4px; font-size: 11px; letter-spacing: .05em;
     text-transform: uppercase;
     color: var(--db-faint); }
td { padding: 3px 0; vertical-align: baseline; }
td:first-child { width: 150px; white-space: nowrap; }
kbd { font: 11.5px var(--db-mono); padding: 2px 6px;
      border: 1px solid var(--db-line-strong);
      border-bottom-width: 2px;
      border-radius: 5px; background: var(--db-sunken); }
"""


class Shortcuts(pn.viewable.Viewer):
    """Every key that the page knows."""

    def __panel__(self) -> pn.viewable.Viewable:
        lines = []
        for heading, keys in _KEYS.items():
            lines.append(f"<tr><th colspan=2>{heading}</th></tr>")
            for key, meaning in keys:
                parts = " ".join(f"<kbd>{k.rstrip(',')}</kbd>" for k in key.split(" "))
                lines.append(f"<tr><td>{parts}</td><td>{meaning}</td></tr>")
        return pn.pane.HTML(
            f"<table>{''.join(lines)}</table>", stylesheets=[_CSS], sizing_mode="stretch_width"
        )
