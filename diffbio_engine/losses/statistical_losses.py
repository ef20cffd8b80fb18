"""Losses from probability: negative binomial counts, variational autoencoders, hidden states."""

from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.declare import (
    COUNTS,
    SEQUENCES,
    Config,
    Kind,
    Loss,
    Port,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.parts.count_likelihoods import (
    saddle_point_log_prob,
    zero_inflated_log_prob,
)
from diffbio_engine.parts.hidden_paths import Scores, log_path_sum
from diffbio_engine.parts.letters import letters_of

_LOG_THETA_LIMIT = 10.0
_LEAST_MEAN = 1e-30


def stable_nb_logprob(y: jax.Array, mu: jax.Array, alpha: jax.Array) -> jax.Array:
    """Negative binomial log-probability of each count ``y`` with mean ``mu``.

    ``lgamma(y + 1/alpha) - lgamma(y + 1) - lgamma(1/alpha) - log(1 + alpha mu) / alpha +
    y log(alpha mu / (1 + alpha mu))``, in nats, broadcast over its arguments. ``alpha`` is the
    dispersion, 1 / theta: the variance is ``mu + alpha mu^2``. Computed by Loader's saddle point
    rather than by this formula: exact to about 1e-6 in float32 for counts up to a million, and as
    ``alpha`` goes to 0, where it is the Poisson log-probability (at 0 too). Gradients reach ``mu``
    and ``alpha`` and are finite, at ``mu = 0`` as well (means below 1e-30 count as that).
    """
    mu = jnp.asarray(mu, float)
    alpha = jnp.asarray(alpha, mu.dtype)
    alpha = jnp.where(alpha < 0, 0.0, alpha)
    return saddle_point_log_prob(jnp.asarray(y, mu.dtype), jnp.maximum(mu, _LEAST_MEAN), alpha)


def zinb_negative_log_likelihood(
    counts: jax.Array,
    log_rate: jax.Array,
    log_theta: jax.Array | None = None,
    pi_logit: jax.Array | None = None,
    *,
    dispersion: jax.Array | None = None,
    dropout_logits: jax.Array | None = None,
    **decoded: jax.Array,
) -> jax.Array:
    """Sum over all entries of the negative log-likelihood of zero-inflated negative binomials.

    ``pi = sigmoid(pi_logit)`` is the share of extra zeros, ``log_theta`` (held within -10 and 10)
    the log inverse dispersion. A count is a zero or it is not: no soft comparison. The names of
    ``VAENormalizer.decode`` do as well, so that its output can be handed on whole:
    ``zinb_negative_log_likelihood(counts, **vae.decode(z, library_size))``.

    Args:
        dispersion: ``exp(log_theta)``, in its place.
        dropout_logits: Another name for ``pi_logit``.
        decoded: What else ``decode`` returns; not used.
    """
    if unknown := set(decoded) - {"normalized", "reconstructed"}:
        raise TypeError(f"zinb_negative_log_likelihood takes no {unknown.pop()!r}.")
    pi_logit = _given_once("pi_logit", pi_logit, dropout_logits)
    log_dispersion = None if dispersion is None else jnp.log(dispersion)
    log_theta = _given_once("log_theta", log_theta, log_dispersion)
    log_theta = jnp.clip(log_theta, -_LOG_THETA_LIMIT, _LOG_THETA_LIMIT)
    counts = jnp.asarray(counts, jnp.asarray(log_rate).dtype)
    return -jnp.sum(zero_inflated_log_prob(counts, log_rate, log_theta, pi_logit))


def _given_once(name: str, one: jax.Array | None, other: jax.Array | None) -> jax.Array:
    found = [value for value in (one, other) if value is not None]
    if len(found) == 1:
        return found[0]
    state = "is given twice, under two names" if found else "is missing"
    raise DataError(f"{state}.", fix="Give it once.", where=name)


class NegativeBinomialLossConfig(Config):
    """Settings of the negative binomial loss."""

    eps: float = setting(
        1e-8, low=1e-12, high=1e-2, log=True, doc="Smallest mean and dispersion.", advanced=True
    )
    reduction: Literal["mean", "sum", "none"] = setting(
        "mean",
        choices=("mean", "sum", "none"),
        doc="Mean or sum over all entries, or one value an entry (for programs).",
        advanced=True,
    )


@operator(title="Negative binomial loss", name="negative_binomial")
class NegativeBinomialLoss(Loss):
    """How unlikely counts are under negative binomials with these means and dispersions.

    ``-mean(lgamma(y+t) - lgamma(t) - lgamma(y+1) + t log(t/(t+m)) + y log(m/(t+m)))`` over all
    entries, with mean ``m`` and inverse dispersion ``t`` (variance ``m + m^2 / t``), for each gene
    or each entry.

    Softens: nothing; the likelihood of a count is smooth in mean and dispersion.
    Hard limit: as ``theta`` grows, the Poisson loss.
    Gradients: reach the means and the dispersions; both are floored at ``eps``.
    Cost: O(entries).

    References:
        Robinson and Smyth (2008), Small-sample estimation of negative binomial dispersion.
    """

    Config = NegativeBinomialLossConfig
    inputs = (
        replace(COUNTS, after=()),  # what was counted is what a model must explain
        Port("mu", "cells genes", Kind.EXPRESSION, "Expected counts."),
        Port("theta", "genes", Kind.PARAMETER, "Inverse dispersion of each gene."),
    )

    def __call__(self, counts: jax.Array, mu: jax.Array, theta: jax.Array) -> jax.Array:
        eps = self.config.eps
        mu = jnp.maximum(jnp.asarray(mu, float), eps)
        theta = jnp.maximum(jnp.asarray(theta, mu.dtype), eps)
        loss = -saddle_point_log_prob(jnp.asarray(counts, mu.dtype), mu, 1.0 / theta)
        return {"mean": jnp.mean, "sum": jnp.sum, "none": lambda x: x}[self.config.reduction](loss)


class VAELossConfig(Config):
    """Settings of the loss of a variational autoencoder."""

    kl_weight: float = dial(
        1.0, low=0.0, high=10.0, doc="Weight of the KL divergence from the prior (beta)."
    )
    reconstruction_type: Literal["mse", "bce", "nb"] = setting(
        "mse",
        choices=("mse", "bce", "nb"),
        doc="Squared error, cross-entropy of logits, or negative binomial counts.",
    )
    reduction: Literal["mean", "elbo"] = setting(
        "mean",
        choices=("mean", "elbo"),
        doc="Means over entries and over latent dimensions; or the bound itself, nats per cell.",
        advanced=True,
    )


@operator(title="VAE loss", name="vae")
class VAELoss(Loss):
    """Reconstruction error plus the KL divergence of the latent space from its prior.

    ``mean(error(x, x_recon)) + kl_weight * -1/2 mean(1 + logvar - mean^2 - exp(logvar))``.
    With ``reduction="mean"`` both are means over entries, so one latent dimension weighs as much
    as one gene and ``kl_weight`` is not the beta of the bound: that is ``kl_weight * genes /
    latent``. ``reduction="elbo"`` sums both over a cell (and halves the squared error), which is
    the negative bound in nats per cell, up to a constant for mse.
    ``bce`` takes ``x_recon`` as logits; ``nb`` takes it as the mean and needs ``dispersion``.

    Softens: nothing; errors and divergence are smooth in what the networks say.
    Hard limit: ``kl_weight`` 0 is the plain autoencoder.
    Gradients: reach every input and ``kl_weight``, a number or a traced one: a warm-up that hands
    ``VAELoss(kl_weight=...)`` to a compiled step compiles it once.
    Cost: O(entries).

    References:
        Kingma and Welling (2014), Auto-encoding variational Bayes.
        Higgins et al. (2017), beta-VAE.
    """

    Config = VAELossConfig
    inputs = (
        Port("x", "cells genes", Kind.EXPRESSION, "What was put in.", also=("target",)),
        Port("x_recon", "cells genes", Kind.EXPRESSION, "What came out.", also=("reconstructed",)),
        Port("latent_mean", "cells latent", Kind.FEATURES, "Mean of the latent.", also=("mu",)),
        Port(
            "latent_logvar",
            "cells latent",
            Kind.PARAMETER,
            "Its log variance.",
            also=("logvar", "log_var"),
        ),
        Port(
            "dispersion",
            "genes",
            Kind.PARAMETER,
            "Inverse dispersion of each gene (nb only).",
            optional=True,
        ),
    )

    def __init__(
        self,
        config: VAELossConfig | None = None,
        *,
        kl_weight: float | jax.Array | None = None,
        rngs: nnx.Rngs | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        # It goes straight into the dial: a weight that is traced cannot be a setting, and a warm-up
        # that makes a loss of each number would compile a step for each.
        if kl_weight is not None and not isinstance(kl_weight, jax.Array):
            self.Config(kl_weight=float(kl_weight))  # refuses what is out of its range
        super().__init__(config, rngs=rngs, name=name, **settings)
        if kl_weight is not None:
            self.dials["kl_weight"][...] = jnp.asarray(kl_weight, float)

    def __call__(self, *arrays: jax.Array, **named: jax.Array) -> jax.Array:
        x, x_recon, mean, logvar, dispersion = self._sorted(arrays, named)
        error = self._error(jnp.asarray(x), x_recon, dispersion)
        divergence = -0.5 * (1 + logvar - mean**2 - jnp.exp(logvar))
        if self.config.reduction == "mean":
            return jnp.mean(error) + self.dial("kl_weight") * jnp.mean(divergence)
        scale = 0.5 if self.config.reconstruction_type == "mse" else 1.0
        per_cell = scale * jnp.sum(error, -1) + self.dial("kl_weight") * jnp.sum(divergence, -1)
        return jnp.mean(per_cell)

    def _error(self, x: jax.Array, x_recon: jax.Array, dispersion: jax.Array | None) -> jax.Array:
        kind = self.config.reconstruction_type
        if kind == "mse":
            return (x - x_recon) ** 2
        if kind == "bce":
            return jax.nn.softplus(x_recon) - x * x_recon
        if dispersion is None:
            raise DataError(
                "is missing; the negative binomial needs it.",
                fix="Wire the dispersion of the autoencoder here, or choose mse.",
                where="dispersion",
            )
        return -stable_nb_logprob(x, x_recon, 1.0 / dispersion)

    def _sorted(self, arrays: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        """The arrays in the order of the ports, whichever of their names they came under."""
        spellings = {p.name: (p.name, *p.also) for p in self.inputs}
        spellings["latent_mean"] += ("mean",)
        if len(arrays) > len(self.inputs):
            raise TypeError(f"VAELoss takes {len(self.inputs)} arrays, not {len(arrays)}.")
        found: list[Any] = []
        for i, (port, names) in enumerate(zip(self.inputs, spellings.values(), strict=True)):
            given = [named.pop(n) for n in names if n in named]
            if i < len(arrays):
                given.append(arrays[i])
            if len(given) > 1 or (not given and not port.optional):
                state = "is given twice" if given else "is missing"
                raise DataError(f"{state}.", fix=f"Give it once: {port.doc}", where=port.name)
            found.append(given[0] if given else None)
        if named:
            raise SettingError(
                f"there is no array '{next(iter(named))}'.",
                fix=f"The arrays are {', '.join(spellings)}.",
                where=next(iter(named)),
            )
        return found


class HMMLikelihoodLossConfig(Config):
    """Settings of the likelihood of a hidden Markov model."""

    n_states: int = setting(3, low=1, high=64, doc="Number of hidden states.")
    n_emissions: int = size("letters", default=4, doc="How many letters the alphabet has.")


@operator(title="Hidden Markov likelihood", name="hmm_likelihood")
class HMMLikelihoodLoss(Loss):
    """How unlikely sequences are under a hidden Markov model whose probabilities it learns.

    ``-mean over sequences of log sum over state paths of p(path, letters)``, nats a sequence, by
    the forward algorithm in log space. ``log_initial``, ``log_transitions`` and ``log_emissions``
    are logits; softmax makes probabilities of their rows. Letters are codes (sequences, positions)
    or rows (sequences, positions, letters), as soft ones are; past the end (code 255, or a row of
    zeros) nothing counts, and a letter that is not told is as likely in every state.

    Softens: nothing; the sum over all paths is smooth in the probabilities.
    Hard limit: with rows of 0 and 1 one path is left, and this is its log-probability.
    Gradients: reach the logits and letters given as rows.
    Cost: O(letters * states^2) time, O(letters * states) memory.

    References:
        Rabiner (1989), A tutorial on hidden Markov models, Proc. IEEE 77.
    """

    Config = HMMLikelihoodLossConfig
    inputs = (replace(SEQUENCES, also=("observations",)),)

    def setup(self, rngs: nnx.Rngs) -> None:
        states, letters = self.config.n_states, self.config.n_emissions
        self.log_initial = nnx.Param(jnp.zeros(states))
        noise = jax.random.normal(rngs.params(), (states, states))
        self.log_transitions = nnx.Param(0.1 * noise + 2.0 * jnp.eye(states))
        self.log_emissions = nnx.Param(0.5 * jax.random.normal(rngs.params(), (states, letters)))

    def __call__(self, sequences: jax.Array) -> jax.Array:
        rows, mask = letters_of(jnp.asarray(sequences), self.config.n_emissions)
        seen = rows @ jax.nn.softmax(self.log_emissions[...], axis=1).T
        scores = Scores(
            jax.nn.log_softmax(self.log_initial[...]),
            jax.nn.log_softmax(self.log_transitions[...], axis=1),
            jnp.log(jnp.where(mask[..., None] > 0, seen, 1.0)),
            mask > 0,
        )
        return -jnp.mean(log_path_sum(scores))
