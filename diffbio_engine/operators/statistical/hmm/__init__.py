"""A hidden Markov model of letters along sequences, trained by gradients."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import (
    BACKGROUND,
    KNOWN_STATES,
    SEQUENCES,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import SettingError
from diffbio_engine.operators.statistical.hmm._first_guess import counted, guessed_states
from diffbio_engine.operators.statistical.hmm._state_chains import StateChains
from diffbio_engine.parts.count_autoencoder import put
from diffbio_engine.parts.hidden_paths import (
    FORBIDDEN,
    Scores,
    best_paths,
    log_path_sum,
    state_marginals,
)
from diffbio_engine.parts.letters import letters_of

# Nats that a path pays at each position where it leaves the known states. Not infinite: a stretch
# that is known may be shorter than its state lasts at least.
_OTHER_STATE = 20.0


class HMMConfig(Config):
    """Settings of the hidden Markov model."""

    num_states: int = setting(
        3,
        low=1,
        high=32,
        doc="Number of hidden states; where states are known, there are as many as these.",
    )
    n_known_states: int = size("states", default=0, doc="How many states are known; 0: none.")
    num_emissions: int = size("letters", default=4, doc="How many letters the alphabet has.")
    temperature: float = dial(
        1.0,
        low=1e-4,
        high=10.0,
        log=True,
        doc="Of the soft path. Low: the one best path (Viterbi). 1: the posterior of the states.",
    )
    min_lengths: tuple[int, ...] | None = setting(
        None,
        low=1,
        high=64,
        unit="positions",
        doc="Least number of positions that each state lasts, such as 1, 17 for loops and membrane"
        " helices; empty: 1 for all. A state is then a chain of steps that share their emissions.",
    )
    discriminative: bool = setting(
        False,
        doc="Where states are known, learn to tell them from the letters (conditional maximum"
        " likelihood). Off: learn how likely letters and states are together.",
    )
    learnable_transitions: bool = setting(
        True, doc="Let training move the transition probabilities.", advanced=True
    )
    learnable_emissions: bool = setting(
        True, doc="Let training move the emission probabilities.", advanced=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_known_states:  # until the data are wired, nobody knows how many there are
            self.check_lengths()

    def check_lengths(self) -> None:
        """Refuses ``min_lengths`` that are not of as many states as there are."""
        if self.min_lengths and len(self.min_lengths) != self.states:
            raise SettingError(
                f"names {len(self.min_lengths)} lengths for {self.states} states.",
                fix="Give one number for each state, or none.",
                where="min_lengths",
            )

    @property
    def states(self) -> int:
        """How many states there are: those that are known, else as many as were asked for."""
        return self.n_known_states or self.num_states


@operator(
    title="Hidden Markov model",
)
class DifferentiableHMM(Operator):
    """Finds hidden states along sequences: helices, coding stretches, chromatin states.

    ``p(x, z) = p(z_1) prod_t A[z_t-1, z_t] prod_t B[z_t, x_t]`` with softmax rows of logits for the
    initial, transition and emission probabilities. ``log_likelihood = log sum_z p(x, z)``, and
    ``state_posteriors[t, k] = p(z_t = k | x)``, by the forward and backward algorithms in log
    space. ``soft_viterbi = temperature * log sum_z p(x, z)^(1 / temperature)`` and ``soft_path``,
    its gradient: the states at that temperature. A letter that is not told (N, X) is as
    likely in every state; past the end nothing counts. Letters given as rows have the mean
    probability of their letters.

    A state with a ``min_lengths`` of n is a chain of n steps with the same emissions.

    Loss: ``-log_likelihood``, nats a letter. Where ``known_states`` are wired, paths are held to
    them (20 nats for each position where one is not): ``-log p(x, z)``, or with
    ``discriminative`` ``-log p(z | x)``; -1: not known.

    Softens: the best path (``max`` over paths).
    Hard limit: as ``temperature`` goes to 0, ``soft_viterbi`` is the score of the best path and
    ``soft_path`` is one-hot at ``viterbi_path``; at 1 they are likelihood and posterior.
    Gradients: reach letters given as rows and all logits, not codes; ``viterbi_path`` has none.
    Cost: O(letters * steps^2) time, steps being the sum of ``min_lengths``.
    Start: counts of the known states; else states by composition (k-means of windows).

    References:
        Rabiner (1989), A tutorial on hidden Markov models, Proc. IEEE 77.
        Krogh (1994), Hidden Markov models for labeled sequences (known states, conditional
        maximum likelihood).
        Krogh et al. (2001), Predicting transmembrane protein topology with a hidden Markov model,
        Journal of Molecular Biology 305 (chains of tied states).
    """

    Config = HMMConfig
    inputs = (
        replace(SEQUENCES, also=("observations",)),
        replace(BACKGROUND, optional=True),
        replace(KNOWN_STATES, optional=True),
    )
    outputs = (
        Port(
            "state_posteriors",
            "sequences positions states",
            Kind.SHARES,
            "Probability of each state at each position.",
        ),
        Port(
            "likeliest_states",
            "sequences positions",
            Kind.LABELS,
            "The likeliest state of each position by itself; -1 past the end.",
            classes="states",
            result="positions/states_diffbio",
        ),
        Port(
            "soft_path",
            "sequences positions states",
            Kind.SHARES,
            "States at each position at the temperature of the block.",
        ),
        Port(
            "viterbi_path",
            "sequences positions",
            Kind.LABELS,
            "State of the best path; -1 past the end.",
            classes="states",
        ),
        Port(
            "state_shares",
            "sequences states",
            Kind.SHARES,
            "Share of a sequence's letters in each state, by the posterior.",
            result="obsm/hmm_states_diffbio",
        ),
        Port(
            "log_likelihood",
            "sequences",
            Kind.SCORE,
            "Log-likelihood of each sequence, nats.",
            result="obs/log_likelihood_diffbio",
        ),
        Port(
            "soft_viterbi",
            "sequences",
            Kind.SCORE,
            "Log score of the best path, softened: its probability together with the letters.",
        ),
        Port(
            "emission_probabilities",
            "states letters",
            Kind.PARAMETER,
            "Probability of each letter in each state.",
            role=Role.LEVEL,
        ),
        Port(
            "transition_probabilities",
            "steps steps_after",
            Kind.PARAMETER,
            "Probability of each step after each; a state is one step, or a chain of them.",
        ),
        Port("hmm_loss", "", Kind.LOSS, "-log p, nats a letter."),
    )
    needs_training = True
    prepare_cells = 2000
    prepare_once = True

    def setup(self, rngs: nnx.Rngs) -> None:
        self.config.check_lengths()
        n, config = self.chains.n_steps, self.config
        self.log_initial_params = nnx.Param(jnp.zeros(n))
        noise = 0.1 * jax.random.normal(rngs.params(), (n, n))
        self.log_transition_params = nnx.Param(noise + 2.0 * jnp.eye(n))
        shape = (config.states, config.num_emissions)
        self.log_emission_params = nnx.Param(0.5 * jax.random.normal(rngs.params(), shape))

    @property
    def chains(self) -> StateChains:
        """The steps of each state."""
        return StateChains(self.config.min_lengths or (1,) * self.config.states)

    def prepare(
        self, sequences: np.ndarray, known_states: np.ndarray | None = None, *, seed: int
    ) -> None:
        config = self.config
        states = known_states
        if states is None or not (np.asarray(states) >= 0).any():
            states = guessed_states(sequences, config.states, config.num_emissions, seed)
        found = counted(sequences, states, self.chains, config.num_emissions)
        for parameter, values in (
            (self.log_initial_params, found.initial),
            (self.log_transition_params, found.transition),
            (self.log_emission_params, found.emission),
        ):
            put(parameter, np.log(np.maximum(values, 1e-6)))

    def __call__(
        self,
        sequences: jax.Array,
        background: jax.Array | None = None,
        known_states: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        scores = self.scores(sequences)
        likelihood = log_path_sum(scores)
        posteriors = self._by_state(state_marginals(scores))
        temperature = self.dial("temperature")
        softened = scores.at(temperature)
        steps, _ = best_paths(scores)
        state_of_step = jnp.asarray(self.chains.state_of_step)
        n_letters = jnp.maximum(jnp.sum(scores.mask, axis=1), 1)
        return {
            "state_posteriors": posteriors,
            "likeliest_states": jnp.where(scores.mask, jnp.argmax(posteriors, axis=-1), -1).astype(
                jnp.int32
            ),
            "soft_path": self._by_state(state_marginals(softened)),
            "viterbi_path": jnp.where(steps >= 0, state_of_step[steps], -1).astype(jnp.int32),
            "state_shares": jnp.sum(posteriors, axis=1) / n_letters[:, None],
            "log_likelihood": likelihood,
            "soft_viterbi": temperature * log_path_sum(softened),
            "emission_probabilities": jnp.exp(self.get_log_emission_matrix()),
            "transition_probabilities": jnp.exp(self.get_log_transition_matrix()),
            "hmm_loss": self._loss(scores, likelihood, known_states),
        }

    def scores(self, sequences: jax.Array) -> Scores:
        """Log-probabilities of first steps, of next steps and of the letters at each position."""
        rows, mask = letters_of(sequences, self.config.num_emissions)
        seen = rows @ jnp.exp(self.get_log_emission_matrix()).T
        # Past the end rows are zeros, whose logarithm would be none.
        emission = jnp.log(jnp.where(mask[..., None] > 0, seen, 1.0))
        return Scores(
            self.get_log_initial_distribution(),
            self.get_log_transition_matrix(),
            emission[..., self.chains.state_of_step],
            mask > 0,
        )

    def get_log_initial_distribution(self) -> jax.Array:
        """Log-probability of each first step, (steps,)."""
        return jax.nn.log_softmax(self._learned(self.log_initial_params, "transitions"))

    def get_log_transition_matrix(self) -> jax.Array:
        """Log-probability of each next step, (steps, steps); rows add up to one."""
        logits = self._learned(self.log_transition_params, "transitions")
        return jax.nn.log_softmax(jnp.where(self.chains.allowed, logits, FORBIDDEN), axis=1)

    def get_log_emission_matrix(self) -> jax.Array:
        """Log-probability of each letter in each state, (states, letters)."""
        return jax.nn.log_softmax(self._learned(self.log_emission_params, "emissions"), axis=1)

    def forward(self, sequences: jax.Array) -> jax.Array:
        """Log-likelihood of each sequence; of one sequence (L,), one number."""
        return self.apply({"sequences": sequences})[0]["log_likelihood"]

    def forward_soft(self, sequences: jax.Array) -> jax.Array:
        """The same with the temperature: the softened score of the best path."""
        return self.apply({"sequences": sequences})[0]["soft_viterbi"]

    def forward_backward(self, sequences: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Log-likelihood and posteriors of the states."""
        found = self.apply({"sequences": sequences})[0]
        return found["log_likelihood"], found["state_posteriors"]

    def _by_state(self, steps: jax.Array) -> jax.Array:
        belongs = self.chains.state_of_step[:, None] == np.arange(self.config.states)
        return steps @ jnp.asarray(belongs, steps.dtype)

    def _loss(
        self, scores: Scores, likelihood: jax.Array, known_states: jax.Array | None
    ) -> jax.Array:
        n_letters = jnp.maximum(jnp.sum(scores.mask), 1)
        if known_states is None:
            return -jnp.sum(likelihood) / n_letters
        own = jnp.asarray(self.chains.state_of_step)
        known = known_states[..., None]
        held = scores.emission - _OTHER_STATE * ((known >= 0) & (known != own))
        together = log_path_sum(scores._replace(emission=held))
        if self.config.discriminative:
            together = together - likelihood
        return -jnp.sum(together) / n_letters

    def _learned(self, parameter: nnx.Param[Any], what: str) -> jax.Array:
        logits = parameter[...]
        learns = getattr(self.config, f"learnable_{what}")
        return logits if learns else jax.lax.stop_gradient(logits)
