"""The cell where a process begins, and whether there are cells enough to order."""

from typing import Any

import jax

from diffbio_engine.errors import DataError


def n_other_neighbours(n_neighbors: int, n_cells: int) -> int:
    """Neighbours of a cell besides itself; refuses fewer than four cells."""
    if n_cells >= 4:
        return min(n_neighbors, n_cells) - 1
    raise DataError(
        f"has {n_cells} cells, too few to find an order.",
        fix="Use at least 4 cells, or prepare the block first.",
        where="embeddings",
    )


def root_row(given: Any, setting: int, n_cells: int, *, planned: bool = False) -> Any:
    """The row of the root: as wired, else as set; refuses one that there is not.

    Args:
        planned: How many cells there will be is not known yet.
    """
    if isinstance(given, jax.core.Tracer):
        return given
    root = setting if given is None else int(given)
    if 0 <= root < n_cells or planned:
        return root
    raise DataError(
        f"cell {root} is the root, but there are {n_cells} cells, counted from 0.",
        fix="Choose a row that exists.",
        where="root_cell_index",
    )
