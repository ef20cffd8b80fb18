"""What an operator is: settings, ports, the mathematics, and the contract of ``apply``."""

import inspect
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.errors import TraceContextError

from diffbio_engine.declare.axis_lengths import check_axes
from diffbio_engine.declare.held_range import held_within
from diffbio_engine.declare.notes import Notes
from diffbio_engine.declare.settings import Config
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Port


class Dial(nnx.Variable):
    """A traced number that a person turns; never trained, never a reason to recompile."""


class Buffer(nnx.Variable):
    """State that ``prepare`` found in the data and that placing a new cell needs."""


class TrainingBuffer(nnx.Variable):
    """State that ``prepare`` found in the data and that only training needs (a cell graph)."""


class Operator(nnx.Module):
    """A differentiable step. A subclass declares its ports and writes ``__call__``.

    One with weights or buffers of its own also writes ``setup``, and one that looks at the data
    before it runs ``prepare``. It is made by ``Op(config, rngs=nnx.Rngs(0), name=None)``.

    Attributes:
        reach: ``"cell"`` if each row stands alone, ``"population"`` if it needs to see many cells.
        prepare_cells: The most cells that ``prepare`` wants to see; None for all.
        prepare_once: ``prepare`` finds first weights only, so a refresh passes it over.
        learns_from_neighbours: Training batches hold, for each cell, a neighbour drawn from the
            graph that ``neighbour_graph`` returns.
        compares_cells: Its losses compare the cells of a batch with each other (distances between
            distributions, critics), so that a few held-out cells do not tell which weights are
            better. So do those of a block whose ``reach`` is the population.
        needs_all_records: What it says holds of all records together (a regression), so training
            batches and chunks are all of them, and none is held out.
        joins_records: What it says of a record follows from others beside it (windows of one
            contig), so all of them are read together wherever it is not trained.
        learns_classes: Labels that it is given are learned in steps of training alone, so that
            held-out records judge the labels that it says.
        needs_training: Its output means little before its weights were trained or prepared.
        dials_of_prepared: Dials that act only once ``prepare`` has looked at the data.
        example: Settings with which it runs on a few cells, for the promises tested on all.
        share_seen: Which share of the data's cells the last ``prepare`` was given.
        notes: What the last ``prepare`` has to tell a person.
    """

    Config: ClassVar[type[Config]]
    inputs: ClassVar[tuple[Port, ...]] = ()
    outputs: ClassVar[tuple[Port, ...]] = ()
    reach: ClassVar[Literal["cell", "population"]] = "cell"
    prepare_cells: ClassVar[int | None] = None
    prepare_once: ClassVar[bool] = False
    learns_from_neighbours: ClassVar[bool] = False
    compares_cells: ClassVar[bool] = False
    needs_all_records: ClassVar[bool] = False
    joins_records: ClassVar[bool] = False
    learns_classes: ClassVar[bool] = False
    needs_training: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Any]] = {}
    dials_of_prepared: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, config: Any, *, rngs: nnx.Rngs | None = None, name: str | None = None
    ) -> None:
        self.config = config
        self.name = name
        self.deterministic = True  # nnx.Module.train() and eval() switch this
        # One that could be prepared speaks until then of the cells given only.
        self.fitted = not (self.needs_training or self.prepares())
        self.share_seen, self.notes = 1.0, Notes()
        for s in config.learned_dials():
            # Stored as a logarithm, so that no gradient step makes it zero or negative.
            value = jnp.log(jnp.asarray(getattr(config, s.name), dtype=float))
            setattr(self, f"log_{s.name}", nnx.Param(value))
        dials: dict[str, nnx.Variable] = {
            s.name: Dial(jnp.asarray(getattr(config, s.name), dtype=float)) for s in config.dials()
        }
        self.dials = nnx.Dict(dials)
        rngs = rngs or nnx.Rngs(0)
        self.draws = rngs.fork() if config.stochastic else None
        self.setup(rngs)

    def setup(self, rngs: nnx.Rngs) -> None:
        """Makes layers, first weights and empty buffers; ``self.config`` and the dials are there.

        ``rngs`` are the streams that first weights are drawn from. A block without weights and
        buffers of its own leaves this out.
        """

    def look_past(self, missing: np.ndarray) -> bool:
        """Told which genes new records lack; False: it takes them for silent, as it sees zeros."""
        return False

    def dial(self, name: str) -> jax.Array:
        """The present value of a dial, traced."""
        if name in self.dials:
            return self.dials[name][...]
        for s in self.config.learned_dials():
            if s.name == name:
                # However far a step of training goes: a logarithm of -200 would be 0.
                low, high = math.log(s.low), math.log(s.high)
                return jnp.exp(held_within(getattr(self, f"log_{name}")[...], low, high))
        raise KeyError(f"{type(self).__name__} declares no dial '{name}'.")

    def turn(self, name: str, value: float) -> None:
        """Sets a dial, also one that training finds: it goes on being learned from there."""
        learned = name not in self.dials
        variable = getattr(self, f"log_{name}") if learned else self.dials[name]
        variable[...] = jnp.asarray(math.log(value) if learned else value, variable[...].dtype)

    # -- the mathematics -------------------------------------------------------------------

    def __call__(self, **arrays: Any) -> Any:
        """The mathematics: arrays by input port in, a dict by output port out.

        A stochastic operator also takes ``key``: None means the deterministic path.
        """
        raise NotImplementedError

    def run(self, arrays: Mapping[str, Any], key: jax.Array | None = None) -> dict[str, Any]:
        """``__call__`` with a dict, the key passed on only to operators that draw."""
        extra = {"key": key} if self.config.stochastic else {}
        return self(**arrays, **extra)

    def prepare(self, **arrays: Any) -> bool | None:
        """Looks at all cells (or a sample of ``prepare_cells``) and sets buffers and first weights.

        It names what it wants, as ``__call__`` does: input ports, as NumPy arrays (None by default
        where one need not be wired), and by keyword ``seed`` (a whole number), ``key`` (the same as
        a key of JAX) and ``first``, which is False at a refresh: then buffers are computed anew
        and learned weights are left alone. Returns False where it found nothing to be fitted to.
        """

    def prepare_from(
        self, arrays: Mapping[str, Any], key: jax.Array, *, first: bool = True
    ) -> None:
        """``prepare`` with a dict by input port, of which it is given what it names.

        Called outside any transform, in pipeline order, before training and at every refresh.
        """
        if self.prepare_once and not first:
            return
        wanted = inspect.signature(self.prepare).parameters
        given = {name: np.asarray(x) for name, x in arrays.items() if x is not None}
        if not any(p.kind == p.VAR_KEYWORD for p in wanted.values()):
            given = {name: array for name, array in given.items() if name in wanted}
        for port in self.inputs:
            needed = port.name in wanted and wanted[port.name].default is inspect.Parameter.empty
            if needed and port.name not in given:
                raise _missing(port, arrays)
        told: dict[str, Any] = {"key": key, "first": first}
        if "seed" in wanted:
            told["seed"] = int(jax.random.randint(key, (), 0, 2**31 - 1))
        if self.prepare(**given, **{n: x for n, x in told.items() if n in wanted}) is not False:
            self.fitted = True

    def neighbour_graph(self) -> tuple[np.ndarray, np.ndarray] | None:
        """``(indices (n, k) int32, weights (n, k) float32)`` of the prepared cells, if any."""
        return None

    @classmethod
    def of_contrast(
        cls, config: Any, found: Mapping[str, np.ndarray], contrast: np.ndarray, members: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Its outputs of another contrast of the same estimate; nothing where it has only one.

        Args:
            config: Its settings.
            found: What it said, by output port.
            contrast: A weight for each column of the design.
            members: The columns so added up that they are 1 for the samples compared; 0: all.
        """
        return {}

    @classmethod
    def takes_totals(cls, config: Any) -> bool:
        """Whether, with these settings, it divides the counts of a cell by its ``total_counts``."""
        return getattr(config, "normalize", True) and any(
            port.name == "total_counts" for port in cls.inputs
        )

    @classmethod
    def prepares(cls) -> bool:
        """Whether this operator looks at the data before it runs."""
        return cls.prepare is not Operator.prepare

    # -- the contract of apply -------------------------------------------------------------

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
        """Takes the declared inputs out of ``data``; returns all of ``data`` plus the outputs.

        Args:
            data: Arrays by port name; one cell (without the cells axis) or many.
            state, metadata: Handed through.
            key: Randomness for a stochastic operator. Without it, the deterministic path is taken
                in eval mode, and in train mode a draw from the operator's own stream (outside
                transforms that cannot advance it).
            stats: Accepted for the older callers, unused.
            random_params: The former name of ``key``.
        """
        arrays, single = self._take(data)
        key = random_params if key is None else key
        if key is None and self.config.stochastic and not self.deterministic:
            key = self._own_key()
        outputs = self.run(arrays, key)
        result = dict(data)
        for port in self.outputs:
            if port.name not in outputs:
                continue
            value = outputs[port.name]
            if single and port.per_record:
                value = value[0]
            result.update(dict.fromkeys((port.name, *port.also), value))
        return result, state, metadata

    def apply_batch(self, data: Mapping[str, Any], key: jax.Array | None = None) -> dict[str, Any]:
        """``apply`` for records stacked along a new leading axis; a key for each."""
        n_records = len(next(iter(data.values())))
        keys = None if key is None else jax.random.split(key, n_records)
        return jax.vmap(lambda d, k: self.apply(d, {}, None, k)[0])(dict(data), keys)

    def _apply_on_raw(
        self,
        data: Mapping[str, Any],
        states: Any = None,
        stats: Any = None,
        record_indices: jax.Array | None = None,
        epoch: jax.Array | int | None = None,
    ) -> tuple[dict[str, Any], Any]:
        """One batch as a stage of a pipeline of datarax, which calls stages by this name.

        ``data`` are arrays with a row for each record, and so is what comes back: all of it plus
        the outputs. In train mode a stochastic operator draws from its own stream, the same for
        the same batch of the same epoch; in eval mode it draws nothing.
        """
        key = None
        if self.config.stochastic and not self.deterministic and record_indices is not None:
            key = getattr(self.draws, self.config.stream_name).key[...]
            indices = jnp.asarray(record_indices).astype(jnp.uint32)
            # Which records, in which order: one number that another batch hardly has.
            batch = jnp.sum(indices * (2 * jnp.arange(indices.size, dtype=jnp.uint32) + 1))
            for number in (0 if epoch is None else epoch, batch):
                key = jax.random.fold_in(key, number)
        result, states, _ = self.apply(data, states, None, key, stats)
        return result, states

    def generate_random_params(self, rng: jax.Array, data_shapes: Any = None) -> jax.Array:
        """The key itself: the older callers ask for it before ``apply``."""
        return rng

    def train_mode(self) -> None:
        """Stochastic parts draw; same as ``train()``."""
        self.train()

    def eval_mode(self) -> None:
        """Every output is deterministic; same as ``eval()``."""
        self.eval()

    def _own_key(self) -> jax.Array | None:
        try:
            return getattr(self.draws, self.config.stream_name)()
        except TraceContextError:
            # Inside jax.jit or jax.vmap a stream cannot advance: a constant "random" draw would
            # be worse than none.
            return None

    def _take(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """The declared inputs with a cells axis, and whether it had to be added."""
        arrays: dict[str, Any] = {}
        single = False
        for port in self.inputs:
            found = next((n for n in (port.name, *port.also) if n in data), None)
            if found is None or data[found] is None:
                if port.optional:
                    continue
                raise _missing(port, data)
            value = jnp.asarray(data[found])
            if port.per_record and value.ndim == len(port.axis_names) - 1:
                value, single = value[None], True
            arrays[port.name] = value
        check_axes(self.inputs, {n: a.shape for n, a in arrays.items()}, self.config)
        return arrays, single


def _missing(port: Port, data: Mapping[str, Any]) -> DataError:
    return DataError(
        f"is missing; there is {', '.join(map(repr, data)) or 'nothing'}.",
        fix=f"Add it: {port.doc}",
        where=port.name,
    )
