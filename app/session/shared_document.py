"""The document of a tab beside other tabs: under a name of its own, edited by one at a time."""

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import param

from app.session.data_in_use import DataInUse
from app.session.document import RENAME, Document
from app.session.protocols import PipelineStore, Rights, Tells
from diffbio_engine.errors import DataError, UserError
from diffbio_engine.pipelines.spec import PipelineSpec

_ELSEWHERE = "Edited in another tab: press 'Take over' above to edit it here."


class SharedDocument(Document):
    """A document that looks on while another tab edits the same pipeline (`app.server.editing`)."""

    read_only = param.Boolean(False, doc="Another tab edits this pipeline; this one looks on.")

    def __init__(
        self,
        *,
        owner: str = "local",
        spec: PipelineSpec | None = None,
        data: DataInUse | None = None,
        tells: Tells | None = None,
        locked: Callable[[], str] = lambda: "",
    ):
        """A document of one person, beside their other ones.

        Args:
            locked: Why it cannot be changed now, besides by another tab; empty if it can.
        """
        super().__init__(spec=spec, data=data, tells=tells)
        self.owner, self.locked = owner, locked
        # Set by `attach`: the saved pipelines, and whether this tab edits this one.
        self.store: PipelineStore | None = None
        self.rights: Rights | None = None

    # -- whole documents and their names -----------------------------------------------------

    def open_pipeline(self, spec: PipelineSpec, what: str = "") -> None:
        """Puts a new document on the canvas, under a name that no saved pipeline has."""
        super().open_pipeline(replace(spec, name=self._free_name(spec.name)), what)

    def put_back(self, spec: PipelineSpec) -> None:
        """Puts a saved pipeline on the canvas again, under its own name."""
        super().open_pipeline(spec)

    def rename(self, name: str) -> None:
        """Gives the pipeline another name, which no other one may have."""
        name = name.strip()[:80]
        if name and name != self.spec.name and name in self._names_elsewhere():
            self.refuse(
                DataError(
                    f"There is a pipeline '{name}' already.",
                    fix="Choose another name; the menu beside it lists the saved ones.",
                )
            )
            self.param.trigger("spec")
        else:
            super().rename(name)

    def _names_elsewhere(self) -> set[str]:
        taken = set() if self.rights is None else self.rights.names()
        if self.store is not None:
            taken |= {entry.name for entry in self.store.pipelines(self.owner)}
        return taken

    def _free_name(self, name: str) -> str:
        taken = self._names_elsewhere() | ({self.spec.name} if self.spec.blocks else set())
        stem = re.sub(r" \d+$", "", name)
        names = itertools.chain([name], (f"{stem} {n}" for n in itertools.count(2)))
        return next(n for n in names if n not in taken)

    # -- one tab edits it --------------------------------------------------------------------

    def edit(self, what: str, spec: PipelineSpec, gesture: str = "") -> None:
        """Changes the document, unless another tab edits it; see `Document.edit`."""
        if (spec.name == self.spec.name or what == RENAME) and self.is_refused():
            return
        begins = spec.blocks and not self.spec.blocks and spec.name == self.spec.name
        if begins and self.rights is not None and not self.rights.holds():
            # Another pipeline of this name may be saved, or begun in another tab.
            spec = replace(spec, name=self._free_name(spec.name))
        super().edit(what, spec, gesture)

    def undo(self) -> None:
        """Takes the last gesture back."""
        if not self.is_refused():
            super().undo()

    def redo(self) -> None:
        """Does again what was taken back."""
        if not self.is_refused():
            super().redo()

    def _show(self, spec: PipelineSpec, change: str) -> None:
        before = self.spec.name
        renamed = spec.name != before and change.endswith(RENAME)
        super()._show(spec, change)
        if self.rights is None:
            return
        self.rights.settle(renamed)
        if renamed and self.rights.holds() and self.store is not None:
            with suppress(UserError):  # not saved yet
                self.store.rename_pipeline(self.owner, before, spec.name)

    @property
    def may_edit(self) -> bool:
        """Whether no other tab edits this pipeline."""
        return self.rights is None or self.rights.may_edit()

    def take_over(self) -> None:
        """Edits what another tab has edited so far; that one looks on."""
        if self.rights is not None:
            self.rights.take_over()

    def mirror(self, other: "SharedDocument", with_past: bool = False) -> None:
        """Shows the document of another tab; `with_past` brings its undo along."""
        if with_past:
            theirs = {id(step) for step in other._past}
            own = [] if any(id(step) in theirs for step in self._past) else self._past
            self._past, self._future = [*own, *other._past], list(other._future)
        if with_past or other.spec is not self.spec:
            self._show(other.spec, other.change)

    def is_refused(self) -> bool:
        """Whether it cannot be changed now; then it says why, and undoes what a hand did."""
        why = self.locked() or ("" if self.may_edit else _ELSEWHERE)
        if not why:
            return False
        if self.tells is not None:
            self.tells.say(why, "warning")
        self.param.trigger("spec")  # what was moved is drawn where it is
        return True
