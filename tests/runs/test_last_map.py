"""The map at the end of a training is the map that was seen while it trained."""

import numpy as np

from diffbio_engine.data import CellSource
from diffbio_engine.pipelines import Block, Pipeline, PipelineSpec, Wire, plan, ports_of
from diffbio_engine.runs.worker.snapshot_maker import SnapshotMaker
from diffbio_engine.training import Stage, Training

MAP, SHARES = "umap.embedding", "cluster.cluster_assignments"


def trained():
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=4.0, size=(3, 4))
    points = centres[np.arange(90) % 3] + rng.normal(size=(90, 4))
    cells = CellSource(per_cell={"embeddings": points.astype(np.float32)})
    spec = PipelineSpec(
        name="Map",
        blocks=(
            Block("umap", "normalization.umap", {"hidden_dim": 1, "n_epochs": 40}),
            Block("cluster", "singlecell.soft_kmeans", {"n_clusters": 3}),
        ),
        wires=(Wire("data.embeddings", "umap.features"), Wire(MAP, "cluster.embeddings")),
    )
    pipeline = Pipeline(plan(spec, ports_of(cells, {})), seed=0)
    stages = (Stage(steps=12, refresh_every=100),)
    training = Training(pipeline, cells, stages, batch_size=32, learning_rate=0.05)
    return training, cells


def test_the_last_live_map_is_the_map_of_the_last_pass():
    training, cells = trained()
    maker = SnapshotMaker(training.pipeline.plan, cells, settles=True)
    plain = SnapshotMaker(training.pipeline.plan, cells)
    for _ in training:
        pass
    by_network = plain.whole(training.sync()).map.copy()
    drawn = maker.whole(training.sync())
    live = drawn.map
    settled = plain.whole(training.settle()).map
    span = np.ptp(settled, axis=0).max()
    assert np.abs(live - settled).max() < 0.02 * span
    assert np.abs(by_network - settled).max() > 0.02 * span  # it is not so by itself
    # What stands on the map is worked out from the map that is seen.
    assert drawn.labels.shape == (90,) and np.isfinite(live).all()
    # As long as nothing was learned since, the map is shown as it was laid out.
    np.testing.assert_array_equal(maker.whole(training.sync()).map, settled)
