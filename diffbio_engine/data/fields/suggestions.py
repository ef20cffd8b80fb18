"""The likely place of each port in a file, by what things are called and by what is in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from diffbio_engine.data.dataset.ambient_profiles import adds_up, called_ambient
from diffbio_engine.data.dataset.name_words import words_of
from diffbio_engine.data.fields.places import AMBIENT_LOW, BATCH_LABELS, COUNTS, LABELS, Fields
from diffbio_engine.data.fields.suggested_time import suggested_time
from diffbio_engine.data.genes.prior_knowledge import PLACES
from diffbio_engine.data.inspection.column_names import (
    called,
    called_batches,
    called_conditions,
    called_labels,
    names_of_types,
    sides_of_a_comparison,
)
from diffbio_engine.data.inspection.counts_place import counts_place
from diffbio_engine.data.inspection.preview import ColumnPreview, Preview
from diffbio_engine.data.inspection.times_as_names import named_by_time
from diffbio_engine.data.matrix.matrix_preview import BINARY, MatrixPreview
from diffbio_engine.data.reading import Choice
from diffbio_engine.data.sampling.cell_totals import OVER_ALL_GENES, TOTAL_COUNTS
from diffbio_engine.ports import DATA_PORTS, Kind, Offer, Place, Port

TIMES = "time_points"
# Fields that are found, or not, by what the values are; a name alone does not do.
_JUDGED = (COUNTS, BATCH_LABELS, TIMES)
# Fields of which more is asked of a name than that it is among those that the port declares.
_BY_NAME = {LABELS: called_labels, "condition_labels": called_conditions}


@dataclass(frozen=True)
class Suggestion:
    """Where each port probably finds its array, and what a person should know of that."""

    fields: Fields
    notes: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()


def suggest_fields(preview: Preview) -> Fields:
    """The likely place of each common port; what cannot be found is left out."""
    return suggest(preview).fields


def suggest(preview: Preview) -> Suggestion:
    """The likely place of each common port, with what was taken for nothing, and why."""
    places: dict[str, str] = {}
    notes: list[str] = []
    counts, said = counts_place(preview.matrices)
    notes += [said] if said else []
    if counts:
        places[COUNTS] = counts
        places["ambient_profile"] = found = _ambient(preview) or AMBIENT_LOW
        if found != AMBIENT_LOW:
            notes.append(f"The profile of empty droplets is taken from {found}.")
        places["ambient_profile"] = _ambient(preview) or AMBIENT_LOW
        places[TOTAL_COUNTS] = OVER_ALL_GENES
    notes += _not_counts(preview.matrices, counts, said)
    columns = {c.name: c for c in preview.obs}
    if batches := batch_candidates(preview):
        places[BATCH_LABELS] = batches[0][0]
    notes += _of_batches(preview, places.get(BATCH_LABELS, ""))
    time, told, choices = suggested_time(preview.obs, preview.n_cells, preview.m)
    places |= {TIMES: f"obs/{time}"} if time else {}
    notes += told
    for name, port in DATA_PORTS.items():
        if name not in _JUDGED and (place := _as_declared(port, preview)):
            places.setdefault(name, place)
    if preview.matrices and not counts:
        places.setdefault("features", preview.matrices[0].place)
        places.setdefault("embeddings", preview.matrices[0].place)
    if counts:
        # Looked up by the names of the genes; offered where some are found.
        places |= {port: PLACES[port] for port, n in preview.known_genes.items() if n}
    notes += _spelt_twice(columns, places)
    in_order = {name: places[name] for name in DATA_PORTS if name in places}
    return Suggestion(Fields(in_order), tuple(notes), choices)


def _as_declared(port: Port, preview: Preview) -> str:
    """Where a file has what a port declares to be called so; empty for nowhere."""
    said = port.offer or Offer()
    of_matrices = {m.place for m in preview.matrices}
    if layer := next((x for x in said.layers if f"layers/{x}" in of_matrices), ""):
        return f"layers/{layer}"
    last = port.axis_names[-1]
    fits = [t for t, shape in preview.obsm.items() if not last.isdigit() or shape[-1] == int(last)]
    if table := next((t for t in said.tables if t in fits), ""):
        return f"obsm/{table}"
    if not said.columns:
        return ""
    least, most = said.values
    counted = {c.name: c.n_values for c in preview.obs}
    if port.kind != Kind.LABELS:  # of what is measured each cell may have a value of its own
        least, most = 1, preview.n_cells
    named = _BY_NAME.get(port.name, partial(called, port.name))(preview.obs)
    return next((f"obs/{n}" for n in named if least <= counted[n] <= most), "")


def _not_counts(matrices: Iterable[MatrixPreview], taken: str, said: str) -> list[str]:
    """Why whole numbers that could pass for counts are not taken for them."""
    notes = []
    for m in matrices:
        why = m.doubt or ("It holds zeros and ones only." if m.holds == BINARY else "")
        if why and m.place != taken and m.place not in said:
            notes.append(f"{m.place} is not taken for counts: {why[0].lower()}{why[1:]}")
    return notes


def _spelt_twice(columns: dict[str, ColumnPreview], places: dict[str, str]) -> list[str]:
    """Groups of the columns that are taken whose names differ by blanks or by large letters."""
    notes = []
    for place in dict.fromkeys(p for p in places.values() if Place.parse(p).table == "obs"):
        first: dict[str, str] = {}
        for value in columns[Place.parse(place).name].values:
            plain = " ".join(value.lower().split())
            if (other := first.setdefault(plain, value)) != value:
                notes.append(
                    f"{place} has '{other}' and '{value}': they differ by blanks or large letters"
                    " only, and count as two groups."
                )
                break
    return notes


def batch_candidates(preview: Preview) -> list[tuple[str, int]]:
    """Columns that could name batches, likeliest first: place and number of batches.

    No treatment or condition is among them, and no column whose groups are the cell types: what is
    taken for a batch is corrected away.
    """
    columns = {c.name: c for c in preview.obs}
    named = [columns[n] for n in called_batches(preview.obs)]
    return [(f"obs/{c.name}", c.n_values) for c in named if not _why_no_batch(c)]


def _why_no_batch(column: ColumnPreview) -> str:
    shown = ", ".join(column.values[:4])
    if column.biology:
        return (
            f"obs/{column.name} looks like biology, not like batches: {column.biology}. Correcting"
            " for it would take that away"
        )
    if names_of_types(column.values):
        return (
            f"obs/{column.name} looks like biology: its values ({shown}) are called like types of"
            " cells. Correcting for it would take their differences away"
        )
    # Who calls a column "batch" means it, whatever its values are called.
    return "" if "batch" in words_of(column.name) else _what_is_asked(column)


def _what_is_asked(column: ColumnPreview) -> str:
    """Why correcting for a column takes away what is asked about; empty if it may not."""
    shown = ", ".join(column.values[:4])
    if sides_of_a_comparison(column.values):
        return (
            f"obs/{column.name} ({shown}) looks like a condition, one group for each side: what"
            " differs between them may be what is asked about"
        )
    if named_by_time(column.name, column.values):
        return (
            f"obs/{column.name} ({shown}) looks like times, one group for each: correcting for it"
            " would take away what changes with time"
        )
    if column.one_for_each:
        return (
            f"obs/{column.name} ({shown}) has one group for each value of"
            f" obs/{column.one_for_each}: correcting for it would take their difference away"
        )
    return ""


def _of_batches(preview: Preview, taken: str) -> list[str]:
    columns = {c.name: c for c in preview.obs}
    notes = []
    for name in called_batches(preview.obs)[:4]:
        why = _why_no_batch(columns[name])
        if why:
            notes.append(f"{why}. It is not taken as the batch unless you choose it.")
        elif f"obs/{name}" == taken and (why := _what_is_asked(columns[name])):
            notes.append(
                f"obs/{name} is taken as the batch, by its name. But {why}. Choose none if that is"
                " what is asked about."
            )
        elif f"obs/{name}" == taken and columns[name].nested_in:
            notes.append(
                f"Each group of obs/{name} lies in one of obs/{columns[name].nested_in} only:"
                " correcting for it can take away what differs between these, too. Choose none, or"
                " a batch that is in several of them, if that is what is asked about."
            )
    return notes


def _ambient(preview: Preview) -> str:
    """Where the profile of empty droplets lies, in ``var`` or ``uns``: by its name and its sum."""
    named = [c for c in preview.var if c.kind == "number" and called_ambient(c.name)]
    shares = [f"var/{c.name}" for c in named if adds_up(c.total)]
    return next(iter((*shares, *preview.profiles)), "")
