"""Results go home in the way of their kind of data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.opening import read
from diffbio_engine.data.writers.h5ad import Layer, Written


def write_result(
    source: str | Path | Dataset | Any,
    out: str | Path,
    arrays: Mapping[str, Any],
    provenance: Mapping[str, Any],
    *,
    cluster_names: list[str] | None = None,
    layers: Mapping[str, Layer] | None = None,
    marker_genes: Mapping[str, Any] | None = None,
    main_map: str = "",
) -> Written:
    """Writes ``out`` (h5ad): all that the source holds, and the results beside it.

    What else the kind of data writes lies beside it. See ``write_h5ad`` for the other arguments.

    Args:
        source: The file the run started from, or a Dataset, or an AnnData.
    """
    dataset = _dataset(source)
    return kind_named(dataset.rows).write(
        dataset,
        Path(out),
        arrays,
        provenance=provenance,
        cluster_names=cluster_names,
        layers=layers,
        marker_genes=marker_genes,
        main_map=main_map,
    )


def _dataset(source: Any) -> Dataset:
    if isinstance(source, Dataset):
        return source
    return read(source) if isinstance(source, str | Path) else Dataset.from_anndata(source)
