"""Cell types from known labels or from marker genes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine import soft_ops
from diffbio_engine.declare import (
    COUNTS,
    LABELS,
    MARKER_MATRIX,
    REFERENCE_PROFILES,
    TOTAL_COUNTS,
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
    warn_untrained,
)
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.operators.singlecell.cell_annotator._annotation_forms import FORMS, Form
from diffbio_engine.parts.label_cross_entropy import known_cross_entropy


class CellAnnotatorConfig(Config):
    """Settings of the cell types."""

    annotation_mode: Literal["scanvi", "cellassign", "celltypist", "singler"] = setting(
        "celltypist",
        choices=("scanvi", "cellassign", "celltypist", "singler"),
        doc="celltypist: logistic regression on genes, from known labels. cellassign: from marker"
        " genes, without labels. scanvi: autoencoder, from a few labels and all cells. singler:"
        " correlation with the profiles of a reference.",
    )
    n_cell_types: int = size("classes", default=10, doc="How many cell types there are.")
    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    temperature: float = dial(
        1.0,
        low=0.01,
        high=100.0,
        log=True,
        learnable=True,
        doc="1: probabilities as fitted. Low: each cell one type. High: less sure.",
    )
    l2: float = setting(
        1.0,
        low=1e-4,
        high=1e4,
        log=True,
        doc="L2 regularisation of the logistic regression (1 / C).",
        advanced=True,
    )
    latent_dim: int = setting(10, low=2, high=128, doc="Dimensions of the latent space (scanvi).")
    hidden_dims: tuple[int, ...] = setting(
        (128, 64), low=1, doc="Widths of the encoder's hidden layers (scanvi).", advanced=True
    )
    gene_likelihood: Literal["poisson", "nb", "zinb"] = setting(
        "poisson",
        choices=("poisson", "nb", "zinb"),
        doc="How counts vary about their mean (scanvi; cellassign is always negative binomial).",
        advanced=True,
    )
    classification_ratio: float = setting(
        50.0,
        low=0.0,
        high=1000.0,
        doc="Weight of the classification loss of known labels against that of the counts "
        "(scanvi).",
        advanced=True,
    )
    marker_matrix_shape: tuple[int, int] | None = contract(
        None, doc="Types and genes of the marker matrix (cellassign); None: as the sizes say."
    )
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")

    def __post_init__(self) -> None:
        super().__post_init__()
        mode, form = self.annotation_mode, self.marker_matrix_shape
        if form is not None and mode != "cellassign":
            raise SettingError(
                f"is given, but {mode} uses no markers.",
                fix="Leave it out, or choose cellassign.",
                where="marker_matrix_shape",
            )
        if form is not None and form != (self.n_cell_types, self.n_genes):
            raise SettingError(
                f"is {form}, but there are {self.n_cell_types} types and {self.n_genes} genes.",
                fix="Leave it out, or give n_cell_types and n_genes to match.",
                where="marker_matrix_shape",
            )
        if self.gene_likelihood == "zinb" and mode != "scanvi":
            raise SettingError(
                f"is 'zinb', which {mode} does not have.",
                fix="Choose 'poisson', or the form scanvi.",
                where="gene_likelihood",
            )


@operator(title="Cell types")
class DifferentiableCellAnnotator(Operator):
    """Names the type of each cell, from cells whose type is known or from marker genes.

    ``probability = softmax(logits / temperature)``, with logits by one of three forms:

    celltypist: ``x W + b`` of log-normalised counts (to 10 000), in standard deviations of the
    known cells, at most 10. ``W`` and ``b`` are fitted to convergence in preparing, with a ridge.
    Multinomial, where CellTypist has one regression against the rest for each type.
    cellassign: ``log p(x, type)``, counts negative binomial with mean ``size_i exp(level_g +
    delta_tg marker_tg)``, ``delta > 0``, one dispersion a gene; fitted by (generalised) EM.
    singler: correlation of log-normalised counts with the mean profile of each type of a reference,
    genes weighted by their variance among the types, in units of 0.02. Nothing is fitted. SingleR
    takes Spearman's correlation of marker genes, in rounds; Pearson's is smooth, and was right more
    often (``tests/benchmarks/annotation_by_reference.py``).
    scanvi: a classifier on the latent of a count autoencoder whose prior is one Gaussian a type.
    Cells without a label average the divergence over the types that the classifier sees.

    A label of -1 is unknown: such cells add nothing to the cross-entropy. Known labels never
    overwrite an output. ``latent`` is the autoencoder's (scanvi), else the logits less their mean
    over types. Losses are nats per cell; those that a form does not have are 0. The penalty is the
    ridge, or the priors of cellassign, divided by the number of cells prepared with.

    Softens: the choice of the likeliest type (``argmax``).
    Hard limit: as ``temperature`` goes to 0, a row becomes one-hot at the largest logit; labels
    are that type at every temperature.
    Gradients: reach ``counts`` (where no gene is cut at 10), ``marker_matrix``, the weights of the
    form and the temperature; through the shares they vanish where one type is sure.
    Cost: O(cells * genes * types) time; of cellassign, marker genes only. O(cells * genes) memory.
    Preparing: some hundred passes over the known cells (celltypist).
    Start: converged (celltypist, cellassign); principal components, logistic regression on them
    and the known cells' Gaussians (scanvi).

    References:
        Dominguez Conde et al. (2022), Cross-tissue immune cell analysis, Science 376 (CellTypist).
        Zhang et al. (2019), Probabilistic cell-type assignment, Nature Methods 16 (CellAssign).
        Xu et al. (2021), Probabilistic harmonization and annotation of single-cell transcriptomics
        data with deep generative models, Mol. Syst. Biol. 17 (scANVI).
        Aran et al. (2019), Reference-based analysis of lung single-cell sequencing reveals a
        transitional profibrotic macrophage, Nature Immunology 20 (SingleR).
    """

    Config = CellAnnotatorConfig
    inputs = (
        COUNTS,
        replace(LABELS, optional=True),
        replace(MARKER_MATRIX, optional=True),
        TOTAL_COUNTS,
        replace(REFERENCE_PROFILES, optional=True),
    )
    outputs = (
        Port(
            "cell_type_probabilities",
            "cells classes",
            Kind.SHARES,
            "Probability of each type.",
            result="obsm/cell_type_diffbio_prob",
            role=Role.TYPES,
        ),
        Port("cell_type_labels", "cells", Kind.LABELS, "The likeliest type.", classes="classes"),
        Port("latent", "cells latent", Kind.FEATURES, "Where types are told apart."),
        Port("logits", "cells classes", Kind.PARAMETER, "Before the temperature."),
        Port(
            "confidence",
            "cells",
            Kind.SCORE,
            "Probability of the likeliest type.",
            result="obs/cell_type_confidence_diffbio",
        ),
        Port("classification_loss", "", Kind.LOSS, "Cross-entropy of the known cells."),
        Port("elbo_loss", "", Kind.LOSS, "Negative bound (scanvi) or log-likelihood (cellassign)."),
        Port("penalty_loss", "", Kind.LOSS, "Ridge (celltypist) or priors (cellassign)."),
    )
    needs_training = True
    prepare_cells = 20_000

    def setup(self, rngs: nnx.Rngs) -> None:
        self.form: Form = FORMS[self.config.annotation_mode](self.config, rngs=rngs)
        self.fitted = self.config.annotation_mode == "singler"  # there is nothing to fit

    @classmethod
    def takes_totals(cls, config: Any) -> bool:
        # Models of the genes that they are given.
        return bool(config.annotation_mode not in ("scanvi", "singler"))

    def prepare(self, *, seed: int, first: bool, **arrays: np.ndarray) -> None:
        self.form.prepare(arrays, seed, first=first)

    def __call__(
        self,
        counts: jax.Array,
        labels: jax.Array | None = None,
        marker_matrix: jax.Array | None = None,
        key: jax.Array | None = None,
        total_counts: jax.Array | None = None,
        reference_profiles: jax.Array | None = None,
    ) -> dict[str, jax.Array]:
        counts = jnp.asarray(counts, float)
        by_profiles = self.config.annotation_mode == "singler"
        table = reference_profiles if by_profiles else marker_matrix
        if table is None and labels is None and reference_profiles is not None:
            raise DataError(
                f"is wired, and {self.config.annotation_mode} uses none.",
                fix="Choose the form singler, which compares cells with the types of a reference.",
                where="reference_profiles",
            )
        found = self.form(counts, labels, table, key, self.fitted, total_counts)
        temperature = self.dial("temperature")
        shares = soft_ops.argmax(found.logits, axis=1, softness=temperature, standardize=False)
        centred = found.logits - jnp.mean(found.logits, axis=1, keepdims=True)
        return {
            "cell_type_probabilities": shares,
            "cell_type_labels": jnp.argmax(found.logits, axis=1).astype(jnp.int32),
            "latent": centred if found.latent is None else found.latent,
            "logits": found.logits,
            "confidence": jnp.max(shares, axis=1),
            "classification_loss": self._cross_entropy(found.logits, labels),
            "elbo_loss": jnp.mean(found.misfit + found.divergence),
            "penalty_loss": found.penalty,
        }

    def apply(
        self,
        data: Mapping[str, Any],
        state: Any = None,
        metadata: Any = None,
        *more: Any,
        **named: Any,
    ) -> tuple[dict[str, Any], Any, Any]:
        """As every operator's; ``known_labels`` of the cells ``label_indices`` are taken as well.

        The form scanvi, neither trained nor prepared, is first fitted to the cells given, so that
        no untrained network answers. Where it cannot be (compiled calls, a single cell, no known
        labels) and for the other forms, a warning says that it is not.
        """
        if "labels" in data or "known_labels" not in data:
            self._fit_if_untrained(data)
            return super().apply(data, state, metadata, *more, **named)
        if "label_indices" not in data:
            raise DataError(
                "is missing: of which cells are the known labels?",
                fix="Give their rows, or one label for each cell as 'labels', -1 if unknown.",
                where="label_indices",
            )
        labels = _spread(data["known_labels"], data["label_indices"], jnp.shape(data["counts"])[0])
        self._fit_if_untrained({**data, "labels": labels})
        result, *rest = super().apply({**data, "labels": labels}, state, metadata, *more, **named)
        result.pop("labels")
        return result, *rest

    def _fit_if_untrained(self, data: Mapping[str, Any]) -> None:
        if self.fitted:
            return
        given = {n: data[n] for n in ("counts", "labels", "marker_matrix") if n in data}
        traced = any(isinstance(value, jax.core.Tracer) for value in given.values())
        can = not traced and np.ndim(given["counts"]) == 2 and "labels" in given
        if (
            self.config.annotation_mode == "scanvi"
            and can
            and np.any(np.asarray(given["labels"]) >= 0)
        ):
            arrays = {name: np.asarray(value) for name, value in given.items()}
            self.prepare_from(arrays, jax.random.key(0))
        else:
            warn_untrained(type(self).__name__)

    def compute_elbo_loss(
        self,
        counts: jax.Array,
        known_labels: jax.Array | None = None,
        label_indices: jax.Array | None = None,
        beta: float | jax.Array = 1.0,
        *,
        marker_matrix: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """All that training makes small, nats per cell; ``beta`` weighs the divergence (scanvi).

        Args:
            known_labels: Of the cells ``label_indices``; without these, one for each cell.
        """
        counts, labels = jnp.asarray(counts, float), known_labels
        if known_labels is not None and label_indices is not None:
            labels = _spread(known_labels, label_indices, len(counts))
        found = self.form(counts, labels, marker_matrix, key, self.fitted)
        bound = jnp.mean(found.misfit + beta * found.divergence)
        return bound + self._cross_entropy(found.logits, labels) + found.penalty

    def _cross_entropy(self, logits: jax.Array, labels: jax.Array | None) -> jax.Array:
        """Of the known cells, with the weight that the form gives it."""
        temperature = self.dial("temperature")
        highest = soft_ops.logsumexp_max(logits, axis=1, keepdims=True, softness=temperature)
        log_shares = (logits - highest) / temperature
        return self.form.ratio * known_cross_entropy(log_shares, labels)


def _spread(known: Any, rows: Any, n_cells: int) -> jax.Array:
    """A label for each cell, -1 where none is known."""
    everywhere = jnp.full(n_cells, -1, jnp.int32)
    return everywhere.at[jnp.asarray(rows)].set(jnp.asarray(known, jnp.int32))
