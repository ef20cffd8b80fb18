"""Ambient RNA removal: each cell is a mixture of itself and of the soup that it floats in."""

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from scipy.optimize import brentq
from scipy.special import expit, logit

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    Buffer,
    Config,
    Kind,
    Operator,
    Port,
    Role,
    contract,
    dial,
    operator,
    setting,
    size,
)
from diffbio_engine.errors import SettingError
from diffbio_engine.operators.singlecell.ambient_removal._ambient_starts import (
    NOT_TOLD,
    SIGNS,
    ambient_start,
)
from diffbio_engine.parts.count_autoencoder import (
    CountDecoder,
    CountEncoder,
    gaussian_draw,
    gaussian_kl,
    log_library,
    put,
)
from diffbio_engine.parts.count_likelihoods import negative_binomial_log_prob
from diffbio_engine.parts.count_starts import start_of_counts
from diffbio_engine.ports.latent_ports import (
    BOUND,
    LATENT,
    LATENT_LOGVAR,
    LATENT_MEAN,
    RECONSTRUCTED,
)

_ROUNDS = 6  # steps of expectation-maximisation for each cell's fraction
_STRENGTH = 200.0  # molecules that the common level weighs as much as, in each prepared cell
_UNPREPARED = 1e9  # before that, the level is all there is: a random decoder tells nothing


class AmbientRemovalConfig(Config):
    """Settings of ambient RNA removal."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    latent_dim: int = setting(64, low=2, high=256, doc="Dimensions of the latent space.")
    hidden_dims: tuple[int, ...] = setting(
        (256, 128), low=1, doc="Width of each hidden layer.", advanced=True
    )
    ambient_prior: float = setting(
        0.01, low=1e-4, high=0.5, log=True, doc="Expected ambient share of a cell's counts."
    )
    mode: Literal["generative", "posterior", "subtract"] = setting(
        "generative",
        choices=("generative", "posterior", "subtract"),
        doc="The cell's part of the model; the observed counts shared out between cell and ambient"
        " (never more than was counted); or counts less the expected ambient ones.",
    )
    temperature: float = dial(
        1.0,
        low=0.01,
        high=1.0,
        log=True,
        doc="High: expected counts. Low: the likeliest whole number of molecules.",
    )
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")

    def __post_init__(self) -> None:
        if not self.hidden_dims:
            raise SettingError(
                "is empty.", fix="Give the width of at least one layer.", where="hidden_dims"
            )
        super().__post_init__()


@operator(title="Ambient RNA removal")
class DifferentiableAmbientRemoval(Operator):
    """Estimates how much of each cell's counts is ambient RNA, and removes it.

    ``rate = library * ((1 - rho) softmax(decoder(z)) + rho profile)``; ``x ~ NB(rate, theta)``,
    ``z ~ N(0, 1)``, ``logit rho ~ N(centre, 1)``. ``logit rho = level + m - usual``: a learned
    level of all cells, and the cell's own ``m``, the weight of a mixture of two known profiles
    given ``z`` (six steps of expectation-maximisation, the level weighing as much as 200
    molecules), relative to what is usual. An unprepared block gives every cell ``ambient_prior``.

    What can be known: counts alone bound the level only from above. It is found where many genes
    are off in whole clusters, and elsewhere guessed from how much the cells differ: within 0.03 in
    simulations, in which soup varies much between cells; where 0.15 of even soup was added to real
    cells of few molecules, 0.01 to 0.09 of it was found (tests/benchmarks/README.md). With
    neither sign it stays near ``ambient_prior``. ``level_rule`` says which sign it was.
    Doublets and cells between two kinds look like ambient ones, so without silent genes a single
    cell's fraction says little.

    Decontaminated counts are, by ``mode``: *generative* ``(1 - rho) library softmax(decoder(z))``;
    *posterior* ``x c / (c + a)`` with ``c`` and ``a`` the cell's and the ambient part of the rate;
    *subtract* ``max(x - rho library profile, 0)``. Losses are nats per cell.

    Softens: the rounding to whole molecules (a step at each whole number).
    Hard limit: as ``temperature`` goes to 0, whole molecules: the mode of the Poisson (generative)
    or binomial (posterior) distribution of the cell's counts, or rounded (subtract). At 1 they are
    the expected counts above.
    Gradients: reach counts, profile, temperature and all weights.
    Cost: O(cells * genes * hidden width) time, O(cells * genes) memory.
    Start: level and fractions without training, a linear factor model of the decontaminated
    counts. The centre of the prior moves there from ``ambient_prior``.
    Without a profile the mean of the prepared cells stands in for it, as in DecontX.

    References:
        Fleming et al. (2023), Unsupervised removal of systematic background noise from
        droplet-based single-cell experiments using CellBender.
        Young and Behjati (2020), SoupX removes ambient RNA contamination.
    """

    Config = AmbientRemovalConfig
    inputs = (
        replace(COUNTS, after=()),
        Port(
            "ambient_profile",
            "genes",
            Kind.PROFILE,
            "Share of each gene in the ambient RNA, for instance the mean of empty droplets.",
            optional=True,
        ),
    )
    outputs = (
        Port(
            "decontaminated_counts",
            "cells genes",
            Kind.COUNTS,
            "Counts without ambient RNA.",
            role=Role.CLEANED,
        ),
        Port("contamination_fraction", "cells", Kind.SCORE, "Ambient share of a cell's counts."),
        Port("ambient_level", "", Kind.PARAMETER, "Ambient share of all counts, when prepared."),
        Port("level_rule", "", Kind.PARAMETER, "How it was found.", words=SIGNS),
        LATENT,
        LATENT_MEAN,
        LATENT_LOGVAR,
        RECONSTRUCTED,
        *BOUND,
        Port("contamination_loss", "", Kind.LOSS, "-log prior of the fractions, nats per cell."),
    )
    needs_training = True
    prepare_once = True
    prepare_cells = 8192

    def setup(self, rngs: nnx.Rngs) -> None:
        config = self.config
        n_genes, n_latent, widths = config.n_genes, config.latent_dim, config.hidden_dims
        self.encoder = CountEncoder(n_genes, n_latent, widths, rngs=rngs)
        self.decoder = CountDecoder(n_latent, n_genes, widths[::-1], rngs=rngs)
        centre = np.log(config.ambient_prior / (1 - config.ambient_prior))
        self.level = nnx.Param(jnp.asarray(centre))
        self.log_dispersion = nnx.Param(jnp.ones(n_genes))
        self.typical_library = Buffer(jnp.asarray(1000.0))
        self.prior_centre = Buffer(jnp.asarray(centre))
        self.strength = Buffer(jnp.asarray(_UNPREPARED))
        self.usual = Buffer(jnp.asarray(centre))
        self.level_rule = Buffer(jnp.asarray(NOT_TOLD))
        self.mean_profile = Buffer(jnp.full(n_genes, 1.0 / n_genes))

    def prepare(
        self, counts: np.ndarray, ambient_profile: np.ndarray | None = None, *, seed: int
    ) -> bool:
        counts = np.asarray(counts, np.float32)
        counts = counts[counts.sum(axis=1) > 0]
        if not len(counts):
            return False
        mean = counts.sum(axis=0) + 1e-3
        put(self.mean_profile, mean / mean.sum())
        given = None if ambient_profile is None else jnp.asarray(ambient_profile)
        profile = np.asarray(self._profile(given))

        rough = start_of_counts(counts, self.config.latent_dim, seed=seed)
        prior = self.config.ambient_prior
        fractions, cleaned, sign = ambient_start(counts, profile, prior=prior, seed=seed)
        start = start_of_counts(cleaned, self.config.latent_dim, seed=seed)
        self.decoder.begin(start)
        self.encoder.begin(rough)
        put(self.log_dispersion, start.log_theta)
        put(self.typical_library, np.asarray(rough.typical_library))
        centre = float(logit(np.mean(fractions)))
        put(self.level, np.asarray(centre))
        put(self.prior_centre, np.asarray(centre))
        put(self.strength, np.asarray(_STRENGTH))
        put(self.level_rule, np.asarray(sign))
        put(self.usual, np.asarray(self._usual(counts, profile, centre)))
        return True

    def _usual(self, counts: np.ndarray, profile: np.ndarray, centre: float) -> float:
        """The logit that stands for the level, so that the mean fraction of all is the level."""

        @nnx.jit
        def mixture_logit(block: "DifferentiableAmbientRemoval", x: jax.Array) -> jax.Array:
            mean, _, _ = block.encoder(x, log_library(x, None), block.typical_library[...])
            return block._mixture_logit(x, jnp.exp(block.decoder(mean)[0]), profile)

        parts = np.array_split(counts, -(-len(counts) // 1024))
        found = [np.asarray(mixture_logit(self, jnp.asarray(some))) for some in parts]
        logits = np.concatenate(found)
        return float(brentq(lambda u: expit(centre + logits - u).mean() - expit(centre), -40, 40))

    def _profile(self, ambient_profile: jax.Array | None) -> jax.Array:
        """The ambient shares, made to add up to 1."""
        profile = self.mean_profile[...] if ambient_profile is None else ambient_profile
        return profile / jnp.maximum(jnp.sum(profile), 1e-12)

    def __call__(
        self,
        counts: jax.Array,
        ambient_profile: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        profile = self._profile(ambient_profile)
        log_total = log_library(counts, None)
        mean, log_var, _ = self.encoder(counts, log_total, self.typical_library[...])
        z = gaussian_draw(mean, log_var, key)
        log_share, _ = self.decoder(z)
        own = self._mixture_logit(counts, jnp.exp(log_share), profile)
        logit = (self.level[...] + own - self.usual[...])[:, None]

        cell = jax.nn.log_sigmoid(-logit) + log_share + log_total
        log_profile = jnp.log(jnp.maximum(profile, 1e-12))
        ambient = jax.nn.log_sigmoid(logit) + log_profile + log_total
        log_rate = jnp.logaddexp(cell, ambient)
        fit = negative_binomial_log_prob(counts, log_rate, self.log_dispersion[...])
        centre = self.prior_centre[...]
        return {
            "decontaminated_counts": self._decontaminated(counts, cell, ambient),
            "contamination_fraction": jax.nn.sigmoid(logit[:, 0]),
            "ambient_level": jax.nn.sigmoid(centre),
            "level_rule": self.level_rule[...],
            "latent": z,
            "latent_mean": mean,
            "latent_logvar": log_var,
            "reconstructed": jnp.exp(log_rate),
            "reconstruction_loss": -jnp.mean(jnp.sum(fit, axis=-1)),
            "kl_loss": jnp.mean(gaussian_kl(mean, log_var)),
            "contamination_loss": 0.5 * jnp.mean((logit - centre) ** 2),
        }

    def _mixture_logit(
        self, counts: jax.Array, own: jax.Array, profile: jax.Array | np.ndarray
    ) -> jax.Array:
        """Logit of the likeliest ambient share, if a cell's own profile were ``own`` exactly.

        It is not: what it says too much of the ambient, or misses, shifts the share of all cells.
        So this is only read relative to ``usual``.
        """
        level, strength = jax.nn.sigmoid(self.prior_centre[...]), self.strength[...]
        total = jnp.sum(counts, axis=1, keepdims=True)
        # Of what is seen of a cell; the rest is the level. With endless strength: nothing.
        heard = total / (total + strength)
        fraction = jnp.broadcast_to(level, total.shape)
        for _ in range(_ROUNDS):
            ambient = fraction * profile
            owed = counts * (ambient / (ambient + (1 - fraction) * own + 1e-12))
            seen = jnp.sum(owed, axis=1, keepdims=True) / jnp.maximum(total, 1e-12)
            fraction = heard * seen + (1 - heard) * level
        fraction = jnp.clip(fraction[:, 0], 1e-6, 1 - 1e-6)
        return jnp.log(fraction) - jnp.log1p(-fraction)

    def _decontaminated(self, counts: jax.Array, cell: jax.Array, ambient: jax.Array) -> jax.Array:
        """Counts of the cell itself: expected, or nearer to whole molecules by temperature."""
        temperature = self.dial("temperature")
        if self.config.mode == "generative":
            expected = jnp.exp(cell)
            return _towards_whole(expected, expected, temperature)
        if self.config.mode == "subtract":
            expected = jax.nn.relu(counts - jnp.exp(ambient))
            return jnp.minimum(_towards_whole(expected, expected + 0.5, temperature), counts)
        own = jax.nn.sigmoid(cell - ambient)
        nearer = _towards_whole(counts * own, (counts + 1) * own, temperature)
        return jnp.minimum(nearer, counts)


def _towards_whole(expected: jax.Array, mode: jax.Array, temperature: jax.Array) -> jax.Array:
    """From the expected value (temperature 1) to ``floor(mode)`` (temperature 0), smoothly."""
    whole = jnp.floor(mode)
    part = mode - whole
    softness = 0.05 * temperature
    # The step at this whole number and at the next; further ones are too far to be felt.
    steps = soft_ops.heaviside(part - 1, softness) - soft_ops.heaviside(-part, softness)
    stepped = jax.nn.relu(whole + steps)
    return temperature * expected + (1 - temperature) * stepped
