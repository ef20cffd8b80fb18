"""What a loss is: an operator that returns one number to be made small."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
from flax import nnx

from diffbio_engine.declare.operator import Operator
from diffbio_engine.declare.settings import Config
from diffbio_engine.ports import Kind, Port


class Loss(Operator):
    """An operator that returns one number to be made small.

    It can be made from keywords (``VAELoss(kl_weight=0.1)``) and called with positional arrays in
    the order of its ports, and returns the number itself.
    """

    outputs: ClassVar[tuple[Port, ...]] = (Port("loss", "", Kind.LOSS, "To be made small."),)

    def __init__(
        self,
        config: Config | None = None,
        *,
        rngs: nnx.Rngs | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(config or self.Config(**settings), rngs=rngs, name=name)

    def run(self, arrays: Mapping[str, Any], key: jax.Array | None = None) -> dict[str, Any]:
        return {"loss": self(**arrays)}
