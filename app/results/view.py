"""Results: gene tables, networks, transport plans and compositions of the shown run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.files.downloads import OFFERS, Fetch, safe_name
from app.plots import Sheet, as_csv, first_to_see, scripts, sheets_of, styles
from app.results.contrasts import Asked, Contrasts
from app.results.gene_counts import counts_of_gene
from app.session.session import Session
from app.style.colour_key import ColourKey
from app.style.palettes import category_colors, for_theme
from app.style.scripts import script
from app.style.titles import disambiguate
from diffbio_engine.declare import find_operator
from diffbio_engine.errors import UserError
from diffbio_engine.runs import Findings, RunReader

_HERE = Path(__file__).parent
# As findings of before November 2026 say it, whatever their rows are.
_ALL = "all cells"


class FindingsDesk(JSComponent):
    """The page's side: a list of sheets, and the one that is looked at."""

    sheets = param.List()
    content = param.Dict(
        {"id": ""}, doc="The chosen sheet, whole: what is sent apart is seen apart."
    )
    gene = param.Dict({}, doc="One gene that is looked at beside the sheet, by record.")
    words = param.String()
    theme = param.String("default")

    _esm = script(*scripts(), _HERE / "findings.js")
    _stylesheets = [(_HERE / "findings.css").read_text(encoding="utf-8"), styles()]


class FindingsView(pn.viewable.Viewer):
    """What the run found besides the map; renewed while it trains, as long as it is open.

    Args:
        session: Of the tab.
        in_sight: Whether it can be seen; by default while Results are open.
    """

    def __init__(self, session: Session, in_sight: Callable[[], bool] | None = None):
        super().__init__()
        self.session, self._fetch = session, Fetch()
        self._in_sight = in_sight or (lambda: session.showing == "findings")
        self._sheets: dict[str, Sheet] = {}
        self._found: Findings | None = None
        self._contrasts: Contrasts | None = None
        self._asked_of: dict[str, Asked] = {}  # by sheet, what a person chose to compare
        self._wanted = ""
        self._looks = ""  # the run whose findings are being read
        self._desk = FindingsDesk(sizing_mode="stretch_width", margin=0)
        self._desk.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._renew, ["showing"])
        session.run.param.watch(self._renew, ["id", "snapshot", "state"])
        session.param.watch(self._draw, ["theme"])
        self._renew()

    @property
    def _step(self) -> int:
        return self._found.step if self._found else -1

    def _renew(self, *events: Any) -> None:
        session = self.session
        if any(e.name == "id" for e in events):
            # At once, and whatever is under way: no table of one run under the name of another.
            self._sheets, self._found, self._looks = {}, None, ""
            self._contrasts, self._asked_of = None, {}
            self._desk.gene = {}
            self._show(None, {})
        if not self._in_sight() or self._looks:
            return
        folder, run = session.run.folder(), session.run.id
        if folder is None:
            return self._show(None, {})
        self._looks = run
        spec, card = session.run.spec, session.cells_shown

        def look() -> Any:
            try:
                found = RunReader(folder).findings()
            except (OSError, UserError):
                return None
            if found is None:
                return None
            return found, {s.id: s for s in sheets_of(found)}, Contrasts(spec, card, found)

        session.work(look, lambda found: self._put(run, found))

    def _put(self, run: str, found: tuple[Findings, dict[str, Sheet], Contrasts] | None) -> None:
        if run != self._looks:
            return
        self._looks = ""
        before = self._step
        self._found, sheets, self._contrasts = found or (None, {}, None)
        if found and before == self._step and sheets.keys() == self._sheets.keys():
            return
        self._sheets = sheets
        if self._wanted not in sheets:
            self._wanted = first_to_see(sheets)
        self._draw()

    def _draw(self, *_: Any) -> None:
        """Works the chosen sheet out beside the event loop: a table may have 20 000 rows."""
        sheet = self._sheets.get(self._wanted)
        if sheet is None:
            return self._show(None, {})

        asked, contrasts = self._asked_of.get(sheet.id), self._contrasts

        def make() -> tuple[Sheet, dict[str, Any]]:
            shown = contrasts.of(sheet, asked) if contrasts and asked else None
            offered = contrasts.offered(sheet, asked if shown else None) if contrasts else {}
            return shown or sheet, (shown or sheet).make()[0] | {"contrast": offered}

        def show(made: tuple[Sheet, dict[str, Any]]) -> None:
            # Another may have been chosen meanwhile, or another comparison.
            now = self._sheets.get(self._wanted)
            if sheet is now and asked == self._asked_of.get(sheet.id):
                self._show(*made)

        self.session.work(make, show)

    def _show(self, sheet: Sheet | None, content: dict[str, Any]) -> None:
        titles = {b.id: find_operator(b.operator).title for b in self.session.run.spec.blocks}
        names = disambiguate(titles, lambda block: titles[block])
        listed = [
            {"id": s.id, "title": s.title, "block": names.get(s.block, s.block), "form": s.form}
            for s in (
                sheet if sheet and sheet.id == one.id else one for one in self._sheets.values()
            )
        ]
        content = {"id": "", "step": self._step, **content}
        if sheet is not None:
            content |= {"id": sheet.id, "form": sheet.form, "about": sheet.doc}
        cells = self.session.cells_shown
        if cells is not None and content.get("groups"):
            content["groups"] = [f"all {cells.rows}" if g == _ALL else g for g in content["groups"]]
        theme, n_classes = self.session.theme, len(content.get("classes", ()))
        content["colors"] = for_theme(category_colors(n_classes), theme) if n_classes else []
        if not self.session.run.id:
            words = "Press Run: gene tables, networks and compositions appear here."
        else:
            words = "This run has not found anything that can be listed yet."
        self._desk.param.update(
            sheets=listed, content=content, words="" if listed else words, theme=theme
        )

    def _asked(self, message: dict) -> None:
        do, name = message.get("do"), str(message.get("id", ""))
        if name not in self._sheets:
            return
        if do == "show":
            self._wanted = name
            self._draw()
        elif do == "csv":
            self._save(self._sheets[name])
        elif do == "compare":
            words = (str(message.get(k, ""))[:200] for k in ("factor", "level", "against"))
            self._asked_of[name] = Asked(*words)
            self._draw()
        elif do == "counts":
            asked = self._asked_of.get(name)
            self._count(str(message["name"]), asked.factor if asked else "")
        elif do == "gene":
            self.session.showing = ""
            self.session.colour_by(ColourKey("gene", str(message["name"])))

    def _count(self, gene: str, factor: str) -> None:
        """Reads one gene from the data of the run, beside the event loop."""
        card, found, run = self.session.cells_shown, self._found, self.session.run.id
        if card is None:
            return

        def show(told: dict[str, Any]) -> None:
            if run == self.session.run.id:  # no gene of one run beside the table of another
                self._desk.gene = told

        self.session.read(lambda: counts_of_gene(card, gene, found, factor), show)

    def _save(self, sheet: Sheet) -> None:
        """As it is shown: of the comparison that was chosen, which the name of the file says."""
        session, asked, contrasts = self.session, self._asked_of.get(sheet.id), self._contrasts

        def make() -> str:
            shown = (contrasts.of(sheet, asked) if contrasts and asked else None) or sheet
            file = safe_name(f"{session.run.spec.name} {shown.block} {shown.title}.csv")
            return OFFERS.add(session.owner, file, as_csv(shown))

        session.work(make, self._fetch.get)

    def __panel__(self) -> pn.viewable.Viewable:
        return pn.Column(self._desk, self._fetch, sizing_mode="stretch_width", margin=0)
