"""Many records through a network some at a time, so that memory does not grow with them."""

from collections.abc import Callable

import jax


def in_pieces[T](read: Callable[..., T], records: tuple[jax.Array, ...], at_once: int) -> T:
    """``read(*records)``, of more than ``at_once`` records in pieces of so many.

    For where nothing is learned: on the way back all pieces would be kept.

    Args:
        read: From arrays with a row for each record to such arrays; no row knows of another.
    """
    if len(records[0]) <= at_once:
        return read(*records)
    found: T = jax.lax.map(
        lambda one: jax.tree.map(lambda x: x[0], read(*(x[None] for x in one))),
        records,
        batch_size=at_once,
    )
    return found
