"""Hard values with soft gradients: what is seen is classical, what is learned from is smooth."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax


def grad_replace(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose value comes from ``fn(..., forward=True)``, its gradient from ``False``.

    ``stop_gradient(value - soft) + soft``, for every array that ``fn`` returns.
    """

    @functools.wraps(fn)
    def both(*args: Any, **named: Any) -> Any:
        value = fn(*args, forward=True, **named)
        soft = fn(*args, forward=False, **named)
        return jax.tree.map(_value_of_one_gradient_of_other, value, soft)

    return both


def st(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The straight-through version of a function with a ``mode``.

    The value is that of ``mode="hard"``; the gradient is that of the mode that is asked for, the
    function's own default if none is. With ``mode="hard"`` it is the hard function.

    References:
        Bengio, Leonard, Courville (2013), Estimating or propagating gradients through stochastic
        neurons for conditional computation.
    """
    signature = inspect.signature(fn)

    @functools.wraps(fn)
    def straight_through(*args: Any, **named: Any) -> Any:
        bound = signature.bind(*args, **named)
        bound.apply_defaults()
        soft = fn(*bound.args, **bound.kwargs)
        if bound.arguments["mode"] == "hard":
            return soft
        bound.arguments["mode"] = "hard"
        hard = fn(*bound.args, **bound.kwargs)
        return jax.tree.map(_value_of_one_gradient_of_other, hard, soft)

    straight_through.__name__ = straight_through.__qualname__ = f"{fn.__name__}_st"
    straight_through.__doc__ = (
        f"The value of ``{fn.__name__}`` in hard mode, the gradient of its soft mode. See ``st``."
    )
    return straight_through


def _value_of_one_gradient_of_other(value: jax.Array, soft: jax.Array) -> jax.Array:
    # Not `stop_gradient(value - soft) + soft`: in floats that is not quite the value.
    return _replaced(value, soft)


@jax.custom_jvp
def _replaced(value: jax.Array, soft: jax.Array) -> jax.Array:
    return value.astype(soft.dtype)


@_replaced.defjvp
def _replaced_jvp(primals: tuple, tangents: tuple) -> tuple:
    return _replaced(*primals), tangents[1]
