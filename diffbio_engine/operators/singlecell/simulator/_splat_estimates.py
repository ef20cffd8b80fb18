"""Parameters of the Splat model, estimated from counts."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares, minimize
from scipy.stats import gamma

from diffbio_engine.operators.singlecell.simulator._splat_moments import Variation, model_moments

_ROWS = 2048
_SURE = 4.0  # standard errors by which a group must differ for a gene to count as changed
_PRIOR = 3.0  # normalised counts that pull a factor towards 1
_FEWEST = 20  # cells of a kind, for its variances to count
NO_DROPOUT = -30.0  # a midpoint that no count is below


@dataclass(frozen=True)
class SplatEstimate:
    """Parameters of the Splat model, in counts of a cell of median library size.

    Attributes:
        gene_means: Mean of each gene.
        mean_shape, mean_rate: The Gamma that the means come from.
        group_factors: By group and gene, with 1 where no change is sure.
        group_shares, batch_factors: Share of each group; factors by batch and gene.
        lib_loc, lib_scale, batch_shift: Of log library sizes; batches apart.
        group_shift: How much larger the log library sizes of each group are (Splat has none).
        common, trend, gene_scale, df: Of biological variation.
        dropout_mid, dropout_shape: Of the zeros that counting does not explain.
    """

    gene_means: np.ndarray
    mean_shape: float
    mean_rate: float
    group_factors: np.ndarray
    group_shares: np.ndarray
    batch_factors: np.ndarray
    lib_loc: float
    lib_scale: float
    batch_shift: np.ndarray
    group_shift: np.ndarray
    common: float
    trend: float
    gene_scale: np.ndarray
    df: float
    dropout_mid: float
    dropout_shape: float

    @property
    def parameters(self) -> np.ndarray:
        """Single numbers: of the means, library sizes, variation, dropout."""
        mean, lib = (self.mean_shape, self.mean_rate), (self.lib_loc, self.lib_scale)
        bcv, lost = (self.common, self.trend, self.df), (self.dropout_mid, self.dropout_shape)
        return np.array([*mean, *lib, *bcv, *lost])


def estimate_splat(
    counts: np.ndarray,
    groups: np.ndarray | None = None,
    n_groups: int = 1,
    batches: np.ndarray | None = None,
    n_batches: int = 1,
    *,
    dropout: bool = True,
) -> SplatEstimate:
    """Estimates all parameters; a cell of an unknown group (-1) counts for the others only.

    Library sizes and the Gamma of the means as splatEstimate does. Variation and dropout
    differ: both are fitted together to variances and zeros within kinds of cells, so that the
    parameters of simulated cells come back.
    """
    total = counts.sum(axis=1, dtype=np.float64)
    full = total > 0
    group = np.zeros(len(counts), int) if groups is None else np.asarray(groups).astype(int)
    batch = np.zeros(len(counts), int) if batches is None else np.asarray(batches).astype(int)
    kinds = (group + 1) * n_batches + batch  # group -1 is a kind of its own
    kinds = np.where(full, kinds, -1)
    n_kinds = (n_groups + 1) * n_batches
    sums = _kind_sums(counts, total, kinds, n_kinds)
    log_total = np.log(total[full])
    centre = np.array(
        [
            log_total[batch[full] == b].mean() if (batch[full] == b).any() else log_total.mean()
            for b in range(n_batches)
        ]
    )
    depth = log_total - centre[batch[full]]
    group_shift = np.array(
        [
            depth[group[full] == k].mean() if (group[full] == k).any() else 0.0
            for k in range(n_groups)
        ]
    )
    # An unknown group (-1) takes the last, which is none.
    lib_scale = float(max((depth - np.append(group_shift, 0.0)[group[full]]).std(), 0.01))

    n = sums.n.reshape(n_groups + 1, n_batches)[1:]
    scaled = sums.scaled.reshape(n_groups + 1, n_batches, -1)
    squares = sums.squares.reshape(n_groups + 1, n_batches, -1)
    seen_means = scaled.sum(axis=(0, 1)) / max(sums.n.sum(), 1)
    group_factors = _group_factors(
        scaled[1:].sum(axis=1), squares[1:].sum(axis=1), n.sum(axis=1), seen_means
    )
    with_unknown = np.concatenate([np.ones((1, len(seen_means))), group_factors])
    all_n = sums.n.reshape(n_groups + 1, n_batches)
    expected = np.einsum("kb,kg->bg", all_n, with_unknown * seen_means)
    batch_factors = (scaled.sum(axis=0) + _PRIOR) / (expected + _PRIOR)
    if n_batches == 1:
        batch_factors = np.ones_like(batch_factors)
    common, trend, mid, shape, gene_scale, df, true_means = _variation(
        sums, log_total, kinds[full], seen_means, lib_scale, dropout
    )
    lost = true_means.sum() / max(seen_means.sum(), 1e-12)
    mean_shape, mean_rate = _gamma_of_means(true_means)
    shares = (n.sum(axis=1) + 0.5) / (n.sum() + 0.5 * n_groups)
    return SplatEstimate(
        gene_means=true_means,
        mean_shape=mean_shape,
        mean_rate=mean_rate,
        group_factors=group_factors,
        group_shares=shares,
        batch_factors=batch_factors,
        lib_loc=float(centre.mean() + np.log(lost)),
        lib_scale=lib_scale,
        batch_shift=centre - centre.mean(),
        group_shift=group_shift,
        common=common,
        trend=trend,
        gene_scale=gene_scale,
        df=df,
        dropout_mid=mid,
        dropout_shape=shape,
    )


@dataclass(frozen=True)
class _Sums:
    """By kind of cell: number, sums of normalised counts, and moments of the counts."""

    n: np.ndarray
    scaled: np.ndarray
    squares: np.ndarray
    raw: np.ndarray
    raw_squares: np.ndarray
    zeros: np.ndarray


def _kind_sums(counts: np.ndarray, total: np.ndarray, kinds: np.ndarray, n_kinds: int) -> _Sums:
    n_genes = counts.shape[1]
    tables = [np.zeros((n_kinds, n_genes)) for _ in range(5)]
    median = float(np.median(total[total > 0]))
    for start in range(0, len(counts), _ROWS):
        rows = slice(start, start + _ROWS)
        kept = kinds[rows] >= 0
        some = np.asarray(counts[rows], np.float32)[kept]
        one_hot = np.eye(n_kinds, dtype=np.float32)[kinds[rows][kept]].T
        scaled = some * (median / total[rows][kept]).astype(np.float32)[:, None]
        for table, values in zip(
            tables, (scaled, scaled**2, some, some**2, some == 0), strict=True
        ):
            table += one_hot @ values.astype(np.float32)
    return _Sums(np.bincount(kinds[kinds >= 0], minlength=n_kinds).astype(float), *tables)


def _group_factors(
    scaled: np.ndarray, squares: np.ndarray, n: np.ndarray, means: np.ndarray
) -> np.ndarray:
    """How many times as much each group has of each gene; 1 where that is not sure."""
    factors = np.ones_like(scaled)
    if len(scaled) == 1:
        return factors
    for k, number in enumerate(n):
        if number < 2:
            continue
        rest = n.sum() - number
        mean = scaled[k] / number
        others = (scaled.sum(axis=0) - scaled[k]) / max(rest, 1)
        within = np.maximum(squares[k] / number - mean**2, mean + 1e-12)
        error = np.sqrt(within / number + np.maximum(others, 1e-12) / max(rest, 1))
        ratio = (scaled[k] + _PRIOR) / (number * means + _PRIOR)
        # Shares add up to 1: what some genes gain all others lose, without having changed.
        usual = mean > np.median(mean)
        unchanged = float(np.median(mean[usual] / np.maximum(others[usual], 1e-12)))
        changed = np.abs(mean - unchanged * others) > _SURE * error
        factors[k] = np.where(changed, ratio / np.median(ratio[usual]), 1.0)
    return factors


def _gamma_of_means(means: np.ndarray) -> tuple[float, float]:
    """Shape and rate of the Gamma nearest to the means, by the distance of Cramer and von Mises."""
    seen = np.sort(means[means > 0])
    if len(seen) < 3:
        return 1.0, 1.0 / max(float(seen.mean()) if len(seen) else 1.0, 1e-6)
    drawn_in = np.clip(seen, *np.quantile(seen, [0.1, 0.9]))
    start_shape = drawn_in.mean() ** 2 / max(drawn_in.var(), 1e-12)
    start = np.log([start_shape, start_shape / drawn_in.mean()])
    # The start, by moments, needs the outer tenths drawn in; ranks are not moved by a few outliers.
    ranks = (np.arange(len(seen)) + 0.5) / len(seen)

    def distance(logs: np.ndarray) -> float:
        shape, rate = np.exp(np.clip(logs, -12, 12))
        return float(np.sum((gamma.cdf(seen, shape, scale=1 / rate) - ranks) ** 2))

    shape, rate = np.exp(minimize(distance, start, method="Nelder-Mead").x)
    return float(shape), float(rate)


def _variation(
    sums: _Sums,
    log_total: np.ndarray,
    kinds: np.ndarray,
    seen_means: np.ndarray,
    lib_scale: float,
    dropout: bool,
) -> tuple[float, float, float, float, np.ndarray, float, np.ndarray]:
    """Biological variation and dropout, from variances and zeros within kinds of cells."""
    usual = [k for k in np.argsort(-sums.n)[:8] if sums.n[k] >= _FEWEST]
    if not usual:
        usual = [int(np.argmax(sums.n))]
    log_grid = np.linspace(-7.0, 9.0, 81)
    grid = jnp.asarray(np.exp(log_grid))[None]

    @jax.jit
    def curves(values: jax.Array, scale: jax.Array) -> jax.Array:
        """Over true means: mean count, variance and zeros of a kind with this library size."""
        common, trend, mid, shape = values
        found = model_moments(
            grid,
            jnp.ones(1),
            -0.5 * scale[None] ** 2,
            scale,
            Variation(common, trend, 1.0, mid, shape),
        )
        return jnp.stack([jnp.log(found.mean), jnp.log(found.variance), found.zeros])

    per_kind = []
    for k in usual:
        n = sums.n[k]
        mean = sums.raw[k] / n
        variance = np.maximum(sums.raw_squares[k] / n - mean**2, 0.0) * n / max(n - 1, 1)
        used = (sums.raw[k] > 10) & (variance > 0)
        scale = max(float(log_total[kinds == k].std()), 0.01)
        per_kind.append(
            (n, np.log(mean[used]), np.log(variance[used]), sums.zeros[k][used] / n, scale, used)
        )

    def values_of(x: np.ndarray) -> np.ndarray:
        if dropout:
            return np.array([np.exp(x[0]), np.exp(x[1]), x[2], -np.exp(x[3])])
        return np.array([np.exp(x[0]), np.exp(x[1]), NO_DROPOUT, -1.0])

    def misfit(x: np.ndarray) -> np.ndarray:
        parts = [np.zeros(0)]
        for n, log_mean, log_variance, zeros, scale, _ in per_kind:
            means, variances, none = np.asarray(
                curves(jnp.asarray(values_of(x)), jnp.asarray(scale))
            )
            at = np.interp(log_mean, means, variances)
            error = np.sqrt((2 + np.exp(-np.clip(log_mean, -5, 5))) / n)
            parts.append((log_variance - at) / error)
            expected = np.interp(log_mean, means, none)
            spread = np.sqrt(np.maximum(expected * (1 - expected), 1e-3) / n)
            parts.append((zeros - expected) / spread)
        return np.concatenate(parts)

    start = [np.log(0.2), np.log(0.5), *([-1.0, 0.0] if dropout else [])]
    low = [np.log(0.01), np.log(0.01), *([-30.0, np.log(0.05)] if dropout else [])]
    high = [np.log(3.0), np.log(3.0), *([8.0, np.log(5.0)] if dropout else [])]
    with jax.enable_x64(True):
        grid = jnp.asarray(np.exp(log_grid))[None]
        n_seen = sum(len(part[1]) for part in per_kind)
        if n_seen:
            x = least_squares(
                misfit, start, bounds=(low, high), loss="soft_l1", diff_step=1e-4, max_nfev=60
            ).x
        else:
            x = np.asarray(start)
        values = values_of(x)
        ratio, weight = np.zeros(len(seen_means)), np.zeros(len(seen_means))
        for n, log_mean, log_variance, _, scale, used in per_kind:
            means, variances, _ = np.asarray(curves(jnp.asarray(values), jnp.asarray(scale)))
            excess = np.exp(log_variance) - np.exp(log_mean)
            expected = np.exp(np.interp(log_mean, means, variances)) - np.exp(log_mean)
            known = np.exp(log_mean) > 0.5
            ratio[used] += np.where(known, n * np.log(np.clip(excess / expected, 0.25, 4.0)), 0.0)
            weight[used] += n * known
        means, _, _ = np.asarray(curves(jnp.asarray(values), jnp.asarray(lib_scale)))
    log_scale = 0.5 * np.divide(ratio, weight, out=np.zeros_like(ratio), where=weight > 0)
    spread = (2 * log_scale[weight > 0]).var() if (weight > 0).sum() > 2 else 0.0
    df = float(np.clip(2.0 / max(spread, 1e-9), 3.0, 1e6))
    log_seen = np.log(np.maximum(seen_means, 1e-9))
    # Beyond the grid the line goes on with slope 1.
    true = np.interp(log_seen, means, log_grid)
    true = np.where(log_seen < means[0], log_grid[0] + log_seen - means[0], true)
    true = np.where(log_seen > means[-1], log_grid[-1] + log_seen - means[-1], true)
    common, trend, mid, shape = values
    return common, trend, mid, shape, np.exp(log_scale), df, np.exp(true)
