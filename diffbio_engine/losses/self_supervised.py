"""Losses of what was held out: values that a model did not see, and the future of cells."""

from typing import Literal

import jax
import jax.numpy as jnp

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    EXPRESSION,
    Config,
    Kind,
    Loss,
    Port,
    Role,
    dial,
    operator,
    setting,
)
from diffbio_engine.errors import SettingError


def masked_value_loss(
    predictions: jax.Array, targets: jax.Array, mask: jax.Array, loss_type: str = "mse"
) -> jax.Array:
    """Mean squared (``"mse"``) or absolute (``"mae"``) error where ``mask`` is 1; 0 if nowhere.

    A mask between 0 and 1 weighs; it is broadcast over leading axes.
    """
    if loss_type not in ("mse", "mae"):
        raise SettingError(
            f"'{loss_type}' is not a known error.", fix="Use 'mse' or 'mae'.", where="loss_type"
        )
    apart = jnp.asarray(predictions, float) - jnp.asarray(targets, float)
    error = apart**2 if loss_type == "mse" else jnp.abs(apart)
    weight = jnp.broadcast_to(jnp.asarray(mask, error.dtype), error.shape)
    return soft_ops.div(jnp.sum(weight * error), jnp.sum(weight))


class MaskedValueLossConfig(Config):
    """Settings of the loss of masked values."""

    loss_type: Literal["mse", "mae"] = setting(
        "mse", choices=("mse", "mae"), doc="Squared or absolute error."
    )


@operator(
    title="Masked values",
    name="masked_value",
)
class MaskedValueLoss(Loss):
    """Asks a model for the values that were hidden from it.

    ``sum(mask error) / sum(mask)`` with ``error = (prediction - target)^2`` or its absolute value;
    0 where nothing was hidden. Predictions and targets must be of one scale.

    Softens: nothing; the error is what is asked for.
    Hard limit: with a mask of ones, the mean error.
    Gradients: reach predictions and targets; that of the absolute error is a sign.
    Cost: O(entries).

    References:
        Devlin et al. (2019), BERT: pre-training of deep bidirectional transformers (masking).
    """

    Config = MaskedValueLossConfig
    inputs = (
        Port(
            "predictions",
            "cells genes",
            Kind.EXPRESSION,
            "What the model says.",
            after=(Role.PREDICTED,),
        ),
        Port("targets", "cells genes", Kind.EXPRESSION, "What was there."),
        Port("mask", "cells genes", Kind.PARAMETER, "1 where it was hidden.", after=(Role.HIDDEN,)),
    )

    def __call__(self, predictions: jax.Array, targets: jax.Array, mask: jax.Array) -> jax.Array:
        return masked_value_loss(predictions, targets, mask, self.config.loss_type)


class VelocityConsistencyLossConfig(Config):
    """Settings of the loss of velocities that lead elsewhere."""

    dt: float = dial(
        0.1, low=0.001, high=10.0, log=True, doc="Time step: how far ahead the future is."
    )
    cosine_weight: float = dial(1.0, low=0.0, high=100.0, doc="Weight of the direction (cosine).")
    magnitude_weight: float = dial(
        1.0, low=0.0, high=100.0, doc="Weight of the length (magnitude)."
    )
    temperature: float = dial(
        0.1,
        low=0.005,
        high=2.0,
        log=True,
        doc="Low: the cell best in line is the future. High: a mean over cells.",
    )


@operator(
    title="Velocity consistency",
    name="velocity_consistency",
)
class VelocityConsistencyLoss(Loss):
    """Asks that velocities point to, and reach, where cells will be.

    ``cosine_weight mean_i (1 - cos(v_i, f_i - x_i)) + magnitude_weight mean((x + dt v - f)^2)``
    with the future ``f``. A future is rarely seen: without one it is another of the cells given,
    the one best in line, ``f_i = sum_j share_ij x_j`` with
    ``share_ij ~ exp(cos(v_i, x_j - x_i) / temperature)``. How far that one is says little of the
    speed: take a ``magnitude_weight`` of 0 then, unless cells lie one step apart.

    Softens: the cell best in line (``argmax``), where no future is given.
    Hard limit: as ``temperature`` goes to 0, the direction costs one minus the greatest cosine with
    the way to any other cell.
    Gradients: reach all inputs; a cell that stands still has none of the direction.
    Cost: O(cells * genes); without a future O(cells^2 * genes) time and O(cells^2) memory.

    References:
        Bergen et al. (2020), scVelo, Nature Biotechnology 38 (cosines with the way to other cells).
        Li et al. (2024), cellDancer, Nature Biotechnology 42 (the same as a loss).
    """

    Config = VelocityConsistencyLossConfig
    compares_cells = True
    inputs = (
        EXPRESSION,
        Port(
            "velocity",
            "cells genes",
            Kind.EXPRESSION,
            "Change per unit of time.",
            after=(Role.VELOCITY,),
        ),
        Port(
            "future_expression",
            "cells genes",
            Kind.EXPRESSION,
            "Expression dt later; without it, other cells are where a cell may go.",
            optional=True,
        ),
    )

    def __call__(
        self,
        expression: jax.Array,
        velocity: jax.Array,
        future_expression: jax.Array | None = None,
    ) -> jax.Array:
        x, v = jnp.asarray(expression, float), jnp.asarray(velocity, float)
        future = self._in_line(x, v) if future_expression is None else future_expression
        way = future - x
        cosine = soft_ops.div(
            jnp.sum(v * way, axis=1), soft_ops.norm(v, axis=1) * soft_ops.norm(way, axis=1)
        )
        apart = jnp.mean((self.dial("dt") * v - way) ** 2)
        turned = self.dial("cosine_weight") * jnp.mean(1.0 - cosine)
        return turned + self.dial("magnitude_weight") * apart

    def _in_line(self, x: jax.Array, v: jax.Array) -> jax.Array:
        """The other cell (softly) to which each cell's velocity points best."""
        if len(x) < 2:
            return x
        centred = x - jax.lax.stop_gradient(jnp.mean(x, axis=0))
        along = v @ centred.T - jnp.sum(v * centred, axis=1, keepdims=True)
        own = jnp.sum(centred**2, axis=1)
        ways = soft_ops.sqrt(own[:, None] + own - 2.0 * centred @ centred.T)
        lengths = soft_ops.norm(v, axis=1, keepdims=True) * ways
        others = ~jnp.eye(len(x), dtype=bool)
        cosine = jnp.where(others, soft_ops.div(along, jnp.where(others, lengths, 1.0)), 0.0)
        shares = soft_ops.argmax(
            cosine, axis=1, softness=self.dial("temperature"), standardize=False, where=others
        )
        return shares @ x
