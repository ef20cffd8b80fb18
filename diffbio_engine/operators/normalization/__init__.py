"""Normalization and maps: from raw counts to latent space and to a picture."""

from diffbio_engine.declare.exports import exported

globals().update(exported(__name__, __path__))
