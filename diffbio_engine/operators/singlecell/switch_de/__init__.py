"""Genes that are switched on or off along a trajectory."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from scipy.stats import chi2

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    TOTAL_COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    normalize_setting,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.switch_de._switch_fit import fit_switches
from diffbio_engine.parts.log_normalized_counts import Totals, log_expression


class SwitchDEConfig(Config):
    """Settings of the switch test."""

    n_genes: int = size("genes", default=2000, doc="Number of genes.")
    temperature: float = dial(
        1.0,
        low=0.01,
        high=10.0,
        log=True,
        learnable=True,
        unit="times the fitted width",
        doc="1: as gradual as the data say. Low: genes jump at their switch time.",
    )
    normalize: bool = normalize_setting()
    with_base: bool = setting(
        False,
        doc="Let genes keep a level where they are off (the published model is 0 there).",
    )


@operator(
    title="Switch genes",
    name="switch_de",
)
class DifferentiableSwitchDE(Operator):
    """Finds when along a trajectory each gene is switched on or off, and how surely.

    ``mean_g(t) = base_g + amplitude_g / (1 + exp(-k_g (t - t_g) / temperature))`` for pseudotime
    ``t`` brought to 0 .. 1. ``k_g > 0``: switched on at ``t_g``; below 0: off. The noise is
    Gaussian, with a variance for each gene, and ``p_values`` are those of the likelihood-ratio
    test against a constant mean, ``n log(constant / switch)`` of the sums of squares, with 2
    degrees of freedom (3 with a base). ``switch_scores`` are the share of a gene's variance that
    the curve explains. The switchde model with ``amplitude = 2 mu``, without its optional extra
    zeros. Expression is ``log(1 + counts per 10 000)``, or what comes in if ``normalize`` is off.

    Pseudotime that was found from the same genes makes p-values too small: take them as a rank.

    Softens: the step of a gene that is off and then on (``t > t_g``).
    Hard limit: as ``temperature`` goes to 0, the expected expression is a step at ``t_g``.
    Gradients: reach ``counts``, ``pseudotime``, the curves and the temperature; those of
    ``pseudotime`` vanish far from a gene's switch. Scores and p-values are of the last preparing.
    Cost: O(cells * genes) time and memory; preparing O(1500 * min(cells, 2000) * genes) time.
    Start: least squares, from the best of 1464 curves for each gene.

    References:
        Campbell and Yau (2017), switchde: inference of switch-like differential expression along
        single-cell trajectories, Bioinformatics 33.
    """

    Config = SwitchDEConfig
    inputs = (
        COUNTS,
        Port(
            "pseudotime",
            "cells",
            Kind.TIME,
            "Place of each cell along the trajectory.",
            after=(Role.PSEUDOTIME,),
        ),
        TOTAL_COUNTS,
    )
    outputs = (
        Port(
            "switch_times",
            "genes",
            Kind.PROFILE,
            "When each gene is switched, in the unit of the pseudotime; outside the cells' times,"
            " before or after all of them.",
            result="var/switch_time_diffbio",
        ),
        Port(
            "switch_scores",
            "genes",
            Kind.PROFILE,
            "Share of the gene's variance that its switch explains.",
            result="var/switch_score_diffbio",
            ranks="large",
        ),
        Port("predicted_expression", "cells genes", Kind.EXPRESSION, "Expected expression at t."),
        Port(
            "k",
            "genes",
            Kind.PROFILE,
            "Steepness k of the switch, per whole trajectory; above 0: switched on, below: off.",
            result="var/switch_slope_diffbio",
        ),
        Port(
            "p_values",
            "genes",
            Kind.PROFILE,
            "Of the likelihood-ratio test against no change; too small where the pseudotime was"
            " made from the same genes.",
            result="var/switch_pvalue_diffbio",
            ranks="small",
        ),
        Port("residual", "cells genes", Kind.EXPRESSION, "What the switch does not explain."),
        Port("switch_loss", "", Kind.LOSS, "Misfit, in units of each gene's noise."),
    )
    needs_training = True
    prepare_cells = 20_000

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n = config.n_genes
        self.place = nnx.Param(jnp.full(n, 0.5))
        self.slope = nnx.Param(jnp.full(n, 10.0))
        self.amplitude = nnx.Param(jnp.ones(n))
        self.base = nnx.Param(jnp.zeros(n)) if config.with_base else None
        self.first_time = Buffer(jnp.asarray(0.0))
        self.whole_time = Buffer(jnp.asarray(1.0))
        self.noise = Buffer(jnp.ones(n))
        self.explained = Buffer(jnp.zeros(n))
        self.unlikely = Buffer(jnp.ones(n))

    def prepare(
        self,
        counts: np.ndarray,
        pseudotime: np.ndarray,
        total_counts: np.ndarray | None = None,
        *,
        first: bool,
    ) -> None:
        time = np.asarray(pseudotime, np.float64)
        expression = np.asarray(self._expression(jnp.asarray(counts), total_counts), np.float32)
        start, whole = float(time.min()), float(np.ptp(time))
        if not np.isfinite(whole) or whole == 0:
            raise DataError(
                "is the same for all cells, or not a number for some.",
                fix="Wire a pseudotime that orders the cells.",
                where="pseudotime",
            )
        self.first_time[...] = jnp.asarray(start, self.first_time.dtype)
        self.whole_time[...] = jnp.asarray(whole, self.whole_time.dtype)
        if first:
            found = fit_switches(
                (time - start) / whole, expression, with_base=self.config.with_base
            )
            self.place[...] = jnp.asarray(found.place)
            self.slope[...] = jnp.asarray(found.slope)
            self.amplitude[...] = jnp.asarray(found.amplitude)
            if self.base is not None:
                self.base[...] = jnp.asarray(found.base)
        self._judge(expression, time)

    def _judge(self, expression: np.ndarray, time: np.ndarray) -> None:
        """How well the present curves fit: noise, explained share, p-value of each gene."""
        n = len(time)
        left = np.zeros(expression.shape[1])
        spread = np.zeros(expression.shape[1])
        level = expression.mean(axis=0, dtype=np.float64)
        for start in range(0, n, 4096):
            rows = slice(start, start + 4096)
            expected = np.asarray(self._expected(jnp.asarray(time[rows], jnp.float32)))
            left += ((expression[rows] - expected).astype(np.float64) ** 2).sum(axis=0)
            spread += ((expression[rows] - level) ** 2).sum(axis=0)
        varies = spread > 1e-12 * n
        ratio = np.where(varies, left / np.where(varies, spread, 1.0), 1.0)
        statistic = -n * np.log(np.clip(ratio, 1e-300, 1.0))
        noise = np.sqrt(np.maximum(left / n, 1e-6 * max(float(np.median(spread)) / n, 1e-12)))
        dtype = self.noise.dtype
        self.noise[...] = jnp.asarray(noise, dtype)
        self.explained[...] = jnp.asarray(np.maximum(1.0 - ratio, 0.0), dtype)
        self.unlikely[...] = jnp.asarray(chi2.sf(statistic, 3 if self.base else 2), dtype)

    def __call__(
        self, counts: jax.Array, pseudotime: jax.Array, total_counts: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        expected = self._expected(pseudotime)
        residual = self._expression(counts, total_counts) - expected
        noise = self.noise[...]
        return {
            "switch_times": self.first_time[...] + self.whole_time[...] * self.place[...],
            "switch_scores": self.explained[...],
            "predicted_expression": expected,
            "k": self.slope[...],
            "p_values": self.unlikely[...],
            "residual": residual,
            "switch_loss": 0.5 * jnp.mean((residual / noise) ** 2),
        }

    def _expression(self, counts: jax.Array, total_counts: Totals = None) -> jax.Array:
        return log_expression(counts, self.config.normalize, total_counts)

    def _expected(self, pseudotime: jax.Array) -> jax.Array:
        """Expected expression of each cell, (cells, genes)."""
        time = (pseudotime - self.first_time[...]) / self.whole_time[...]
        since = time[:, None] - self.place[...]
        on = soft_ops.heaviside(self.slope[...] * since, softness=self.dial("temperature"))
        base = 0.0 if self.base is None else self.base[...]
        return base + self.amplitude[...] * on
