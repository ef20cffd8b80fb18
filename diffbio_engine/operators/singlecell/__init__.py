"""Single cell: clusters, batches, ambient RNA, cell states."""

from diffbio_engine.declare.exports import exported

globals().update(exported(__name__, __path__))
