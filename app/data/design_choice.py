"""The design of samples as the data panel asks it: a formula to write or choose, and references."""

from dataclasses import replace
from typing import Any

import pandas as pd

from app.session.dataset_card import DatasetCard
from diffbio_engine.data.design import Formula, design_of, formula_at, levels_of, proposed, table_of
from diffbio_engine.errors import UserError
from diffbio_engine.ports import Offer, Place, Port

_MOST_LEVELS = 20


def design_choices(card: DatasetCard, port: Port, said: Offer) -> list[dict[str, Any]]:
    """The formula, what it compares or why it cannot be, and of each class its reference level."""
    table = table_of(card.preview)
    if table.empty:
        return []
    place = card.fields.get(port.name, "")
    formula, told, wrong = _judged(place, table)
    names = (Place.parse(card.fields.get(f, "")).name for f in ("condition_labels", "batch_labels"))
    offered = proposed(table, *names)
    first = {
        "port": port.name,
        "title": said.title,
        "help": told or said.help,
        "wrong": wrong,
        "place": place,
        "text": place.removeprefix("formula:"),
        "begins": "formula:",
        "example": "~ batch + condition",
        "options": [{"place": f.place, "title": replace(f, references={}).text} for f in offered],
    }
    return [first, *(_references(port, formula, table) if formula else [])]


def _judged(place: str, table: pd.DataFrame) -> tuple[Formula | None, str, str]:
    """The formula of a place, what it compares in words, and what is wrong with it."""
    if not place:
        return None, "", ""
    try:
        formula = formula_at(place)
        if formula is None:
            return None, "", ""
    except UserError as error:
        return None, "", f"{error.what} {error.fix}"
    try:
        made = design_of(table, formula)
    except UserError as error:
        return formula, "", f"{error.what} {error.fix}"
    others = [c for c in formula.columns if c not in formula.terms[-1]]
    beside = f" Accounted for: {', '.join(others)}." if others else ""
    n = len(made.matrix) - made.matrix.shape[1]
    left = f" {len(made.matrix)} samples leave {n} degrees of freedom."
    return formula, f"Compares {made.compared}.{beside}{left}", ""


def _references(port: Port, formula: Formula, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Of what is compared, which level the others are compared with."""
    rows = []
    for column in formula.terms[-1]:
        try:
            levels = levels_of(table, formula, column)
        except UserError:
            levels = levels_of(table, Formula(((column,),), {}, formula.classes), column)
        if not 2 <= len(levels) <= _MOST_LEVELS:
            continue
        options = [
            {"place": formula.with_reference(column, level).place, "title": level}
            for level in sorted(levels)
        ]
        rows.append(
            {
                "port": port.name,
                "title": f"Reference level of {column}",
                "help": "The others are compared with it.",
                "place": formula.with_reference(column, levels[0]).place,
                "options": options,
            }
        )
        if len(levels) > 2:
            rows.append(_tested(port, formula, column, levels))
    return rows


def _tested(port: Port, formula: Formula, column: str, levels: list[str]) -> dict[str, Any]:
    """Of several levels, which is compared with the reference in the tables of a run."""

    def last(level: str) -> str:
        rest = [v for v in levels if v != level]
        return formula.with_levels(column, (*rest, level)).place

    title = f"{levels[-1]} against {levels[0]}"
    rest = [{"place": last(v), "title": f"{v} against {levels[0]}"} for v in levels[1:-1]]
    return {
        "port": port.name,
        "title": f"Compared of {column}",
        "help": "What the files of a run hold; Results compare any two levels.",
        "place": formula.place,
        "options": [*rest, {"place": formula.place, "title": title}],
    }
