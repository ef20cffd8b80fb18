"""From hard to soft: what temperature does to each operation, drawn from the functions."""

import inspect
from math import isfinite
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import Child, JSComponent

from app.help import temperature_curves as softness_curves
from app.help.temperature_examples import examples, moded
from app.help.temperature_plot import STYLES, SoftnessPlot
from app.session.session import Session

_HERE = Path(__file__).parent
_MODES = {
    "hard": "The classical operation: no gradient at a jump, none on a plateau.",
    "smooth": "A gradient everywhere. Begin with this one.",
    "c0": "Straight pieces: exact beyond the ramp, with corners at its ends.",
    "c1": "Cubic pieces: exact beyond the ramp, without corners.",
    "c2": "Quintic pieces: not even the gradient has corners.",
}

# Of a row of values the same pieces are taken, but what one sees is who gets a share.
_MODES_OF_ROWS = _MODES | {
    "smooth": "Every value gets a share, and a gradient. Begin with this one.",
    "c0": "Only rivals get a share; a corner where another one joins them.",
    "c1": "Only rivals get a share; they join without a corner.",
    "c2": "Only rivals get a share; not even the gradient has corners.",
}


class SoftnessSheet(JSComponent):
    """The list of operations, the temperature, the words and the modes, around the curves."""

    groups = param.List(doc="Heading, then operations: name, title, also.")
    chosen = param.String()
    words = param.Dict({})
    modes = param.List(doc="Each mode: name, what it is, colours, dashes, whether it is shown.")
    softness = param.Number(0.1)
    bounds = param.List([softness_curves.LOWEST, softness_curves.HIGHEST], constant=True)
    busy = param.Boolean(False)
    curves = Child()

    _esm = (_HERE / "temperature.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "temperature.css").read_text(encoding="utf-8")]


class Softness(pn.viewable.Viewer):
    """A reference sheet: choose an operation, turn the temperature, see what it does."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.plot = SoftnessPlot(session.theme)
        self._hidden: set[str] = set()
        self._under_way = self._compiling = False
        # The operation of the plot; what is being drawn, and the modes that are drawn of it.
        self._taken = ""
        self._wish: tuple[str, float] = ("", 0.0)
        self._drawn: set[str] = set()
        figures = [
            pn.pane.Bokeh(figure, sizing_mode="stretch_width", margin=0)
            for figure in (self.plot.value, self.plot.slope)
        ]
        self.sheet = SoftnessSheet(
            groups=_groups(),
            curves=pn.Column(*figures, sizing_mode="stretch_width", margin=0),
            margin=0,
        )
        self.sheet.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._themed, ["theme"])
        self.choose("heaviside")

    def _themed(self, *_: Any) -> None:
        self.plot.recolor(self.session.theme)

    # -- what the person asks ------------------------------------------------------------------

    def _asked(self, message: dict[str, Any]) -> None:
        do = message.get("do")
        if do == "choose" and message.get("name") in examples():
            self.choose(message["name"])
        elif do == "softness" and isinstance(message.get("value"), int | float):
            if isfinite(message["value"]):
                self.soften(float(message["value"]))
        elif do == "toggle" and message.get("mode") in STYLES:
            self._hidden ^= {message["mode"]}
            self.plot.hide(self._hidden)
            self._tell_modes()

    def choose(self, name: str) -> None:
        """Shows another operation."""
        example = examples()[name]
        relative = "standardize" in inspect.signature(moded()[name]).parameters
        self.sheet.param.update(
            chosen=name,
            words={
                "title": example.title,
                "name": ", ".join((name, *example.also)),
                "hard": example.hard,
                "cold": example.cold,
                "warm": example.warm,
                # From where on a person sees it as soft.
                "soft_from": 0.03 if relative else 0.2,
                "unit": "as a share of the spread of the values" if relative else "in units of x",
            },
        )
        self._go_on()

    def soften(self, softness: float) -> None:
        """Shows another softness, held within its limits."""
        lowest, highest = softness_curves.LOWEST, softness_curves.HIGHEST
        self.sheet.softness = min(max(softness, lowest), highest)
        self._go_on()

    # -- drawing, in a thread: always the newest wish; beside it, one compilation at a time --------

    def _go_on(self) -> None:
        if self._under_way:
            return
        wish = self.sheet.chosen, float(self.sheet.softness)
        if wish != self._wish:
            self._wish, self._drawn = wish, set()
        self._under_way = True
        done, again = frozenset(self._drawn), self._taken == wish[0]
        self.session.work(lambda: _computed(*wish, done, again), self._draw)

    def _draw(self, result: Any) -> None:
        self._under_way = False
        if isinstance(result, Exception):  # the sheet stays usable
            return self.session.refuse(result)
        name, hard, curves, cold = result
        with pn.io.hold():
            if hard is not None:
                self._taken = name
                self.plot.take(examples()[name], hard)
                self._tell_modes()
            if curves:
                self.plot.draw(curves, softness_curves.places(name))
            self.sheet.busy = bool(cold)
        self._drawn |= set(curves)
        if (self.sheet.chosen, self.sheet.softness) != self._wish:
            self._go_on()
        elif cold and not self._compiling:
            self._compiling = True
            self.session.work(lambda: _compiled(name, cold[0]), self._warm)

    def _warm(self, error: Exception | None) -> None:
        self._compiling = False
        if error is not None:
            self.sheet.busy = False
            return self.session.refuse(error)
        self._go_on()

    def _tell_modes(self) -> None:
        there = softness_curves.modes_of(self._taken)
        words = _MODES_OF_ROWS if examples()[self._taken].standing else _MODES
        self.sheet.modes = [
            {
                "name": mode,
                "text": words[mode],
                "light": light,
                "dark": dark,
                "dash": " ".join(map(str, dash)),
                "width": width,
                "on": mode not in self._hidden,
                "there": mode in there,
            }
            for mode, (light, dark, dash, width) in STYLES.items()
        ]

    def __panel__(self) -> pn.viewable.Viewable:
        return self.sheet


def _computed(name: str, softness: float, done: frozenset[str], again: bool) -> Any:
    """What can be drawn at once, and the modes that have to be compiled first."""
    try:
        missing = [m for m in softness_curves.modes_of(name) if m != "hard" and m not in done]
        cold = [m for m in missing if not softness_curves.is_compiled(name, m)]
        hard = None if again else softness_curves.hard(name)
        curves = {m: softness_curves.curve(name, m, softness) for m in missing if m not in cold}
    except Exception as error:
        return error
    return name, hard, curves, cold


def _compiled(name: str, mode: str) -> Exception | None:
    try:
        softness_curves.curve(name, mode, 0.1)
    except Exception as error:
        return error
    return None


def _groups() -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for e in examples().values():
        groups.setdefault(e.group, []).append({"name": e.name, "title": e.title})
    return [{"title": title, "operations": inside} for title, inside in groups.items()]
