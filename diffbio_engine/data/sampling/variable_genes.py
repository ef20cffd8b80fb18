"""Which genes to train on: those that vary between cells beyond what molecule counting explains."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from diffbio_engine.data.genes.prior_knowledge import FROM_SYMBOLS
from diffbio_engine.data.inspection.raw_counts import blocks_of
from diffbio_engine.data.matrix.matrices import Matrix
from diffbio_engine.data.sampling.local_regression import local_quadratic
from diffbio_engine.ports import DATA, start_of

# A spread needs some cells: smaller batches have no say, unless all are small.
_FEWEST_CELLS = 20


@dataclass(frozen=True)
class VariableGenes:
    """The genes that a pipeline trains on.

    Attributes:
        columns: Their positions among all genes, ascending.
        ranks: Of each of all genes, its median rank in the batches where it is among the most
            variable; NaN where it is so in none.
        n_batches: Batches within which genes were compared.
        named: How many of them were kept because a block asks for them by name.
    """

    columns: np.ndarray
    ranks: np.ndarray
    n_batches: int = 1
    named: int = 0

    @property
    def sentence(self) -> str:
        """What was chosen, in words."""
        within = f" within each of {self.n_batches} batches" if self.n_batches > 1 else ""
        named = f", {self.named:,} of them because a block needs them" if self.named else ""
        return (
            f"Trained on {len(self.columns):,} of {len(self.ranks):,} genes: those that vary most"
            f" between cells{within} (Seurat v3){named}. All genes are in the file, and marker"
            " genes were looked for among all."
        )


def most_variable_genes(
    counts: Matrix,
    n_genes: int,
    batches: np.ndarray | None = None,
    keep: np.ndarray | None = None,
) -> VariableGenes:
    """The ``n_genes`` most variable genes, and those of ``keep``.

    The variance of each gene's counts, standardised by what genes of its mean have (a local
    quadratic regression of log variance on log mean) and with outlying counts clipped at
    ``sqrt(cells)`` standard deviations: ``scanpy.pp.highly_variable_genes(flavor="seurat_v3")``.
    With batches, genes are ranked within each and chosen by the median of their ranks, so what
    only tells batches apart is not chosen.

    Cost: two passes over the counts, some thousand cells at a time; memory O(batches x genes).

    Args:
        counts: Raw counts, cells by genes, in memory or on disk.
        batches: The batch of each cell, (cells,); -1 counts as a batch.
        keep: Positions of genes that are wanted whatever their variance.

    References:
        Stuart et al. (2019), Comprehensive integration of single-cell data, Cell 177.
    """
    codes = _batches_with_a_say(batches, counts.shape[0])
    spread = _standardised_variances(counts, codes)
    ranks = np.argsort(np.argsort(-spread, axis=1, kind="stable"), axis=1).astype(float)
    n_high = (ranks < n_genes).sum(axis=0)
    ranks[ranks >= n_genes] = np.inf
    ordered = np.sort(ranks, axis=0)
    middle = np.maximum(n_high - 1, 0)
    rank = (
        np.take_along_axis(ordered, middle[None] // 2, 0)[0]
        + np.take_along_axis(ordered, (middle[None] + 1) // 2, 0)[0]
    ) / 2
    chosen = np.lexsort((-n_high, rank))[:n_genes]
    kept = np.zeros(0, int) if keep is None else np.asarray(keep)
    columns = np.union1d(chosen, kept)
    return VariableGenes(
        columns.astype(np.int64),
        np.where(np.isfinite(rank), rank, np.nan),
        len(spread),
        len(columns) - len(chosen),
    )


def _batches_with_a_say(batches: np.ndarray | None, n_cells: int) -> np.ndarray:
    """Codes from 0; -1 for cells of batches with too few cells."""
    if batches is None:
        return np.zeros(n_cells, int)
    _, codes, sizes = np.unique(batches, return_inverse=True, return_counts=True)
    large = sizes >= _FEWEST_CELLS
    if not large.any():
        return np.zeros(n_cells, int)
    return np.where(large, np.cumsum(large) - 1, -1)[codes]


def _standardised_variances(counts: Matrix, codes: np.ndarray) -> np.ndarray:
    """Variance of the clipped, standardised counts of each gene in each batch."""
    shape = (int(codes.max()) + 1, counts.shape[1])
    n = np.bincount(codes[codes >= 0], minlength=shape[0])[:, None].astype(float)
    total, squares = np.zeros(shape), np.zeros(shape)
    for block, here in _with_codes(counts, codes):
        total += _by_batch(block, here, shape[0])
        squares += _by_batch(block.multiply(block).tocsr(), here, shape[0])
    mean = total / n
    variance = np.maximum(squares - n * mean**2, 0.0) / np.maximum(n - 1, 1)
    sd = np.sqrt([_usual_variance(m, v) for m, v in zip(mean, variance, strict=True)])
    most = mean + sd * np.sqrt(n)
    total, squares = np.zeros(shape), np.zeros(shape)
    for block, here in _with_codes(counts, codes):
        batch = np.repeat(here, np.diff(block.indptr))
        block.data = np.where(
            batch < 0, 0.0, np.minimum(block.data, most[np.maximum(batch, 0), block.indices])
        )
        total += _by_batch(block, here, shape[0])
        squares += _by_batch(block.multiply(block).tocsr(), here, shape[0])
    return (n * mean**2 + squares - 2 * total * mean) / (np.maximum(n - 1, 1) * sd**2)


def _with_codes(counts: Matrix, codes: np.ndarray) -> Iterator[tuple[sp.csr_matrix, np.ndarray]]:
    start = 0
    for block in blocks_of(counts):
        yield block.astype(np.float64), codes[start : start + block.shape[0]]
        start += block.shape[0]


def _by_batch(block: sp.csr_matrix, codes: np.ndarray, n_batches: int) -> np.ndarray:
    """Sums over the cells of each batch."""
    rows = np.flatnonzero(codes >= 0)
    member = sp.csr_matrix(
        (np.ones(len(rows)), (codes[rows], rows)), shape=(n_batches, block.shape[0])
    )
    return np.asarray((member @ block).todense())


def _usual_variance(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """What genes of this mean usually vary by; 1 for genes that do not vary."""
    varies = variance > 0
    usual = np.ones(len(mean))
    if varies.any():
        x, y = np.log10(mean[varies]), np.log10(variance[varies])
        usual[varies] = 10 ** local_quadratic(x, y)
    return usual


def telling_types(profiles: np.ndarray, most: int) -> np.ndarray:
    """Positions of the genes whose level differs most among the types of a reference.

    By the variance among types of ``log(1 + counts per 10,000)``; genes that differ in none are
    left out.

    Args:
        profiles: Mean counts, (types, genes).
    """
    total = np.maximum(profiles.sum(axis=1, keepdims=True), 1e-12)
    spread = np.var(np.log1p(1e4 * profiles / total), axis=0)
    best = np.argsort(-spread, kind="stable")[:most]
    return best[spread[best] > 0]


def asked_for(per_dataset: Mapping[str, np.ndarray], n_genes: int = 2000) -> np.ndarray:
    """Positions of the genes that fields name: regulators, ligands and receptors, markers.

    Of a reference, those that most tell its types apart, a quarter of ``n_genes`` at most.
    """
    found = [np.zeros(0, np.int64)]
    for name, values in per_dataset.items():
        if name in FROM_SYMBOLS and values.dtype.kind == "f":  # classes by genes
            found.append(np.flatnonzero(values.any(axis=0)))
        elif name in FROM_SYMBOLS:
            found.append(values[values >= 0].ravel())
        elif start_of(name).block != DATA and values.ndim == 2:
            found.append(telling_types(values, n_genes // 4))
    return np.unique(np.concatenate(found)).astype(np.int64)


def of_some_genes(name: str, values: np.ndarray, columns: np.ndarray, n_genes: int) -> np.ndarray:
    """A field of the data set as a whole, where only these genes are left.

    Positions of genes become positions among these; what has one value for each gene keeps
    theirs, and an ambient profile adds up to 1 again.
    """
    if name in FROM_SYMBOLS and values.dtype.kind != "f":
        place = np.full(n_genes, -1, values.dtype)
        place[columns] = np.arange(len(columns))
        return np.where(values >= 0, place[values], values)
    if not values.ndim or values.shape[-1] != n_genes:
        return values
    taken = values[..., columns]
    return taken / max(taken.sum(), 1e-12) if name == "ambient_profile" else taken
