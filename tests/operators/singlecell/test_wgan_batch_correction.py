"""Batch correction by WGAN: the critic as SciPy's distance, the signs of the game, mixing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import wasserstein_distance
from sklearn.neighbors import KNeighborsClassifier

from diffbio_engine.data.demos.examples import simulate_batches
from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import (
    DifferentiableWGANBatchCorrection,
    WGANBatchCorrectionConfig,
)
from diffbio_engine.operators.singlecell.wgan_batch_correction._wasserstein_critic import (
    BatchCritics,
    critic_gap,
    fit_critics,
    gradient_penalty,
)
from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson
from diffbio_engine.pipelines import PipelineSpec, build
from diffbio_engine.pipelines.spec import Block, Wire
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.training import fit

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def cells():
    """900 simulated cells of known types in three batches, log-normalised."""
    data = simulate_batches(n_cells=900, n_genes=300)
    counts = np.asarray(data.X.todense(), np.float32)
    batches = data.obs["batch"].astype("category").cat.codes.to_numpy(np.int32)
    types = data.obs["cell_type"].astype("category").cat.codes.to_numpy()
    return np.log1p(1e4 * counts / np.maximum(counts.sum(1, keepdims=True), 1)), batches, types


def block_of(expression, n_batches=3, **settings):
    config = WGANBatchCorrectionConfig(
        n_genes=expression.shape[1],
        n_batches=n_batches,
        latent_dim=16,
        hidden_dim=32,
        discriminator_hidden_dim=32,
        **settings,
    )
    return DifferentiableWGANBatchCorrection(config)


@pytest.fixture(scope="module")
def prepared(cells):
    expression, batches, _ = cells
    block = block_of(expression)
    block.prepare_from({"expression": expression, "batch_labels": batches}, KEY)
    return block


def test_trained_critics_find_scipys_wasserstein_distance_of_every_batch():
    random = np.random.default_rng(0)
    groups = (
        random.normal(0.0, 1.0, 600),
        random.normal(2.0, 1.0, 600),
        np.concatenate([random.normal(-3.0, 0.5, 300), random.normal(3.0, 0.5, 300)]),
    )
    exact = [wasserstein_distance(groups[0], other) for other in groups[1:]]
    points = jnp.asarray(np.concatenate(groups)[:, None], jnp.float32)
    labels = np.repeat([0, 1, 2], 600)
    reference = jnp.asarray([1.0, 0.0, 0.0])
    critics = BatchCritics(1, 32, 3, rngs=nnx.Rngs(0))
    fit_critics(critics, points, jax.nn.one_hot(labels, 3), reference, KEY, n_steps=800)
    scores = critics(points)
    for other, distance in zip((1, 2), exact, strict=True):
        rows = (labels == 0) | (labels == other)
        member = jax.nn.one_hot(labels[rows], 3)
        found = float(critic_gap(scores[rows], member, reference))
        # A slope s gains s W and costs 10 (s - 1)^2, so it is 1 + W / 20, not 1, in the end.
        assert found == pytest.approx(distance * (1 + distance / 20), rel=0.04)


def test_the_penalty_is_the_squared_distance_of_the_slope_from_one():
    class Line(nnx.Module):
        def __call__(self, points):
            return points @ jnp.asarray([[0.0, 3.0], [0.0, 4.0]])  # critic 1 has slope 5

    points = jnp.asarray(np.random.default_rng(0).normal(size=(20, 2)))
    member = jax.nn.one_hot(jnp.arange(20) % 2, 2)
    for key in (None, KEY):
        found = gradient_penalty(Line(), points, member, jnp.asarray([1.0, 0.0]), key)
        assert float(found) == pytest.approx(16.0, rel=1e-5)


def test_one_step_on_the_sum_moves_every_weight_the_right_way(cells, prepared):
    expression, batches, _ = cells
    rows = np.arange(0, 900, 5)
    graph, params, rest = nnx.split(prepared, nnx.Param, ...)

    @jax.jit
    def slopes(params, key):
        def terms(params):
            out = nnx.merge(graph, params, rest)(expression[rows], batches[rows], key)
            names = ("generator_loss", "discriminator_loss", "reconstruction_loss")
            kept = [out[name] for name in names]
            return jnp.stack([*kept, sum(kept)])

        return jax.jacrev(terms)(params)

    found = dict(nnx.to_flat_state(slopes(params, KEY)))

    def of(part, term):
        flat = [np.asarray(v.get_value())[term].ravel() for p, v in found.items() if p[0] == part]
        return np.concatenate(flat)

    generator, discriminator, reconstruction, total = range(4)
    assert not of("autoencoder", discriminator).any()
    assert not of("critics", generator).any()
    assert not of("critics", reconstruction).any()
    np.testing.assert_allclose(of("critics", total), of("critics", discriminator), atol=1e-6)

    # A small step against the gradient of the sum: the encoder's part lowers the distance that
    # the critics see, the critics' part raises it (less the penalty).
    def after(part, rate):
        flat = nnx.to_flat_state(params)
        moved = {
            p: v.replace(v.get_value() - rate * found[p].get_value()[total]) if p[0] == part else v
            for p, v in flat
        }
        return nnx.merge(graph, nnx.from_flat_state(moved), rest)(
            expression[rows], batches[rows], KEY
        )

    before = prepared(expression[rows], batches[rows], KEY)
    assert after("critics", 1e-3)["discriminator_loss"] < before["discriminator_loss"]
    game = of("autoencoder", generator) @ of("autoencoder", generator)
    assert game > 0
    moved = after("autoencoder", 1e-5)
    both = ("generator_loss", "reconstruction_loss")
    assert sum(moved[n] for n in both) < sum(before[n] for n in both)


def test_what_feeds_the_block_learns_as_the_encoder_does(cells, prepared):
    expression, batches, _ = cells
    x, labels = jnp.asarray(expression[::30]), batches[::30]

    @jax.jit
    def slopes(x):
        def term(name):
            return jax.grad(lambda x: prepared(x, labels, KEY)[name])(x)

        return term("discriminator_loss"), term("generator_loss")

    of_critics, of_encoder = slopes(x)
    assert not np.asarray(of_critics).any()
    assert np.abs(np.asarray(of_encoder)).max() > 0


def test_the_prepared_critics_see_a_shift_of_a_batch(cells):
    expression, batches, _ = cells
    block = block_of(expression)
    block.prepare_from({"expression": expression, "batch_labels": batches}, KEY)
    reference = int(block.reference[...])
    assert reference == int(np.argmax(np.bincount(batches)))
    out = block(expression, batches)
    scores = np.asarray(out["discriminator_scores"])
    assert scores.shape == (900,) and np.isfinite(scores).all()
    others = jax.nn.one_hot(batches, 3)
    gaps = critic_gap(block.critics(out["latent"]), others, jax.nn.one_hot(block.reference[...], 3))
    assert float(out["generator_loss"]) == pytest.approx(float(gaps), rel=1e-5)
    assert float(out["generator_loss"]) > 0


def test_training_mixes_batches_and_keeps_cell_types(cells):
    expression, batches, types = cells
    data = {"expression": expression, "batch_labels": batches}
    ports = {
        "expression": DataPort.named("expression", expression.shape[1]),
        "batch_labels": DataPort.named("batch_labels", n_classes=3),
    }
    sizes = {"latent_dim": 16, "hidden_dim": 32, "discriminator_hidden_dim": 32}
    block = Block("c", "singlecell.wgan_batch_correction", sizes)
    wires = tuple(Wire(f"data.{name}", f"c.{name}") for name in ports)
    pipeline = build(PipelineSpec("correction", (block,), wires), ports)
    fit(pipeline, data, 150)
    out = pipeline.apply(data, {}, None)[0]
    latent = np.asarray(out["c.latent"])
    assert local_inverse_simpson(latent, batches).mean() > 2.1  # before: 1.4
    known = KNeighborsClassifier(15).fit(latent[::2], types[::2])
    assert known.score(latent[1::2], types[1::2]) > 0.97


def test_a_part_of_the_cells_gets_what_the_whole_gets(cells, prepared):
    expression, batches, _ = cells
    whole = prepared(expression, batches)
    part = prepared(expression[100:103], batches[100:103])
    for name in ("latent", "corrected_expression", "discriminator_scores"):
        np.testing.assert_allclose(part[name], whole[name][100:103], atol=5e-5)


def test_a_batch_of_cells_without_the_reference_has_no_distance(cells, prepared):
    expression, batches, _ = cells
    other = batches != int(prepared.reference[...])
    out = prepared(expression[other], batches[other])
    assert float(out["generator_loss"]) == 0.0
    assert float(out["discriminator_loss"]) == 0.0


def test_one_batch_is_refused_in_words(cells):
    expression, batches, _ = cells
    with pytest.raises(DataError, match="one value"):
        block_of(expression).prepare_from(
            {"expression": expression, "batch_labels": 0 * batches}, KEY
        )
