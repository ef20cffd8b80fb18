"""Which genes tell the groups of a map apart: what one asks of clusters first."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from diffbio_engine.axes import Axis, axis_of, said_of
from diffbio_engine.bundles import names_along
from diffbio_engine.data import Records
from diffbio_engine.data.writers.h5ad import PROBABILITIES
from diffbio_engine.declare import Kind
from diffbio_engine.pipelines import Plan
from diffbio_engine.ports import Address, Place
from diffbio_engine.runs.folder.findings import ALL_GENES, Finding, Findings

_FEWEST_CELLS = 3
_PER_CELL = 10_000.0
# Cells looked at together: eight million numbers, four copies of which are 0.3 GB.
_NUMBERS = 2**23
_DOC = (
    "Each group against all other cells: Welch's t-test of log(1 + counts per 10 000), as scanpy's"
    " rank_genes_groups. Cells count as replicates, and the groups were found in the same genes:"
    " use it to rank genes, not as a test."
)


@dataclass(frozen=True)
class MarkerGenes:
    """Groups by genes; NaN for groups of fewer than three cells, or where all others are fewer.

    Attributes:
        scores: Welch's t.
        log2_fold_changes: Of mean counts per 10 000, with 1e-9 added to both.
        p_values, adjusted_p_values: Two-sided; the latter by Benjamini and Hochberg within a group.
        fraction_in, fraction_out: Share of cells in which the gene was seen.
    """

    scores: np.ndarray
    log2_fold_changes: np.ndarray
    p_values: np.ndarray
    adjusted_p_values: np.ndarray
    fraction_in: np.ndarray
    fraction_out: np.ndarray


def marker_genes(
    cells: Records, groups: np.ndarray, n_groups: int, rows: np.ndarray | None = None
) -> MarkerGenes:
    """Compares each group with all other cells, gene by gene.

    Cost: O(cells x genes), some hundred cells at a time; memory O(groups x genes).

    Args:
        groups: The group of each cell, (n,).
        rows: Which cells these are; all, if None.

    References:
        Soneson & Robinson (2018), Bias, robustness and scalability in single-cell differential
        expression analysis, for how the t-test does; Wolf et al. (2018), SCANPY.
    """
    rows = np.arange(cells.n_cells) if rows is None else rows
    total = np.zeros((n_groups, cells.n_genes))
    squares, seen = np.zeros_like(total), np.zeros_like(total)
    length = max(1, _NUMBERS // max(cells.n_genes, 1))
    for start in range(0, len(rows), length):
        here = rows[start : start + length]
        member = np.eye(n_groups)[groups[start : start + length]].T
        counts = cells.rows("counts", here).astype(np.float64)
        library = counts.sum(axis=1, keepdims=True)
        x = np.log1p(counts * (_PER_CELL / np.where(library > 0, library, 1.0)))
        total += member @ x
        squares += member @ x**2
        seen += member @ (counts > 0)
    n = np.bincount(groups, minlength=n_groups)[:, None].astype(float)
    sides = [
        (n, total, squares, seen),
        (n.sum() - n, *(a.sum(axis=0) - a for a in (total, squares, seen))),
    ]
    told: list[tuple[np.ndarray, ...]] = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for m, s, s2, z in sides:
            mean = s / m
            told.append((mean, np.sqrt(np.maximum(s2 - m * mean**2, 0.0) / (m - 1)), z / m, m))
        (a, sd_a, in_a, n_a), (b, sd_b, in_b, n_b) = told
        t, p = stats.ttest_ind_from_stats(a, sd_a, n_a, b, sd_b, n_b, equal_var=False)
        change = np.log2((np.expm1(a) + 1e-9) / (np.expm1(b) + 1e-9))
    # A gene that nobody has is no different anywhere.
    t, p = np.where(np.isnan(t), 0.0, t), np.where(np.isnan(p), 1.0, p)
    adjusted = stats.false_discovery_control(p, axis=1)
    few = (np.minimum(n_a, n_b) < _FEWEST_CELLS)[:, 0]
    found = [np.array(v) for v in (t, change, p, adjusted, in_a, in_b)]
    for values in found:
        values[few] = np.nan
    return MarkerGenes(*found)


@dataclass(frozen=True)
class Marked:
    """The groups of a map with their marker genes.

    Attributes:
        port: The port whose likeliest class is the group.
        axis, names: The axis of its classes, and what they are called.
        place: Where the port's shares lie in a result file; empty if nowhere.
        keys: What the file calls the genes, where that is not their symbol.
        use_raw: Whether these are the genes of ``raw``.
        record: What the rows are.
    """

    markers: MarkerGenes
    port: str
    axis: str
    names: list[str]
    genes: list[str]
    place: str
    keys: list[str] = field(default_factory=list)
    use_raw: bool = False
    record: Axis = field(default_factory=lambda: axis_of("cells"))

    def findings(self) -> tuple[Finding, ...]:
        """The tables that the page lists under the block that made the groups."""
        m, block = self.markers, Address.parse(self.port).block
        of_group = said_of(self.record, "Share of the group's cells that show it.")
        of_others = said_of(self.record, "Share of all other cells that show it.")
        told = [
            ("score", m.scores, "Welch's t: how far and how surely it is higher here.", "large"),
            ("log2_fold_change", m.log2_fold_changes, "Mean here by mean elsewhere.", ""),
            ("adjusted_p_value", m.adjusted_p_values, said_of(self.record, _DOC), "small"),
            ("fraction_in", m.fraction_in, of_group, ""),
            ("fraction_out", m.fraction_out, of_others, ""),
        ]
        return tuple(
            Finding(
                f"{block}.marker_{name}", name.replace("_", " ").capitalize(), doc,
                Kind.PROFILE, (self.axis, "genes"), values.astype(np.float32), ranks,
            )
            for name, values, doc, ranks in told
        )  # fmt: skip

    def added_to(self, findings: Findings) -> Findings:
        """These findings with the tables of marker genes, whose genes are all those of the file."""
        names = {**findings.names, ALL_GENES: self.genes}
        return replace(findings, found=(*findings.found, *self.findings()), names=names)

    def for_scanpy(self) -> dict[str, Any]:
        """What ``scanpy.tl.rank_genes_groups`` leaves in ``uns``: its plots and tables read it.

        Empty where the groups stand in no column of the result.
        """
        if not self.place.endswith("_prob"):
            return {}
        m, clusters = self.markers, self.place == PROBABILITIES
        names = [str(i) for i in range(len(self.names))] if clusters else self.names
        column = Place.parse(self.place).name.removesuffix("_prob")
        kept = [i for i in range(len(names)) if np.isfinite(m.scores[i]).all()]
        if not kept:
            return {}
        # scanpy's plots look genes up by the names that the file has.
        keys, symbols = (np.array(n, object) for n in (self.keys or self.genes, self.genes))
        order = {i: np.argsort(-m.scores[i], kind="stable") for i in kept}
        called = [names[i] for i in kept]

        def ranked(values: np.ndarray, kind: str = "f8") -> Any:
            columns = [values[i][order[i]].astype(kind) for i in kept]
            return np.rec.fromarrays(columns, names=called)

        told: dict[str, Any] = {
            "names": np.rec.fromarrays([keys[order[i]] for i in kept], names=called),
            "scores": ranked(m.scores, "f4"),
            "pvals": ranked(m.p_values),
            "pvals_adj": ranked(m.adjusted_p_values),
            "logfoldchanges": ranked(m.log2_fold_changes, "f4"),
        }
        if (keys != symbols).any():
            told["symbols"] = np.rec.fromarrays([symbols[order[i]] for i in kept], names=called)
        # HDF5 has no column of a name such as "CD4+/CD45RO+"; scanpy can do without these two.
        if not any("/" in name for name in called):
            for name, values in (("pts", m.fraction_in), ("pts_rest", m.fraction_out)):
                told[name] = pd.DataFrame(values[kept].T, index=keys, columns=called)
        params = {"groupby": column, "reference": "rest", "method": "t-test"}
        params["corr_method"] = "benjamini-hochberg"
        return {**told, "params": {**params, "use_raw": self.use_raw}}


def marked_groups(
    plan: Plan,
    cells: Records,
    port: str,
    shares: np.ndarray,
    rows: np.ndarray | None,
    place: str,
    use_raw: bool = False,
) -> Marked | None:
    """The marker genes of the likeliest class of each cell; None where there are no counts.

    All genes of the file are compared, also those that a pipeline was not trained on.

    Args:
        shares: Of the cells in ``rows`` (None: of all) among the classes of ``port``.
        place: Where they lie in a result file.
        use_raw: Whether the counts are those of ``raw``, whose genes may be others.
    """
    whole = cells.of_all_genes
    if whole.counts is None or whole.var_names is None or whole.gene_keys is None:
        return None
    n, axis = shares.shape[1], plan.port(port).axis_names[-1]
    rows = np.arange(cells.n_cells) if rows is None else rows
    full = ~cells.empty[rows]  # a cell without counts says nothing of any group
    return Marked(
        marker_genes(whole, shares.argmax(axis=1)[full], n, rows[full]),
        port,
        axis,
        names_along(plan, cells, Address.parse(port).block, axis, n),
        [str(name) for name in whole.var_names],
        place,
        [str(key) for key in whole.gene_keys],
        use_raw,
        cells.record,
    )
