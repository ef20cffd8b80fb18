"""Cell communication: the published attention, planted signals found, nothing from own genes."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import (
    CellCommunicationConfig,
    DifferentiableCellCommunication,
)
from diffbio_engine.operators.singlecell._sending_neighbours import senders_among
from diffbio_engine.operators.singlecell.cell_communication._graph_attention import GraphAttention
from diffbio_engine.operators.singlecell.cell_communication._niche_network import pathways_of_pairs

REFERENCE = Path(__file__).parents[2] / "references/singlecell/graph_attention.npz"
KEY = jax.random.key(0)
PAIRS = np.array([[0, 1], [2, 3], [4, 5]], np.int32)
TARGET = 8  # the gene that follows the ligand 0 of neighbours
K = 6


def tissue(n=500, n_genes=12, seed=0, shuffled=False):
    """Two types; in type 1 gene 8 follows the mean ligand 0 of the six nearest neighbours."""
    rng = np.random.default_rng(seed)
    coords = rng.uniform(0, 100, (n, 2)).astype(np.float32)
    labels = rng.integers(0, 2, n).astype(np.int32)
    x = rng.gamma(1.0, 1.0, (n, n_genes)).astype(np.float32)
    # A wave of the ligand across the tissue.
    x[:, 0] *= 1 + np.sin(coords[:, 0] / 10)
    near = np.asarray(senders_among(jnp.asarray(coords), K).rows)
    heard = x[near, 0].mean(axis=1)
    x[:, TARGET] = 1 + np.where(labels == 1, 2.0 * heard, 0.0) + 0.3 * rng.normal(size=n)
    # Only type 1 has the receptor.
    x[:, 1] *= labels
    if shuffled:
        coords = rng.permutation(coords)
    return {"counts": x, "lr_pairs": PAIRS, "labels": labels, "spatial_coords": coords}


def made(data, prepare=True, **settings):
    settings = {
        "n_genes": data["counts"].shape[1], "n_lr_pairs": len(data["lr_pairs"]), "n_classes": 2,
        "n_neighbors": K, "hidden_dim": 8, "num_heads": 2, "n_pathways": 3, "normalize": False,
        **settings,
    }  # fmt: skip
    block = DifferentiableCellCommunication(CellCommunicationConfig(**settings), rngs=nnx.Rngs(0))
    if prepare:
        block.prepare_from(data, KEY)
    return block


@nnx.jit
def said(block, data):
    return block(**data)


def test_a_layer_is_gatv2_of_pytorch_geometric():
    stored = np.load(REFERENCE)
    layer = GraphAttention(7, 6, 4, heads=3, n_edge=5, rngs=nnx.Rngs(0))
    for linear, name in ((layer.source, "lin_l"), (layer.target, "lin_r")):
        linear.kernel[...] = jnp.asarray(stored[f"w_{name}.weight"].T)
        linear.bias[...] = jnp.asarray(stored[f"w_{name}.bias"])
    layer.edge.kernel[...] = jnp.asarray(stored["w_lin_edge.weight"].T)
    layer.attention[...] = jnp.asarray(stored["w_att"][0])
    layer.bias[...] = jnp.asarray(stored["w_bias"])
    arrays = [jnp.asarray(stored[n]) for n in ("sources", "targets", "edges", "features")]
    out, shares = layer(*arrays)
    np.testing.assert_allclose(out, stored["out"], atol=1e-5)
    np.testing.assert_allclose(shares, stored["shares"], atol=1e-5)
    # The last target has no edge: the bias alone.
    np.testing.assert_allclose(out[-1], stored["w_bias"], atol=1e-6)


def test_the_shares_depend_on_who_asks_and_the_edge_can_reach_the_message():
    layer = GraphAttention(3, 2, 4, heads=2, n_edge=2, edges_speak=True, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(0)
    sources, features = rng.normal(size=(4, 3)), rng.normal(size=(8, 2))
    edges = jnp.asarray([[0, 1, 2, 3] * 2, [0] * 4 + [1] * 4])
    targets = jnp.asarray([[3.0, -3.0], [-3.0, 3.0]])
    _, shares = layer(jnp.asarray(sources), targets, edges, jnp.asarray(features * 0))
    np.testing.assert_allclose(shares.reshape(2, 4, 2).sum(axis=1), 1.0, rtol=1e-5)
    assert np.abs(shares[:4] - shares[4:]).max() > 0.05
    layer.edge.kernel[...] = 0 * layer.edge.kernel[...]
    plain, _ = layer(jnp.asarray(sources), targets, edges, jnp.asarray(features * 0))
    spoken, _ = layer(jnp.asarray(sources), targets, edges, jnp.asarray(features))
    assert np.abs(plain - spoken).max() > 0.1


def test_a_planted_signal_is_found_before_any_training():
    data = tissue()
    out = said(made(data), data)
    explained = np.asarray(out["neighbour_explained"])
    assert np.argmax(explained) == TARGET and explained[TARGET] > 0.3
    assert np.delete(explained, TARGET).max() < 0.05
    effects = np.asarray(out["pair_effects"])
    assert np.argmax(np.abs(effects[:, TARGET])) == 0 and effects[0, TARGET] > 0.1
    assert out["expression_loss"] < 0.5
    # Where cells are shuffled over the places, neighbours explain nothing.
    shuffled = tissue(shuffled=True)
    assert said(made(shuffled), shuffled)["neighbour_explained"].max() < 0.05
    # Type 1 alone has the receptor, so only it hears the first pair.
    by_type = np.asarray(out["communication_by_type"])[..., 0]
    np.testing.assert_array_equal(by_type[:, 0], 0)
    assert np.all(by_type[:, 1] > 0)


def test_training_makes_the_planted_gene_better_known():
    data = tissue()
    block = made(data)
    arrays = {name: jnp.asarray(value) for name, value in data.items()}
    optimizer = nnx.Optimizer(block, optax.adam(5e-3), wrt=nnx.Param)
    block.train()

    @nnx.jit
    def step(block, optimizer, key):
        def loss(block):
            return block(**arrays, key=key)["expression_loss"]

        value, slope = nnx.jit(nnx.value_and_grad(loss))(block)
        optimizer.update(block, slope)
        return value

    before = float(said(block, data)["expression_loss"])
    for i in range(60):
        step(block, optimizer, jax.random.key(i))
    new = {**tissue(seed=5), "lr_pairs": PAIRS}
    after = float(said(block, data)["expression_loss"])
    assert after < before - 0.005
    assert np.isfinite(np.asarray(said(block, new)["niche_embeddings"])).all()


def test_untrained_attention_is_even_and_the_score_is_mean_ligand_times_receptor():
    data = tissue()
    out = said(made(data, kh=0.2), data)
    x = data["counts"]
    near = np.asarray(senders_among(jnp.asarray(data["spatial_coords"]), K).rows)
    signal = x[near][:, :, PAIRS[:, 0]].mean(axis=1) * x[:, PAIRS[:, 1]] / x.max() ** 2
    np.testing.assert_allclose(out["communication_scores"], signal / (0.2 + signal), atol=0.01)


def test_a_cells_own_expression_does_not_reach_what_is_expected_of_it():
    data = tissue()
    block = made(data)
    changed = {**data, "counts": data["counts"] * 3 + 1}
    before, after = said(block, data), said(block, changed)
    np.testing.assert_array_equal(before["niche_embeddings"], after["niche_embeddings"])
    assert np.abs(before["communication_scores"] - after["communication_scores"]).max() > 0.01


def test_a_prepared_block_places_cells_one_by_one_and_a_graph_says_the_same():
    data = tissue()
    block = made(data)
    whole = said(block, data)
    some = {n: v if n == "lr_pairs" else v[:9] for n, v in data.items()}
    near = senders_among(jnp.asarray(data["spatial_coords"]), K).rows
    graph = np.stack([np.asarray(near).ravel(), np.repeat(np.arange(len(near)), K)])
    given = said(block, {**data, "spatial_graph": graph})
    for name in ("communication_scores", "signaling_activity", "niche_embeddings"):
        np.testing.assert_allclose(said(block, some)[name], whole[name][:9], atol=2e-5)
        np.testing.assert_allclose(given[name], whole[name], atol=2e-5)
    np.testing.assert_array_equal(
        said(block, some)["communication_by_type"], whole["communication_by_type"]
    )


def test_the_call_of_the_sheet_works_unprepared_and_for_one_cell():
    data = tissue(n=20)
    graph = np.stack([np.arange(20), np.roll(np.arange(20), 1)])
    block = made(data, prepare=False)
    arrays = {"counts": data["counts"], "spatial_graph": graph, "lr_pairs": PAIRS}
    with pytest.warns(UserWarning, match="has not been trained"):
        result, _, _ = block.apply(arrays, {}, None)
    assert result["communication_scores"].shape == (20, 3)
    assert result["signaling_activity"].shape == (20, 3)
    assert result["niche_embeddings"].shape == (20, 8)
    # Each cell has one neighbour, the one after it.
    x = data["counts"]
    signal = np.roll(x, -1, axis=0)[:, PAIRS[:, 0]] * x[:, PAIRS[:, 1]] / x.max() ** 2
    np.testing.assert_allclose(
        result["communication_scores"], signal / (0.5 + signal), rtol=1e-4, atol=1e-6
    )
    alone, _, _ = block.apply({"counts": x[0], "lr_pairs": PAIRS}, {}, None)
    np.testing.assert_array_equal(alone["communication_scores"], np.zeros(3))


def test_pairs_that_share_genes_are_one_pathway_and_given_pathways_win():
    pairs = np.array([[9, 8], [0, 1], [2, 1], [2, 3], [5, 6]])
    np.testing.assert_array_equal(pathways_of_pairs(jnp.asarray(pairs), 4), [1, 0, 0, 0, 2])
    np.testing.assert_array_equal(pathways_of_pairs(jnp.asarray(pairs), 2), [1, 0, 0, 0, 1])
    data = tissue(n=60)
    block = made(data)
    out = said(block, {**data, "pair_pathways": np.array([2, 0, 0])})
    np.testing.assert_allclose(
        out["signaling_activity"][:, 2], out["communication_scores"][:, 0], rtol=1e-5
    )
    np.testing.assert_array_equal(out["signaling_activity"][:, 1], 0)


def test_a_gene_that_there_is_not_is_refused():
    with pytest.raises(DataError, match="position 13"):
        made({**tissue(n=20), "lr_pairs": PAIRS + 8})
