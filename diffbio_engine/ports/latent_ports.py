"""What variational autoencoders of counts give, besides what each is for."""

from diffbio_engine.ports.port import Kind, Port

LATENT = Port("latent", "cells latent", Kind.FEATURES, "Latent coordinates.", also=("latent_z",))
LATENT_MEAN = Port("latent_mean", "cells latent", Kind.FEATURES, "Their mean.", also=("mu",))
LATENT_LOGVAR = Port(
    "latent_logvar", "cells latent", Kind.PARAMETER, "Their log variance.", also=("log_var",)
)
RECONSTRUCTED = Port("reconstructed", "cells genes", Kind.EXPRESSION, "Expected counts.")
# The two terms of the negative evidence lower bound.
BOUND = (
    Port("reconstruction_loss", "", Kind.LOSS, "-log p(x | z), nats per cell."),
    Port("kl_loss", "", Kind.LOSS, "Divergence of the latent from its prior, nats per cell."),
)
