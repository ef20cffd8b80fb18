"""Calls of a classifier of doublets that are held to as many as doublets are expected."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.declare import Buffer, Kind, Port
from diffbio_engine.operators.singlecell._doublet_rates import rate_by_cells, rate_or
from diffbio_engine.operators.singlecell._doublet_scores import (
    EVIDENCE,
    EVIDENCE_RULES,
    bounded_threshold,
)

CALL_PORTS = (
    Port("threshold", "", Kind.PARAMETER, "Probability above which a cell is called a doublet."),
    Port("threshold_rule", "", Kind.PARAMETER, "How it was found.", words=EVIDENCE_RULES),
    Port("expected_rate", "", Kind.PARAMETER, "Share of droplets expected to hold two cells."),
)


class BoundedCalls(nnx.Module):
    """The threshold of prepared cells, as log odds at equal odds of one cell and two."""

    def __init__(self) -> None:
        self.held = Buffer(jnp.asarray(0.0))
        self.rule = Buffer(jnp.asarray(EVIDENCE))
        self.rate_of_cells = Buffer(jnp.asarray(rate_by_cells(0)))

    def find(
        self,
        evidence: jax.Array,
        offset: jax.Array,
        chosen: jax.Array,
        most: float,
        batches: np.ndarray | None,
        share_seen: float,
    ) -> None:
        """Finds the threshold by all prepared cells.

        Args:
            evidence: Of each cell, the classifier's log odds, (cells,).
            offset: Turns them into log odds at the rate of the probabilities.
            chosen: The rate that a person set; 0 for that which the number of cells says.
            most: How many times the expected rate may be called.
            batches, share_seen: As of ``rate_by_cells``.
        """
        by_cells = rate_by_cells(len(evidence), batches, share_seen)
        self.rate_of_cells[...] = jnp.asarray(by_cells, self.rate_of_cells.dtype)
        found, rule = bounded_threshold(
            jax.nn.sigmoid(evidence + offset), self.rate(chosen), most, chosen <= 0
        )
        found = jnp.clip(found, 1e-6, 1 - 1e-6)
        self.held[...] = (jnp.log(found) - jnp.log1p(-found) - offset).astype(self.held.dtype)
        self.rule[...] = rule.astype(self.rule.dtype)

    def rate(self, chosen: jax.Array) -> jax.Array:
        """Expected share of doublets."""
        return rate_or(self.rate_of_cells[...], chosen)

    def told(self, offset: jax.Array, chosen: jax.Array) -> dict[str, Any]:
        """The values of ``CALL_PORTS``."""
        rule = self.rule[...]
        held = jax.nn.sigmoid(self.held[...] + offset)
        return {
            "threshold": jnp.where(rule == EVIDENCE, 0.5, held),
            "threshold_rule": rule,
            "expected_rate": self.rate(chosen),
        }
