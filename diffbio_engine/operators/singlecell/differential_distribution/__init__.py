"""Genes whose whole distribution differs between two conditions, and in which way."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    CONDITION_LABELS,
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
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell.differential_distribution._distribution_distances import (
    false_discovery,
)
from diffbio_engine.operators.singlecell.differential_distribution._gene_comparison import (
    compared_genes,
)
from diffbio_engine.parts.log_normalized_counts import Totals, log_expression

_FOUND = ("ks_statistics", "p_values", "effects", "categories", "mean_change", "zero_change")


class DifferentialDistributionConfig(Config):
    """Settings of differential distributions."""

    n_genes: int = size("genes", default=2000, doc="Number of genes.")
    temperature: float = dial(
        1.0,
        low=0.00001,
        high=10.0,
        log=True,
        learnable=True,
        unit="tenths of a gene's spread",
        doc="Low: the exact statistic. High: small shifts count less than large ones.",
    )
    maximum_temperature: float = dial(
        0.001,
        low=0.00001,
        high=0.1,
        log=True,
        doc="Temperature of the maximum over all levels; the statistic is too high by up to 5"
        " of these.",
        advanced=True,
    )
    n_pattern_classes: int = setting(
        4,
        low=4,
        high=8,
        doc="Shift, scale, both, none; more are yours to train.",
        advanced=True,
    )
    first_condition: int = setting(
        0, low=0, high=1000, doc="Number of the condition to compare with."
    )
    second_condition: int = setting(1, low=0, high=1000, doc="Number of the other condition.")
    significance: float = setting(
        0.05, low=1e-6, high=0.5, doc="False discovery rate below which a gene has a pattern."
    )
    normalize: bool = normalize_setting()


@operator(title="Differential distributions")
class DifferentiableDifferentialDistribution(Operator):
    """Finds the genes whose distribution differs between two conditions, and says in which way.

    ``ks_statistics = max_t |F_1(t) - F_2(t)|`` with ``F(t) = mean_i heaviside(t - x_i)``, soft by
    ``temperature`` tenths of the gene's spread over both conditions; the maximum is a
    ``logsumexp_max``, that lies above by up to 5 ``maximum_temperature``. ``p_values`` are
    two-sided, Kolmogorov's limit with Stephens' correction (with many equal values, such as
    zeros, too large rather than too small): prepared, those of the exact statistic; not prepared,
    of the soft one, with a gradient. ``q_values`` are those after Benjamini and Hochberg. Cells
    are taken as independent: with several donors p-values are too small.

    ``pattern_logits`` weigh shift, scale, both and none (0) by half of ``z^2 - log n``, the
    Bayesian information criterion's weight of a change of the mean and of the logarithm of the
    variance, whose errors come from the data's own fourth moments; a learnable linear head that
    starts at this rule. ``categories`` follow scDD: 0 none, 1 DE, 2 DP, 3 DM, 4 DB, 5 DZ, from one
    Gaussian or two among the values above 0 of each condition (see ``_mode_patterns.py``).
    Expression is ``log(1 + counts per 10 000)``, or what comes in if ``normalize`` is off.

    Not prepared: of the cells given. Prepared: of all cells; the dials act at the next refresh.

    Softens: the step of the distribution functions (``x <= t``) and their greatest distance
    (``max``).
    Hard limit: as both temperatures go to 0, the two-sample statistic of Kolmogorov and Smirnov.
    Gradients: reach ``counts`` through statistics, p-values and logits (not categories), the
    temperatures and the head; where one distance is the greatest by far, mostly cells near there.
    Cost: O(cells log cells + 64 cells) time a gene; memory of some 4 million numbers at once
    beyond the cells by genes.

    References:
        Korthauer et al. (2016), scDD, Genome Biology 17.
        Smirnov (1948), Table for estimating the goodness of fit of empirical distributions.
        Benjamini and Hochberg (1995), Controlling the false discovery rate.
    """

    Config = DifferentialDistributionConfig
    inputs = (COUNTS, CONDITION_LABELS, TOTAL_COUNTS)
    outputs = (
        Port(
            "ks_statistics",
            "genes",
            Kind.PROFILE,
            "Greatest distance of the two distribution functions: 0 the same, 1 apart.",
            result="var/ks_diffbio",
            ranks="large",
        ),
        Port(
            "p_values",
            "genes",
            Kind.PROFILE,
            "How likely so large a distance is without a difference.",
            result="var/ks_pvalue_diffbio",
        ),
        Port(
            "q_values",
            "genes",
            Kind.PROFILE,
            "Rate of false discoveries at which the gene is one.",
            result="var/ks_qvalue_diffbio",
            ranks="small",
        ),
        Port(
            "categories",
            "genes",
            Kind.PROFILE,
            "0 none, 1 mean (DE), 2 proportions (DP), 3 modality (DM), 4 both (DB), 5 zeros (DZ).",
            result="var/scdd_category_diffbio",
        ),
        Port(
            "mean_change",
            "genes",
            Kind.PROFILE,
            "Second condition less the first, in logarithms.",
            result="var/mean_change_diffbio",
        ),
        Port(
            "zero_change",
            "genes",
            Kind.PROFILE,
            "Share of zeros: second condition less the first.",
            result="var/zero_change_diffbio",
        ),
        Port(
            "pattern_logits",
            "genes patterns",
            Kind.PARAMETER,
            "How well shift, scale, both and none fit.",
        ),
        Port(
            "pattern_labels",
            "genes",
            Kind.PROFILE,
            "0 shift, 1 scale, 2 both, 3 none.",
            result="var/pattern_diffbio",
        ),
    )
    reach = "population"
    prepare_cells = 50_000

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        # From the weights of a shift and of a scale; one column for each pattern.
        weights, offsets = (
            np.zeros((2, config.n_pattern_classes)),
            np.zeros(config.n_pattern_classes),
        )
        weights[0, [0, 2]] = weights[1, [1, 2]] = 1.0
        offsets[4:] = -10.0
        self.head_weights = nnx.Param(jnp.asarray(weights, float))
        self.head_offsets = nnx.Param(jnp.asarray(offsets, float))
        n = config.n_genes
        self.found = nnx.Dict(
            {name: Buffer(jnp.zeros((n, 2) if name == "effects" else n)) for name in _FOUND}
        )

    def prepare(
        self,
        counts: np.ndarray,
        condition_labels: np.ndarray,
        total_counts: np.ndarray | None = None,
    ) -> None:
        for number in (self.config.first_condition, self.config.second_condition):
            if np.sum(condition_labels == number) < 2:
                raise DataError(
                    f"has {np.sum(condition_labels == number)} cells of condition {number}.",
                    fix="Choose two conditions (counted from 0) that have cells.",
                    where="condition_labels",
                )
        if self.config.first_condition == self.config.second_condition:
            raise DataError(
                "is compared with itself.",
                fix="Choose two different conditions.",
                where="condition_labels",
            )
        expression = self._expression(jnp.asarray(counts), total_counts)
        found = jax.jit(self._compared)(expression, jnp.asarray(condition_labels))
        # A result for people: of the exact statistic, which has no gradient.
        found["p_values"] = found.pop("exact_p_values")
        for name, value in found.items():
            self.found[name][...] = value.astype(self.found[name].dtype)

    def __call__(
        self, counts: jax.Array, condition_labels: jax.Array, total_counts: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        if self.fitted:
            found = {name: buffer[...] for name, buffer in self.found.items()}
        else:
            found = self._compared(self._expression(counts, total_counts), condition_labels)
            found.pop("exact_p_values")
        effects = found.pop("effects")
        logits = effects @ self.head_weights[...] + self.head_offsets[...]
        return {
            **found,
            "q_values": false_discovery(found["p_values"]),
            "pattern_logits": logits,
            "pattern_labels": jnp.argmax(logits, axis=1).astype(logits.dtype),
        }

    def _compared(self, expression: jax.Array, conditions: jax.Array) -> dict[str, jax.Array]:
        config = self.config
        found = compared_genes(
            expression,
            conditions == config.first_condition,
            conditions == config.second_condition,
            self.dial("temperature"),
            self.dial("maximum_temperature"),
            config.significance,
        )
        return found._asdict()

    def _expression(self, counts: jax.Array, total_counts: Totals = None) -> jax.Array:
        return log_expression(counts, self.config.normalize, total_counts)
