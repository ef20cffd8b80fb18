"""Domains of a tissue: regions whose spots are alike in expression and lie together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    SLICE_LABELS,
    SPATIAL_COORDS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.parts.spatial_attention import Around, SpatialAttention
from diffbio_engine.parts.spatial_graph import (
    Held,
    around_held,
    around_these,
    neighbours_in_slices,
    start_of_domains,
    start_of_features,
)


@dataclass(frozen=True, kw_only=True)
class SpatialDomainConfig(Config):
    """Settings of spatial domains."""

    n_genes: int = size("genes", default=2000, doc="Number of genes.")
    n_domains: int = setting(7, low=2, high=100, doc="How many domains to look for.")
    n_neighbors: int = setting(
        15, low=1, high=100, doc="How many of the nearest spots a spot looks at."
    )
    radius: float | None = setting(
        None,
        low=0.0,
        doc="Look no further than this, in the unit of the coordinates; empty for no limit.",
        advanced=True,
    )
    alpha: float = dial(
        0.8,
        low=0.0,
        high=1.0,
        doc="Weight of neighbours with similar expression over that of all neighbours. Low:"
        " smoother domains.",
    )
    temperature: float = dial(
        1.0,
        low=0.01,
        high=100.0,
        log=True,
        unit="times the spread inside domains",
        doc="Low: each spot belongs to one domain. High: spots are shared.",
    )
    learnable_temperature: bool = setting(
        False, doc="Let training find the temperature.", advanced=True
    )
    hidden_dim: int = setting(
        64, low=2, high=512, log=True, doc="Dimensions of the embedding.", advanced=True
    )
    num_heads: int = setting(4, low=1, high=16, doc="Attention heads.", advanced=True)
    n_components: int = setting(
        50,
        low=2,
        high=500,
        doc="How many principal components of the expression are held of each spot.",
        advanced=True,
    )
    normalize: bool = setting(
        True,
        doc="Take log(1 + counts per 10 000). Off: what comes in is log-normalised already.",
    )


@operator(title="Spatial domains (STAGATE)")
class DifferentiableSpatialDomain(Operator):
    """Finds regions of the tissue whose spots are alike in expression and lie together.

    An autoencoder with attention over the nearest spots of the slice: ``h_i = elu(sum_j a_ij x_j
    W)``, ``z_i = h_i V``, and back by the same weights and attention. ``a_ij`` mixes the attention
    among all neighbours, by ``1 - alpha``, with that among neighbours of the same cluster of
    expression, by ``alpha``. ``x`` are principal components of ``log(1 + counts per 10 000)``.
    ``share_ik = softmax_k(-|z_i - c_k|^2 / (temperature * spread))`` with prototypes ``c``;
    ``spread`` is twice the mean variance of ``z`` inside domains. The reconstruction loss is the
    share of the variance of expression that is left; the domain loss, the free energy of ``z``
    among the prototypes, moves these and draws spots to them.

    Held from preparing: components of all spots and who is beside whom. A spot is found by its
    place: at a held spot it has that one's neighbours, elsewhere the nearest held spot and that
    one's neighbours. Its own expression is always that which comes in. Slices are never joined.

    Softens: the choice of the nearest prototype (``argmin`` of the distances).
    Hard limit: as ``temperature`` goes to 0, a row is one-hot at the nearest prototype.
    Gradients: reach ``counts`` (of the batch; its neighbours' are held), all weights, prototypes
    and the temperature. Who is beside whom and whose expression is similar are choices without a
    slope, so none reaches ``spatial_coords``.
    Cost: O(cells * neighbours^2 * components) time and memory a batch, and O(cells * spots) time to
    find places. Held: O(spots * (components + neighbours)).
    Start: weights that give the means of the principal components over neighbours, prototypes of a
    Gaussian mixture of them.

    References:
        Dong, Zhang (2022), Deciphering spatial domains from spatially resolved transcriptomics
        with an adaptive graph attention auto-encoder (STAGATE), Nature Communications 13.
    """

    Config = SpatialDomainConfig
    inputs = (COUNTS, SPATIAL_COORDS, replace(SLICE_LABELS, optional=True))
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
        Port("domain_loss", "", Kind.LOSS, "Tightness of the domains.", weight=0.1),
    )
    reach = "population"
    needs_training = True
    example = {"n_neighbors": 3, "n_domains": 3, "hidden_dim": 4, "num_heads": 2}

    def __init__(
        self, config: SpatialDomainConfig, *, rngs: nnx.Rngs | None = None, name: str | None = None
    ) -> None:
        rngs = rngs or nnx.Rngs(0)
        super().__init__(config, rngs=rngs, name=name)
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
        self.spread = Buffer(jnp.asarray(1.0))
        self.features = Buffer(jnp.zeros((1, d)))
        self.places = Buffer(jnp.zeros((1, 2)))
        self.slices = Buffer(jnp.zeros(1, jnp.int32))
        self.neighbours = Buffer(jnp.zeros((1, 1), jnp.int32))
        self.kinds = Buffer(jnp.zeros((1, d)))

    def prepare(
        self, arrays: Mapping[str, np.ndarray], key: jax.Array, *, first: bool = True
    ) -> None:
        config, seed = self.config, int(jax.random.randint(key, (), 0, 2**31 - 1))
        expression = np.asarray(self._expression(jnp.asarray(arrays["counts"])), np.float32)
        places = np.asarray(arrays["spatial_coords"], np.float32)
        slices = np.asarray(arrays.get("slice_labels", np.zeros(len(places))), np.int32)
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
        kinds = start_of_domains(features, config.n_domains, seed)[0]
        self.features = Buffer(jnp.asarray(features))
        self.places = Buffer(jnp.asarray(places))
        self.slices = Buffer(jnp.asarray(slices))
        self.neighbours = Buffer(jnp.asarray(neighbours))
        self.kinds = Buffer(jnp.asarray(kinds))
        self.fitted = True
        if first:
            self._begin(seed)

    def _begin(self, seed: int) -> None:
        """First weights, and prototypes among what they give."""
        n = len(self.places)
        rows = np.random.default_rng(seed).permutation(n)
        run = nnx.jit(lambda block, some: block._pass(*block._of_held(some)))
        some, misfits = jnp.asarray(rows[: min(n, 512)]), {}
        for gain in np.geomspace(0.25, 1.5, 8):
            self.network.begin(self.basis.shape[1], float(gain))
            misfits[gain] = float(jnp.mean((run(self, some)[1] - self.features[some]) ** 2))
        self.network.begin(self.basis.shape[1], min(misfits, key=misfits.__getitem__))
        # The last part is filled up, so that one shape is compiled.
        parts = np.resize(np.arange(n), (-(-n // 512), 512))
        z = np.concatenate([np.asarray(run(self, jnp.asarray(part))[0]) for part in parts])[:n]
        centres, spread = start_of_domains(z, self.config.n_domains, seed)
        self.prototypes[...] = jnp.asarray(centres, self.prototypes.dtype)
        self.spread[...] = jnp.asarray(spread, self.spread.dtype)

    def __call__(
        self,
        counts: jax.Array,
        spatial_coords: jax.Array,
        slice_labels: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        expression = self._expression(jnp.asarray(counts, float))
        centred = expression - self.centre[...]
        features = centred @ self.basis[...] / self.scale[...]
        slices = slice_labels
        if self.fitted:
            near, far = around_held(features, spatial_coords, slices, self._held())
        else:
            k, radius = self.config.n_neighbors, self.config.radius
            near, far = around_these(features, spatial_coords, slices, k, radius)
        z, y = self._pass(near, far)
        found = self.scale[...] * y @ self.basis[...].T
        left = jnp.mean(jnp.sum((centred - found) ** 2, axis=1))
        temperature = self.dial("temperature") * self.spread[...]
        square = jnp.sum((z[:, None, :] - self.prototypes[...]) ** 2, axis=-1)
        energy = -soft_ops.logsumexp_max(-square, axis=1, softness=temperature)
        return {
            "domain_assignments": soft_ops.argmin(
                square, axis=1, softness=temperature, standardize=False
            ),
            "domain_labels": jnp.argmin(square, axis=1).astype(jnp.int32),
            "spatial_embeddings": z,
            "reconstructed_expression": found + self.centre[...],
            "reconstruction_loss": left / self.variance[...],
            "domain_loss": jnp.mean(energy) / (self.spread[...] * z.shape[1]),
        }

    def _expression(self, counts: jax.Array) -> jax.Array:
        if not self.config.normalize:
            return counts
        total = jnp.sum(counts, axis=1, keepdims=True)
        return jnp.log1p(1e4 * soft_ops.div(counts, total))

    def _held(self) -> Held:
        return Held(
            self.features[...],
            self.places[...],
            self.slices[...],
            self.neighbours[...],
            self.kinds[...],
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
