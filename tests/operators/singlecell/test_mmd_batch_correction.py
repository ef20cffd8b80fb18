"""Batch correction by MMD: the estimate as scikit-learn has it, the start, mixing, refusals."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from diffbio_engine.data.demos.examples import simulate_batches
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.operators.singlecell import (
    DifferentiableMMDBatchCorrection,
    MMDBatchCorrectionConfig,
)
from diffbio_engine.operators.singlecell.mmd_batch_correction._mmd import (
    median_sq_distance,
    squared_mmd,
)
from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson
from diffbio_engine.pipelines import PipelineSpec, build
from diffbio_engine.pipelines.spec import Block, Wire
from diffbio_engine.pipelines.wiring import DataPort
from diffbio_engine.training import fit

REFERENCE = Path(__file__).parents[2] / "references/singlecell/mmd_batch_correction.npz"
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def cells():
    """900 simulated cells of known types in three batches, log-normalised."""
    data = simulate_batches(n_cells=900, n_genes=300)
    counts = np.asarray(data.X.todense(), np.float32)
    batches = data.obs["batch"].astype("category").cat.codes.to_numpy(np.int32)
    types = data.obs["cell_type"].astype("category").cat.codes.to_numpy()
    total = np.maximum(counts.sum(1, keepdims=True), 1)
    return counts, np.log1p(1e4 * counts / total), batches, types


def block_of(expression, batches, latent_dim=16, **settings):
    config = MMDBatchCorrectionConfig(
        n_genes=expression.shape[1],
        n_batches=int(batches.max()) + 1,
        latent_dim=latent_dim,
        hidden_dim=32,
        **settings,
    )
    return DifferentiableMMDBatchCorrection(config)


@pytest.fixture(scope="module")
def prepared(cells):
    _, expression, batches, _ = cells
    block = block_of(expression, batches)
    block.prepare_from({"expression": expression, "batch_labels": batches}, KEY)
    return block


def test_the_discrepancy_of_every_pair_is_that_of_scikit_learns_kernels():
    golden = np.load(REFERENCE)
    with jax.enable_x64(True):
        found = squared_mmd(
            jnp.asarray(golden["points"]), golden["labels"], 3, jnp.asarray(golden["sq_widths"])
        )
        np.testing.assert_allclose(found, golden["discrepancies"], atol=1e-12)
    single = squared_mmd(
        jnp.asarray(golden["points"], jnp.float32),
        golden["labels"],
        3,
        jnp.asarray(golden["sq_widths"], jnp.float32),
    )
    np.testing.assert_allclose(single, golden["discrepancies"], atol=1e-6)


def test_the_loss_is_the_sum_over_pairs_with_the_widths_of_the_dial():
    golden = np.load(REFERENCE)
    config = MMDBatchCorrectionConfig(n_genes=5, n_batches=3, latent_dim=6, kernel_bandwidth=2.0)
    block = DifferentiableMMDBatchCorrection(config)
    # Squared widths 0.5, 2, 8, 32 are 4 (the dial, squared) times 1/2 times 1/4, 1, 4, 16.
    block.typical_sq_distance[...] = jnp.asarray(0.5)
    found = block.discrepancy(jnp.asarray(golden["points"], jnp.float32), golden["labels"])
    assert float(found) == pytest.approx(
        golden["discrepancies"][np.triu_indices(3, 1)].sum(), abs=3e-6
    )


def test_many_cells_are_compared_in_blocks_with_the_same_result_and_gradient():
    golden = np.load(REFERENCE)
    points, labels = jnp.asarray(golden["points"]), jnp.asarray(golden["labels"])

    @jax.jit
    def both(points):
        def value(points, rows):
            widths = jnp.asarray(golden["sq_widths"])
            return jnp.sum(squared_mmd(points, labels, 3, widths, rows_together=rows))

        return [jax.value_and_grad(value)(points, rows) for rows in (1024, 12)]

    (whole, slope), (blocks, of_blocks) = both(points)
    assert float(blocks) == pytest.approx(float(whole), abs=1e-6)
    np.testing.assert_allclose(of_blocks, slope, atol=1e-7)


def test_a_group_of_one_cell_and_unknown_groups_have_no_discrepancy():
    points = jnp.asarray(np.random.default_rng(0).normal(size=(9, 2)))
    labels = np.array([0, 0, 0, 1, 2, 2, 2, -1, 7])
    found = np.asarray(squared_mmd(points, labels, 3, jnp.ones(1)))
    assert found[0, 2] != 0 and not found[1].any()
    without = squared_mmd(
        points[np.array([0, 1, 2, 4, 5, 6])], np.repeat([0, 2], 3), 3, jnp.ones(1)
    )
    assert found[0, 2] == pytest.approx(float(without[0, 2]), abs=1e-6)


def test_as_the_bandwidth_goes_to_zero_so_does_the_discrepancy(cells, prepared):
    _, expression, batches, _ = cells
    latent = prepared(expression, batches)["latent"] + batches[:, None]
    assert float(prepared.discrepancy(latent, batches)) > 0.1
    narrow = block_of(expression, batches, kernel_bandwidth=0.05)
    narrow.typical_sq_distance[...] = jnp.asarray(1e-3)
    assert abs(float(narrow.discrepancy(latent, batches))) < 1e-3


def test_the_bandwidth_is_the_median_distance_of_the_latent_cells(cells, prepared):
    _, expression, batches, _ = cells
    latent = np.asarray(prepared(expression, batches)["latent"], np.float64)
    sq = ((latent[:, None] - latent[None]) ** 2).sum(-1)
    expected = np.median(sq[np.triu_indices(len(latent), 1)])
    assert float(prepared.typical_sq_distance[...]) == pytest.approx(expected, rel=1e-3)
    assert median_sq_distance(np.ones((4, 2))) == 1.0


def test_the_prepared_block_is_a_linear_batch_correction(cells, prepared):
    _, expression, batches, types = cells
    out = prepared(expression, batches)
    means = np.stack([expression[batches == b].mean(0) for b in range(3)])
    plain = np.mean((expression - means[batches]) ** 2)
    _, scale, _ = np.linalg.svd(expression - means[batches], full_matrices=False)
    best = np.sum(scale[16:] ** 2) / expression.size
    # Between what the batches' means leave and what 16 components of the cells leave at best.
    assert best <= float(out["reconstruction_loss"]) < best + 0.3 * (plain - best)
    corrected = np.asarray(out["corrected_expression"])
    reference = int(np.argmax(np.bincount(batches)))
    for b in range(3):
        np.testing.assert_allclose(corrected[batches == b].mean(0), means[reference], atol=2e-3)
    known = KNeighborsClassifier(15).fit(out["latent"][::2], types[::2])
    assert known.score(out["latent"][1::2], types[1::2]) > 0.97


def test_a_part_of_the_cells_gets_what_the_whole_gets(cells, prepared):
    _, expression, batches, _ = cells
    whole = prepared(expression, batches)
    part = prepared(expression[100:103], batches[100:103])
    for name in ("latent", "corrected_expression"):
        np.testing.assert_allclose(part[name], whole[name][100:103], atol=2e-5)


def test_one_cell_is_corrected_alone(cells, prepared):
    _, expression, batches, _ = cells
    one = {"expression": expression[5], "batch_labels": batches[5]}
    result = prepared.apply(one, {}, None)[0]
    assert result["latent"].shape == (16,)
    assert float(result["mmd_loss"]) == 0.0


def test_counts_are_recognised_and_logarithms_taken(cells, prepared):
    counts, expression, batches, _ = cells
    block = block_of(counts, batches)
    block.prepare_from({"expression": counts, "batch_labels": batches}, KEY)
    from_counts, from_logs = block(counts, batches), prepared(expression, batches)
    np.testing.assert_allclose(
        from_counts["corrected_expression"], from_logs["corrected_expression"], atol=2e-2
    )


def test_training_mixes_batches_and_keeps_cell_types(cells):
    _, expression, batches, types = cells
    data = {"expression": expression, "batch_labels": batches}
    ports = {
        "expression": DataPort.named("expression", expression.shape[1]),
        "batch_labels": DataPort.named("batch_labels", n_classes=3),
    }
    block = Block("c", "singlecell.mmd_batch_correction", {"latent_dim": 16, "hidden_dim": 32})
    wires = tuple(Wire(f"data.{name}", f"c.{name}") for name in ports)
    pipeline = build(PipelineSpec("correction", (block,), wires), ports)
    reports = fit(pipeline, data, 150)
    latent = np.asarray(pipeline.apply(data, {}, None)[0]["c.latent"])
    centred = expression - expression.mean(0)
    before = np.linalg.svd(centred, full_matrices=False)[0][:, :16]
    before = before * np.linalg.svd(centred, compute_uv=False)[:16]
    # iLISI goes from 1.4 to 2.3 of at most 3 (what was measured when this was written).
    assert local_inverse_simpson(before, batches).mean() < 1.6
    assert local_inverse_simpson(latent, batches).mean() > 2.1
    assert local_inverse_simpson(latent, types).mean() < 1.05
    assert reports[-1].losses["c.reconstruction_loss"] < reports[0].losses["c.reconstruction_loss"]


class Displaced(DifferentiableMMDBatchCorrection):
    """The block with something added to the latent, to take the gradient there."""

    by = 0.0

    def _latent(self, expression, batch_labels, total_counts=None):
        x, batch, latent = super()._latent(expression, batch_labels, total_counts)
        return x, batch, latent + type(self).by


def test_with_gradnorm_the_two_terms_pull_equally_hard(cells):
    _, expression, batches, _ = cells
    expression, batches = jnp.asarray(expression[:120]), jnp.asarray(batches[np.arange(120) * 7])

    def values_and_pulls(use_gradnorm):
        config = block_of(expression, np.arange(3), use_gradnorm=use_gradnorm).config
        block = Displaced(config)
        block.typical_sq_distance[...] = jnp.asarray(10.0)

        @jax.jit
        def terms_and_slopes(by):
            def terms(by):
                Displaced.by = by
                out = block(expression, batches)
                Displaced.by = 0.0
                return jnp.stack([out["mmd_loss"], out["reconstruction_loss"]])

            return terms(by), jax.jacrev(terms)(by)

        values, slopes = terms_and_slopes(jnp.zeros((120, 16)))
        return np.asarray(values), np.linalg.norm(slopes, axis=(1, 2))

    values, pulls = values_and_pulls(use_gradnorm=False)
    same_values, equal_pulls = values_and_pulls(use_gradnorm=True)
    np.testing.assert_allclose(same_values, values, rtol=1e-5)
    assert equal_pulls[0] == pytest.approx(equal_pulls[1], rel=1e-3)
    # Weights that add up to 2: the common length is the harmonic mean of the two.
    assert equal_pulls[0] == pytest.approx(2 / np.sum(1 / pulls), rel=1e-3)


def test_the_balanced_loss_is_the_weighted_sum_of_the_terms():
    block = DifferentiableMMDBatchCorrection(MMDBatchCorrectionConfig())
    weight = next(p.weight for p in block.outputs if p.name == "mmd_loss")
    terms = {"mmd_loss": jnp.asarray(2.0), "reconstruction_loss": jnp.asarray(3.0), "my": 5.0}
    assert float(block.compute_balanced_loss(terms)) == pytest.approx(2.0 * weight + 3.0 + 5.0)


def test_labels_that_are_no_batches_are_refused_in_words(cells):
    _, expression, batches, _ = cells
    block = block_of(expression, batches)
    for labels, word in (
        (0 * batches, "one value"),
        (batches - 1, "below 0"),
        (batches + 1, "room"),
    ):
        with pytest.raises(DataError, match=word):
            block.prepare_from({"expression": expression, "batch_labels": labels}, KEY)
    with pytest.raises(SettingError, match="not among"):
        block_of(expression, batches, reference_batch=3)


@pytest.mark.step_by_step
def test_a_batch_never_seen_is_taken_as_a_mixture_and_said(cells, prepared):
    _, expression, _, _ = cells
    with pytest.warns(UserWarning, match="2 of 4 cells"):
        out = prepared(expression[:4], np.array([0, 9, 1, -1]))
    assert np.isfinite(out["latent"]).all()
