"""Sequences may be given as codes of letters or as rows of letters, one-hot or shared."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from diffbio_engine.declare.operator import Operator
from diffbio_engine.errors import DataError


class ReadsLetters(Operator):
    """An operator with an input ``sequences`` and a setting ``alphabet_size``."""

    def _take(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Sequences also as rows of letters, (N, L, A) or (L, A), which are no whole numbers."""
        name = next((n for n in ("sequences", "sequence") if data.get(n) is not None), "")
        if not name:
            return super()._take(data)
        value = jnp.asarray(data[name])
        if jnp.issubdtype(value.dtype, jnp.integer) and value.ndim < 3:
            return super()._take(data)
        letters = self.config.alphabet_size
        if value.ndim not in (2, 3) or value.shape[-1] != letters:
            raise DataError(
                f"has the shape {value.shape}; (sequences, positions, {letters}) was expected.",
                fix="Give one-hot rows of letters, or codes of letters as whole numbers.",
                where=name,
            )
        codes = jnp.zeros(value.shape[:-1], jnp.uint8)  # stands in while axes are compared
        arrays, single = super()._take({**data, "sequences": codes})
        arrays["sequences"] = value[None] if single else value
        return arrays, single
