"""The inspector: the dials of the run on top, then the chosen block with its ports and help."""

import re
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.inspector.form import Form, row, rows
from app.session.data_in_use import CARDS
from app.session.dataset_card import DatasetCard
from app.session.offered_fields import data_ports
from app.session.session import Session
from app.style import messages, theme
from app.style.titles import label, of_rows, place_title, term_label
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.declare import Port, Setting, find_operator
from diffbio_engine.pipelines.spec import DATA, PipelineSpec
from diffbio_engine.ports import DATA_BLOCKS, Address, DialName, start_of

_HERE = Path(__file__).parent

LEARNING_RATE = Setting(
    "learning_rate", "float", 1e-3, role="dial", low=1e-6, high=1.0, log=True,
    doc="How far the weights move at each step. Lower it if the losses jump.",
)  # fmt: skip
STEPS = Setting(
    "steps", "int", 0, low=0,
    doc="How many steps to train, in all stages. 0: automatic, as many as the pipeline proposes.",
)  # fmt: skip
SEED = Setting("seed", "int", 0, low=0, doc="The same seed gives the same run.")
BATCH = Setting("batch_size", "int", 256, low=8, doc="Cells in a training step.")

VARIABLE_GENES = Setting(
    "variable_genes", "int", 0, low=0,
    doc="How many genes to train on: those that vary most between cells (Seurat v3), within each"
    " batch where batches are wired. The others stay in the file and can be coloured, tested and"
    " searched. 0 trains on all genes, which takes longer and tells cells apart less well.",
)  # fmt: skip

NEXT_RUN = (STEPS, BATCH, SEED)


def weight_setting(default: float) -> Setting:
    """The weight of a loss term in the objective, as a dial."""
    high = max(10.0, 10 * abs(default))
    return Setting(
        "weight", "float", default, role="dial", low=0.0, high=high,
        doc="How much this term counts in the objective; 0 switches it off.",
    )  # fmt: skip


class BlockCard(JSComponent):
    """What the chosen block is: title, ports, help with its formula."""

    card = param.Dict({})

    _esm = (_HERE / "block_card.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "block_card.css").read_text(encoding="utf-8")]


class Inspector(pn.viewable.Viewer):
    """Edits the dials of the run and the settings of the chosen block."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self._dials = Form(title="Run dials", compact=True, sizing_mode="stretch_width", margin=0)
        self._dials.on_change = self._turned
        self._dials.about = {"Temperatures": "What does temperature do?"}
        self._dials.on_about = lambda _: setattr(session, "showing", "softness")
        self._card = BlockCard(sizing_mode="stretch_width", margin=0)
        self._card.on_msg(lambda event: self._take(event.data))
        self._block = Form(sizing_mode="stretch_width", margin=0)
        self._block.on_change = self._set
        self._help = BlockCard(sizing_mode="stretch_width", margin=0)
        watched = ["spec", "selected_block", "problems", "read_only", "run_steps"]
        session.document.param.watch(self._draw, watched)
        session.data.param.watch(self._draw, CARDS)
        of_run = ["state", "dials", "errors", "is_looked_at", "tried", "dataset"]
        session.run.param.watch(self._draw, of_run)
        self._draw()

    def _turned(self, name: str, value: Any) -> None:
        if self._dials.settings[name].live:
            self.session.turn(name, value)
        else:
            self.session.document.set_training(name, value)

    def _set(self, name: str, value: Any) -> None:
        block = self.session.document.selected_block
        setting = self._block.settings[name]
        if setting.live:
            self.session.turn(f"{block}.{name}", value)
        else:
            self.session.document.set_setting(block, name, value)

    def _take(self, message: dict[str, Any]) -> None:
        session, block = self.session, self.session.document.selected_block
        if message.get("do") == "learns":
            session.document.set_learns(block, bool(message.get("value")))
        elif message.get("do") == "remove":
            session.document.remove([block])
        elif message.get("do") in ("data", "quality"):
            session.showing = str(message["do"])

    # -- drawing -----------------------------------------------------------------------------

    def _draw(self, *_: Any) -> None:
        running = self.session.run.is_running
        with pn.io.hold():
            self._draw_dials()
            self._dials.running = self._block.running = running
            looks_on = self.session.run.is_looked_at
            self._block.locked = self.session.document.read_only or looks_on
            self._dials.locked = (looks_on and not running) or (
                self.session.document.read_only and not looks_on
            )
            self._free()
            self._dials.title = "Dials of this run" if looks_on else "Run dials"
            self._draw_block()

    def _free(self) -> None:
        """Dials of an ended run that is looked at can be turned, for a preview."""
        session, block = self.session, self.session.document.selected_block
        tries: dict[str, list[str]] = {}
        for b in session.shown_spec.blocks if session.run.can_try else ():
            tries[b.id] = [s.name for s in find_operator(b.operator).settings if s.live]
        self._block.free = tries.get(block, [])
        self._dials.free = [f"{block}.{name}" for block, names in tries.items() for name in names]

    def _draw_dials(self) -> None:
        session = self.session
        settings: dict[str, Setting] = {"learning_rate": LEARNING_RATE}
        # Dials are the run's, where one is under way; what the next run takes is the document's.
        training, spec = session.shown_spec.training, session.spec_of_dials
        dials = session.dials_shown
        now = dials.get("learning_rate", training.get("learning_rate", 1e-3))
        lines = [row(LEARNING_RATE, now)]
        for block in spec.blocks:
            declared = find_operator(block.operator)
            for port in declared.losses:
                name = DialName.of_loss(Address(block.id, port.name))
                weight = spec.weights.get(f"{block.id}.{port.name}", port.weight)
                setting = weight_setting(port.weight)
                line = row(setting, dials.get(name, weight), name=name)
                said = _title(declared.title, block.id, declared.id)
                words = said if port.name == "loss" else term_label(port.name)
                told = f"{said}, {port.name}. {port.doc}"
                lines.append(
                    {**line, "label": words, "heading": "Loss weights", "help": told, "of": said}
                )
                settings[name] = setting
        _tell_apart(lines)
        for block in spec.blocks:
            declared = find_operator(block.operator)
            for setting in declared.settings:
                if not setting.live or "temperature" not in setting.name:
                    continue
                name = DialName(Address(block.id, setting.name))
                value = dials.get(name, block.config.get(setting.name, setting.default))
                line = row(setting, value, name=name)
                said = _title(declared.title, block.id, declared.id)
                if setting.name != "temperature":
                    said = f"{said}: {label(setting.name).lower()}"
                lines.append({**line, "label": said, "heading": "Temperatures", "advanced": False})
                settings[name] = setting
        for setting in NEXT_RUN:
            line = {**row(setting, training.get(setting.name)), "heading": "Next run"}
            if setting is STEPS and not line["value"]:
                n = re.sub(" steps?", "", session.document.run_steps)
                line["label"] += f": automatic ({n})" if n else ": automatic"
            lines.append(line)
            settings[setting.name] = setting
        self._dials.show(lines, settings)

    def _draw_block(self) -> None:
        session, block_id = self.session, self.session.document.selected_block
        spec = session.shown_spec
        if block_id not in {*spec.data_blocks, *(b.id for b in spec.blocks)}:
            empty = "Choose a block on the canvas to see its settings and help."
            self._card.card = {"kind": "none", "text": empty}
            self._help.card = {}
            self._block.empty = ""
            self._block.show([], {})
            return
        if block_id in DATA_BLOCKS:
            self._draw_data(block_id)
            return
        block = session.shown_spec.block(block_id)
        declared = find_operator(block.operator)
        config = dict(block.config)
        for s in declared.settings:
            dial = f"{block_id}.{s.name}"
            if s.live and dial in session.dials_shown:
                config[s.name] = session.dials_shown[dial]
        problems = [] if session.run.is_looked_at else session.document.problems
        notes = messages.by_setting(problems, block_id)
        errors = [e for e in session.run.errors if messages.block_of(e) == block_id]
        self._card.card = {
            "kind": "block",
            "title": declared.title,
            "id": block_id,
            "icon": theme.icon(declared.domain),
            "color": theme.color_of(declared),
            "summary": declared.summary,
            "learns": block.learns,
            "errors": [messages.sentence(e) for e in errors],
        }
        self._block.empty = "This block has no settings."
        self._block.show(rows(declared, config, notes), {s.name: s for s in declared.settings})
        sources = {w.target: w.source for w in session.shown_spec.wires}
        card = session.shown_dataset
        of_data = card.rows if card else ""
        self._help.card = {
            "kind": "help",
            "inputs": [
                _port(of_rows(p, of_data), sources.get(f"{block_id}.{p.name}", "not wired"))
                for p in declared.inputs
                if not p.drawn
            ],
            "outputs": [_port(of_rows(p, of_data)) for p in declared.outputs],
            "doc": declared.doc,
            "operator": declared.id,
            "sizes": [f"{label(s.name)}: read from {s.axis}" for s in declared.settings if s.axis],
        }

    def _draw_data(self, block: str) -> None:
        session, card = self.session, self.session.shown_data_of(block)
        ports = data_ports(session.shown_dataset, session.shown_spec, session.shown_beside)
        self._card.card = {
            "kind": "data",
            "id": "" if block == DATA else DATA_BLOCKS[block].title,
            "removable": block != DATA,
            "controlled": block == DATA and card and kind_named(card.rows).has_quality_control,
            "title": card.name if card else "No data set yet",
            "icon": theme.icon(DATA),
            "color": "var(--db-accent)",
            "summary": _size_and_limits(card, session.shown_spec if block == DATA else None),
        }
        self._block.empty = ""
        chosen = row(VARIABLE_GENES, session.shown_spec.variable_genes)
        # What has no genes asks for none.
        if block == DATA and (not card or card.n_genes):
            self._block.show([chosen], {VARIABLE_GENES.name: VARIABLE_GENES})
        else:
            self._block.show([], {})
        places = card.fields if card else {}
        self._help.card = {
            "kind": "help",
            "inputs": [],
            "outputs": [
                _port(
                    of_rows(found.port, card.rows if card else ""),
                    place_title(places.get(found.port.name, "")),
                )
                for field, found in ports.items()
                if start_of(field).block == block
            ],
            "doc": DATA_BLOCKS[block].help,
            "operator": "",
            "sizes": [],
        }

    def __panel__(self) -> pn.viewable.Viewable:
        parts = (self._card, self._block, self._help)
        return pn.Column(
            self._dials,
            *parts,
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=0,
            styles={"background": "var(--db-surface)"},
        )


def _size_and_limits(card: DatasetCard | None, spec: PipelineSpec | None) -> str:
    """How large the data are, and that quality control removes some of them."""
    if card is None:
        return "Upload a file, pick one from the server or take a demo."
    removes = spec is not None and spec.quality_control.removes
    return f"{card.size}. Quality control removes some before training." if removes else card.size


def _tell_apart(lines: list[dict[str, Any]]) -> None:
    """Where two lines would be called the same, the block stands under each."""
    said = [line["label"] for line in lines]
    for line in lines:
        of = line.pop("of", "")
        line["of"] = of if said.count(line["label"]) > 1 and of != line["label"] else ""


def _title(title: str, block_id: str, operator: str) -> str:
    """The operator's title, with the block's id where that says more."""
    plain = operator.rsplit(".", 1)[-1]
    return f"{title} ({block_id})" if block_id.startswith(f"{plain}_") else title


def _port(port: Port, wired: str = "") -> dict[str, str]:
    return {
        "name": port.name,
        "kind": theme.KIND_WORDS[port.kind],
        "color": theme.kind_variable(port.kind),
        "axes": port.axes.replace(" ", " × ") or "one number",
        "doc": port.doc + (" Optional." if port.optional else ""),
        "wired": wired,
    }
