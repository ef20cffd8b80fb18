"""Foundation models: trained on unlabelled data first, then fine-tuned for a task."""

from diffbio_engine.declare.exports import exported

globals().update(exported(__name__, __path__))
