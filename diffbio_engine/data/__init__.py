"""From a file to batches of cells, and back to a file."""

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.gene_names import made_unique, names_and_ids
from diffbio_engine.data.demos.examples import Example, examples, simulate_batches
from diffbio_engine.data.fields.places import (
    Fields,
    Labels,
    labels_of,
    open_source,
    require_several,
    resolve,
)
from diffbio_engine.data.fields.suggestions import batch_candidates, suggest_fields
from diffbio_engine.data.genes.alignment import GeneAlignment, align_genes
from diffbio_engine.data.genes.prior_knowledge import FROM_SYMBOLS
from diffbio_engine.data.inspection.preview import ColumnPreview, MatrixPreview, Preview
from diffbio_engine.data.inspection.raw_counts import ambient_profile, require_counts
from diffbio_engine.data.matrix.hdf5_check import check_hdf5
from diffbio_engine.data.matrix.matrices import OnDisk
from diffbio_engine.data.matrix.ragged import Ragged
from diffbio_engine.data.opening import inspect, read
from diffbio_engine.data.reading import Choice, Reading, file_of, source_of
from diffbio_engine.data.sampling.batches import (
    BatchSampler,
    NeighbourSampler,
    SamplerState,
    iterate_chunks,
    sample_cells,
)
from diffbio_engine.data.sampling.records import Batch, CellSource, Records
from diffbio_engine.data.sampling.variable_genes import (
    VariableGenes,
    asked_for,
    most_variable_genes,
)
from diffbio_engine.data.writers.colors import category_colors
from diffbio_engine.data.writers.h5ad import Written
from diffbio_engine.data.writing import write_result

__all__ = [
    "Batch", "BatchSampler", "CellSource", "Choice", "ColumnPreview", "Dataset", "Example",
    "FROM_SYMBOLS", "Fields", "GeneAlignment", "Labels", "MatrixPreview", "NeighbourSampler",
    "OnDisk", "Preview", "Ragged", "Reading", "Records", "SamplerState", "VariableGenes", "Written",
    "align_genes", "ambient_profile", "asked_for", "batch_candidates", "category_colors",
    "check_hdf5", "examples", "file_of", "inspect", "iterate_chunks", "labels_of", "made_unique",
    "most_variable_genes", "names_and_ids", "open_source", "read", "require_counts",
    "require_several", "resolve", "sample_cells", "simulate_batches", "source_of",
    "suggest_fields", "write_result",
]  # fmt: skip
