"""Quality control: what was measured of each cell, and limits that are moved before they apply."""

import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from app.data.quality_draft import ENDS, Draft, draft_of
from app.files.readers import opened
from app.session.data_in_use import CARDS
from app.session.dataset_card import DatasetCard
from app.session.session import Session
from app.style.scripts import script
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.quality.automatic import (
    MADS,
    MADS_MITOCHONDRIAL,
    MOST_MITOCHONDRIAL,
    RULE,
)
from diffbio_engine.errors import UserError
from diffbio_engine.ports import Place
from diffbio_engine.ports.quality_control import QualityControl

_HERE = Path(__file__).parent
_OF_SAMPLES = ("sample", "sample_id", "library_id", "library", "orig.ident", "donor", "donor_id")
_MOST_SAMPLES = 60
_RULE = RULE.format(mads=MADS, mads_mt=MADS_MITOCHONDRIAL, cap=MOST_MITOCHONDRIAL)


class QualityDesk(JSComponent):
    """The page's side: histograms with limits that can be dragged."""

    metrics = param.List(doc="Of each metric its histogram by sample.")
    limits = param.Dict({}, doc="By metric and sample, both ends.")
    counted = param.Dict({}, doc="How many cells are kept, of all and of each sample.")
    options = param.Dict({}, doc="Columns to choose from, and those that are chosen.")
    words = param.Dict({}, doc="What is said: the state, a problem, what was found.")

    _esm = script(_HERE / "quality_histograms.js", _HERE / "quality_control.js")
    _stylesheets = [(_HERE / "quality_control.css").read_text(encoding="utf-8")]


class QualityPane(pn.viewable.Viewer):
    """Limits of the data in use; nothing changes in the document before "Apply"."""

    def __init__(self, session: Session):
        super().__init__()
        self.session = session
        self.draft: Draft | None = None
        self._card: DatasetCard | None = None
        self._asked_for: Any = None
        self._counts_genes = False
        self._desk = QualityDesk(sizing_mode="stretch_width", margin=0)
        self._desk.on_msg(lambda event: self._take(event.data))
        session.param.watch(self._opened, ["showing"])
        session.data.param.watch(self._opened, CARDS)
        session.document.param.watch(self._follow, ["spec"])
        self._opened()

    # -- measuring ---------------------------------------------------------------------------

    def _opened(self, *_: Any) -> None:
        if self.session.showing != "quality":
            return self._show_on_map()
        card = self.session.data.card
        applied = self.session.document.spec.quality_control
        if card is None or not kind_named(card.rows).has_quality_control:
            rows = card.rows if card else "cells"
            self._say(problem=f"Quality control is of cells and spots, and these are {rows}."
                      if card else "Choose a data set first.")  # fmt: skip
        elif self.draft is None or card != self._card:
            wanted = applied if applied.removes else QualityControl(samples=_samples_of(card))
            self._measure(card, wanted)
        else:
            self._show()

    def _measure(self, card: DatasetCard, wanted: QualityControl) -> None:
        """Asks the reader of the file; what was shown before stays until it answers."""
        applied = self.session.document.spec.quality_control
        asked = self._asked_for = object()
        self._say(busy=f"Measuring {card.n_cells:,} {card.rows}")
        place = card.fields.get("counts", "X")

        def work() -> Draft | Exception:
            try:
                told, arrays = opened(card.source).ask(
                    "quality",
                    place=place,
                    mitochondrial=wanted.mitochondrial,
                    samples=wanted.samples,
                )
                draft = draft_of(told, arrays, applied, wanted, card.rows)
            except Exception as error:
                return error
            draft.columns = [str(c) for c in told.get("columns", ())][:200]
            draft.histograms = draft.drawn()
            return draft

        def show(found: Draft | Exception) -> None:
            if asked is not self._asked_for:
                return
            if isinstance(found, Draft):
                # By now the document may say something else: by undo, or another pipeline.
                found.applied = self.session.document.spec.quality_control
                self.draft, self._card = found, card
                self._show_all()
            elif isinstance(found, UserError):
                self._say(problem=f"{found.what} {found.fix}".strip())
            else:
                self.session.refuse(found)
                self._say(problem="These data could not be measured.")

        self.session.read(work, show)

    def _follow(self, *_: Any) -> None:
        """After a change of the document, as by undo: what it says now is shown."""
        draft, now = self.draft, self.session.document.spec.quality_control
        if draft is None or draft.applied == now:
            return
        columns = (now.samples, now.mitochondrial)
        if now.removes and columns != (draft.control.samples, draft.control.mitochondrial):
            draft.applied = now
            if self._card is not None:
                self._measure(self._card, now)
            return
        draft.follow(now)
        self._show()

    # -- what the person does ----------------------------------------------------------------

    def _take(self, message: dict[str, Any]) -> None:
        do, draft, session = message.get("do"), self.draft, self.session
        if draft is None or self._card is None:
            return
        if do == "limit":
            end, sample = str(message.get("end")), str(message.get("sample", ""))
            value = _number(message.get("value"))
            if end in ENDS:
                draft.set_end(str(message.get("metric")), end, value, sample)
        elif do == "same":
            draft.set_same(bool(message.get("value")))
        elif do == "automatic":
            draft.propose()
        elif do == "clear":
            draft.clear()
        elif do == "least_cells":
            draft.set_least_cells(int(min(max(_number(message.get("value")) or 0, 0), 1e9)))
        elif do in ("samples", "mitochondrial"):
            place = str(message.get("value", ""))
            if place in [option["place"] for option in self._desk.options.get(do, ())]:
                return self._measure(self._card, self._with_column(draft.control, do, place))
        elif do == "discard":
            draft.follow(draft.applied)
        elif do == "apply":
            limits = draft.control if draft.control.removes else QualityControl()
            spec = replace(session.document.spec, quality_control=limits)
            session.document.edit("Set quality control", spec)
        self._show()

    def _with_column(self, control: QualityControl, what: str, place: str) -> QualityControl:
        """The limits measured by another column; those of samples that may not be there go."""
        limits = [one for one in control.limits if not one.sample]
        if what == "samples":
            return replace(control, samples=place, limits=tuple(limits))
        return replace(control, mitochondrial=place)

    # -- showing -----------------------------------------------------------------------------

    def _show_all(self) -> None:
        draft, card = self.draft, self._card
        if draft is None or card is None:
            return
        self._desk.param.update(
            metrics=draft.histograms,
            options={
                "samples": _sample_columns(card),
                "mitochondrial": [
                    {"place": "", "title": "names begin with MT- or mt-"},
                    *({"place": Place("var", c), "title": f"marked by {c}"} for c in draft.columns),
                    *_percent_columns(card),
                ],
                "rows": card.rows,
                "data": card.name,
            },
        )
        self._show()

    def _show(self) -> None:
        """The limits at once; how many they keep as soon as that is counted."""
        draft, session = self.draft, self.session
        if draft is None:
            return
        control = draft.control
        self._desk.param.update(
            limits=draft.limits(),
            words={
                "problem": "",
                "busy": "",
                "found": draft.measured.mitochondrial,
                "rule": _RULE,
                "unapplied": not draft.is_applied,
                "proposed": draft.is_proposed,
                "removes": draft.applied.removes,
                "same": not any(control.has_own(m) for m in draft.metrics),
                "several": draft.is_of_several,
                "samples": control.samples,
                "mitochondrial": control.mitochondrial,
                "least_cells": control.least_cells,
            },
        )

        def show(counted: dict[str, Any]) -> None:
            if self.draft is draft and draft.control is control and self._card is not None:
                kept = counted.pop("passing")
                self._desk.counted = counted
                session.data.passing = {"source": self._card.source, "kept": kept}
                self._count_genes(draft, self._card)

        session.work(lambda: draft.counted(control), show)

    def _count_genes(self, draft: Draft, card: DatasetCard) -> None:
        """Asks how many genes are kept: a pass over all counts, so one at a time."""
        control = draft.control
        if self._counts_genes or not control.least_cells or draft.genes_by == control:
            return
        self._counts_genes = True
        told = {"place": card.fields.get("counts", "X"), "control": control.to_json()}

        def work() -> tuple[int, int] | None:
            with suppress(UserError):  # no cell is left: that is seen
                found = opened(card.source).ask("genes_kept", **told)[0]
                return int(found["kept"]), int(found["of"])
            return None

        def show(found: tuple[int, int] | None) -> None:
            self._counts_genes = False
            if self.draft is draft:
                draft.genes, draft.genes_by = found, control
                self._show()

        self.session.read(work, show)

    def _show_on_map(self) -> None:
        """Beside the closed pane the map knows of what is applied, and of nothing else."""
        draft, card, session = self.draft, self._card, self.session
        if draft is None or card is None or draft.is_applied:
            return

        def show(kept: Any) -> None:
            if self.draft is draft and session.showing != "quality":
                session.data.passing = {"source": card.source, "kept": kept}

        session.work(lambda: draft.result(draft.applied).kept, show)

    def _say(self, problem: str = "", busy: str = "") -> None:
        self._desk.words = {**self._desk.words, "problem": problem, "busy": busy}

    def __panel__(self) -> pn.viewable.Viewable:
        return self._desk


def _number(value: Any) -> float | None:
    """A number that the page sends; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _samples_of(card: DatasetCard) -> str:
    """The column that names the samples: by its name, else the batches in use, else none."""
    there = [option["place"] for option in _sample_columns(card)]
    named = (Place("obs", name) for name in _OF_SAMPLES)
    batch = card.fields.get("batch_labels", "")
    return next((p for p in (*named, batch) if p and p in there), "")


def _sample_columns(card: DatasetCard) -> list[dict[str, str]]:
    """Columns with a few values, one of which can name the samples."""
    found = [
        {"place": Place("obs", c["name"]), "title": f"{c['name']} ({c['n_values']:,})"}
        for c in card.preview.get("obs", ())
        if c["kind"] != "text" and 1 < c["n_values"] <= _MOST_SAMPLES
    ]
    return [{"place": "", "title": "all are one sample"}, *found]


def _percent_columns(card: DatasetCard) -> list[dict[str, str]]:
    """Columns of the cells that hold a mitochondrial share, by their names."""
    numbers = (c["name"] for c in card.preview.get("obs", ()) if c["kind"] == "number")
    like = [n for n in numbers if "mt" in n.lower() or "mito" in n.lower()]
    return [{"place": Place("obs", name), "title": f"percent in {name}"} for name in like]
