"""Differential expression within clusters that cells belong to in part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.data.demos.simulated_conditions import simulate_conditions
from diffbio_engine.errors import DataError
from diffbio_engine.operators.statistical import (
    DifferentiableNBGLM,
    NBGLMConfig,
    SoftClusterExpression,
    SoftClusterExpressionConfig,
)
from diffbio_engine.operators.statistical.soft_cluster_expression import _mixture
from diffbio_engine.operators.statistical.soft_cluster_expression._within_clusters import Samples


@pytest.fixture(scope="module")
def cells():
    """Cells of three types from six donors, with what changes in each type."""
    made = simulate_conditions(seed=2, n_cells=400, n_genes=120, apart=1.2)
    truth = made.var.to_numpy().T
    kind = made.obs["cell_type"].astype("category").cat.codes.to_numpy()
    data = {
        "counts": made.X.toarray(),
        "condition_labels": (made.obs["condition"] == "treated").to_numpy(np.int32),
        "batch_labels": made.obs["donor"].astype("category").cat.codes.to_numpy(np.int32),
        "cluster_assignments": np.eye(3, dtype=np.float32)[kind],
    }
    return data, truth


def block_of(data, **settings):
    shape = (data["counts"].shape[1], data["cluster_assignments"].shape[1])
    config = SoftClusterExpressionConfig(n_genes=shape[0], n_clusters=shape[1], **settings)
    return SoftClusterExpression(config, rngs=nnx.Rngs(0))


def prepared(data, **settings):
    block = block_of(data, **settings)
    block.prepare_from(data, jax.random.key(0))
    return block, {k: np.asarray(v, float) for k, v in block(**_arrays(data)).items()}


def _arrays(data):
    return {name: jnp.asarray(value) for name, value in data.items()}


def test_with_hard_clusters_it_is_sums_of_cells_compared_by_the_regression(cells):
    data, _ = cells
    _, result = prepared(data, evidence=0.0)
    np.testing.assert_allclose(result["responsibilities"], data["cluster_assignments"], atol=1e-5)
    sums, design = [], []
    for donor in range(6):
        own = (data["batch_labels"] == donor) & (data["cluster_assignments"][:, 1] == 1)
        sums.append(data["counts"][own].sum(axis=0))
        design.append([1.0, data["condition_labels"][data["batch_labels"] == donor][0]])
    config = NBGLMConfig(n_features=120, n_covariates=2)
    bulk = DifferentiableNBGLM(config, rngs=nnx.Rngs(0))
    told = {"counts": np.stack(sums), "design": np.array(design)}
    bulk.prepare_from(told, jax.random.key(0))
    expected = bulk(**_arrays(told))
    for name in ("log2_fold_change", "pvalue", "padj"):
        np.testing.assert_allclose(result[name][1], expected[name], rtol=1e-3, err_msg=name)


def test_counts_tell_again_which_cluster_a_cell_is_of(cells):
    """Half of each cell's share lies in the wrong clusters; the mixture finds where it belongs."""
    data, truth = cells
    rng = np.random.default_rng(0)
    kind = data["cluster_assignments"].argmax(axis=1)
    moved = np.where(rng.random(len(kind)) < 0.3, rng.integers(3, size=len(kind)), kind)
    unsure = 0.7 * np.eye(3, dtype=np.float32)[moved] + 0.1
    _, result = prepared(data | {"cluster_assignments": unsure})
    assert (result["responsibilities"].argmax(axis=1) == kind).mean() > 0.97
    assert (moved == kind).mean() < 0.85
    called = np.nan_to_num(result["padj"], nan=1.0) < 0.05
    assert (truth[called] != 0).mean() > 0.85 and called.sum() > 0.6 * (truth != 0).sum()


def test_cells_are_looked_at_some_at_a_time_and_those_of_a_third_condition_are_told(
    cells, monkeypatch
):
    data, _ = cells
    third = np.where(np.arange(400) % 50 == 0, 2, data["condition_labels"])
    told = data | {"condition_labels": third}
    block = block_of(told)
    block.prepare_from(told, jax.random.key(0))
    said = block.notes[0]
    whole = {k: np.asarray(v, float) for k, v in block(**_arrays(told)).items()}
    assert "8 of 400 cells are of other conditions than the two compared" in said
    monkeypatch.setattr(_mixture, "_TOGETHER", 120 * 64)
    _, pieces = prepared(told)
    for name in ("responsibilities", "change", "stat", "padj"):
        np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_likelihood_moves_the_clusters(cells):
    data, _ = cells
    block, _ = prepared(data)
    arrays = _arrays(data)

    def loss(logits):
        shares = jax.nn.softmax(logits)
        return block(**arrays | {"cluster_assignments": shares})["mixture_loss"]

    even = jnp.zeros(data["cluster_assignments"].shape)
    slope = jax.jit(jax.grad(loss))(even)
    right = np.asarray(data["cluster_assignments"]) == 1
    assert bool(jnp.isfinite(slope).all())
    # Descent gives more to the right cluster and less to the others, for nearly all cells.
    assert (np.asarray(slope)[right] < 0).mean() > 0.95


def test_cells_as_replicates_are_said_to_be_none(cells):
    data, _ = cells
    one = np.flatnonzero(data["cluster_assignments"][:, 0])[:6]
    few = {name: value[one] for name, value in data.items() if name != "batch_labels"}
    few |= {"condition_labels": np.arange(6) % 2, "cluster_assignments": np.ones((6, 1))}
    block, result = prepared(few, evidence=0.0, replicates="cells")
    assert "p-values are too small" in block.notes[0]
    assert np.isfinite(result["stat"]).mean() > 0.5


def test_a_cluster_with_too_few_samples_is_left_out_and_that_is_said(cells):
    data, _ = cells
    shares = np.concatenate([data["cluster_assignments"], np.zeros((400, 1), np.float32)], axis=1)
    shares[:4] = [0, 0, 0, 1]
    block, result = prepared(data | {"cluster_assignments": shares}, evidence=0.0)
    assert np.isnan(result["padj"][3]).all() and np.isfinite(result["smallest_padj"]).all()
    assert any("Cluster 3" in note for note in block.notes)
    # A refresh that has something else to tell compiles no step anew.
    graph = nnx.graphdef(block)
    block.prepare_from(data | {"cluster_assignments": shares[:, [3, 0, 1, 2]]}, jax.random.key(0))
    assert "Cluster 0" in block.notes[0]
    assert nnx.graphdef(block) == graph and hash(nnx.graphdef(block)) == hash(graph)


@pytest.mark.parametrize(
    "donors, said", [(None, "no replicates"), (np.zeros(400, int), "1 samples")]
)
def test_without_replicates_it_is_refused(cells, donors, said):
    data = {name: value for name, value in cells[0].items() if name != "batch_labels"}
    given = data if donors is None else data | {"batch_labels": donors}
    with pytest.raises(DataError, match=said):
        block_of(data).prepare_from(given, jax.random.key(0))


def test_donors_under_both_conditions_are_compared_with_themselves():
    donors, conditions = np.repeat([0, 1, 2], 4), np.tile([0, 0, 1, 1], 3)
    samples = Samples.of(conditions, donors, paired=True)
    assert samples.design.shape == (6, 4) and np.linalg.matrix_rank(samples.design) == 4
    sums, cells = samples.sums(np.eye(12), np.full((12, 1), 0.5))
    np.testing.assert_array_equal(cells, 1.0)
    assert sums.shape == (1, 6, 12)
