"""Archetypal analysis: each cell as a mixture of a few extreme ways to be a cell."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from sklearn.utils.extmath import randomized_svd

from diffbio_engine.declare import (
    COUNTS,
    TOTAL_COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    dial,
    normalize_setting,
    operator,
    setting,
    size,
    warn_untrained,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.archetypal_analysis._archetype_fit import (
    fit_archetypes,
    rounds,
    start_of,
)
from diffbio_engine.operators.singlecell.archetypal_analysis._simplex_least_squares import (
    soft_shares,
)
from diffbio_engine.parts.log_normalized_counts import Totals, log_expression

_UNPREPARED_ROUNDS = 40
_ABSENT = -16.0  # logarithm of the weight of a cell that an archetype does not use
_BLOCK = 2048  # cells that are log-normalised at a time


class ArchetypalAnalysisConfig(Config):
    """Settings of archetypal analysis."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    n_archetypes: int = setting(5, low=2, high=50, doc="How many archetypes to find.")
    hidden_dim: int = setting(
        64, low=2, high=500, doc="Principal components in which cells are compared with archetypes."
    )
    temperature: float = dial(
        1.0,
        low=0.01,
        high=1000.0,
        log=True,
        learnable=True,
        unit="unexplained variance per axis",
        doc="Low: the nearest mixture, absent archetypes next to 0. High: all shares equal.",
    )
    normalize: bool = normalize_setting()
    n_candidates: int = setting(
        2000,
        low=10,
        high=20_000,
        doc="Maximum number of extreme cells of which archetypes may be mixtures.",
        advanced=True,
    )
    n_corners: int = setting(
        128,
        low=10,
        high=2000,
        doc="How many of these cells are kept, the ones that matter most.",
        advanced=True,
    )


@operator(title="Archetypes")
class DifferentiableArchetypalAnalysis(Operator):
    """Describes each cell as a mixture of a few extreme cells, the archetypes.

    ``min over S, C of |X - S C X|^2``, rows of ``S`` (cells by archetypes) and of ``C`` (archetypes
    by cells) at least 0 and adding up to 1. Archetypes ``A = C X`` are mixtures of cells, so they
    lie within what was observed, at its corners: tasks between which cells trade off. ``X`` is
    ``log(1 + counts per 10 000)``, compared on ``hidden_dim`` principal axes. Shares of a cell:

    ``min over s of |x - s A|^2 / 2 + temperature * v * sum_k s_k log s_k``

    with ``v`` the variance per axis that the archetypes leave unexplained in the data.

    Prepared: archetypes are mixtures of at most ``n_corners`` cells out of ``n_candidates``; which
    these are stays, what they express is found anew at a refresh, training moves the mixtures. Any
    cell is then placed on its own. Not prepared: the analysis of the cells given, on all genes,
    with 40 turns.

    Softens: the edge of the simplex, on which shares are exactly 0 (projection onto the simplex).
    Hard limit: as ``temperature`` goes to 0, the exact constrained least squares of archetypal
    analysis: the point of the archetypes' hull that is nearest to the cell. Not the nearest
    archetype alone: a cell between two stays between them.
    Gradients: reach ``counts``, the mixtures and the temperature; shares through the solution,
    by the implicit function theorem. Which cells are candidates is a choice without a slope.
    Cost: preparing O(rounds * (cells + candidates) * axes * archetypes) time after the axes,
    O(cells * genes) memory; then O(cells * (genes * axes + archetypes^3)) time.
    Start: FurthestSum, then PCHA until it stands still; nothing to train.

    References:
        Cutler, Breiman (1994), Archetypal analysis, Technometrics 36.
        Morup, Hansen (2012), Archetypal analysis for machine learning and data mining,
        Neurocomputing 80 (PCHA, FurthestSum).
        Hart et al. (2015), Inferring biological tasks using Pareto analysis of high-dimensional
        data, Nature Methods 12.
    """

    Config = ArchetypalAnalysisConfig
    inputs = (COUNTS, TOTAL_COUNTS)
    outputs = (
        Port(
            "archetype_weights",
            "cells archetypes",
            Kind.SHARES,
            "Share of each archetype in each cell.",
            result="obsm/archetype_diffbio_prob",
        ),
        Port(
            "archetypes",
            "archetypes genes",
            Kind.EXPRESSION,
            "Log-normalised expression of each archetype.",
        ),
        Port(
            "reconstructed",
            "cells genes",
            Kind.EXPRESSION,
            "Log-normalised expression of each cell's mixture.",
        ),
        Port(
            "archetype_loss",
            "",
            Kind.LOSS,
            "Share of the variance between cells that mixtures leave unexplained.",
        ),
    )
    reach = "population"
    prepare_cells = 20_000
    example = {"n_archetypes": 3}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n_genes, n_axes, n_corners = config.n_genes, config.hidden_dim, config.n_corners
        self.mixtures = nnx.Param(jnp.zeros((config.n_archetypes, n_corners)))
        self.corner_rows = Buffer(jnp.zeros(n_corners, jnp.int32))
        self.corner_cells = Buffer(jnp.zeros((n_corners, n_genes)))
        self.centre = Buffer(jnp.zeros(n_genes))
        self.axes = Buffer(jnp.zeros((n_genes, n_axes)))
        self.variance = Buffer(jnp.asarray(1.0))
        self.unexplained = Buffer(jnp.asarray(1.0))

    def prepare(
        self, counts: np.ndarray, total_counts: np.ndarray | None = None, *, seed: int, first: bool
    ) -> None:
        expression = self._expression_of_all(counts, total_counts)
        if len(expression) < 2:
            raise DataError(
                f"has {len(expression)} cells; there is nothing between them to describe.",
                fix="Choose data with more cells, or take this block out.",
                where="counts",
            )
        centre = expression.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = expression - centre
        n_axes = min(self.config.hidden_dim, *centred.shape)
        _, _, found = randomized_svd(centred, n_axes, n_iter=4, random_state=seed)
        axes = np.zeros(self.axes.shape, np.float32)
        axes[:, :n_axes] = found.T
        points = centred @ axes
        del centred
        rows = np.asarray(self.corner_rows[...])
        if first or rows.max() >= len(expression):
            rows = self._find(points, seed)
        self.corner_cells[...] = jnp.asarray(expression[rows])
        self.centre[...], self.axes[...] = jnp.asarray(centre), jnp.asarray(axes)
        self.variance[...] = jnp.asarray(np.maximum(np.sum(points.var(axis=0)), 1e-12), jnp.float32)

    def _find(self, points: np.ndarray, seed: int) -> np.ndarray:
        """Sets the mixtures of these points; the rows of the cells that are mixed."""
        config = self.config
        found = fit_archetypes(
            points,
            config.n_archetypes,
            n_candidates=config.n_candidates,
            n_corners=config.n_corners,
            seed=seed,
        )
        n = len(found.rows)
        mixtures = np.full(self.mixtures.shape, 2 * _ABSENT, np.float32)
        mixtures[:, :n] = np.log(np.maximum(found.weights, np.exp(_ABSENT)))
        self.mixtures[...] = jnp.asarray(mixtures)
        self.unexplained[...] = jnp.asarray(found.unexplained, self.unexplained.dtype)
        # Fewer cells than corners: the rest repeat the first and have no weight.
        rows = np.concatenate([found.rows, np.repeat(found.rows[:1], config.n_corners - n)])
        self.corner_rows[...] = jnp.asarray(rows, jnp.int32)
        return rows

    def __call__(
        self, counts: jax.Array, total_counts: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        expression = self._expression(counts, total_counts)
        if self.fitted:
            archetypes = jax.nn.softmax(self.mixtures[...], axis=1) @ self.corner_cells[...]
            points = (expression - self.centre[...]) @ self.axes[...]
            corners = (archetypes - self.centre[...]) @ self.axes[...]
            variance, unexplained = self.variance[...], self.unexplained[...]
        else:
            if len(expression) < 2:
                warn_untrained(type(self).__name__)
            points = expression - jnp.mean(expression, axis=0)
            variance = jnp.mean(jnp.sum(points**2, axis=1))
            weights, unexplained = self._analysed(points)
            archetypes, corners = weights @ expression, weights @ points
        # Cells that lie exactly in the hull leave nothing: some width is left to the soft edge.
        width = jnp.maximum(unexplained, 1e-4 * variance) / self.config.hidden_dim
        shares = soft_shares(points, corners, self.dial("temperature") * (width + 1e-9))
        left = jnp.mean(jnp.sum((points - shares @ corners) ** 2, axis=1))
        return {
            "archetype_weights": shares,
            "archetypes": archetypes,
            "reconstructed": shares @ archetypes,
            "archetype_loss": left / (variance + 1e-9),
        }

    def _analysed(self, points: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Archetypes of these cells, (archetypes, cells), and what they leave of each cell."""
        n = self.config.n_archetypes
        rows = np.unique(
            np.linspace(0, len(points) - 1, min(len(points), self.config.n_candidates)).astype(int)
        )
        candidates = points[rows]
        shares, weights = start_of(candidates, n, len(points))
        shares, weights = rounds(points, candidates, shares, weights, n_rounds=_UNPREPARED_ROUNDS)
        left = jnp.mean(jnp.sum((points - shares @ (weights @ candidates)) ** 2, axis=1))
        return jnp.zeros((n, len(points)), points.dtype).at[:, rows].set(weights), left

    def _expression(self, counts: jax.Array, total_counts: Totals = None) -> jax.Array:
        return log_expression(counts, self.config.normalize, total_counts)

    def _expression_of_all(self, counts: np.ndarray, totals: np.ndarray | None) -> np.ndarray:
        expression = np.empty(counts.shape, np.float32)
        for start in range(0, len(counts), _BLOCK):
            rows = slice(start, start + _BLOCK)
            sizes = None if totals is None else jnp.asarray(totals[rows])
            expression[rows] = np.asarray(self._expression(jnp.asarray(counts[rows]), sizes))
        return expression
