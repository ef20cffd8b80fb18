"""What a column of cells is about, by the expression of its groups: batches, or biology."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.cluster.vq import kmeans2

from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.matrix.in_memory import InMemory
from diffbio_engine.data.matrix.matrices import Matrix, OnDisk
from diffbio_engine.data.matrix.matrix_preview import LOGGED, RAW, SCALED, MatrixPreview, even_rows
from diffbio_engine.errors import DataError

_CELLS, _GENES, _COMPONENTS = 320, 500, 20
_FEWEST_CELLS = 60
# A matrix stored by genes is read whole to get at cells, up to this size.
_READ_WHOLE = 200 * 2**20
# Groups that explain this share of what the best groups of their number could, ...
_AS_GOOD_AS_THE_BEST = 0.85
# ... and more than this multiple of what is left inside them, are what the cells differ by.
_MORE_THAN_THE_REST = 1.25
# Batches hold the same types: along what cells differ in one, they differ in the others too. Of
# real and simulated batches the share was 0.73 to 0.90, of types 0.26 to 0.65.
_SAME_INSIDE, _DIRECTIONS, _FEWEST_IN_GROUP = 0.7, 3, 12
# Two groups of cells may be two strong batches as well as two types.
_FEWEST_GROUPS = 3
_SAME_LABELS, _NESTED, _ONE_TO_ONE = 0.9, 0.1, 0.98


def likeness(
    dataset: Dataset, looks: Sequence[MatrixPreview], columns: Sequence[str], labels: Sequence[str]
) -> dict[str, str]:
    """For each column that looks like biology, or cannot be told from it, why it does.

    A column is compared with those that name cell types, and by how much of the expression its
    groups explain (principal components of a sample of cells): batches shift all types alike, so
    that much is left inside each batch; cell types leave little.

    Args:
        columns: Columns of ``obs`` whose names say batch.
        labels: Columns of ``obs`` that name cell types.
    """
    found = {}
    rows = np.unique(np.linspace(0, dataset.n_cells - 1, 20_000).astype(int))
    for name in columns:
        for label in labels:
            if label != name and (why := _as_labels(dataset.obs, name, label, rows)):
                found[name] = why
                break
    rest = [c for c in columns if c not in found]
    crossed = {c for c in rest for label in labels if _crosses(dataset.obs, c, label, rows)}
    rest = [c for c in rest if c not in crossed]
    components = _components(dataset, looks) if rest else None
    if components is not None:
        cells, places = components
        for name in rest:
            codes = pd.factorize(dataset.obs[name].iloc[cells])[0]
            if why := _as_expression(places, codes):
                found[name] = why
    return found


def one_for_each(obs: pd.DataFrame, name: str, others: Sequence[str]) -> str:
    """The first of other columns whose values go one to one with those of this one; or none."""
    rows = np.unique(np.linspace(0, max(len(obs) - 1, 0), 20_000).astype(int))
    for other in others:
        joint = _joint(obs, name, other, rows)
        if len(joint) < 2 or joint.shape[0] != joint.shape[1]:
            continue
        best = joint.argmax(axis=1)
        # A few cells that were sorted wrongly do not part the two.
        if len(set(best)) == len(best) and joint.max(axis=1).sum() >= _ONE_TO_ONE * joint.sum():
            return other
    return ""


def nested_in(obs: pd.DataFrame, name: str, others: Sequence[str]) -> str:
    """The first of other columns of which each group of this one has one value only; or none."""
    rows = np.unique(np.linspace(0, max(len(obs) - 1, 0), 20_000).astype(int))
    for other in others:
        joint = _joint(obs, name, other, rows)
        if min(joint.shape) < 2 or joint.shape[0] <= joint.shape[1]:
            continue
        if joint.max(axis=1).sum() >= _ONE_TO_ONE * joint.sum():
            return other
    return ""


def _as_labels(obs: pd.DataFrame, name: str, label: str, rows: np.ndarray) -> str:
    joint = _joint(obs, name, label, rows)
    if min(joint.shape) < 2:
        return ""
    shared, one, other = _information(joint)
    if 2 * shared / (one + other) >= _SAME_LABELS and joint.shape[0] > 2:
        return f"it says nearly the same as {label}"
    # Each type lies in one group only: what differs between groups may be the types.
    if joint.shape[1] > 2 and one - shared < _NESTED * one:
        return f"each value of {label} lies in one of its groups only"
    return ""


def _crosses(obs: pd.DataFrame, name: str, label: str, rows: np.ndarray) -> bool:
    """Whether most types are seen in several groups: then the groups are not the types."""
    joint = _joint(obs, name, label, rows)
    if min(joint.shape) < 2:
        return False
    shared, one, _ = _information(joint)
    return one - shared > 0.5 * one


def _joint(obs: pd.DataFrame, name: str, label: str, rows: np.ndarray) -> np.ndarray:
    if name == label:
        return np.zeros((0, 0))
    both = obs[[name, label]].iloc[rows].dropna().astype(str)
    return pd.crosstab(both[name], both[label]).to_numpy(float)


def _information(joint: np.ndarray) -> tuple[float, float, float]:
    """What two columns share, and what each holds, in nats."""

    def entropy(shares: np.ndarray) -> float:
        shares = shares[shares > 0] / shares.sum()
        return float(-(shares * np.log(shares)).sum())

    one, other = entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))
    return one + other - entropy(joint.ravel()), one, other


def _as_expression(places: np.ndarray, codes: np.ndarray) -> str:
    known = codes >= 0
    places, codes = places[known], codes[known]
    n = len(np.unique(codes))
    if n < _FEWEST_GROUPS or len(codes) < _FEWEST_CELLS or n > len(codes) / 4:
        return ""
    explained = _explained(places, codes)
    best = _best(places, n)
    inside = places.copy()
    for code in np.unique(codes):
        inside[codes == code] -= inside[codes == code].mean(axis=0)
    left = (1 - explained) * _best(inside, 4)
    if explained < _AS_GOOD_AS_THE_BEST * best or explained < _MORE_THAN_THE_REST * left:
        return ""
    if _same_inside(inside, codes) >= _SAME_INSIDE:
        return ""
    return (
        f"its {n} groups explain {explained:.0%} of the expression, the best {n} groups that can be"
        f" made {best:.0%}"
    )


def _same_inside(inside: np.ndarray, codes: np.ndarray) -> float:
    """What the main directions of other groups explain of a group, by what its own explain."""
    groups = [inside[codes == c] for c in np.unique(codes)]
    groups = [g for g in groups if len(g) >= _FEWEST_IN_GROUP]
    if len(groups) < 2:
        return 0.0
    ways = [np.linalg.svd(g, full_matrices=False)[2][:_DIRECTIONS] for g in groups]
    told = np.array([[np.sum((g @ w.T) ** 2) / np.sum(g**2) for w in ways] for g in groups])
    own = float(np.mean(np.diag(told)))
    return float(np.mean(told[~np.eye(len(told), dtype=bool)])) / own


def _explained(places: np.ndarray, codes: np.ndarray) -> float:
    total = float(((places - places.mean(axis=0)) ** 2).sum())
    inside = sum(
        float(((places[codes == c] - places[codes == c].mean(axis=0)) ** 2).sum())
        for c in np.unique(codes)
    )
    return 1 - inside / total if total > 0 else 0.0


def _best(places: np.ndarray, n: int) -> float:
    found = [kmeans2(places, n, minit="++", rng=seed, missing="warn")[1] for seed in range(4)]
    return max(_explained(places, codes) for codes in found)


def _components(
    dataset: Dataset, looks: Sequence[MatrixPreview]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Some cells, and their principal components; None where no matrix can be read by cells."""
    if dataset.n_cells < _FEWEST_CELLS:
        return None
    usable = [m for m in looks if m.holds in (RAW, LOGGED, SCALED)]
    for m in sorted(usable, key=lambda m: (RAW, LOGGED, SCALED).index(m.holds)):
        try:
            some = _some_rows(dataset.stored(m.place))
        except DataError:
            continue
        if some is not None:
            return some[0], _principal(some[1], m.holds == RAW)
    for key in ("X_pca", "pca", "X_PCA"):
        if key in dataset.obsm:
            cells = np.unique(np.linspace(0, dataset.n_cells - 1, _CELLS).astype(int))
            return cells, np.asarray(dataset.obsm[key], float)[cells][:, :_COMPONENTS]
    return None


def _some_rows(matrix: Matrix) -> tuple[np.ndarray, sp.csr_matrix] | None:
    if isinstance(matrix, OnDisk) and matrix.stored == "CSC":
        if matrix.n_bytes > _READ_WHOLE:
            return None
        matrix = InMemory(matrix.load())
    if not isinstance(matrix, InMemory | OnDisk):
        return None
    runs = even_rows(matrix.shape[0], min(_CELLS, max(_FEWEST_CELLS, 2**24 // matrix.shape[1])))
    rows = sp.vstack([matrix.block(a, b) for a, b in runs], format="csr")
    matrix.close()
    return np.concatenate([np.arange(a, b) for a, b in runs]), rows


def _principal(rows: sp.csr_matrix, counts: bool) -> np.ndarray:
    if counts:
        totals = np.asarray(rows.sum(axis=1)).ravel()
        scale = 1e4 / np.where(totals > 0, totals, 1.0)
        rows = sp.csr_matrix(sp.diags_array(scale) @ rows)
        rows.data = np.log1p(rows.data)
    second = rows.multiply(rows).mean(axis=0)
    variance = np.asarray(second).ravel() - np.asarray(rows.mean(axis=0)).ravel() ** 2
    chosen = np.argsort(-variance)[:_GENES]
    dense = rows[:, chosen].toarray().astype(float)
    dense -= dense.mean(axis=0)
    # A few rounds of subspace iteration find the first components as well as they are needed here,
    # in small products that do not wait for other threads.
    products = dense @ dense.T
    basis = np.random.default_rng(0).normal(size=(len(dense), _COMPONENTS + 10))
    for _ in range(6):
        basis = np.linalg.qr(products @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ products @ basis)
    first = slice(None, -_COMPONENTS - 1, -1)
    return (basis @ vectors[:, first]) * np.sqrt(np.maximum(values[first], 0.0))
