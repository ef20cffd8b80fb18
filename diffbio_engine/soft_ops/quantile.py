"""Soft quantiles: values at places of the soft order, between two places where they fall between.

Arguments as in ``sorting``. With ``n`` values that count, quantile ``q`` is place ``q (n - 1)``;
``quantile_method`` says what is taken where that is no whole number: ``linear`` between the two
places, the ``lower``, the ``higher``, the ``nearest`` (of a tie the even one) or
their ``midpoint``. Gradients reach ``x`` and ``softness``; ``q`` only moves the answer between two
places (``linear``).
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine.errors import SettingError
from diffbio_engine.soft_ops._modes import Mode, SoftIndex, check_choice
from diffbio_engine.soft_ops._rows import Method, Rows
from diffbio_engine.soft_ops._through_softjax import also_through_softjax

QuantileMethod = Literal["linear", "lower", "higher", "nearest", "midpoint"]
QUANTILE_METHODS: tuple[QuantileMethod, ...] = (
    "linear",
    "lower",
    "higher",
    "nearest",
    "midpoint",
)


@also_through_softjax
def argquantile(
    x: jax.Array,
    q: float | jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    quantile_method: QuantileMethod = "linear",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    where: jax.Array | None = None,
) -> SoftIndex:
    """Soft place of a quantile: shares of every position, (..., [n]).

    Args:
        x: Any array.
        q: From 0 to 1; one, or a row of them, whose axis then comes first in the answer.
        axis: Along which; None for the flattened array.
        keepdims: Keep the axis, with length 1.
        softness, mode, method, standardize, where: See ``sorting``.
        quantile_method: See the module.
    """
    rows = Rows(x, axis, where, softness, mode, method, standardize)

    def one(share: jax.Array) -> jax.Array:
        lower, upper, weight = _places(rows, share, quantile_method)
        found = rows.shares(jnp.concatenate([lower, upper], axis=-1))
        weight = weight[..., None]
        return (1 - weight) * found[..., :1, :] + weight * found[..., 1:, :]

    return _each(one, q, rows, lambda found: rows.index_out(found, keepdims))


@also_through_softjax
def quantile(
    x: jax.Array,
    q: float | jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    quantile_method: QuantileMethod = "linear",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    gated_grad: bool = True,
    where: jax.Array | None = None,
) -> jax.Array:
    """Soft quantile: the mean of the values under the shares of ``argquantile``."""
    rows = Rows(x, axis, where, softness, mode, method, standardize)

    def one(share: jax.Array) -> jax.Array:
        lower, upper, weight = _places(rows, share, quantile_method)
        found = rows.values(jnp.concatenate([lower, upper], axis=-1), gated_grad)
        return (1 - weight) * found[..., :1] + weight * found[..., 1:]

    return _each(one, q, rows, lambda found: rows.value_out(found, keepdims))


@also_through_softjax
def argmedian(
    x: jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    where: jax.Array | None = None,
) -> SoftIndex:
    """Soft place of the median; of an even number of values, halfway between the middle two."""
    return argquantile(
        x, 0.5, axis, keepdims, softness, mode, method, "midpoint", standardize, where=where
    )


@also_through_softjax
def median(
    x: jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    gated_grad: bool = True,
    where: jax.Array | None = None,
) -> jax.Array:
    """Soft median; of an even number of values, the mean of the middle two."""
    return quantile(
        x, 0.5, axis, keepdims, softness, mode, method, "midpoint", standardize,
        gated_grad=gated_grad, where=where,
    )  # fmt: skip


@also_through_softjax
def argpercentile(
    x: jax.Array,
    p: float | jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    quantile_method: QuantileMethod = "linear",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    where: jax.Array | None = None,
) -> SoftIndex:
    """``argquantile`` for ``p`` from 0 to 100."""
    q = jnp.asarray(p) / 100
    return argquantile(
        x, q, axis, keepdims, softness, mode, method, quantile_method, standardize, where=where
    )


@also_through_softjax
def percentile(
    x: jax.Array,
    p: float | jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    quantile_method: QuantileMethod = "linear",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    gated_grad: bool = True,
    where: jax.Array | None = None,
) -> jax.Array:
    """``quantile`` for ``p`` from 0 to 100."""
    q = jnp.asarray(p) / 100
    return quantile(
        x, q, axis, keepdims, softness, mode, method, quantile_method, standardize,
        gated_grad=gated_grad, where=where,
    )  # fmt: skip


def _places(
    rows: Rows, q: jax.Array, quantile_method: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The places below and above, (..., 1), and the weight of the one above."""
    check_choice(quantile_method, QUANTILE_METHODS, "quantile_method")
    last = jnp.maximum(rows.count() - 1, 0)
    place = q.astype(rows.x.dtype) * last
    # A product of floats may fall short of the whole number that it stands for.
    near = jnp.round(place)
    place = jnp.where(jnp.abs(place - near) < 1e-5 * jnp.maximum(near, 1.0), near, place)
    lower = jnp.clip(jnp.floor(place), 0, last).astype(int)
    upper = jnp.clip(jnp.ceil(place), 0, last).astype(int)
    weight = {
        "linear": place - lower,
        "lower": jnp.zeros_like(place),
        "higher": jnp.ones_like(place),
        "nearest": near - lower,
        "midpoint": jnp.full_like(place, 0.5),
    }[quantile_method]
    return lower, upper, weight


def _each(one, q: float | jax.Array, rows: Rows, out) -> jax.Array:  # type: ignore[no-untyped-def]
    if not isinstance(q, jax.core.Tracer):
        known = np.asarray(q)
        if known.size and not (np.all(known >= 0) and np.all(known <= 1)):
            raise SettingError(
                f"{known} is outside 0 to 1 (percentiles: 0 to 100).",
                fix="Use the share of values that lie below.",
                where="q",
            )
    shares = jnp.asarray(q, rows.x.dtype)
    if shares.ndim > 1:
        raise SettingError(
            f"has {shares.ndim} axes.", fix="Give one number or a row of them.", where="q"
        )
    if not shares.ndim:
        return out(one(shares))
    return jnp.stack([out(one(share)) for share in shares])
