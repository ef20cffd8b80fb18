"""How many fragments of a sample come from each transcript, by expectation-maximisation."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.declare import (
    CLASS_COUNTS,
    CLASS_STARTS,
    CLASS_TRANSCRIPTS,
    CLASS_WEIGHTS,
    EFFECTIVE_LENGTHS,
    Config,
    Kind,
    Operator,
    Port,
    check_axes,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.statistical.em_quantifier._compatibility import Compatibility
from diffbio_engine.operators.statistical.em_quantifier._fixed_point import (
    fixed_point,
    log_levels,
    with_derivatives,
)

# Fewer expected fragments are the underflow of none.
_NONE = 1e-8
# Of all fragments, moved by a step: far less than draws differ.
_NEAR_ENOUGH = 1e-5
_INTERVAL = (0.025, 0.975)
_TABLE = Port(
    "compatibility",
    "fragments transcripts",
    Kind.PARAMETER,
    "Whether, or how well, each fragment fits each transcript; not divided by lengths.",
)


class EMQuantifierConfig(Config):
    """Settings of the quantifier."""

    n_transcripts: int = size("transcripts", default=1000, doc="Number of transcripts.")
    n_iterations: int = setting(
        200,
        low=1,
        high=100_000,
        log=True,
        unit="steps",
        doc="Steps of expectation-maximisation at most; it stops where nothing moves.",
    )
    temperature: float = dial(
        1.0,
        low=1e-3,
        high=10.0,
        log=True,
        doc="Of the assignment. 1: by probability (EM). Low: each fragment goes to one transcript.",
    )
    prior: float = setting(
        0.01,
        low=0.0,
        high=10.0,
        unit="fragments",
        doc="Of a Dirichlet prior, for each transcript. Small: transcripts that the others can"
        " explain go to 0 (variational Bayes). 0: maximum likelihood, which leaves dust on them.",
    )
    n_bootstraps: int = setting(
        100,
        low=0,
        high=1000,
        unit="times",
        doc="How often fragments are drawn again for the intervals; 0: no intervals. Each takes up"
        " to as long as the estimate: of more than 100,000 classes, take 0 or few.",
    )
    gradients: str = setting(
        "implicit",
        choices=("implicit", "unrolled"),
        doc="Implicit: accelerated, derivatives of the fixed point. Unrolled: plain steps, all of"
        " them, and gradients through each; these alone reach the first abundances.",
        advanced=True,
    )


@operator(title="Quantify transcripts", name="em_quantifier")
class DifferentiableEMQuantifier(Operator):
    """Shares fragments among the transcripts that they fit, by how common these are.

    With ``n_t`` the expected fragments of a transcript and ``w`` the probability of a fragment
    given its transcript, ``share_ct = softmax_t((log w_ct + log level_t) / temperature)`` and
    ``n_t = sum_c count_c share_ct``, again and again. ``level = n`` is maximum likelihood;
    with a ``prior`` ``log level = digamma(n + prior)`` (variational Bayes): what other transcripts
    explain as well goes to 0. ``abundances = n / sum n`` are shares of the fragments,
    ``tpm`` is proportional to ``n / effective length`` and adds up to a million: lengths are
    divided by once in the assignment and once in ``tpm``. ``log_likelihood`` is
    ``sum_c count_c log sum_t w_ct abundance_t``, nats, up to what ``w`` leave open.

    Fragments come as equivalence classes (compressed sparse rows; nothing of classes x transcripts
    is made), or in ``apply`` as a dense ``compatibility (fragments, transcripts)``, which is
    divided by the effective lengths here. A fragment that fits nothing counts nowhere.

    Intervals (``counts_low``, ``counts_high``): the middle 95% of the expected fragments where the
    fragments are drawn again (a Poisson bootstrap, of fixed seed).

    Softens: the assignment of a fragment to its likeliest transcript.
    Hard limit: as ``temperature`` goes to 0, each fragment belongs to one transcript (hard EM).
    Gradients: reach weights, counts of classes, lengths and the temperature, through the fixed
    point (implicit) or through all steps (unrolled: also the first abundances); not the intervals.
    Where several abundances are equally likely (prior 0) they are those of one solution.
    Cost: O(steps * memberships) time, O(memberships) memory; a gradient as much as 100 steps.

    References:
        Patro et al. (2017), Salmon, Nature Methods 14 (classes, the prior of 0.01).
        Bray et al. (2016), Near-optimal probabilistic RNA-seq quantification, Nature
        Biotechnology 34 (kallisto).
        Varadhan and Roland (2008), SQUAREM, Scandinavian Journal of Statistics 35.
        Nariai et al. (2013), TIGAR: variational Bayes for transcripts, Bioinformatics 29.
    """

    Config = EMQuantifierConfig
    inputs = (CLASS_STARTS, CLASS_TRANSCRIPTS, CLASS_WEIGHTS, CLASS_COUNTS, EFFECTIVE_LENGTHS)
    outputs = (
        Port(
            "abundances",
            "transcripts",
            Kind.PROFILE,
            "Share of the fragments that come from each transcript; adds up to one.",
            result="var/abundance_diffbio",
        ),
        Port(
            "tpm",
            "transcripts",
            Kind.PROFILE,
            "Transcripts per million: shares of the molecules, whatever their lengths.",
            result="var/tpm_diffbio",
            ranks="large",
        ),
        Port(
            "expected_counts",
            "transcripts",
            Kind.PROFILE,
            "Expected fragments of each transcript.",
            result="var/counts_diffbio",
        ),
        Port(
            "counts_low",
            "transcripts",
            Kind.PROFILE,
            "2.5% of draws of the fragments give fewer of this transcript.",
            optional=True,
            result="var/counts_low_diffbio",
        ),
        Port(
            "counts_high",
            "transcripts",
            Kind.PROFILE,
            "2.5% of draws of the fragments give more of this transcript.",
            optional=True,
            result="var/counts_high_diffbio",
        ),
        Port(
            "log_likelihood",
            "",
            Kind.PARAMETER,
            "Log-likelihood of the fragments, nats; compares abundances for the same classes.",
        ),
        Port(
            "likelihood_gain",
            "iterations",
            Kind.PARAMETER,
            "How much likelier the fragments became as the steps went on, nats a fragment above the"
            " first abundances; of every third step if accelerated.",
        ),
        Port("em_loss", "", Kind.LOSS, "-log_likelihood, nats a fragment."),
    )
    needs_all_records = True
    example = {"n_transcripts": 5, "n_iterations": 600, "n_bootstraps": 3}

    def setup(self, rngs: nnx.Rngs) -> None:
        self.log_initial_abundances = nnx.Param(jnp.zeros(self.config.n_transcripts))

    def __call__(
        self,
        class_starts: jax.Array,
        class_transcripts: jax.Array,
        class_weights: jax.Array,
        class_counts: jax.Array,
        effective_lengths: jax.Array,
    ) -> dict[str, jax.Array]:
        problem = Compatibility.of_classes(
            class_starts, class_transcripts, class_weights, class_counts
        )
        return self._quantified(problem, effective_lengths)

    def run(self, arrays: Mapping[str, Any], key: jax.Array | None = None) -> dict[str, Any]:
        if _TABLE.name not in arrays:
            return super().run(arrays, key)
        lengths = arrays["effective_lengths"]
        return self._quantified(Compatibility.of_table(arrays[_TABLE.name], lengths), lengths)

    def quantify(self, compatibility: jax.Array, effective_lengths: jax.Array) -> jax.Array:
        """Abundances of a dense table (fragments, transcripts), by which fragment fits which."""
        given = {_TABLE.name: compatibility, "effective_lengths": effective_lengths}
        return self.apply(given)[0]["abundances"]

    def em_step(
        self, abundances: jax.Array, compatibility: jax.Array, effective_lengths: jax.Array
    ) -> jax.Array:
        """Abundances after one step more, of a dense table."""
        problem = Compatibility.of_table(compatibility, effective_lengths)
        n = jnp.maximum(problem.fitting, 1.0)
        return self._step(problem, n * abundances) / n

    def get_initial_abundances(self) -> jax.Array:
        """Shares of the fragments that the steps begin with, (transcripts,)."""
        return jax.nn.softmax(self.log_initial_abundances[...])

    def compute_tpm(self, abundances: jax.Array, effective_lengths: jax.Array) -> jax.Array:
        """Transcripts per million of shares of the fragments."""
        there = effective_lengths > 0
        rate = jnp.where(there, abundances / jnp.where(there, effective_lengths, 1.0), 0.0)
        total = jnp.sum(rate)
        return 1e6 * rate / jnp.where(total > 0, total, 1.0)

    def _step(self, problem: Compatibility, counts: jax.Array) -> jax.Array:
        return problem.assigned(log_levels(counts, self.config.prior), self.dial("temperature"))

    def _quantified(
        self, problem: Compatibility, effective_lengths: jax.Array
    ) -> dict[str, jax.Array]:
        n_fragments = problem.fitting
        start = n_fragments * self.get_initial_abundances().astype(n_fragments.dtype)
        solved = self._unrolled if self.config.gradients == "unrolled" else self._solved
        counts, path = solved(problem, start)
        counts = jnp.where(counts < _NONE, 0.0, counts)
        total = jnp.sum(counts)
        abundances = counts / jnp.where(total > 0, total, 1.0)
        likelihood = problem.log_likelihood(abundances)
        return {
            "abundances": abundances,
            "tpm": self.compute_tpm(abundances, effective_lengths),
            "expected_counts": counts,
            **self._intervals(problem, counts),
            "log_likelihood": likelihood,
            "likelihood_gain": path - problem.log_likelihood_each(start),
            "em_loss": -likelihood / jnp.maximum(n_fragments, 1.0),
        }

    def _solved(self, problem: Compatibility, start: jax.Array) -> tuple[jax.Array, jax.Array]:
        config, temperature = self.config, self.dial("temperature")
        counts, path = fixed_point(problem, start, temperature, config.prior, config.n_iterations)
        return with_derivatives(problem, counts, temperature, config.prior), path

    def _unrolled(self, problem: Compatibility, start: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(counts: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            counts = self._step(problem, counts)
            return counts, problem.log_likelihood_each(counts)

        return jax.lax.scan(step, start, length=self.config.n_iterations)

    def _intervals(self, problem: Compatibility, counts: jax.Array) -> dict[str, jax.Array]:
        n = self.config.n_bootstraps
        if not n:
            return {}
        held, counts = jax.lax.stop_gradient((problem, counts))
        temperature, config = self.dial("temperature"), self.config
        # None may be 0 at the start, for it would stay so; from near the solution it is not far.
        start = (counts + jnp.mean(counts)) / 2

        def again(key: jax.Array) -> jax.Array:
            drawn = jax.random.poisson(key, held.counts).astype(counts.dtype)
            drawn_again = held._replace(counts=drawn)
            return fixed_point(
                drawn_again, start, temperature, config.prior, config.n_iterations, _NEAR_ENOUGH
            ).counts

        draws = jax.lax.map(again, jax.random.split(jax.random.key(0), n))
        low, high = jnp.quantile(draws, jnp.asarray(_INTERVAL, draws.dtype), axis=0)
        return {"counts_low": low, "counts_high": high}

    def _take(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """A dense table stands for the classes."""
        if data.get(_TABLE.name) is None:
            return super()._take(data)
        lengths = data.get("effective_lengths")
        if lengths is None:
            raise DataError(
                "is missing beside compatibility.",
                fix=f"Add it: {EFFECTIVE_LENGTHS.doc}",
                where=EFFECTIVE_LENGTHS.name,
            )
        arrays = {
            _TABLE.name: jnp.asarray(data[_TABLE.name], float),
            EFFECTIVE_LENGTHS.name: jnp.asarray(lengths, float),
        }
        ports = (_TABLE, EFFECTIVE_LENGTHS)
        check_axes(ports, {n: a.shape for n, a in arrays.items()}, self.config)
        return arrays, False
