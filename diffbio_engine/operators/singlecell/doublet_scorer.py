"""Doublet scores: cells that look like two cells in one droplet."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    Buffer,
    Kind,
    Operator,
    Port,
    dial,
    operator,
    setting,
    warn_untrained,
)
from diffbio_engine.operators.singlecell._doublet_rates import rate_by_cells, rate_or
from diffbio_engine.operators.singlecell._doublet_reference import (
    DoubletReference,
    cells_with_counts,
    draw_pairs,
    embed,
    make_reference,
)
from diffbio_engine.operators.singlecell._doublet_scores import (
    NO_VALLEY,
    RULES,
    doublet_odds,
    plausible_threshold,
    share_of_odds,
    simulated_share,
)
from diffbio_engine.operators.singlecell._doublet_settings import (
    BATCHES,
    ComparisonSettings,
    most_called_setting,
)

_SCORED = 5_000  # simulated doublets whose scores make up the histogram of a prepared block


class DoubletScorerConfig(ComparisonSettings):
    """Settings of the doublet scores."""

    expected_doublet_rate: float = dial(
        0.0,
        low=0.0,
        high=0.5,
        doc="Share of droplets expected to hold two cells. 0: from the number of cells of a batch,"
        " 0.8 % per 1000 (10x), from 0.8 to 30 %.",
    )
    most_called: float = most_called_setting()
    threshold_temperature: float = dial(
        10.0,
        low=1.0,
        high=1000.0,
        log=True,
        unit="per score",
        doc="Sharpness of the call. High: yes or no. Low: in between near the threshold.",
    )
    temperature: float = dial(
        1.0,
        low=0.001,
        high=5.0,
        log=True,
        doc="Low: whole neighbours and a clear call. High: neighbours and call fade in.",
    )
    learnable_threshold: bool = setting(
        False, doc="Let training move the threshold of a prepared block.", advanced=True
    )


@operator(title="Doublet scores")
class DifferentiableDoubletScorer(Operator):
    """Scores how much a cell looks like two cells that were caught in one droplet.

    Doublets are simulated by adding the counts of random pairs of observed cells. Counts of the
    most variable genes, scaled to one total and standardised, are projected on principal axes of
    the observed cells. Of the ``k = n_neighbors (1 + r)`` points nearest to a cell, with
    ``r = sim_doublet_ratio``, the smoothed share ``q = (simulated + 1) / (k + 2)`` is simulated;
    ``score = q rho / r / (1 - rho - q (1 - rho - rho / r))`` with the expected rate ``rho``. The
    threshold lies in the valley between simulated doublets of one kind of cell, which nobody can
    tell from a cell, and of two. A doublet of two cells of one kind stays hidden. Where the valley
    parts off less than a tenth of them, or calls more than ``most_called`` times the expected rate
    (and more than 5 %, where that rate follows from the number of cells), the expected share of
    cells is called instead; ``threshold_rule`` says which.

    Not prepared: runs the whole method on the cells given, with gradients through all of it, axes
    included; a single cell gets the expected rate. Prepared: the reference (at most 20 000 cells
    and their doublets) is stored, and each cell, old or new, is scored against it on its own.
    Which cells are paired follows from the seed. With ``batch_labels`` only cells of one batch
    are: give them where samples went through separate runs.

    Softens: the choice of the nearest neighbours (``top_k``), and the call (``score > threshold``).
    Hard limit: as ``temperature`` goes to 0, whole neighbours are counted, as Scrublet does, and
    the call is 0 or 1. The call alone becomes so as ``threshold_temperature``, a sharpness, grows:
    its softness is ``temperature / threshold_temperature``. Above 1/2 is the call in either case.
    Gradients: reach ``counts`` through the axes and the edge of each neighbourhood; cells whose
    neighbours at the edge are all of one sort have none. Which genes vary and which cells are near
    are choices.
    Cost: O(cells * reference * axes) time, O(cells * k + reference * axes) memory if prepared;
    else also O((genes chosen)^3) time for the axes.
    Start: reference and threshold from the data, nothing to train.

    References:
        Wolock, Lopez, Klein (2019), Scrublet: computational identification of cell doublets in
        single-cell transcriptomic data, Cell Systems 8.
    """

    Config = DoubletScorerConfig
    inputs = (COUNTS, BATCHES)
    outputs = (
        Port(
            "doublet_scores",
            "cells",
            Kind.SCORE,
            "Probability that the droplet held two different cells, given the expected rate.",
            result="obs/doublet_score_diffbio",
        ),
        Port(
            "predicted_doublets",
            "cells",
            Kind.SCORE,
            "Near 1 above the threshold, near 0 below.",
            result="obs/doublet_call_diffbio",
            call=True,
        ),
        Port("threshold", "", Kind.PARAMETER, "Score above which a cell is called a doublet."),
        Port("threshold_rule", "", Kind.PARAMETER, "How it was found.", words=RULES),
        Port("expected_rate", "", Kind.PARAMETER, "Share of droplets expected to hold two cells."),
        Port("simulated_scores", "simulated", Kind.PARAMETER, "Scores of simulated doublets."),
    )
    reach = "population"
    prepare_cells = 20_000
    example = {"n_neighbors": 2}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n_axes = config.n_pca_components
        self.pair_key = Buffer(jax.random.key_data(rngs.params()))
        self.project = Buffer(jnp.zeros((config.n_genes, n_axes)))
        self.offset = Buffer(jnp.zeros(n_axes))
        self.scale = Buffer(jnp.asarray(1.0))
        self.observed = Buffer(jnp.zeros((1, n_axes)))
        self.simulated = Buffer(jnp.zeros((2, n_axes)))
        self.simulated_shares = Buffer(jnp.zeros(2))
        kind = nnx.Param if config.learnable_threshold else Buffer
        self.threshold_share = kind(jnp.asarray(0.5))
        self.threshold_rule = Buffer(jnp.asarray(0))
        self.rate_of_cells = Buffer(jnp.asarray(rate_by_cells(0)))

    def prepare(
        self,
        counts: np.ndarray,
        batch_labels: np.ndarray | None = None,
        *,
        key: jax.Array,
        first: bool,
    ) -> None:
        counts, batches = cells_with_counts(counts, batch_labels)
        if first:
            self.pair_key[...] = jax.random.key_data(key)
        found = self._reference(counts, None if batches is None else jnp.asarray(batches))
        self.project = Buffer(found.project)
        self.offset = Buffer(found.offset)
        self.scale = Buffer(found.scale)
        self.observed, self.simulated = Buffer(found.observed), Buffer(found.simulated)
        shares = self._shares(found.simulated[:_SCORED], found, simulated_queries=True)
        self.simulated_shares = Buffer(shares)
        self.rate_of_cells[...] = rate_by_cells(len(counts), batches, self.share_seen)
        if first or not self.config.learnable_threshold:
            rate, ratio = self._rate(self.rate_of_cells[...]), self._ratio(found)
            scores = doublet_odds(self._shares(found.observed, found), rate, ratio)
            threshold, rule = self._threshold(scores, doublet_odds(shares, rate, ratio), rate)
            self.threshold_share[...] = share_of_odds(threshold, rate, ratio)
            self.threshold_rule[...] = rule

    def __call__(
        self, counts: jax.Array, batch_labels: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        if self.fitted:
            reference, rate = self._stored(), self._rate(self.rate_of_cells[...])
            ratio = self._ratio(reference)
            simulated = doublet_odds(self.simulated_shares[...], rate, ratio)
            share = jnp.clip(self.threshold_share[...], 1e-6, 1 - 1e-6)
            places = embed(counts, reference, log=self.config.log_transform)
            scores = doublet_odds(self._shares(places, reference), rate, ratio)
            threshold = doublet_odds(share, rate, ratio)
            return self._called(scores, threshold, self.threshold_rule[...], simulated, rate)
        rate = self._rate(jnp.asarray(rate_by_cells(len(counts), batch_labels)))
        if len(counts) < 2:
            warn_untrained(type(self).__name__)
            alone = jnp.broadcast_to(rate, (len(counts),)) + 0.0 * jnp.sum(counts, axis=1)
            none = jnp.asarray(0.5), jnp.asarray(NO_VALLEY), jnp.zeros(0)
            return self._called(alone, *none, rate)
        reference = self._reference(counts, batch_labels)
        ratio = self._ratio(reference)
        shares = self._shares(reference.simulated, reference, simulated_queries=True)
        simulated = doublet_odds(shares, rate, ratio)
        scores = doublet_odds(self._shares(reference.observed, reference), rate, ratio)
        threshold, rule = self._threshold(scores, simulated, rate)
        return self._called(scores, threshold, rule, simulated, rate)

    def _rate(self, by_cells: jax.Array) -> jax.Array:
        return rate_or(by_cells, self.dial("expected_doublet_rate"))

    def _threshold(
        self, scores: jax.Array, simulated: jax.Array, rate: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        guessed = self.dial("expected_doublet_rate") <= 0
        return plausible_threshold(scores, simulated, rate, self.config.most_called, guessed)

    def _called(
        self,
        scores: jax.Array,
        threshold: jax.Array,
        rule: jax.Array,
        simulated: jax.Array,
        rate: jax.Array,
    ) -> dict[str, jax.Array]:
        softness = self.dial("temperature") / self.dial("threshold_temperature")
        return {
            "doublet_scores": scores,
            "predicted_doublets": soft_ops.greater(scores, threshold, softness=softness),
            "threshold": threshold,
            "threshold_rule": rule,
            "expected_rate": rate,
            "simulated_scores": simulated,
        }

    def _stored(self) -> DoubletReference:
        axes = self.project[...], self.offset[...], self.scale[...]
        return DoubletReference(*axes, self.observed[...], self.simulated[...])

    def _ratio(self, reference: DoubletReference) -> float:
        return len(reference.simulated) / len(reference.observed)

    def _reference(
        self, counts: jax.Array | np.ndarray, batches: jax.Array | None
    ) -> DoubletReference:
        """The reference that these cells make."""
        n_cells = len(counts)
        n_pairs = max(1, int(n_cells * self.config.sim_doublet_ratio))
        key = jax.random.wrap_key_data(self.pair_key[...])
        return make_reference(
            counts,
            draw_pairs(key, n_pairs, n_cells, batches),
            n_axes=self.config.n_pca_components,
            log=self.config.log_transform,
            share=self.config.variable_gene_share,
        )

    def _shares(
        self, places: jax.Array, reference: DoubletReference, *, simulated_queries: bool = False
    ) -> jax.Array:
        """Share of simulated doublets around each place."""
        near = self.config.n_neighbors or round(0.5 * len(reference.observed) ** 0.5)
        return simulated_share(
            places,
            reference.observed,
            reference.simulated,
            self.dial("temperature"),
            n_neighbors=round(near * (1 + self._ratio(reference))),
            simulated_queries=simulated_queries,
        )
