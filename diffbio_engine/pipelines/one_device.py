"""Where the arrays of a pipeline lie while it runs."""

from typing import Any

import jax


def committed(arrays: Any) -> Any:
    """The same arrays, bound to the first device.

    JAX compiles a program anew for arrays that are bound to a device where it knew free ones. So
    all that a compiled piece keeps (weights, buffers, moments) is bound first, whether it is fresh,
    restored, or what a step of training left.
    """
    return jax.device_put(arrays, _first())


def copied(arrays: Any) -> Any:
    """Copies on the first device; ``jnp.array`` would compile one program for each shape."""
    return jax.device_put(arrays, _first(), may_alias=False)


def _first() -> jax.sharding.SingleDeviceSharding:
    return jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
