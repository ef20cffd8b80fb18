"""Take it home: result, trained pipeline, document, figures, and the line that does it again."""

import shlex
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.access.reach import within_reach
from app.files.downloads import LIFETIME, OFFERS, Fetch, safe_name
from app.map.drawing import draw
from app.map.figure import as_figure
from app.map.view_state import MapViewState
from app.map.words import map_title
from app.session.data_in_use import CARDS
from app.session.session import Session
from app.style.colour_key import CLUSTER
from diffbio_engine.data.genes.alignment import LEAST_OVERLAP
from diffbio_engine.data.kinds import left_beside
from diffbio_engine.errors import RunError
from diffbio_engine.runs import RunFolder, RunReader
from diffbio_engine.runs.folder.durable_files import explain_os_error
from diffbio_engine.runs.folder.plain_values import number
from diffbio_engine.runs.folder.run_spec import data_beside

_HERE = Path(__file__).parent
_KINDS = ("pipeline", "result", "bundle", "png", "svg")
_BESIDE = "beside:"


class ExportMenu(JSComponent):
    """The page's side of the menu."""

    items = param.List()
    command = param.String()

    _esm = (_HERE / "exports.js").read_text(encoding="utf-8")
    _stylesheets = [(_HERE / "exports.css").read_text(encoding="utf-8")]


class Exports(pn.viewable.Viewer):
    """What can be taken home from the shown run."""

    def __init__(self, session: Session):
        super().__init__()
        self.session, self._fetch = session, Fetch()
        self._menu = ExportMenu(sizing_mode="stretch_width", margin=0)
        self._menu.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._renew, ["showing"])
        session.document.param.watch(self._renew, ["spec"])
        session.data.param.watch(self._renew, CARDS)
        session.run.param.watch(self._renew, ["id", "state"])
        self._renew()

    def _renew(self, *_: Any) -> None:
        if self.session.showing in ("", "exports"):
            items, command = offered(self.session), command_line(self.session)
            self._menu.param.update(items=items, command=command)

    def _asked(self, message: dict) -> None:
        session, do = self.session, str(message.get("do"))
        if do == "apply":
            session.showing = "data"
            rows = session.cells_shown.rows if session.cells_shown else "cells"
            session.say(f"Choose the {rows} that the trained pipeline is to be applied to.")
            return
        if do not in _KINDS and not do.startswith(_BESIDE):
            return
        folder, name = session.run.folder(), safe_name(session.run.spec.name or "pipeline")
        document = safe_name(session.exported_spec.name or "pipeline")
        state = MapViewState(run=session.run.id, theme="default", colour=CLUSTER)

        def make() -> str:
            if do == "pipeline":
                text = session.export_json().encode()
                return OFFERS.add(session.owner, f"{document}.json", text)
            if folder is None:
                raise RunError("There is no run yet.", fix="Press Run first.")
            if do == "result":
                path, run = within_reach(session, folder / "result.h5ad"), RunFolder(folder).run
                called = _applied(run) if run.get("bundle") else f"{name}_result"
                return OFFERS.add(session.owner, f"{called}.h5ad", path=path)
            if do.startswith(_BESIDE):
                ending = do.removeprefix(_BESIDE)
                there = [p for b, p in left_beside(folder / "result.h5ad") if b.ending == ending]
                if not there:
                    raise RunError("It is not there any more.", fix="Open the run again.")
                path = within_reach(session, there[0])
                return OFFERS.add(session.owner, f"{name}{ending}", path=path)
            if do == "bundle":
                bundle = within_reach(session, folder / "bundle")
                path = zipped(bundle, session.data_dir)
                return OFFERS.add(session.owner, f"{name}_bundle.zip", path=path, passing=True)
            snapshot = RunReader(folder).snapshot()
            if snapshot is None:
                raise RunError("This run has no map yet.", fix="Wait for its first step.")
            if not snapshot.maps:
                raise RunError(
                    "This pipeline draws no map.", fix="Save its tables and figures under Results."
                )
            title = map_title(snapshot.main, session)
            figure = as_figure(draw(snapshot, state), state, title, do)
            return OFFERS.add(session.owner, f"{name}_{title}.{do}", figure)

        session.work(make, self._fetch.get)

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(self._menu, self._fetch, sizing_mode="stretch_width", margin=0)


def offered(session: Session) -> list[dict[str, Any]]:
    """Each thing with what it is, and why it cannot be had yet."""
    folder = session.run.folder()
    no_run = "" if folder is not None else "There is no run yet: press Run first."
    later = "It is written when the run is stopped or done."

    def why(made: Path | None) -> str:
        return no_run or ("" if made is not None and made.exists() else later)

    drawn = folder is not None and (folder / "snapshots" / "latest.json").exists()
    figure = no_run or ("" if drawn else "The run has no map yet.")
    if session.run.draws_no_map:
        figure = "This pipeline draws no map: save its tables under Results."
    empty = "" if session.exported_spec.blocks else "The canvas is empty."
    rows = session.cells_shown.rows if session.cells_shown else "cells"
    reads = "genes" if getattr(session.cells_shown, "n_genes", 1) else "what it reads"
    beside = [] if folder is None else left_beside(folder / "result.h5ad")
    more = [[f"{_BESIDE}{one.ending}", one.title] for one, _ in beside]
    return [
        {
            "title": "Result (h5ad)",
            "sentence": f"Your {rows} with map, clusters, certainty and provenance; opens in "
            "scanpy.",
            "why": why(folder and folder / "result.h5ad"),
            "acts": [*more, ["result", "Download"]],
        },
        {
            "title": "Trained pipeline (bundle)",
            "sentence": f"Document, weights and {reads}; applies to new data. No code in it.",
            "why": why(folder and folder / "bundle"),
            "acts": [["apply", f"Apply to other {rows}"], ["bundle", "Download"]],
        },
        {
            "title": "Pipeline (JSON)",
            "sentence": "Blocks, wires and every setting; opens here again.",
            "why": empty,
            "acts": [["pipeline", "Download"]],
        },
        {
            "title": "Figure of the map",
            "sentence": "Newest map by cluster; the menu above the map saves your present view.",
            "why": figure,
            "acts": [["png", "PNG"], ["svg", "SVG"]],
        },
    ]


def command_line(session: Session) -> str:
    """The line that does the same in a terminal: trains, or applies what was trained."""
    folder = session.run.folder()
    run = RunFolder(folder).run if folder is not None else {}
    card = session.data.card
    data = run.get("dataset") or (card.for_a_run if card is not None else {})
    file, words = Path(data.get("path", "DATA.h5ad")).name, ["python", "-m", "diffbio_engine"]
    if run.get("bundle"):
        words += ["apply", "bundle", file]
    else:
        trained = session.run.spec if folder is not None else session.document.spec
        document = safe_name(f"{trained.name or 'pipeline'}.json")
        words += ["run", "--pipeline", document, "--data", file]
    beside = data_beside(run)  # a trained pipeline needs none
    if not run:
        beside = session.data.beside_for_a_run(session.document.spec)
    for block, told in beside.items():
        words += [f"--{block}", Path(str(told.get("path") or "DATA.h5ad")).name]
    for port, place in dict(data.get("fields") or {}).items():
        words += ["--field", f"{port}={place}"]
    for block, told in beside.items():
        for port, place in dict(told.get("fields") or {}).items():
            words += ["--field", f"{block}.{port}={place}"]
        for choice, value in dict(told.get("reading") or {}).items():
            words += [f"--{block}-read", f"{choice}={value}"]
    for choice, value in dict(data.get("reading") or {}).items():
        words += [f"--{choice}", str(value)]
    if run.get("bundle"):
        least = number(run.get("least_overlap"), LEAST_OVERLAP)
        words += [] if least == LEAST_OVERLAP else ["--least-overlap", f"{least:g}"]
        return shlex.join([*words, "--out", f"{_applied(run)}.h5ad"])
    for option in ("steps", "seed"):
        if run.get(option):
            words += [f"--{option}", str(run[option])]
    return shlex.join([*words, "--out", "RUN_DIR"])


def _applied(run: dict[str, Any]) -> str:
    """What a file of cells is called to which a trained pipeline was applied."""
    named = run.get("pipeline") or {}, run.get("dataset") or {}
    pipeline, data = (str(found.get("name") or "") for found in named)
    return safe_name(f"{pipeline or 'pipeline'} applied to {Path(data or 'cells').stem}")


def zipped(folder: Path, data_dir: Path) -> Path:
    """A folder as a zip file that is fetched once, where no one looks for data."""
    if not folder.is_dir():
        raise RunError(
            "The bundle is not there yet.", fix="Stop the run, or wait until it is done."
        )
    waiting = data_dir / ".downloads"
    with explain_os_error(waiting):
        waiting.mkdir(mode=0o700, exist_ok=True)
        for old in waiting.glob("*.zip"):
            # What a server that was stopped has left there; its offer is long over.
            if time.time() - old.stat().st_mtime > 2 * LIFETIME:
                old.unlink(missing_ok=True)
        with tempfile.NamedTemporaryFile(suffix=".zip", delete=False, dir=waiting) as made:
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for file in sorted(folder.rglob("*")):
                    if file.is_file():
                        archive.write(file, Path("bundle") / file.relative_to(folder))
            return Path(made.name)
