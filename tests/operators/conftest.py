"""A block that a test calls from Python is compiled as one piece.

As in a run, where the whole pipeline is one. Called step by step, XLA compiles every addition and
every sum by itself: 1,179 times in one of these files, for as long as all else of it took. That
both give the same is a promise of ``tests/contracts``. A test of what is only seen where numbers
are at hand (a warning that counts cells, say) is marked ``step_by_step``.
"""

import functools
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pytest
from flax import nnx
from jax._src.core import trace_state_clean

from diffbio_engine.declare import operators

_one_by_one: list[bool] = []


@pytest.fixture(scope="session", autouse=True)
def blocks_are_compiled():
    with pytest.MonkeyPatch.context() as patch:
        for declared in operators().values():
            patch.setattr(declared.make, "__call__", compiled(declared.make.__call__))
        yield


@pytest.fixture(autouse=True)
def step_by_step_where_marked(request: pytest.FixtureRequest):
    _one_by_one[:] = [True] if request.node.get_closest_marker("step_by_step") else []
    yield
    _one_by_one.clear()


@pytest.fixture(scope="session")
def counts(shared_data) -> np.ndarray:
    """Every second cell of pbmc3k, and its 150 genes with most counts."""
    whole = anndata.read_h5ad(shared_data / "pbmc3k_hvg2000_counts.h5ad").X.toarray()
    loud = np.argsort(-whole.sum(axis=0))[:150]
    return whole[::2][:, np.sort(loud)].astype(np.float32)


def compiled(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.partial(nnx.jit, static_argnums=3)
    def as_one(block: nnx.Module, arrays: tuple, named: dict, fixed: tuple) -> Any:
        return original(block, *arrays, **named, **dict(fixed))

    @functools.wraps(original)
    def call(self: nnx.Module, *arrays: Any, **named: Any) -> Any:
        if _one_by_one or not trace_state_clean():
            return original(self, *arrays, **named)
        fixed = {n: x for n, x in named.items() if isinstance(x, bool | int | float | str)}
        traced = {n: x for n, x in named.items() if n not in fixed}
        return as_one(self, arrays, traced, tuple(sorted(fixed.items())))

    return call
