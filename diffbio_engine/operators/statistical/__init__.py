"""Statistical models whose parameters learn by gradients: hidden Markov models."""

from diffbio_engine.declare.exports import exported

globals().update(exported(__name__, __path__))
