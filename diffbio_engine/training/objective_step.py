"""One compiled training step: objective, gradient, Adam; dials and weights are traced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from diffbio_engine.declare import Dial
from diffbio_engine.parts.count_autoencoder import PACE
from diffbio_engine.pipelines import Pipeline
from diffbio_engine.pipelines.one_device import committed, copied
from diffbio_engine.ports import DialName

# A block's gradient may not be longer than this. Adam does not care about the scale of ordinary
# gradients (losses of counts are hundreds of nats a cell), so only spikes are cut.
_CLIP = 1e4


@dataclass(frozen=True)
class Outcome:
    """The numbers of one step.

    Attributes:
        gradients: Length of each block's gradient, before it is cut.
    """

    total: float
    terms: dict[str, float]
    gradients: dict[str, float]
    finite: bool


class ObjectiveStep:
    """Keeps weights and moments as flat arrays and takes steps with them.

    The module is split once and merged only while tracing, so a step costs one dispatch. Weights
    and moments are donated: after ``read_from`` the module's own arrays are copies.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.compilations = 0
        self._losses = tuple(pipeline.plan.losses)
        self._terms = pipeline.plan.terms
        self._blocks = tuple(pipeline.plan.blocks)
        self._adam = optax.scale_by_adam()
        self._graph: Any = None
        self._moments: Any = None
        self._jitted = jax.jit(self._step, static_argnums=0, donate_argnums=(1, 2))

    # -- weights in and out ----------------------------------------------------------------

    def read_from(self, pipeline: Pipeline) -> None:
        """Takes weights and prepared state from the module; keeps the moments."""
        self._graph, *states = nnx.split(pipeline, nnx.Param, Dial, ...)
        params, dials, rest = states
        self._dial_paths = [path for path, _ in nnx.to_flat_state(dials)]
        self._dial_names = [f"{path[1]}.{path[3]}" for path in self._dial_paths]
        self._params = copied(params)  # a step donates them
        self._dials = dials
        self._rest = committed(rest)
        if self._moments is None:
            shapes = jax.eval_shape(self._adam.init, self._params)
            self._moments = committed(jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes))

    def write_to(self, pipeline: Pipeline) -> None:
        """Puts copies of the present weights into the module."""
        if self._graph is not None:
            nnx.update(pipeline, copied(self._params))

    def moments(self) -> dict[str, np.ndarray]:
        """The optimizer's state by name."""
        leaves = jax.tree.leaves(self._moments)
        return {f"moments/{i:05d}": np.array(leaf) for i, leaf in enumerate(leaves)}

    def put_moments(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Sets the optimizer's state from ``moments``."""
        leaves, tree = jax.tree.flatten(self._moments)
        new = [jnp.asarray(arrays[f"moments/{i:05d}"], leaf.dtype) for i, leaf in enumerate(leaves)]
        self._moments = committed(jax.tree.unflatten(tree, new))

    # -- the step --------------------------------------------------------------------------

    def __call__(
        self,
        data: Mapping[str, Any],
        dials: Mapping[str, float],
        learns: Mapping[str, float],
        seed: int,
        step: int,
    ) -> Outcome:
        """One step on one batch."""
        numbers = np.array(
            [dials["learning_rate"]]
            + [dials[DialName.of_loss(port)] for port in self._losses]
            + [learns[block] for block in self._blocks]
            + [dials.get(name, 0.0) for name in self._dial_names],
            dtype=np.float32,
        )
        place = np.array([seed, step], dtype=np.uint32)
        self._params, self._moments, told = self._jitted(
            self._graph, self._params, self._moments, self._rest, dict(data), numbers, place
        )
        told = np.asarray(told)
        terms, lengths = np.split(told[2:], [len(self._terms)])
        return Outcome(
            total=float(told[0]),
            terms=dict(zip(self._terms, map(float, terms), strict=True)),
            gradients=dict(zip(self._blocks, map(float, lengths), strict=True)),
            finite=bool(told[1]),
        )

    def terms_of(
        self,
        data: Mapping[str, Any],
        dials: Mapping[str, float],
        seed: int,
        step: int,
        weights: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, float]:
        """The losses of cells that nothing is learned from.

        By the compiled step itself, on copies and at rate 0: another program would take seconds
        to compile.

        Args:
            weights: By path, in place of the present ones.
        """
        kept = copied((self._params, self._moments))
        if weights:
            flat = dict(nnx.to_flat_state(self._params))
            for path, variable in flat.items():
                if (value := weights.get("/".join(map(str, path)))) is not None:
                    flat[path] = variable.replace(jnp.asarray(value, variable.get_value().dtype))
            self._params = committed(nnx.from_flat_state(flat))
        told = self(
            data, {**dials, "learning_rate": 0.0}, dict.fromkeys(self._blocks, 0.0), seed, step
        )
        self._params, self._moments = kept
        return told.terms

    def _step(
        self,
        graph: Any,
        params: Any,
        moments: Any,
        rest: Any,
        data: dict[str, jax.Array],
        numbers: jax.Array,
        place: jax.Array,
    ) -> tuple[Any, Any, jax.Array]:
        self.compilations += 1  # counted while tracing
        n_losses, n_blocks = len(self._losses), len(self._blocks)
        rate = numbers[0]
        weights = dict(zip(self._losses, numbers[1 : 1 + n_losses], strict=True))
        learns = dict(
            zip(self._blocks, numbers[1 + n_losses : 1 + n_losses + n_blocks], strict=True)
        )
        dials = nnx.from_flat_state(
            {
                path: Dial(value)
                for path, value in zip(
                    self._dial_paths, numbers[1 + n_losses + n_blocks :], strict=True
                )
            }
        )
        key = jax.random.fold_in(jax.random.key(place[0]), place[1])

        def objective(params: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
            pipeline = nnx.merge(graph, params, dials, rest)
            values = pipeline(data, key=key, ports=self._terms)
            return pipeline.objective(values, weights)

        (total, terms), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        gradients, lengths = _clipped_by_block(gradients, learns)
        directions, new_moments = self._adam.update(gradients, moments)
        flat = nnx.to_flat_state(directions)
        moved = nnx.from_flat_state(
            {
                path: v.replace(
                    -rate * v.get_metadata().get(PACE, 1.0) * learns[str(path[1])] * v.get_value()
                )
                for path, v in flat
            }
        )
        new_params = optax.apply_updates(params, moved)
        # Behind a barrier, as the scales are: XLA would work it out anew beside every weight, which
        # made a step of 94 weights a third larger and a quarter slower to compile.
        finite = jax.lax.optimization_barrier(
            jnp.isfinite(total) & jnp.all(jnp.isfinite(jnp.stack(lengths)))
        )

        # A step that broke changes nothing: the last good weights stay.
        def keep(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(finite, new, old)

        new_params = jax.tree.map(keep, new_params, params)
        new_moments = jax.tree.map(keep, new_moments, moments)
        told = [total, finite.astype(total.dtype), *(terms[p] for p in self._terms), *lengths]
        return new_params, new_moments, jnp.stack(told)


def _clipped_by_block(gradients: Any, learns: Mapping[str, jax.Array]) -> tuple[Any, list]:
    """Gradients of frozen blocks set to zero, and each block's gradient cut to ``_CLIP``."""
    flat = nnx.to_flat_state(gradients)
    lengths = {
        block: jnp.sqrt(
            sum(
                (jnp.sum(v.get_value() ** 2) for path, v in flat if path[1] == block),
                start=jnp.zeros(()),
            )
        )
        for block in learns
    }
    scale = {b: learns[b] * jnp.minimum(1.0, _CLIP / (n + 1e-12)) for b, n in lengths.items()}
    scale = jax.lax.optimization_barrier(scale)
    clipped = {path: v.replace(v.get_value() * scale[str(path[1])]) for path, v in flat}
    return nnx.from_flat_state(clipped), list(lengths.values())
