"""What held-out records say of classes that were learned."""

import numpy as np

from diffbio_engine.data import Records
from diffbio_engine.pipelines import DataPort, build
from diffbio_engine.pipelines.presets.preset import assembled
from diffbio_engine.runs.worker.held_out_classes import right_of_held_out


def test_classes_of_held_out_records_are_counted_where_they_are_known():
    fields = {
        "sequences": DataPort.named("sequences", 12),
        "labels": DataPort.named("labels", n_classes=3),
    }
    small = {"embedding_dim": 4, "num_heads": 2, "n_layers": 1}
    spec = assembled(
        "Learn",
        {"embed": ("normalization.sequence_embedding", small)},
        {"embed.sequences": "data.sequences", "embed.labels": "data.labels"},
        dict.fromkeys(fields, "X"),
    )
    pipeline = build(spec, fields)
    # Each is said to be of class 1, as an untrained block does of the most frequent class.
    bias = pipeline.blocks["embed"].classes.linear.bias
    bias[...] = np.array([0.0, 9.0, 0.0])
    labels = np.array([1, 0, 1, -1, 2, 1, 1, 0], np.int32)
    codes = np.random.default_rng(0).integers(0, 4, (8, 12)).astype(np.uint8)
    cells = Records(None, {"sequences": codes, "labels": labels}, record="sequences")
    (said,) = right_of_held_out(pipeline, cells, np.array([0, 1, 3, 4]))
    assert "Sequence embedding: the class is right for 1 of 3 cells (33%)" in said
    assert "most frequent one is right for 1" in said
    assert right_of_held_out(pipeline, cells, np.array([3])) == []
    assert right_of_held_out(pipeline, cells, np.zeros(0, int)) == []
