"""Iterations of many genes side by side: in blocks of few sizes, and only those still under way."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

# A function is compiled for each of these; a block is filled up with copies of its first gene.
_SIZES = (64, 512, 4096)
# Iterations between two looks at which genes are done.
ROUND = 12


def in_blocks(
    function: Callable[..., Any], along_genes: Mapping[str, np.ndarray], **fixed: Any
) -> dict[str, np.ndarray]:
    """``function(**along_genes, **fixed)``, a dict of arrays whose last axis is genes."""
    n = next(iter(along_genes.values())).shape[-1]
    parts = []
    for rows in _blocks(np.arange(n)):
        filled = np.resize(rows, _size(len(rows)))
        found = function(**{k: v[..., filled] for k, v in along_genes.items()}, **fixed)
        parts.append({k: np.asarray(v)[..., : len(rows)] for k, v in found.items()})
    return {k: np.concatenate([part[k] for part in parts], axis=-1) for k in parts[0]}


def until_done(
    rounds: Callable[..., dict[str, jax.Array]],
    state: dict[str, np.ndarray],
    along_genes: Mapping[str, np.ndarray],
    **fixed: Any,
) -> dict[str, np.ndarray]:
    """Calls ``rounds(state, **along_genes, **fixed)`` until each gene's ``state["done"]`` is so.

    A round takes a few iterations. Genes that are done leave, so that one which takes a hundred
    does not keep thousands waiting.
    """
    state = {k: np.array(v) for k, v in state.items()}
    while (waiting := np.flatnonzero(~state["done"])).size:
        for rows in _blocks(waiting):
            filled = np.resize(rows, _size(len(rows)))
            found = rounds(
                {k: v[..., filled] for k, v in state.items()},
                **{k: v[..., filled] for k, v in along_genes.items()},
                **fixed,
            )
            for name, value in found.items():
                state[name][..., rows] = np.asarray(value)[..., : len(rows)]
    return state


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return np.split(rows, range(_SIZES[-1], len(rows), _SIZES[-1]))


def _size(n: int) -> int:
    return next(size for size in _SIZES if n <= size)
