"""How many fragments of a sample come from each transcript, by expectation-maximisation."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    CLASS_COUNTS,
    CLASS_STARTS,
    CLASS_TRANSCRIPTS,
    CLASS_WEIGHTS,
    EFFECTIVE_LENGTHS,
    Config,
    Kind,
    Notes,
    Operator,
    Port,
    TrainingBuffer,
    check_axes,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError
from diffbio_engine.operators.statistical.em_quantifier._bootstrap import intervals, mark_of
from diffbio_engine.operators.statistical.em_quantifier._compatibility import Compatibility
from diffbio_engine.operators.statistical.em_quantifier._fixed_point import (
    fixed_point,
    log_levels,
    with_derivatives,
)
from diffbio_engine.operators.statistical.em_quantifier._ports import OUTPUTS
from diffbio_engine.parts.count_autoencoder import put

# Fewer expected fragments are the underflow of none.
_NONE = 1e-8
_NO_INTERVALS = (
    "Counts are without intervals: the fragments were drawn again 0 times (Bootstraps, as in salmon"
    " by default). 100 times give intervals; each takes half as long as the estimate."
)
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
        0,
        low=0,
        high=1000,
        unit="times",
        doc="How often fragments are drawn again for intervals (100 tell the middle 95%); 0: no"
        " intervals, as in salmon. Each takes half as long as the estimate: 100 of a million"
        " classes a quarter of an hour.",
    )
    gradients: str = setting(
        "implicit",
        choices=("implicit", "unrolled"),
        doc="Implicit: accelerated, derivatives of the fixed point. Unrolled: plain steps, all of"
        " them, and gradients through each; these alone reach the first abundances.",
        advanced=True,
    )


@nnx.jit
def _bootstrapped(
    block: "DifferentiableEMQuantifier", problem: Compatibility
) -> tuple[jax.Array, jax.Array]:
    return block.draw(problem, block.counts_of(problem)[0])


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
    fragments are drawn again (a Poisson bootstrap, of fixed seed); drawn once, in ``prepare``, for
    its fragments, and again only for others.

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
    outputs = OUTPUTS
    needs_all_records = True
    example = {"n_transcripts": 5, "n_iterations": 600, "n_bootstraps": 3}

    def setup(self, rngs: nnx.Rngs) -> None:
        n = self.config.n_transcripts
        self.log_initial_abundances = nnx.Param(jnp.zeros(n))
        ends = ("low", "high") if self.config.n_bootstraps else ()
        self.drawn = nnx.Dict({end: TrainingBuffer(jnp.zeros(n)) for end in ends})
        self.mark = TrainingBuffer(jnp.zeros(2, jnp.uint32))

    def prepare(
        self,
        class_starts: np.ndarray,
        class_transcripts: np.ndarray,
        class_weights: np.ndarray,
        class_counts: np.ndarray,
    ) -> None:
        if not self.config.n_bootstraps:
            self.notes = Notes((_NO_INTERVALS,))
            return
        arrays = (class_starts, class_transcripts, class_weights, class_counts)
        problem = Compatibility.of_classes(*map(jnp.asarray, arrays))
        mark = np.asarray(mark_of(problem, self.dial("temperature")))
        if np.array_equal(mark, self.mark[...]):
            return  # a refresh: these fragments were drawn
        low, high = _bootstrapped(self, problem)
        put(self.drawn["low"], np.asarray(low))
        put(self.drawn["high"], np.asarray(high))
        put(self.mark, mark)

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

    def counts_of(self, problem: Compatibility) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Expected fragments (transcripts,), likelihoods on the way, and what they began as."""
        n_fragments = problem.fitting
        start = n_fragments * self.get_initial_abundances().astype(n_fragments.dtype)
        solved = self._unrolled if self.config.gradients == "unrolled" else self._solved
        counts, path = solved(problem, start)
        return jnp.where(counts < _NONE, 0.0, counts), path, start

    def _step(self, problem: Compatibility, counts: jax.Array) -> jax.Array:
        return problem.assigned(log_levels(counts, self.config.prior), self.dial("temperature"))

    def _quantified(
        self, problem: Compatibility, effective_lengths: jax.Array
    ) -> dict[str, jax.Array]:
        n_fragments = problem.fitting
        counts, path, start = self.counts_of(problem)
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
        """Those of `prepare` where these are its fragments; of others they are drawn here."""
        if not self.config.n_bootstraps:
            return {}
        mark = mark_of(problem, self.dial("temperature"))
        known = {name: buffer[...].astype(counts.dtype) for name, buffer in self.drawn.items()}
        low, high = jax.lax.cond(
            jnp.all(mark == self.mark[...]),
            lambda: (known["low"], known["high"]),
            lambda: self.draw(problem, counts),
        )
        return {"counts_low": low, "counts_high": high}

    def draw(self, problem: Compatibility, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Ends of the intervals of these fragments, (transcripts,) each, by drawing them again."""
        config = self.config
        return intervals(
            problem,
            counts,
            jax.lax.stop_gradient(self.dial("temperature")),
            prior=config.prior,
            n_iterations=config.n_iterations,
            n_bootstraps=config.n_bootstraps,
        )

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
