"""The likely place of each port in a file, by the names that people give to things."""

from collections.abc import Iterable

from diffbio_engine.data.fields import AMBIENT_LOW, BATCH_LABELS, COUNTS, LABELS, Fields
from diffbio_engine.data.matrix_look import RAW
from diffbio_engine.data.preview import ColumnPreview, Preview
from diffbio_engine.data.prior_knowledge import PLACES

_BATCH_WORDS = (
    "batch", "sample", "donor", "dataset", "patient", "individual", "replicate", "library", "orig",
    "subject", "mouse", "chemistry", "assay", "tech", "lane", "channel",
)  # fmt: skip
_LABEL_WORDS = (
    "cell_type", "celltype", "cell type", "annotation", "label", "bulk_labels", "cluster",
    "louvain", "leiden", "cell_ontology", "type", "branch",
)  # fmt: skip
_PCA_KEYS = ("X_pca", "pca", "X_PCA", "X_scVI", "X_latent")
_MOST_BATCHES = 200
_SLICE_WORDS = ("slice", "section", "library_id", "slide")
_TIME_WORDS = ("day", "time_point", "timepoint", "time point", "time", "stage", "hour", "week")
_CONDITION_WORDS = ("condition", "treatment", "stim", "disease", "genotype", "group", "status")
_SPATIAL_KEYS = ("spatial", "X_spatial", "spatial_coords")
_MOST_TIMES = 50


def suggest_fields(preview: Preview) -> Fields:
    """The likely place of each common port; what cannot be found is left out."""
    places: dict[str, str] = {}
    raw = {m.place: m for m in preview.matrices if m.holds == RAW}
    # A layer of that name was put there for us; otherwise X before raw.X before other layers.
    order = ["layers/counts", "layers/raw_counts", "X", "raw/X", *raw]
    counts = next((p for p in order if p in raw), None)
    if counts:
        places[COUNTS] = counts
        places["ambient_profile"] = AMBIENT_LOW
    if batches := batch_candidates(preview):
        places[BATCH_LABELS] = batches[0][0]
    labels = _named_like(preview.obs, _LABEL_WORDS)
    if labels:
        places[LABELS] = f"obs/{labels[0].name}"
    key = next((k for k in _PCA_KEYS if k in preview.obsm), None)
    if key:
        places["features"] = places["embeddings"] = f"obsm/{key}"
    elif preview.matrices and not counts:
        places["features"] = places["embeddings"] = preview.matrices[0].place
    places |= _of_tissue_and_time(preview)
    if counts:
        # Looked up by the names of the genes; offered where some are found.
        places |= {port: PLACES[port] for port, n in preview.known_genes.items() if n}
    return Fields(places)


def _of_tissue_and_time(preview: Preview) -> dict[str, str]:
    """Where the cells lie, and from which slice, time and condition they are."""
    places = {}
    spatial = next((k for k in _SPATIAL_KEYS if preview.obsm.get(k, (0, 0))[-1] == 2), None)
    if spatial:
        places["spatial_coords"] = f"obsm/{spatial}"
    layers = {m.place for m in preview.matrices}
    places |= {n: f"layers/{n}" for n in ("spliced", "unspliced") if f"layers/{n}" in layers}
    for port, words, most in (
        ("slice_labels", _SLICE_WORDS, _MOST_BATCHES),
        ("time_points", _TIME_WORDS, _MOST_TIMES),
        ("condition_labels", _CONDITION_WORDS, 2),
    ):
        named = [c for c in _named_like(preview.obs, words) if 2 <= c.n_values <= most]
        if named:
            places[port] = f"obs/{named[0].name}"
    return places


def batch_candidates(preview: Preview) -> list[tuple[str, int]]:
    """Columns that could name batches, likeliest first: place and number of batches.

    No treatment or condition is among them: what is taken for a batch is corrected away.
    """
    named = _named_like(preview.obs, _BATCH_WORDS)
    return [(f"obs/{c.name}", c.n_values) for c in named if 2 <= c.n_values <= _MOST_BATCHES]


def _named_like(columns: Iterable[ColumnPreview], words: tuple[str, ...]) -> list[ColumnPreview]:
    def rank(column: ColumnPreview) -> int:
        name = column.name.lower()
        exact = next((i for i, w in enumerate(words) if name == w), None)
        within = next((i for i, w in enumerate(words) if w in name), None)
        return exact if exact is not None else -1 if within is None else within + len(words)

    # Numbers count only where there are few of them: batch 1, 2, 3; never a measured quantity.
    usable = [
        c
        for c in columns
        if (c.kind == "categorical" or (c.kind == "number" and c.n_values <= 50)) and rank(c) >= 0
    ]
    return sorted(usable, key=rank)
