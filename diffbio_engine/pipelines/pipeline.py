"""The live pipeline: one module, one pure function of weights, dials and data."""

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import scipy.sparse as sp
from flax import nnx

from diffbio_engine.declare import Operator
from diffbio_engine.errors import DataError
from diffbio_engine.pipelines.plan import Plan, plan
from diffbio_engine.pipelines.spec import PipelineSpec
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.ports import DATA_BLOCKS, Address, start_of


def _fold(key: jax.Array, name: str) -> jax.Array:
    """A key of its own for each name, so that adding a block leaves the others' draws alone."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


class Pipeline(nnx.Module):
    """Blocks joined by wires, differentiable from end to end.

    ``pipeline(data)`` returns the value of every port, ``"block.port"``; ``pipeline.apply`` keeps
    the contract of operators: all keys of ``data`` plus the public outputs.
    """

    def __init__(self, plan: Plan, *, rngs: nnx.Rngs | None = None, seed: int = 0) -> None:
        """``rngs``: draws a seed in place of ``seed``."""
        if rngs is not None:
            seed = int(jax.random.randint(rngs.params(), (), 0, 2**31 - 1))
        self.plan = plan
        self.seed = seed

        @nnx.jit  # one compilation instead of one for each shape of weights
        def make(key: jax.Array) -> dict[str, Operator]:
            blocks: dict[str, Operator] = {}
            for block in plan.blocks.values():
                own = _fold(key, block.id)
                rngs = nnx.Rngs(params=own, sample=jax.random.fold_in(own, 1))
                blocks[block.id] = block.declared.make(block.config, rngs=rngs, name=block.id)
            return blocks

        self.blocks = nnx.Dict(make(jax.random.key(seed)))

    def __call__(
        self,
        data: Mapping[str, jax.Array],
        *,
        key: jax.Array | None = None,
        ports: tuple[str, ...] | None = None,
        given: Mapping[str, jax.Array] | None = None,
        probes: Mapping[str, jax.Array] | None = None,
    ) -> dict[str, jax.Array]:
        """Values by ``"block.port"``.

        Args:
            data: Fields of the data by name (those of a reference by address,
                ``"reference.profiles"``); ``neighbour`` where the sampler drew neighbours.
            key: Randomness for stochastic blocks; None takes every deterministic path.
            ports: Compute only what these need; None computes everything.
            given: Values already known; nothing before them is computed.
            probes: Zeros added to ports, so that a gradient with respect to what passes there can
                be taken.
        """
        values = dict(given or {})
        values.update({start_of(name): value for name, value in data.items()})
        needed = None if ports is None else self.plan.ancestors(ports, frozenset(values))
        for block in self.plan.blocks.values():
            if needed is not None and block.id not in needed:
                continue
            arrays = {}
            for name, wire in block.sources.items():
                value = values[wire.source]
                arrays[name] = jax.lax.stop_gradient(value) if wire.stop_gradient else value
            for port in block.declared.inputs:
                if port.drawn and port.drawn in data:
                    arrays[port.name] = data[port.drawn]
            with jax.named_scope(block.id):
                block_key = None if key is None else _fold(key, block.id)
                outputs = self.blocks[block.id].run(arrays, block_key)
            for name, value in outputs.items():
                port_name = f"{block.id}.{name}"
                if probes and port_name in probes:
                    value = value + probes[port_name]
                # What was given stays as given, also where its block had to run for another port.
                values.setdefault(port_name, value)
        return values

    def apply(
        self,
        data: Mapping[str, Any],
        state: Any = None,
        metadata: Any = None,
        key: jax.Array | None = None,
        stats: Any = None,
        *,
        random_params: jax.Array | None = None,
    ) -> tuple[dict[str, Any], Any, Any]:
        """All keys of ``data`` plus the public outputs (every port where none is named)."""
        arrays = self._take(data)
        key = random_params if key is None else key
        if key is None and not self.training_off():
            key = self._own_key()
        values = self(arrays, key=key)
        of_blocks = (p for p in values if Address.parse(p).block not in DATA_BLOCKS)
        public = self.plan.spec.outputs or {p: p for p in of_blocks}
        result = dict(data) | {name: values[port] for name, port in public.items()}
        return self._completed(result), state, metadata

    def _take(self, data: Mapping[str, Any]) -> dict[str, jax.Array]:
        """The fields that the pipeline knows, as dense arrays."""
        missing = [name for name in self.plan.needed_fields if name not in data]
        if missing:
            raise DataError(
                f"is missing; there is {', '.join(map(repr, data)) or 'nothing'}.",
                fix="Add it to the data.",
                where=start_of(missing[0]),
            )
        return {
            name: jnp.asarray(value.toarray() if sp.issparse(value) else value)
            for name, value in data.items()
            if name in self.plan.data
        }

    def _completed(self, result: dict[str, Any]) -> dict[str, Any]:
        """What a pipeline of notebooks adds to what its blocks say."""
        return result

    def objective(
        self, values: Mapping[str, jax.Array], weights: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The weighted sum of every loss, and each term before weighting.

        What simpler methods would have is among the terms, and not in the sum.
        """
        losses: dict[str, float] = dict(self.plan.losses.items())
        weights = {**losses, **(weights or {})}
        terms: dict[str, jax.Array] = {p: values[p] for p in self.plan.terms if p in values}
        weighted = (weights[port] * term for port, term in terms.items() if port in losses)
        return sum(weighted, start=jnp.zeros(())), terms

    def training_off(self) -> bool:
        """Whether every block takes its deterministic path."""
        return all(block.deterministic for block in self.blocks.values())

    def train_mode(self) -> None:
        """Stochastic blocks draw; same as ``train()``."""
        self.train()

    def eval_mode(self) -> None:
        """Every output is deterministic; same as ``eval()``."""
        self.eval()

    @property
    def dials(self) -> dict[str, float]:
        """Present value of every dial, ``"block.dial"``."""
        return {
            f"{block_id}.{name}": float(dial[...])
            for block_id, block in self.blocks.items()
            for name, dial in block.dials.items()
        }

    def _own_key(self) -> jax.Array | None:
        for block in self.blocks.values():
            if block.config.stochastic:
                return block._own_key()
        return None


def build(spec: PipelineSpec, data: Mapping[str, DataPort], *, seed: int = 0) -> Pipeline:
    """Plans and builds; mistakes are a ``PipelineError`` before anything is computed."""
    return Pipeline(plan(spec, data), seed=seed)
