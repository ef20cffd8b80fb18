"""Columns whose names say what they hold: by the words that stand with the ports of a data set."""

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from diffbio_engine.data.dataset.name_words import head_of, holds_phrase, words_of
from diffbio_engine.ports import DATA_PORTS, Kind, offer_of

MOST_BATCHES = int(offer_of("batch_labels").values[1])
# What is also called a type, but of something else than cells.
_OTHER_TYPES = {
    "tissue", "suspension", "sample", "library", "assay", "tumor", "tumour", "disease", "donor",
    "batch", "patient", "data", "file", "sequencing", "chemistry", "gene", "term", "ontology",
    # Of droplets, and how they were told apart:
    "demux", "demultiplexing", "demuxlet", "freemuxlet", "souporcell", "vireo", "hash", "hashing",
    "hashtag", "hto", "htos", "doublet", "doublets", "dbl", "singlet", "multiplet", "scrublet",
    "droplet", "dropout", "empty", "qc", "quality", "filter", "outlier", "phase", "cycle",
    # Of people and animals, and what was done to them:
    "sex", "gender", "age", "ethnicity", "race", "ancestry", "diet", "bmi", "smoking", "blood",
    "treatment", "treated", "drug", "dose", "stim", "stimulation", "condition", "genotype",
    "phenotype", "diagnosis", "infection", "perturbation", "guide", "sgrna", "grna", "strain",
    "species", "organism", "organ", "vaccine", "time", "timepoint", "day", "stage", "site",
}  # fmt: skip
# Values that say whether a droplet holds one cell, or whether something holds.
_NO_TYPE_VALUES = {
    "singlet", "singlets", "doublet", "doublets", "multiplet", "multiplets", "negative", "empty",
    "ambiguous", "true", "false", "yes", "no", "pass", "passed", "fail", "failed", "keep", "remove",
    "male", "female", "sng", "dbl", "amb",
}  # fmt: skip
_NOT_KNOWN = {"", "nan", "na", "none", "unknown", "unassigned", "undetermined", "other"}
_OF_CELLS = ("cell type", "celltype", "cell types", "celltypes")
CLUSTERINGS = {"cluster", "clusters", "louvain", "leiden", "res", "snn"}
_MEASURES = {
    "score", "scores", "prob", "probability", "confidence", "certainty", "uncertainty", "color",
    "colors", "colour", "colours", "count", "counts", "entropy", "distance", "size", "pseudotime",
}  # fmt: skip
# Words by which people name the sides of a comparison.
_SIDES = {
    "ctrl", "ctr", "control", "controls", "untreated", "treated", "treatment", "stim",
    "stimulated", "unstim", "unstimulated", "wt", "ko", "ki", "het", "hom", "mut", "mutant",
    "wildtype", "knockout", "normal", "tumor", "tumour", "cancer", "healthy", "disease",
    "diseased", "covid", "mock", "infected", "uninfected", "vehicle", "drug", "dmso", "pbs", "sham",
    "injured", "lesional", "nonlesional", "inflamed", "noninflamed", "responder", "nonresponder",
    "resistant", "sensitive", "pre", "post", "baseline", "relapse", "remission", "male", "female",
    "case", "cases", "patient", "adjacent", "primary", "metastasis", "metastatic", "severe", "mild",
    "young", "old", "aged", "ad", "hc", "naive", "vaccinated",
}  # fmt: skip
# Words by which people name types of cells.
_TYPE_WORDS = {
    "cd4", "cd8", "cd14", "cd16", "nk", "tcell", "tcells", "bcell", "bcells",
    "mono", "monocyte", "monocytes", "macrophage", "macrophages", "dc", "dendritic", "neutrophil",
    "neutrophils", "megakaryocyte", "megakaryocytes", "platelet", "platelets", "erythrocyte",
    "erythroid", "treg", "neuron", "neurons", "astrocyte", "astrocytes", "microglia",
    "oligodendrocyte", "oligodendrocytes", "opc", "fibroblast", "fibroblasts", "endothelial",
    "epithelial", "pericyte", "pericytes", "hepatocyte", "hepatocytes", "keratinocyte",
    "keratinocytes", "myeloid", "lymphoid", "progenitor", "progenitors", "hsc", "enterocyte",
    "enterocytes",
}  # fmt: skip

_SOME_CELL = re.compile(
    r"\b(t|b|nk|plasma|stem|mast|alpha|beta|delta|ductal|acinar|goblet|basal|ciliated)[ _-]?cell"
)


class Column(Protocol):
    """What is asked of a column: see ``ColumnPreview``."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def n_values(self) -> int: ...
    @property
    def values(self) -> tuple[str, ...]: ...


def called_batches(columns: Iterable[Column]) -> list[str]:
    """Columns whose name is that of a batch, likeliest first, with a number of values to fit."""
    found = {c.name: rank for c in columns if (rank := _batch_rank(c)) is not None}
    return sorted(found, key=lambda name: found[name])


def _batch_rank(column: Column) -> int | None:
    if not _is_class(column) or not 2 <= column.n_values <= MOST_BATCHES:
        return None
    said = offer_of("batch_labels").columns
    for place, phrase in enumerate(s for s in said if " " in s):
        if holds_phrase(column.name, phrase):
            return 100 + place
    head = head_of(column.name)
    if head not in said:
        return None
    return said.index(head) + (0 if column.name.lower() == head else 100)


def called_types(columns: Iterable[Column]) -> list[str]:
    """Columns whose name is that of cell types somebody assigned; no clusterings."""
    named = [name for name in called_labels(columns) if not set(words_of(name)) & CLUSTERINGS]
    return named[:3]


def called_labels(columns: Iterable[Column]) -> list[str]:
    """Columns whose name is that of types or clusters, likeliest first."""

    batches, types = offer_of("batch_labels").columns, offer_of("labels").columns

    def rank(column: Column) -> int | None:
        words = words_of(column.name)
        if not words or head_of(column.name) in batches or set(words) & _MEASURES:
            return None
        if _no_types(column.values):
            return None
        others = set(words) & _OTHER_TYPES
        place = _place(column.name, types)
        return None if place is None else place + (500 if others else 0)

    ranks = {c.name: rank(c) for c in columns if _is_class(c)}
    found = {
        name: r
        for name, r in ranks.items()
        # A type of something else counts only where it is said to be of cells.
        if r is not None and (r < 500 or any(holds_phrase(name, said) for said in _OF_CELLS))
    }
    return sorted(found, key=lambda name: found[name])


def _no_types(values: Sequence[str]) -> bool:
    """Whether values tell singlets from doublets, yes from no, and name no types of cells."""
    said = [v.strip().lower() for v in values if v.strip().lower() not in _NOT_KNOWN]
    return bool(said) and all(set(words_of(v)) & _NO_TYPE_VALUES for v in said)


def called_times(columns: Iterable[Column]) -> list[str]:
    """Columns whose name is that of a time."""
    return called("time_points", columns)


def named_times(columns: Iterable[Column]) -> list[str]:
    """Columns whose name is that of a time, whatever they hold."""
    said = offer_of("time_points")
    named = [c.name for c in columns if not set(words_of(c.name)) & set(said.not_columns)]
    return [n for n in named if _place(n, said.columns) is not None]


def called_conditions(columns: Iterable[Column]) -> list[str]:
    """Columns whose name is that of a condition, and not that of a batch."""
    return called("condition_labels", [c for c in columns if _batch_rank(c) is None])


def called(port: str, columns: Iterable[Column]) -> list[str]:
    """Columns whose name is among those that a port declares, likeliest first.

    Classes for labels, numbers for what is measured, however many different values there are.
    """
    said = offer_of(port)
    classes = DATA_PORTS[port].kind == Kind.LABELS
    fit = [c.name for c in columns if (_is_class(c) if classes else c.kind == "number")]
    named = [name for name in fit if not set(words_of(name)) & set(said.not_columns)]
    places = {name: _place(name, said.columns) for name in named}
    found = {name: place for name, place in places.items() if place is not None}
    return sorted(found, key=lambda name: found[name])


def _place(name: str, phrases: Sequence[str]) -> int | None:
    whole = " ".join(words_of(name))
    if whole in phrases:
        return phrases.index(whole)
    inside = (i for i, phrase in enumerate(phrases) if holds_phrase(name, phrase))
    first = next(inside, None)
    return None if first is None else first + len(phrases)


def _is_class(column: Column) -> bool:
    # Numbers count only where there are few of them: batch 1, 2, 3; never a measured quantity.
    few = column.kind == "number" and column.n_values <= 50
    return column.kind == "categorical" or few


def sides_of_a_comparison(values: Sequence[str]) -> bool:
    """Whether values name conditions (tumour and normal, WT and KO), one group for each.

    With several groups of a condition (WT1, WT2, KO1, KO2) they are replicates, and can be batches.
    """
    if not 2 <= len(values) <= 6:
        return False
    said = [set(words_of(v.lower().replace("wild type", "wildtype"))) for v in values]
    stems = [frozenset(words & _SIDES) for words in said]
    return all(stems) and len(set(stems)) == len(stems)


def names_of_types(values: Sequence[str]) -> bool:
    """Whether most values name types of cells."""

    def is_type(value: str) -> bool:
        words = {*words_of(value), *value.lower().split()}
        return bool(words & _TYPE_WORDS) or bool(_SOME_CELL.search(value.lower()))

    return len(values) > 1 and sum(map(is_type, values)) > 0.6 * len(values)
