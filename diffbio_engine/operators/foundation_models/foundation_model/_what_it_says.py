"""What the model says of cells, and how its errors are told."""

from diffbio_engine.declare import Kind, Port, Role

OUTPUTS = (
    Port(
        "embeddings",
        "cells features",
        Kind.FEATURES,
        "A vector for each cell.",
        result="obsm/X_foundation",
        role=Role.LATENT,
    ),
    Port(
        "token_embeddings",
        "cells tokens channels",
        Kind.PARAMETER,
        "A vector for each token, 0 for none; too large to be kept.",
    ),
    Port("tokens", "cells tokens", Kind.INDEX, "Which genes are tokens; -1 for none."),
    Port(
        "predicted_expression",
        "cells genes",
        Kind.EXPRESSION,
        "Expected log-normalised expression, every gene.",
        role=Role.PREDICTED,
    ),
    Port("mask", "cells genes", Kind.PARAMETER, "1 where a gene was hidden.", role=Role.HIDDEN),
    Port(
        "class_probabilities",
        "cells classes",
        Kind.SHARES,
        "Probability of each type.",
        optional=True,
        result="obsm/type_foundation_prob",
        role=Role.TYPES,
    ),
    Port(
        "class_labels",
        "cells",
        Kind.LABELS,
        "The likeliest type.",
        optional=True,
        classes="classes",
    ),
    Port(
        "confidence",
        "cells",
        Kind.SCORE,
        "Probability of the likeliest type.",
        optional=True,
        result="obs/type_foundation_confidence",
    ),
    Port("label_loss", "", Kind.LOSS, "Cross-entropy of cells whose type is known, nats."),
    Port("masked_loss", "", Kind.LOSS, "Squared error of hidden log-normalised values."),
    Port(
        "mean_error",
        "",
        Kind.LOSS,
        "The same by the mean of each gene.",
        floor_of="masked_loss",
    ),
    Port(
        "components_error",
        "",
        Kind.LOSS,
        "The same by 30 principal components.",
        floor_of="masked_loss",
    ),
)
