"""Where each field may lie in a file, as the data panel asks it."""

from typing import Any

from app.data.design_choice import design_choices
from app.data.named_choice import named_choice
from app.session.dataset_card import DatasetCard
from diffbio_engine.axes import axis_of, said_of
from diffbio_engine.data.inspection.times import times_in_order
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Kind, Offer, Place, Port

# More groups than this are no classes that a person chooses.
_MOST_GROUPS = 200


def choices_of(card: DatasetCard, port: Port, said: Offer) -> list[dict[str, Any]]:
    """The rows of the panel that are of one port."""
    if port.kind == Kind.DESIGN:
        return design_choices(card, port, said)
    if port.kind == Kind.PROFILE and said.joins:
        return named_choice(card, port, said)
    found = choice_of(card, port, said)
    return [found] if found else []


def choice_of(card: DatasetCard, port: Port, said: Offer) -> dict[str, Any] | None:
    """Where one port may find its array, and where it does now; None if nowhere."""
    p, sentence, rows = card.preview, said.help, axis_of(card.rows)
    if Place.parse(said.computed).computed_from == "counts" and "counts" not in card.fields:
        return None
    places = _places(p, port)
    if said.computed_as:
        places = [(said.computed, said.computed_as), *places]
    if not places:
        return None
    why: dict[str, Any] = {Place("obs", c["name"]): c.get("biology") for c in p.get("obs", ())}
    if port.name == "batch_labels" and (like := why.get(card.fields.get(port.name, ""))):
        sentence = f"This column looks like biology: {like}. Correcting for it takes that away."
    options = [{"place": place, "title": text} for place, text in places]
    return {
        "port": port.name,
        "title": said_of(rows, said.title),
        "help": said_of(rows, sentence),
        "place": card.fields.get(port.name, ""),
        "options": [{"place": "", "title": "none"}, *options],
    }


def _places(p: dict[str, Any], port: Port) -> list[tuple[str, str]]:
    """Where a file has arrays of the axes and the kind of a port, in the words of a list."""
    if port.per_record and port.wide:
        return [
            (m["place"], f"{m['place']} ({m['holds']}{', doubted' if m.get('doubt') else ''})")
            for m in p.get("matrices", ())
        ]
    if len(port.axis_names) == 2:
        last = port.axis_names[-1]
        return [
            (Place("obsm", k), f"{k} ({s[-1]} columns)")
            for k, s in p.get("obsm", {}).items()
            if not last.isdigit() or s[-1] == int(last)
        ]
    table = "obs" if port.per_record else "var"
    if port.kind != Kind.LABELS:
        numbers = [c["name"] for c in p.get(table, ()) if c["kind"] == "number"]
        return [(Place(table, name), name) for name in numbers]
    return [
        (Place(table, c["name"]), f"{c['name']} ({_of_column(c, port.name)})")
        for c in p.get(table, ())
        if c["kind"] != "text" and _names_groups(c, p, port)
    ]


def _names_groups(column: dict[str, Any], p: dict[str, Any], port: Port) -> bool:
    """As many values as the field can have; where groups are wanted, not another one for each."""
    n, (least, most) = column["n_values"], port.offer.values if port.offer else (1, _MOST_GROUPS)
    alone = least > 1 and 2 < p.get("n_cells", 0) <= n
    return least <= n <= min(most, _MOST_GROUPS) and not alone


def _of_column(column: dict[str, Any], port: str) -> str:
    said = f"{column['n_values']:,} values"
    if port == "batch_labels" and column.get("biology"):
        return f"{said}, looks like biology"
    if port == "batch_labels" and column.get("one_for_each"):
        return f"{said}, one for each {column['one_for_each']}"
    if port == "time_points" and column.get("values"):
        ordered = column["values"] if column.get("ordered") else None
        try:
            names = times_in_order(column["values"], ordered=ordered).names
        except DataError:
            return f"{said}, no times"
        return " → ".join(names if len(names) < 6 else [*names[:3], "…", names[-1]])
    return said
