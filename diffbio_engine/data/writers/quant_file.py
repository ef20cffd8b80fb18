"""What was found of transcripts: an h5ad of one sample, and tables as salmon has them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.in_memory import InMemory
from diffbio_engine.data.writers.h5ad import Written, whole_or_nothing, write_h5ad
from diffbio_engine.data.writers.spreadsheet import as_csv
from diffbio_engine.ports import Place

_COUNTS, _TPM = "counts_diffbio", "tpm_diffbio"


def write_quant(
    dataset: Dataset,
    out: Path,
    arrays: Mapping[str, Any],
    quant: Path,
    table: Path,
    **more: Any,
) -> Written:
    """Writes the sample (1 x transcripts), the abundances and the table of transcripts.

    Args:
        dataset: Of equivalence classes; its ``var`` are the transcripts.
        arrays: By place; those of ``var`` are of transcripts.
        quant: Name, Length, EffectiveLength, TPM, NumReads; what reads salmon's quant.sf reads it.
        more: As of ``write_h5ad``.
    """
    found = {
        Place.parse(place).name: np.asarray(values)
        for place, values in arrays.items()
        if Place.parse(place).table == "var"
    }
    counts = found.get(_COUNTS)
    row = np.zeros((1, dataset.n_genes)) if counts is None else counts[None]
    sample = Dataset(
        name=dataset.name,
        kind=dataset.kind,
        obs=pd.DataFrame(index=[dataset.name]),
        var=dataset.var,
        matrices={"X": InMemory(sp.csr_matrix(row.astype(np.float32)))},
    )
    more["layers"] = {"tpm": found[_TPM][None]} if _TPM in found else {}
    written = write_h5ad(
        sample, out, {f"var/{name}": values for name, values in found.items()}, **more
    )
    about = dataset.var.copy()
    about.insert(0, "transcript", dataset.var.index)
    for name, values in found.items():
        about[name.removesuffix("_diffbio")] = values
    with whole_or_nothing(table) as part:
        part.write_bytes(as_csv(about))
    said = [f"{table.name} is the table of transcripts with what was found of each."]
    if counts is not None and _TPM in found:
        with whole_or_nothing(quant) as part:
            part.write_text(_as_salmon(dataset.var, found[_TPM], counts), encoding="utf-8")
        said.append(f"{quant.name} has the abundances in the columns of salmon's quant.sf.")
    return replace(written, notes=(*written.notes, *said))


def _as_salmon(transcripts: pd.DataFrame, tpm: np.ndarray, counts: np.ndarray) -> str:
    rows = zip(
        transcripts.index, transcripts["length"], transcripts["effective_length"], tpm, counts,
        strict=True,
    )  # fmt: skip
    lines = (f"{n}\t{long:.0f}\t{eff:.3f}\t{t:.6f}\t{c:.3f}" for n, long, eff, t, c in rows)
    return "\n".join(("Name\tLength\tEffectiveLength\tTPM\tNumReads", *lines, ""))
