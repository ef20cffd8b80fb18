"""Names of genes that a spreadsheet has changed into dates and numbers: MARCH1 into 1-Mar."""

import re

from diffbio_engine.data.dataset import ORIGINAL_NAME, Dataset
from diffbio_engine.data.dataset.gene_names import gene_name_style

# What the names were, by the month that the spreadsheet took them for.
_GENES = {
    "jan": "JAN", "feb": "FEB", "mar": "MARCH", "apr": "APR", "may": "MAY", "jun": "JUN",
    "jul": "JUL", "aug": "AUG", "sep": "SEPT", "sept": "SEPT", "oct": "OCT", "nov": "NOV",
    "dec": "DEC",
}  # fmt: skip
_MONTH = "|".join(_GENES)
_REST = "(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember)?"
_DAY_FIRST = re.compile(rf"^(\d{{1,2}})[-./ ]({_MONTH}){_REST}([-./ ]\d{{2,4}})?$", re.IGNORECASE)
_MONTH_FIRST = re.compile(
    rf"^({_MONTH.title()})[-./ ](\d\d)([-./ ,]+\d{{2,4}})?$"
)  # no sep-1 of worms
_ISO = re.compile(r"^(?:19|20)\d\d-(\d\d)-(\d\d)([ T]00:00:00(\.0+)?)?$")
# The days since 1900 as which a spreadsheet keeps dates of these thirty years.
_SERIAL = re.compile(r"^(3[6-9]|4[0-7])\d{3}(\.0)?$")
# 2310009E13Rik loses its end where it is read as a number.
_POWER = re.compile(r"^\d(\.\d+)?E\+\d\d$", re.IGNORECASE)
_NUMBERS_OF_MONTHS = [*dict.fromkeys(_GENES.values())]


def warn_of_changed_names(dataset: Dataset) -> None:
    """Says how many names of genes look like dates or numbers that a spreadsheet made of them."""
    names = [str(n) for n in dataset.var.get(ORIGINAL_NAME, dataset.var.index)]
    named_by_numbers = gene_name_style(names) == "numbers"
    changed = [n for n in names if was_changed(n, serials=not named_by_numbers)]
    # A table of dates has no genes at all.
    if not changed or len(changed) > 0.5 * len(names):
        return
    known = {n: g for n in changed if (g := _was(n))}
    shown = ", ".join(f"{g} -> {n}" for n, g in list(known.items())[:3]) or ", ".join(changed[:3])
    are = "name looks like a date" if len(changed) == 1 else "names look like dates"
    dataset.warnings.append(
        f"{len(changed):,} gene {are} or numbers: a spreadsheet has changed them ({shown}). These "
        "genes are found under no name; take the names from the file before it."
    )


def was_changed(name: str, *, serials: bool = True) -> bool:
    """Whether a name of a gene looks like a date, or like a number that was one."""
    patterns = [_DAY_FIRST, _MONTH_FIRST, _ISO, _POWER, *([_SERIAL] if serials else [])]
    return any(p.match(name) for p in patterns)


def _was(name: str) -> str:
    """The gene, where the date tells: 2-Sep was SEPT2."""
    if found := _DAY_FIRST.match(name):
        return f"{_GENES[found[2].lower()]}{int(found[1])}"
    if found := _MONTH_FIRST.match(name):
        return f"{_GENES[found[1].lower()]}{int(found[2])}"
    if found := _ISO.match(name):
        month = int(found[1])
        return f"{_NUMBERS_OF_MONTHS[month - 1]}{int(found[2])}" if 1 <= month <= 12 else ""
    return ""
