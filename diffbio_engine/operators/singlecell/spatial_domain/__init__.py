"""Domains of a tissue: regions whose spots are alike in expression and lie together."""

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    SLICE_LABELS,
    SPATIAL_COORDS,
    TOTAL_COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    dial,
    normalize_setting,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.operators.singlecell.spatial_domain._spatial_attention import (
    Around,
    SpatialAttention,
)
from diffbio_engine.operators.singlecell.spatial_domain._spatial_graph import (
    Held,
    around_held,
    around_these,
    nearest_kind,
    neighbours_in_slices,
    shape_inside,
    start_of_domains,
    start_of_features,
)
from diffbio_engine.parts.log_normalized_counts import log_expression

_TOGETHER = 512  # spots that are embedded at once in preparing


class SpatialDomainConfig(Config):
    """Settings of spatial domains."""

    n_genes: int = size("genes", default=2000, doc="Number of genes.")
    n_domains: int = setting(7, low=2, high=100, doc="How many domains to look for.")
    n_neighbors: int = setting(15, low=1, high=100, doc="Nearest spots in the graph of a spot.")
    radius: float | None = setting(
        None,
        low=0.0,
        doc="Radius of the neighbourhood, in the unit of the coordinates; empty for no limit.",
        advanced=True,
    )
    alike_by: Literal["surroundings", "spots"] = setting(
        "surroundings",
        choices=("surroundings", "spots"),
        doc="Neighbours are alike by the mean around them or, as published, by themselves.",
        advanced=True,
    )
    alpha: float = dial(
        0.8,
        low=0.0,
        high=1.0,
        doc="Weight of neighbours with similar expression against all. Low: smoother domains.",
    )
    temperature: float = dial(
        1.0,
        low=0.01,
        high=100.0,
        log=True,
        learnable=True,
        unit="times the variance inside domains",
        doc="Low: each spot belongs to one domain. High: spots are shared.",
    )
    hidden_dim: int = setting(
        64, low=2, high=512, log=True, doc="Dimensions of the embedding.", advanced=True
    )
    num_heads: int = setting(4, low=1, high=16, doc="Attention heads.", advanced=True)
    n_components: int = setting(
        50,
        low=2,
        high=500,
        doc="How many principal components of each spot are held.",
        advanced=True,
    )
    normalize: bool = normalize_setting()


@operator(title="Spatial domains (STAGATE)")
class DifferentiableSpatialDomain(Operator):
    """Finds regions of the tissue whose spots are alike and lie together.

    An autoencoder with attention over the nearest spots of the slice: ``h_i = elu(sum_j a_ij x_j
    W)``, ``z_i = h_i V``, and back by the same weights and attention. ``a_ij`` mixes attention
    among all neighbours, by ``1 - alpha``, with that among those of the same cluster of expression
    (see ``alike_by``), by ``alpha``. ``x``: principal components of ``log(1 + counts per 10 000)``.
    ``share_ik = softmax_k(-|z_i - c_k|^2 / (2 temperature))`` with prototypes ``c``; lengths are
    in units of the spread inside domains, by direction (at temperature 1, a mixture of Gaussians
    of one shape). The reconstruction loss is the share of the variance of expression that is left;
    the domain loss, the free energy among prototypes, moves these and draws spots to them.

    Held from preparing: components of all spots and who is beside whom. At the place of a held spot
    a spot has its neighbours, elsewhere the nearest held one and that one's neighbours. Its own
    expression is always that which comes in. Slices are never joined.

    Softens: the choice of the nearest prototype (``argmin`` of the distances).
    Hard limit: as ``temperature`` goes to 0, rows are one-hot.
    Gradients: reach ``counts`` (of the batch; its neighbours' are held), weights, prototypes and
    temperature; not ``spatial_coords``: who is beside whom, or alike, is a choice without a slope.
    Cost: O(cells * neighbours^2 * components) time and memory a batch, and O(cells * spots) time to
    find places. Held: O(spots * (components + neighbours)).
    Start: weights that give means of components over neighbours, prototypes of their mixture.

    References:
        Dong, Zhang (2022), STAGATE: spatial domains by graph attention, Nature Communications 13.
    """

    Config = SpatialDomainConfig
    inputs = (COUNTS, SPATIAL_COORDS, replace(SLICE_LABELS, optional=True), TOTAL_COUNTS)
    outputs = (
        Port(
            "domain_assignments",
            "cells domains",
            Kind.SHARES,
            "Share of each spot in each domain.",
            result="obsm/domain_diffbio_prob",
        ),
        Port("domain_labels", "cells", Kind.LABELS, "Nearest domain.", classes="domains"),
        Port(
            "spatial_embeddings",
            "cells latent",
            Kind.FEATURES,
            "Expression of each spot and its surroundings.",
            result="obsm/X_spatial_diffbio",
        ),
        Port(
            "reconstructed_expression",
            "cells genes",
            Kind.EXPRESSION,
            "Log-normalised expression, as the surroundings tell it.",
        ),
        Port("reconstruction_loss", "", Kind.LOSS, "Share of the variance that is left."),
        Port("domain_loss", "", Kind.LOSS, "Tightness of the domains.", weight=0.01),
    )
    reach = "population"
    needs_training = True
    example = {"n_neighbors": 3, "n_domains": 3, "hidden_dim": 4, "num_heads": 2}

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        if 2 * config.hidden_dim % config.num_heads:
            raise SettingError(
                f"{2 * config.hidden_dim} units (twice hidden_dim) cannot be dealt evenly to"
                f" {config.num_heads} heads.",
                fix="Choose 1, 2 or 4 heads, or another hidden_dim.",
                where="num_heads",
            )
        d = min(config.n_components, config.n_genes)
        n_inner = 2 * config.hidden_dim  # two units a dimension, see SpatialAttention.begin
        self.network = SpatialAttention(d, n_inner, config.hidden_dim, config.num_heads, rngs=rngs)
        shape = (config.n_domains, config.hidden_dim)
        self.prototypes = nnx.Param(jax.random.normal(rngs.params(), shape))
        basis, _ = jnp.linalg.qr(jax.random.normal(rngs.params(), (config.n_genes, d)))
        self.basis = Buffer(basis)
        self.centre = Buffer(jnp.zeros(config.n_genes))
        self.scale = Buffer(jnp.asarray(1.0))
        self.variance = Buffer(jnp.asarray(1.0))
        self.shape = Buffer(jnp.eye(config.hidden_dim))
        self.features = Buffer(jnp.zeros((1, d)))
        self.places = Buffer(jnp.zeros((1, 2)))
        self.slices = Buffer(jnp.zeros(1, jnp.int32))
        self.neighbours = Buffer(jnp.zeros((1, 1), jnp.int32))
        self.kinds = Buffer(jnp.zeros((1, d)))
        self.kind_of = Buffer(jnp.zeros(1, jnp.int32))

    def prepare(
        self,
        counts: np.ndarray,
        spatial_coords: np.ndarray,
        slice_labels: np.ndarray | None = None,
        total_counts: np.ndarray | None = None,
        *,
        seed: int,
        first: bool,
    ) -> None:
        config = self.config
        expression = np.asarray(log_expression(counts, config.normalize, total_counts), np.float32)
        places = np.asarray(spatial_coords, np.float32)
        slices = np.zeros(len(places)) if slice_labels is None else slice_labels
        slices = slices.astype(np.int32)
        if len(places) <= config.n_domains:
            raise DataError(
                f"has {len(places)} spots, too few for {config.n_domains} domains.",
                fix="Use more spots, or look for fewer domains.",
                where="counts",
            )
        if first:
            start = start_of_features(expression, self.basis.shape[1], seed)
            for variable, value in zip(
                (self.basis, self.centre, self.scale, self.variance), start, strict=True
            ):
                variable[...] = jnp.asarray(value, variable.dtype)
        features = (expression - np.asarray(self.centre[...])) @ np.asarray(self.basis[...])
        features /= float(self.scale[...])
        neighbours = neighbours_in_slices(places, slices, config.n_neighbors)
        typical = features
        if config.alike_by == "surroundings":
            typical = np.mean([features, *(features[n] for n in neighbours.T)], axis=0)
        kinds = start_of_domains(typical, config.n_domains, seed)
        self.features = Buffer(jnp.asarray(features))
        self.places = Buffer(jnp.asarray(places))
        self.slices = Buffer(jnp.asarray(slices))
        self.neighbours = Buffer(jnp.asarray(neighbours))
        self.kinds = Buffer(jnp.asarray(kinds, self.features.dtype))
        self.kind_of = Buffer(nearest_kind(jnp.asarray(typical), self.kinds[...]))
        self._settle(first, seed)

    def _settle(self, first: bool, seed: int) -> None:
        """First weights and prototypes; and, each time, the shape of domains."""
        n = len(self.places)
        run = nnx.jit(lambda block, some: block._pass(*block._of_held(some)))
        if first:
            some = jnp.asarray(np.random.default_rng(seed).permutation(n)[:_TOGETHER])
            misfits = {}
            for gain in np.geomspace(0.25, 1.5, 8):
                self.network.begin(self.basis.shape[1], float(gain))
                misfits[gain] = float(jnp.mean((run(self, some)[1] - self.features[some]) ** 2))
            self.network.begin(self.basis.shape[1], min(misfits, key=misfits.__getitem__))
        parts = np.resize(np.arange(n), (-(-n // _TOGETHER), _TOGETHER))
        z = np.concatenate([np.asarray(run(self, jnp.asarray(part))[0]) for part in parts])[:n]
        if first:
            centres = start_of_domains(z, self.config.n_domains, seed)
            self.prototypes[...] = jnp.asarray(centres, self.prototypes.dtype)
        shape = None if first else np.asarray(self.shape[...])
        found = shape_inside(z, np.asarray(self.prototypes[...]), shape)
        self.shape[...] = jnp.asarray(found, self.shape.dtype)

    def __call__(
        self,
        counts: jax.Array,
        spatial_coords: jax.Array,
        slice_labels: jax.Array | None = None,
        total_counts: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        expression = log_expression(counts, self.config.normalize, total_counts)
        centred = expression - self.centre[...]
        features = centred @ self.basis[...] / self.scale[...]
        if self.fitted:
            near, far = around_held(features, spatial_coords, slice_labels, self._held())
        else:
            k, radius = self.config.n_neighbors, self.config.radius
            near, far = around_these(features, spatial_coords, slice_labels, k, radius)
        z, y = self._pass(near, far)
        found = self.scale[...] * y @ self.basis[...].T
        left = jnp.mean(jnp.sum((centred - found) ** 2, axis=1))
        temperature = 2.0 * self.dial("temperature")
        shape = self.shape[...]
        square = jnp.sum(((z @ shape)[:, None, :] - self.prototypes[...] @ shape) ** 2, axis=-1)
        energy = -soft_ops.logsumexp_max(-square, axis=1, softness=temperature)
        return {
            "domain_assignments": soft_ops.argmin(
                square, axis=1, softness=temperature, standardize=False
            ),
            "domain_labels": jnp.argmin(square, axis=1).astype(jnp.int32),
            "spatial_embeddings": z,
            "reconstructed_expression": found + self.centre[...],
            "reconstruction_loss": left / self.variance[...],
            "domain_loss": jnp.mean(energy) / (2.0 * z.shape[1]),
        }

    def _held(self) -> Held:
        return Held(
            self.features[...],
            self.places[...],
            self.slices[...],
            self.neighbours[...],
            self.kinds[...],
            self.kind_of[...],
            self.config.alike_by == "surroundings",
            self.config.radius,
        )

    def _of_held(self, rows: jax.Array) -> tuple[Around, Around]:
        held = self._held()
        return around_held(held.features[rows], held.places[rows], held.slices[rows], held)

    def _pass(self, near: Around, far: Around) -> tuple[jax.Array, jax.Array]:
        """Embedding of spots, and their features as their surroundings tell them."""
        alpha = self.dial("alpha")
        z, weights = self.network.encode(near, alpha)
        others, _ = self.network.encode(far, alpha)
        return z, self.network.decode(z, others, weights)
