"""Demo data without a network: one real set that a dependency ships, and simulated ones."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.demos.simulated_batches import simulate_batches
from diffbio_engine.data.demos.simulated_cells import simulated_cells
from diffbio_engine.data.demos.simulated_conditions import simulate_conditions
from diffbio_engine.data.demos.simulated_membrane_proteins import simulate_membrane_proteins
from diffbio_engine.data.demos.simulated_samples import simulate_samples
from diffbio_engine.data.demos.simulated_sequences import simulate_sequences
from diffbio_engine.data.demos.simulated_time_course import simulate_time_course
from diffbio_engine.data.demos.simulated_tissue import simulate_tissue
from diffbio_engine.data.demos.simulated_track import simulate_track
from diffbio_engine.data.demos.simulated_transcripts import simulate_transcript_classes
from diffbio_engine.data.opening import read
from diffbio_engine.errors import DataError

if TYPE_CHECKING:
    import anndata


@dataclass(frozen=True)
class Example:
    """A data set that can be had with one click.

    Args:
        id: Name for machines; also the name of the file.
        title: Name for people.
        sentence: What it is and where it comes from.
        fields: Where each port finds its array.
        build: Makes the data: a table, or the text or the bytes of its file.
        beside: Other demo data that go with it, by data block: ``{"reference": id}``.
        ending: Of its file.
    """

    id: str
    title: str
    sentence: str
    build: Callable[[], "anndata.AnnData | str | bytes"]
    fields: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    ending: str = ".h5ad"

    def make(self, folder: str | Path) -> Path:
        """The file in ``folder``; made once."""
        path = Path(folder) / f"{self.id}{self.ending}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}.part")
            made = self.build()
            if isinstance(made, bytes):
                part.write_bytes(made)
            elif isinstance(made, str):
                part.write_text(made, encoding="utf-8")
            else:
                made.write_h5ad(part, compression="gzip")
            os.replace(part, path)
        return path


def examples() -> list[Example]:
    """All demo data."""
    common = {"ambient_profile": "ambient:mean-of-low-count-cells", "counts": "X"}
    return [*_blood(common), *_simulated(common)]


def _blood(common: dict[str, str]) -> list[Example]:
    return [
        Example(
            id="pbmc68k_reduced",
            title="Blood cells (PBMC 68k, reduced)",
            sentence="700 peripheral blood cells x 765 variable genes, measured by 10x Genomics; "
            "from the scanpy package. The package ships logarithms; the counts were recovered "
            "from them exactly.",
            build=blood_cells,
            fields=common | {"labels": "obs/bulk_labels"},
        ),
        Example(
            id="blood_half_labelled",
            title="Blood cells, half of them labelled",
            sentence="The same 700 blood cells: the type of every second one is marked 'unknown' "
            "in 'known_type', to be found by annotation; 'bulk_labels' has the truth.",
            build=half_labelled_blood_cells,
            fields=common | {"labels": "obs/known_type"},
        ),
        Example(
            id="blood_unlabelled",
            title="Blood cells to be named",
            sentence="Every second one of the 700 blood cells, to be named by the others; 'truth' "
            "has their types.",
            build=partial(half_of_the_blood_cells, named=False),
            fields=common,
            beside={"reference": "blood_reference"},
        ),
        Example(
            id="blood_reference",
            title="Blood cells, a reference",
            sentence="The other 350 of the 700 blood cells, with their types in 'bulk_labels'.",
            build=partial(half_of_the_blood_cells, named=True),
            fields=common | {"labels": "obs/bulk_labels"},
        ),
    ]


def _simulated(common: dict[str, str]) -> list[Example]:
    return [
        Example(
            id="three_batches",
            title="Three simulated batches",
            sentence="1 500 simulated cells x 500 genes: six cell types in three batches with "
            "ambient RNA. The truth is known: cell type, batch, ambient share of each cell.",
            build=simulate_batches,
            fields=common | {"batch_labels": "obs/batch", "labels": "obs/cell_type"},
        ),
        Example(
            id="treated_cells",
            title="Cells of six donors, half of them treated",
            sentence="1 200 simulated cells x 400 genes: three cell types that overlap, from six"
            " donors. In each type one gene in ten changes with the treatment; the truth is known.",
            build=simulate_conditions,
            fields=common
            | {
                "batch_labels": "obs/donor",
                "condition_labels": "obs/condition",
                "labels": "obs/cell_type",
            },
        ),
        Example(
            id="time_course",
            title="Stem cells over four days",
            sentence="1 500 simulated cells x 400 genes that part into three fates; regulators "
            "drive their targets. The truth is known: pseudotime, fate, growth, network.",
            # More genes that differ would part the cells by condition before they part by fate.
            build=partial(simulate_time_course, n_differing=12),
            fields=common | {"time_points": "obs/day", "labels": "obs/cell_type"},
        ),
        Example(
            id="tissue",
            title="Two slices of a layered tissue",
            sentence="1 210 simulated spots x 400 genes in six layers; the second slice is turned "
            "and moved; two ligand-receptor pairs are active between layers.",
            build=simulate_tissue,
            fields=common
            | {
                "spatial_coords": "obsm/spatial",
                "slice_labels": "obs/slice",
                "labels": "obs/cell_type",
            },
        ),
        Example(
            id="simulated_cells",
            title="Simulated cells with doublets",
            sentence="1 500 cells x 500 genes by the Splat model: five groups in two batches, six "
            "in a hundred are doublets. The truth is known.",
            build=simulated_cells,
            fields=common | {"batch_labels": "obs/batch", "labels": "obs/group"},
        ),
        Example(
            id="motif_sequences",
            title="Simulated sequences with motifs",
            sentence="480 simulated DNA sequences of 64 to 96 bases in four classes: an E-box or a "
            "GATA motif anywhere, a TATA box at one place, or neither. Three in ten are marked "
            "'unknown'; 'true_class' has the truth.",
            build=simulate_sequences,
            fields={"labels": "obs/label"},
            ending=".fasta",
        ),
        Example(
            id="treated_samples",
            title="Simulated samples of four donors",
            sentence="8 simulated bulk samples x 5 000 genes: cells of four donors, with a drug and"
            " without. One gene in ten differs; 'true_log2_fold_change' has the truth.",
            build=simulate_samples,
        ),
        Example(
            id="membrane_proteins",
            title="Simulated membrane proteins",
            sentence="120 simulated proteins that cross the membrane 1 to 7 times; for 3 in 5 the "
            "state of each residue is told: inside, helix or outside.",
            build=simulate_membrane_proteins,
            ending=".3line",
        ),
        Example(
            id="simulated_track",
            title="Simulated track with peaks",
            sentence="1.2 million bases of a simulated chromosome in bins of 200: 60 narrow peaks"
            " and 20 broad domains over a low background.",
            build=simulate_track,
            ending=".bedGraph",
        ),
        Example(
            id="transcript_classes",
            title="Simulated fragments of transcripts",
            sentence="30,000 simulated fragments of 60 transcripts in 20 genes, as salmon's"
            " equivalence classes; isoforms share exons, and one in three is not expressed.",
            build=simulate_transcript_classes,
            ending=".zip",
        ),
    ]


def blood_cells() -> "anndata.AnnData":
    """PBMC 68k reduced, with counts.

    The file in scanpy keeps ``log1p(1e4 * count / total)``, rounded to three decimals, and the
    totals. The rounding moves a count by at most 0.13, so ``round`` gives back the true one; that
    is checked by going forward again.
    """
    import anndata

    found = importlib.util.find_spec("scanpy")
    places = (found.submodule_search_locations if found else None) or [""]
    folder = Path(places[0])
    path = folder / "datasets" / "10x_pbmc68k_reduced.h5ad"
    if not path.exists():
        raise DataError("This installation of scanpy has no demo data.", fix="Use another demo.")
    dataset = read(path)
    logged = dataset.matrix("raw/X", backed=False)
    counts = recovered_counts(logged, dataset.obs["n_counts"].to_numpy(np.float64))
    genes = dataset.genes("raw/X").index
    return anndata.AnnData(
        counts,
        obs=dataset.obs[["bulk_labels", "louvain", "phase", "n_genes", "n_counts", "percent_mito"]],
        var=pd.DataFrame(index=genes),
        uns={"bulk_labels_colors": _colors(dataset), "origin": "scanpy: 10x_pbmc68k_reduced.h5ad"},
    )


def half_labelled_blood_cells() -> "anndata.AnnData":
    """The blood cells, with the type of every second one marked as unknown."""
    data = blood_cells()
    known = [str(name) for name in data.obs["bulk_labels"]]
    known[1::2] = ["unknown"] * len(known[1::2])
    data.obs["known_type"] = pd.Categorical(known)
    return data


def half_of_the_blood_cells(named: bool) -> "anndata.AnnData":
    """Every second blood cell: those ``named`` are a reference for the others."""
    data = blood_cells()
    half = data[0 if named else 1 :: 2].copy()
    if not named:
        half.obs["truth"] = half.obs["bulk_labels"]
        half.obs = half.obs[["truth", "n_counts"]]
        del half.uns["bulk_labels_colors"]
    return half


def _colors(dataset: Dataset) -> np.ndarray:
    return np.array([str(c) for c in dataset.uns["bulk_labels_colors"]], dtype=object)


def recovered_counts(logged: sp.csr_matrix, totals: np.ndarray) -> sp.csr_matrix:
    """Counts from ``log1p(1e4 * count / total)`` with three decimals; refuses if not exact."""
    counts = sp.csr_matrix(logged, dtype=np.float64, copy=True)
    per_value = np.repeat(totals, np.diff(counts.indptr))
    counts.data = np.round(np.expm1(counts.data) * per_value / 1e4)
    again = np.round(np.log1p(1e4 * counts.data / per_value), 3)
    # Half a unit of the last decimal for the rounding, and as much for float32 on the way.
    if not np.allclose(again, logged.data, rtol=0, atol=1.01e-3):
        raise DataError("The counts cannot be recovered from these logarithms.")
    counts.eliminate_zeros()
    return counts.astype(np.float32)
