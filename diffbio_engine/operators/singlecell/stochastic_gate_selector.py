"""Stochastic gates: which genes a task needs, learned with it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.stats import norm

from diffbio_engine.declare import (
    EXPRESSION,
    TOTAL_COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    contract,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.parts.log_normalized_counts import log_normalized


class StochasticGateSelectorConfig(Config):
    """Settings of stochastic gates."""

    n_genes: int = size("genes", default=1, doc="How many genes are measured.")
    sigma: float = dial(
        0.5,
        low=0.01,
        high=2.0,
        log=True,
        doc="Standard deviation of the gates' noise in training. Low: gates settle early. "
        "High: late, and surely.",
    )
    l0_lambda: float = dial(
        1.0, low=1e-4, high=100.0, log=True, doc="L0 penalty. High: few genes are kept. Low: many."
    )
    mu_init: float = setting(
        0.5,
        low=-1.0,
        high=2.0,
        doc="Initial value of all gates; above 0 and below 1 they can learn.",
    )
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")


@operator(title="Gene gates (learned)")
class StochasticGateSelector(Operator):
    """Learns which few genes the blocks behind it need.

    ``gate_g = clip(mu_g + sigma noise, 0, 1)`` multiplies gene ``g`` in all cells; one draw of
    noise for a training step, none in a result. ``l0_penalty = l0_lambda sum_g Phi(mu_g / sigma)``
    is the expected number of open gates, times its price. The other losses of the pipeline open
    gates, the penalty closes them: it does nothing of use without such a loss.

    Raw counts are recognised (whole numbers) when the block is prepared; from then on it takes
    ``log(1 + counts per 10 000)`` of what comes in. In ``apply``, ``features`` may stand for
    ``expression``; the input is left as it is, and what passes the gates is ``gated_features``.

    Softens: whether a gene is used.
    Hard limit: gates of ``mu`` below 0 are closed and above 1 open; as ``sigma`` goes to 0, the
    penalty counts the gates that are not closed.
    Gradients: reach ``expression`` and ``mu`` of gates that are neither shut nor wide open in this
    draw: the noise is what lets closed ones open again.
    Cost: O(cells * genes) time and memory.

    References:
        Yamada, Lindenbaum, Negahban, Kluger (2020), Feature selection using stochastic gates,
        ICML.
    """

    Config = StochasticGateSelectorConfig
    inputs = (replace(EXPRESSION, also=("features",)), TOTAL_COUNTS)
    outputs = (
        Port("gated_features", "cells genes", Kind.EXPRESSION, "Expression behind the gates."),
        Port(
            "gate",
            "genes",
            Kind.PROFILE,
            "How far the gate of each gene is open, 0 to 1.",
            result="var/gate_diffbio",
        ),
        Port("l0_penalty", "", Kind.LOSS, "Expected number of open gates, times its price."),
    )
    needs_training = True

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        self.mu = nnx.Param(jnp.full(config.n_genes, config.mu_init, float))
        self.from_counts = Buffer(jnp.asarray(False))

    def prepare(self, expression: np.ndarray) -> None:
        some = np.asarray(expression[:2048])
        whole = bool(np.all(some >= 0) and np.all(some == np.round(some)) and some.any())
        self.from_counts[...] = jnp.asarray(whole)

    def __call__(
        self,
        expression: jax.Array,
        key: jax.Array | None = None,
        total_counts: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        x = jnp.asarray(expression, float)
        logged = log_normalized(jnp.maximum(x, 0.0), total_counts)
        x = jnp.where(self.from_counts[...], logged, x)
        mu, sigma = self.mu[...], self.dial("sigma")
        noise = 0.0 if key is None else sigma * jax.random.normal(key, mu.shape, mu.dtype)
        gate = jnp.clip(mu + noise, 0.0, 1.0)
        return {
            "gated_features": x * gate,
            "gate": gate,
            "l0_penalty": self.dial("l0_lambda") * jnp.sum(norm.cdf(mu / sigma)),
        }
