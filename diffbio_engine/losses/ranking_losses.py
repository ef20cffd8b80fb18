"""How well scores rank: the area under the ROC curve, smooth and exact."""

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops
from diffbio_engine.declare import Config, Kind, Loss, Port, dial, operator

_BLOCK = 1024  # scores compared with all others at a time

_INPUTS = (
    Port("predictions", "cells", Kind.SCORE, "Higher where class 1 is likelier."),
    Port("labels", "cells", Kind.LABELS, "1, 0, or -1 where it is not known.", classes="classes"),
)


class DifferentiableAUROCConfig(Config):
    """Settings of the smooth area under the ROC curve."""

    temperature: float = dial(
        1.0,
        low=0.001,
        high=10.0,
        log=True,
        unit="score",
        doc="Over what difference of scores an order is in between.",
    )


class ExactAUROCConfig(Config):
    """The exact area has no settings."""


@operator(title="Area under the ROC curve (smooth)", name="auroc")
class DifferentiableAUROC(Loss):
    """Tells how often a cell of class 1 has a higher score than one of class 0; higher is better.

    ``mean over pairs of greater(score_1 - score_0)`` (Mann and Whitney). A metric: to train by it,
    take a negative weight in the objective, or ``1 - auroc(...)``. Pairs are compared in blocks,
    so no table of all of them is held. 1/2 if one class is missing.

    Softens: which of two scores is higher (``greater``).
    Hard limit: as ``temperature`` goes to 0, the exact area, ties as halves.
    Gradients: reach the scores; they vanish for pairs far apart against the temperature.
    Cost: O(cells^2) time, O(1024 * cells) memory.

    References:
        Mann, Whitney (1947), On a test of whether one of two random variables is stochastically
        larger than the other.
        Yan et al. (2003), Optimizing classifier performance via an approximation to the
        Wilcoxon-Mann-Whitney statistic.
    """

    Config = DifferentiableAUROCConfig
    inputs = _INPUTS

    def __call__(self, predictions: jax.Array, labels: jax.Array) -> jax.Array:
        scores, labels = jnp.asarray(predictions, float).ravel(), jnp.asarray(labels).ravel()
        ones, zeros = (labels == 1).astype(scores.dtype), (labels == 0).astype(scores.dtype)
        temperature = self.dial("temperature")

        @jax.checkpoint
        def won(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
            score, one = pair
            return one * jnp.sum(zeros * soft_ops.greater(score, scores, softness=temperature))

        if len(scores) <= _BLOCK:
            total = jnp.sum(jax.vmap(won)((scores, ones)))
        else:
            total = jnp.sum(jax.lax.map(won, (scores, ones), batch_size=_BLOCK))
        pairs = jnp.sum(ones) * jnp.sum(zeros)
        return jnp.where(pairs > 0, soft_ops.div(total, pairs), 0.5)


@operator(title="Area under the ROC curve (exact)", name="exact_auroc")
class ExactAUROC(Loss):
    """Tells exactly how often a cell of class 1 outranks one of class 0; higher is better.

    ``(R - n1 (n1 + 1) / 2) / (n1 n0)`` with ``R`` the sum of the ranks of class 1, ties at their
    mean rank. 1/2 if one class is missing.

    Softens: nothing; a number to read, not to train by.
    Hard limit: itself.
    Gradients: none; ranks are steps. ``DifferentiableAUROC`` has some.
    Cost: O(cells log cells).

    References:
        Hanley, McNeil (1982), The meaning and use of the area under a ROC curve, Radiology 143.
    """

    Config = ExactAUROCConfig
    inputs = _INPUTS

    def __call__(self, predictions: jax.Array, labels: jax.Array) -> jax.Array:
        scores = jax.lax.stop_gradient(jnp.asarray(predictions, float).ravel())
        labels = jnp.asarray(labels).ravel()
        ones, zeros = labels == 1, labels == 0
        # Zeros alone, in order; what is not a zero goes to the end and is cut off by the count.
        order = jnp.sort(jnp.where(zeros, scores, jnp.inf))
        n_zeros = jnp.sum(zeros)
        below = jnp.minimum(jnp.searchsorted(order, scores, side="left"), n_zeros)
        up_to = jnp.minimum(jnp.searchsorted(order, scores, side="right"), n_zeros)
        # Halves first, so that whole numbers are summed for as long as floats hold them.
        won = jnp.sum(jnp.where(ones, (below + up_to) * 0.5, 0.0))
        pairs = jnp.sum(ones) * n_zeros.astype(won.dtype)
        return jnp.where(pairs > 0, soft_ops.div(won, pairs), 0.5)
