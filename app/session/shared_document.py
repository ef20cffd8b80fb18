"""The document of a tab beside other tabs: under a name of its own, edited by one at a time."""

import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import param

from app.session.document import RENAME, Document
from diffbio_engine.errors import DataError, UserError
from diffbio_engine.pipelines.spec import PipelineSpec

_ELSEWHERE = "Edited in another tab: press 'Take over' above to edit it here."


class SharedDocument(Document):
    """A document that looks on while another tab edits the same pipeline (`app.server.editing`)."""

    read_only = param.Boolean(False, doc="Another tab edits this pipeline; this one looks on.")

    def __init__(self, *, owner: str = "local", spec: PipelineSpec | None = None, **params: Any):
        super().__init__(spec=spec, **params)
        self.owner = owner
        # Set by `attach`: the server's store, and who edits what.
        self.store: Any = None
        self.editing: Any = None
        self.is_connected: Callable[[], bool] = lambda: True

    def say(self, text: str, kind: str = "info") -> None:
        """A short notification."""
        raise NotImplementedError

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
        taken = set() if self.editing is None else self.editing.names(self)
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
        if begins and self.editing is not None and not self.editing.holds(self):
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
        if self.editing is None:
            return
        self.editing.settle(self, renamed)
        if renamed and self.editing.holds(self) and self.store is not None:
            with suppress(UserError):  # not saved yet
                self.store.rename_pipeline(self.owner, before, spec.name)

    @property
    def may_edit(self) -> bool:
        """Whether no other tab edits this pipeline."""
        return self.editing is None or self.editing.may_edit(self)

    def take_over(self) -> None:
        """Edits what another tab has edited so far; that one looks on."""
        if self.editing is not None:
            self.editing.take_over(self)

    def mirror(self, other: "SharedDocument", with_past: bool = False) -> None:
        """Shows the document and the data of another tab; `with_past` brings its undo along."""
        if with_past:
            theirs = {id(step) for step in other._past}
            own = [] if any(id(step) in theirs for step in self._past) else self._past
            self._past, self._future = [*own, *other._past], list(other._future)
        if with_past or other.spec is not self.spec:
            self._show(other.spec, other.change)
        if other.dataset != self.dataset:
            self.dataset = other.dataset

    def is_refused(self) -> bool:
        """Whether another tab holds this pipeline; then it says so, and undoes what a hand did."""
        if self.may_edit:
            return False
        self.say(_ELSEWHERE, "warning")
        self.param.trigger("spec")  # what was moved is drawn where it is
        return True
