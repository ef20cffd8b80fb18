"""Gene sets: lists that are pasted or dropped, kept by name, and colour the map by their mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.map.colouring import by_gene_set
from app.session.gene_sets import GeneSets as Sets
from app.session.gene_sets import keep, parse
from app.session.session import Session
from app.style.colour_key import ColourKey
from app.style.scripts import script

_HERE = Path(__file__).parent


class GeneSetDesk(JSComponent):
    """The page's side: where a list is put, and those that are kept."""

    sets = param.List(doc="Of each set its name, how many genes, and the first of them.")
    told = param.Dict({}, doc='What became of the last list: {"kind", "text"}.')
    data = param.String(doc="Whose genes are looked for; empty: there is no data set.")

    _esm = script(_HERE / "gene_sets.js")
    _stylesheets = [(_HERE / "gene_sets.css").read_text(encoding="utf-8")]


class GeneSets(pn.viewable.Viewer):
    """Keeps lists of genes, and shows one on the map."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self._desk = GeneSetDesk(sizing_mode="stretch_width", margin=0)
        self._desk.on_msg(lambda event: self._asked(event.data))
        session.param.watch(self._draw, ["gene_sets"])
        session.data.param.watch(self._draw, ["card"])
        session.run.param.watch(self._draw, ["dataset", "id"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        cells = self.session.cells_shown
        self._desk.param.update(
            sets=[
                {"name": name, "n": len(genes), "genes": ", ".join(genes[:8])}
                for name, genes in self.session.gene_sets.items()
            ],
            data=cells.name if cells is not None and cells.n_genes else "",
        )

    def _asked(self, message: dict[str, Any]) -> None:
        do, name = message.get("do"), str(message.get("name", ""))
        if do == "add":
            self._add(str(message.get("text", "")), name)
        elif do == "show" and name in self.session.gene_sets:
            self._look(name)
        elif do == "forget" and name in self.session.gene_sets:
            self._keep({}, name, lambda: self._tell("info", f"'{name}' is gone."))

    def _add(self, text: str, name: str) -> None:
        try:
            new = parse(text, name, self.session.gene_sets)
        except ValueError as error:
            return self._tell("error", str(error))
        if len(new) > 1:
            genes = sum(map(len, new.values()))
            said = f"{len(new):,} sets with {genes:,} genes are kept. Press one to show it."
            return self._keep(new, "", lambda: self._tell("info", said))
        return self._keep(new, "", lambda: self._look(next(iter(new))))

    def _keep(self, added: Sets, removed: str, then: Callable[[], None]) -> None:
        session = self.session

        def work() -> Sets | Exception:
            try:
                return keep(session, added, removed)
            except Exception as error:
                return error

        def done(kept: Sets | Exception) -> None:
            if isinstance(kept, ValueError):
                return self._tell("error", str(kept))
            if isinstance(kept, Exception):
                return session.refuse(kept)
            session.gene_sets = kept
            return then()

        session.read(work, done)

    def _look(self, name: str) -> None:
        """Looks for the genes in the data; says how many are there, and shows the set."""
        session, cells, genes = self.session, self.session.cells_shown, self.session.gene_sets[name]
        if cells is None or not self._desk.data:
            return self._tell("info", f"'{name}' is kept: {len(genes):,} genes. There are no data.")
        place = cells.fields.get("counts", "X")

        def work() -> Any:
            try:
                return by_gene_set(cells.source, name, genes, place)
            except Exception as error:
                return error

        def show(found: Any) -> None:
            if isinstance(found, ValueError):
                return self._tell("error", str(found))
            if isinstance(found, Exception):
                return session.refuse(found)
            self._tell("good", f"'{name}': {found.note}.")
            session.colour_by(ColourKey("set", name))

        session.read(work, show)

    def _tell(self, kind: str, text: str) -> None:
        self._desk.told = {"kind": kind, "text": text}

    def __panel__(self) -> pn.viewable.Viewable:
        return self._desk
