"""Losses: numbers to be made small."""

from diffbio_engine.declare.exports import exported

globals().update(exported(__name__, __path__))
