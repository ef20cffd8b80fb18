"""A hidden Markov model of a signal along the genome: peaks and what lies between them."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    SIGNAL,
    WINDOW_ORDER,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    operator,
    setting,
)
from diffbio_engine.operators.statistical._first_states import counted_steps, in_groups
from diffbio_engine.operators.statistical.track_hmm._whole_contigs import read_whole
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.hidden_paths import Scores, best_paths, log_path_sum, state_marginals

_HALF_LOG_2PI = 0.9189385332046727


class TrackHMMConfig(Config):
    """Settings of the hidden Markov model of a signal."""

    num_states: int = setting(
        3, low=2, high=16, doc="Number of hidden states, from the lowest signal to the highest."
    )
    transform: Literal["asinh", "log1p", "none"] = setting(
        "asinh",
        choices=("asinh", "log1p", "none"),
        doc="What is done to the signal first, so that a few high peaks do not rule.",
    )
    least_spread: float = setting(
        0.05,
        low=0.001,
        high=1.0,
        unit="deviations of the signal",
        doc="No state varies less: a stretch of zeros varies not at all.",
        advanced=True,
    )


@operator(
    title="Hidden Markov model of a track",
)
class DifferentiableTrackHMM(Operator):
    """Segments a track: finds stretches of low and high signal along the genome.

    ``p(x, z) = p(z_1) prod_t A[z_t-1, z_t] prod_t N(y_t; mean[z_t], spread[z_t]^2)`` with
    ``y = (asinh(signal) - centre) / scale``, centre and scale being mean and deviation over all
    bins, and ``spread^2 = exp(2 log_spread) + least_spread^2``. ``log_likelihood`` and posteriors
    by the forward and backward algorithms in log space. States begin in the order of their means,
    the lowest first. NaN is past the end and counts for nothing.

    With ``window_order`` posteriors, best path and likelihood are those of whole contigs (the
    windows of one that follow one another, without a gap), and do not depend on where a contig was
    cut; without it each window is judged by itself.

    Loss: ``-log p`` of windows, each by itself, nats a bin of the signal as it was transformed: so
    training can draw some of them.

    Softens: nothing; the sum over all paths is smooth in means, spreads and probabilities.
    Hard limit: as spreads shrink, one path is left: ``viterbi_path``, which has no gradient.
    Gradients: reach signal, means, spreads and the logits of steps.
    Cost: O(bins * states^2) time, for whole contigs O(bins * states^3); O(bins * states) memory.
    Start: k-means of the bins, and counts of the steps between its groups.

    References:
        Hoffman et al. (2012), Unsupervised pattern discovery in human chromatin structure through
        genomic segmentation (Segway: normal emissions of asinh), Nature Methods 9.
        Tarbell and Liu (2019), HMMRATAC, Nucleic Acids Research 47.
    """

    Config = TrackHMMConfig
    inputs = (SIGNAL, WINDOW_ORDER)
    outputs = (
        Port(
            "state_posteriors",
            "windows positions states",
            Kind.SHARES,
            "Probability of each state in each bin.",
            result="positions/posteriors_diffbio",
        ),
        Port(
            "likeliest_states",
            "windows positions",
            Kind.LABELS,
            "The likeliest state of each bin by itself; -1 past the end.",
            classes="states",
            result="positions/states_diffbio",
        ),
        Port(
            "viterbi_path",
            "windows positions",
            Kind.LABELS,
            "State of the best path; -1 past the end.",
            classes="states",
        ),
        Port(
            "state_shares",
            "windows states",
            Kind.SHARES,
            "Share of a window's bins in each state, by the posterior.",
            result="obsm/track_states_diffbio",
        ),
        Port(
            "log_likelihood",
            "windows",
            Kind.SCORE,
            "Log-likelihood of each window, nats, given what lies before it in its contig, of the"
            " signal as it was transformed: comparable between runs with the same transformation.",
            result="obs/log_likelihood_diffbio",
        ),
        Port(
            "state_means",
            "states",
            Kind.PROFILE,
            "Mean of each state, as a signal.",
            role=Role.LEVEL,
        ),
        Port(
            "transition_probabilities",
            "steps steps_after",
            Kind.PARAMETER,
            "Probability of each state after each.",
        ),
        Port("track_hmm_loss", "", Kind.LOSS, "-log p, nats a bin."),
    )
    needs_training = True
    prepare_cells = 2000
    prepare_once = True
    joins_records = True

    def setup(self, rngs: nnx.Rngs) -> None:
        n = self.config.num_states
        self.log_initial_params = nnx.Param(jnp.zeros(n))
        noise = 0.1 * jax.random.normal(rngs.params(), (n, n))
        self.log_transition_params = nnx.Param(noise + 3.0 * jnp.eye(n))
        self.means = nnx.Param(jnp.linspace(-0.5, 2.0, n))
        self.log_spreads = nnx.Param(jnp.full(n, -0.5))
        self.centre, self.scale = Buffer(jnp.zeros(())), Buffer(jnp.ones(()))

    def prepare(self, signal: np.ndarray, *, seed: int) -> bool | None:
        values = np.asarray(self._transformed(jnp.asarray(signal)))
        there = np.isfinite(values)
        seen = values[there]
        if not len(seen):
            return False
        centre, scale = float(seen.mean()), float(max(seen.std(), 1e-6))
        levels, n = (seen - centre) / scale, self.config.num_states
        found = in_groups(levels[:, None], n, seed)
        if found is None:
            return False
        groups, centres = found
        put(self.centre, np.asarray(centre))
        put(self.scale, np.asarray(scale))
        order = np.argsort(centres[:, 0])
        rank = np.argsort(order)
        states = np.full(signal.shape, -1)
        states[there] = rank[groups]
        put(self.means, centres[order, 0])
        spreads = [levels[states[there] == k].std() for k in range(n)]
        least = self.config.least_spread
        put(self.log_spreads, np.log(np.sqrt(np.maximum(np.square(spreads) - least**2, 1e-4))))
        begins, steps = counted_steps(states, n)
        begins, steps = begins + 1.0, steps + 1.0
        put(self.log_transition_params, np.log(steps / steps.sum(axis=1, keepdims=True)))
        put(self.log_initial_params, np.log(begins / begins.sum()))
        return None

    def __call__(
        self, signal: jax.Array, window_order: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        scores = self.scores(signal)
        of_each = log_path_sum(scores)
        if window_order is None:
            posteriors, likelihood = state_marginals(scores), of_each
            path, _ = best_paths(scores)
        else:
            posteriors, path, likelihood = read_whole(scores, window_order)
        n_bins = jnp.maximum(jnp.sum(scores.mask, axis=1), 1)
        likeliest = jnp.argmax(posteriors, axis=-1)
        return {
            "state_posteriors": posteriors,
            "likeliest_states": jnp.where(scores.mask, likeliest, -1).astype(jnp.int32),
            "viterbi_path": path,
            "state_shares": jnp.sum(posteriors, axis=1) / n_bins[:, None],
            "log_likelihood": likelihood,
            "state_means": self._signal_of(self.means[...] * self.scale[...] + self.centre[...]),
            "transition_probabilities": jnp.exp(scores.transition),
            "track_hmm_loss": -jnp.sum(of_each) / jnp.maximum(jnp.sum(scores.mask), 1),
        }

    def scores(self, signal: jax.Array) -> Scores:
        """Log-probabilities of the first state, of the next, and log-densities of the bins."""
        mask = jnp.isfinite(signal)
        levels = self._transformed(jnp.where(mask, signal, 0.0))
        levels = (levels - self.centre[...]) / self.scale[...]
        variance = jnp.exp(2.0 * self.log_spreads[...]) + self.config.least_spread**2
        apart = levels[..., None] - self.means[...]
        density = -0.5 * (apart**2 / variance + jnp.log(variance)) - _HALF_LOG_2PI
        return Scores(
            jax.nn.log_softmax(self.log_initial_params[...]),
            jax.nn.log_softmax(self.log_transition_params[...], axis=1),
            jnp.where(mask[..., None], density, 0.0),
            mask,
        )

    def _transformed(self, signal: jax.Array) -> jax.Array:
        signal = jnp.asarray(signal, float)
        if self.config.transform == "asinh":
            return jnp.arcsinh(signal)
        if self.config.transform == "log1p":
            return jnp.sign(signal) * jnp.log1p(jnp.abs(signal))
        return signal

    def _signal_of(self, levels: jax.Array) -> jax.Array:
        if self.config.transform == "asinh":
            return jnp.sinh(levels)
        if self.config.transform == "log1p":
            return jnp.sign(levels) * jnp.expm1(jnp.abs(levels))
        return levels
