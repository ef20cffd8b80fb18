"""The comparison of two conditions within each cluster: sums of shared cells, sample by sample."""

from dataclasses import dataclass

import numpy as np

from diffbio_engine.errors import DataError
from diffbio_engine.operators.statistical._nb_classical import Estimate, estimated
from diffbio_engine.operators.statistical._nb_outliers import ruled_by_one
from diffbio_engine.operators.statistical._nb_significance import (
    as_table,
    filtered,
    wald,
)
from diffbio_engine.operators.statistical._nb_size_factors import size_factors
from diffbio_engine.operators.statistical.soft_cluster_expression._mixture import in_pieces

_MOST_COUNTS = 2**24  # that are compared cell by cell: some ten arrays of 128 MB
_LEAST_SHARE = 0.01  # a cell with less of a cluster says nothing of it
COLUMNS = ("log2_fold_change", "lfc_se", "stat", "pvalue", "padj", "base_mean", "dispersion")


@dataclass(frozen=True)
class Samples:
    """Which sample each cell is from, and the design of the samples.

    Attributes:
        of_cell: (cells,), -1 for a cell of neither condition.
        design: (samples, 2 + donors - 1 where they are paired): intercept, donors, condition.
    """

    of_cell: np.ndarray
    design: np.ndarray

    @classmethod
    def of(cls, conditions: np.ndarray, donors: np.ndarray, paired: bool) -> "Samples":
        """A sample is a donor under a condition."""
        there = (conditions == 0) | (conditions == 1)
        pairs, inverse = np.unique(
            np.stack([donors[there], conditions[there]], axis=1), axis=0, return_inverse=True
        )
        of_cell = np.full(len(conditions), -1)
        of_cell[there] = inverse.ravel()
        columns = [np.ones(len(pairs))]
        if paired:
            columns += [pairs[:, 0] == donor for donor in np.unique(pairs[:, 0])[1:]]
        return cls(of_cell, np.stack([*columns, pairs[:, 1]], axis=1).astype(float))

    def sums(self, counts: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts of each sample in each cluster, (clusters, samples, genes), each cell as much as
        its share, (cells, clusters); and how many cells that are."""
        n, clusters = len(self.design), shares.shape[1]
        sums, members = np.zeros((clusters * n, counts.shape[1])), np.zeros(clusters * n)
        for cells in in_pieces(*counts.shape):
            belongs = self.of_cell[cells, None] == np.arange(n)
            weights = (shares[cells, :, None] * belongs[:, None, :]).reshape(len(belongs), -1)
            sums += weights.T @ np.asarray(counts[cells], float)
            members += weights.sum(axis=0)
        return np.round(sums).reshape(clusters, n, -1), members.reshape(clusters, n)


def compared(
    counts: np.ndarray,
    shares: np.ndarray,
    samples: Samples | None,
    *,
    conditions: np.ndarray,
    sizes: np.ndarray,
    fewest_cells: float,
    significance: float,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Of each cluster the table of DESeq2, (clusters, genes); NaN where it cannot be compared.

    Args:
        shares: (cells, clusters).
        samples: None: cells are compared, each as much as its share.
        sizes: Total counts of each cell.
        fewest_cells: A sample with a smaller sum of shares in a cluster is left out there.
    """
    shape = (shares.shape[1], counts.shape[1])
    found = {name: np.full(shape, np.nan) for name in COLUMNS}
    notes = []
    if samples is None:
        notes.append("Cells are taken as independent of each other: p-values are too small.")
        for cluster in range(len(found["stat"])):
            table, said = _table_of_cells(
                counts, shares[:, cluster], conditions, sizes, significance
            )
            notes += [f"Cluster {cluster}: {said}"] if said else []
            for name, values in table.items():
                found[name][cluster] = values
        return found, notes
    for cluster, (sums, cells) in enumerate(zip(*samples.sums(counts, shares), strict=True)):
        kept = (cells >= fewest_cells) & (sums.sum(axis=1) > 0)
        design = _estimable(samples.design[kept])
        if design is None:
            notes.append(
                f"Cluster {cluster} has fewer than two samples of a condition with"
                f" {fewest_cells:g} cells: it is not compared."
            )
            continue
        if (n := int((~kept).sum())) > 0:
            notes.append(
                f"Cluster {cluster}: {n} of {len(kept)} samples have fewer than"
                f" {fewest_cells:g} cells in it and are left out."
            )
        for name, values in _table(sums[kept], design, significance).items():
            found[name][cluster] = values
    return found, notes


def _estimable(design: np.ndarray) -> np.ndarray | None:
    """The design without donors that no sample is left of; None where nothing can be said."""
    if min((design[:, -1] == side).sum() for side in (0, 1)) < 2:
        return None
    kept = [0]
    for k in [design.shape[1] - 1, *range(1, design.shape[1] - 1)]:
        if np.linalg.matrix_rank(design[:, [*kept, k]]) == len(kept) + 1:
            kept.append(k)
    kept = [*sorted(k for k in kept if k != design.shape[1] - 1), design.shape[1] - 1]
    return design[:, kept] if len(design) > len(kept) else None


def _table(sums: np.ndarray, design: np.ndarray, significance: float) -> dict[str, np.ndarray]:
    factors, _, _ = size_factors(sums, "ratio")
    estimate = estimated(sums, design, factors)
    ruled = ruled_by_one(estimate.cooks, estimate.largest_cooks, sums, design)
    return _tested(estimate, ruled, significance)


def _tested(estimate: Estimate, ruled: np.ndarray, significance: float) -> dict[str, np.ndarray]:
    change, error = estimate.log2_change(-1)
    stat, p = wald(change, error)
    p = np.where(ruled, np.nan, p)
    used = filtered(estimate.base_mean, p, significance)
    more = {"base_mean": estimate.base_mean, "dispersion": estimate.alpha}
    return as_table(change, error, stat, p, used) | more


def _table_of_cells(
    counts: np.ndarray,
    shares: np.ndarray,
    conditions: np.ndarray,
    sizes: np.ndarray,
    significance: float,
) -> tuple[dict[str, np.ndarray], str]:
    used = np.flatnonzero(((conditions == 0) | (conditions == 1)) & (shares > _LEAST_SHARE))
    most, said = max(2, _MOST_COUNTS // counts.shape[1]), ""
    if len(used) > most:
        said = f"{most:,} of {len(used):,} cells, evenly chosen, are compared, for want of memory."
        used = used[np.linspace(0, len(used) - 1, most).astype(int)]
    design = np.stack([np.ones(len(used)), conditions[used] == 1], axis=1).astype(float)
    factors = sizes[used] / np.exp(np.log(sizes[used]).mean())
    estimate = estimated(counts[used], design, factors, weights=shares[used], fewest_to_replace=0)
    return _tested(estimate, np.zeros(counts.shape[1], bool), significance), said


def of_samples(conditions: np.ndarray, donors: np.ndarray | None, paired: bool) -> Samples:
    """The samples of these cells, or a message that says what is missing."""
    if donors is None:
        raise DataError(
            "is not wired. Cells of one sample are no replicates: to test between conditions the"
            " sample (donor) of each cell must be known.",
            fix="Wire the column of samples or donors into it.",
            where="batch_labels",
        )
    samples = Samples.of(np.asarray(conditions), np.asarray(donors), paired)
    for side in (0, 1):
        n = int((samples.design[:, -1] == side).sum())
        if n < 2:
            raise DataError(
                f"has {n} samples of condition {side}; each needs two or more.",
                fix="Choose the column of samples (donors), and a column with two conditions.",
                where="batch_labels",
            )
    return samples
