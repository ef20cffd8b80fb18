"""Declaration -> form; the only file that knows both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

from app.style.titles import label
from diffbio_engine.declare import Declaration, Setting
from diffbio_engine.errors import SettingError

_HERE = Path(__file__).parent


def row(setting: Setting, value: Any = None, note: str = "", name: str = "") -> dict[str, Any]:
    """One line of a form, as plain data: how a setting is edited, in its limits, with its help."""
    value = setting.default if value is None and not setting.optional else value
    kinds = {"bool": "switch", "int": "whole", "float": "number", "str": "text", "tuple": "list"}
    kind = "choice" if setting.choices else kinds.get(setting.type)
    if kind is None:
        raise TypeError(
            f"No field for {setting.name}: {setting.type}. Add one in inspector/form.py."
        )
    return {
        "name": name or setting.name,
        "label": label(setting.name),
        "kind": kind,
        "value": list(value) if isinstance(value, tuple) else value,
        "default": list(setting.default) if isinstance(setting.default, tuple) else setting.default,
        "low": setting.low,
        "high": setting.high,
        "log": setting.log and bool(setting.low),
        "unit": setting.unit,
        "choices": list(setting.choices),
        "help": setting.doc,
        "live": setting.live,
        "optional": setting.optional,
        "advanced": setting.advanced,
        "note": note,
    }


def rows(
    declared: Declaration, config: Mapping[str, Any], notes: Mapping[str, str] = {}
) -> list[dict[str, Any]]:
    """The form of a block: every setting that a person edits. Sizes are shown, not edited."""
    return [
        row(s, config.get(s.name, s.default), notes.get(s.name, ""))
        for s in declared.settings
        if s.shown
    ]


def sizes(declared: Declaration) -> list[str]:
    """What is read from the data, in words."""
    return [f"{label(s.name)}: {s.doc}" for s in declared.settings if s.role == "size"]


class Form(JSComponent):
    """Lines of settings. ``on_change(name, value)`` is called with allowed values only."""

    rows = param.List(doc="What is edited: see `row`.")
    running = param.Boolean(False, doc="Marks what takes effect only in a new run.")
    locked = param.Boolean(False, doc="Whether it can only be looked at.")
    free = param.List(doc="Settings that can be turned all the same where it is locked.")
    messages = param.Dict({}, doc="For each setting, why its last value was refused.")
    title = param.String()
    compact = param.Boolean(False, constant=True, doc="One line for each; set when it is made.")
    about = param.Dict({}, doc="For a heading, what stands below its lines as a link to more.")
    empty = param.String(doc="What is said where there is nothing to edit.")

    _esm = (_HERE / "form.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "form.css").read_text(encoding="utf-8")]

    def __init__(self, **params: Any):
        super().__init__(**params)
        self.settings: dict[str, Setting] = {}
        self.on_change = lambda name, value: None
        self.on_about = lambda heading: None
        self.on_msg(lambda event: self._take(event.data))

    def show(self, rows: list[dict[str, Any]], settings: Mapping[str, Setting]) -> None:
        """Shows these lines; ``settings`` check what comes back."""
        names = {r["name"] for r in rows}
        self.settings = dict(settings)
        kept = {n: m for n, m in self.messages.items() if n in names}
        self.param.update(rows=rows, messages=kept)

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("about") in self.about:
            return self.on_about(message["about"])
        name = str(message.get("name"))
        if name not in self.settings:
            return
        try:
            value = self.settings[name].check(message.get("value"))
        except SettingError as error:
            text = f"{error.what[:1].upper()}{error.what[1:]} {error.fix}"
            self.messages = {**self.messages, name: text}
            return
        if name in self.messages:
            self.messages = {n: m for n, m in self.messages.items() if n != name}
        self.on_change(name, value)
