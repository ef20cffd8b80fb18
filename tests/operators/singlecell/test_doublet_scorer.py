"""Doublet scores: equal to Scrublet's in the hard limit, one cell at a time, and with gradients."""

from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.metrics import roc_auc_score

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import DifferentiableDoubletScorer, DoubletScorerConfig
from diffbio_engine.operators.singlecell import _doublet_scores as doublet_scores
from diffbio_engine.operators.singlecell._doublet_rates import rate_by_cells
from diffbio_engine.operators.singlecell._doublet_reference import make_reference
from diffbio_engine.operators.singlecell._doublet_scores import (
    doublet_odds,
    plausible_threshold,
    share_of_odds,
    simulated_share,
    valley_threshold,
)
from diffbio_engine.operators.singlecell._variable_genes import variable_genes
from tests.gradients import check_gradients

REFERENCE = Path(__file__).parents[2] / "references/singlecell/doublet_scores.npz"
HARD = 0.001
K_ADJUSTED = 45  # 15 neighbours, twice as many simulated doublets as cells


@pytest.fixture(scope="module")
def ref():
    return dict(np.load(REFERENCE))


def scorer(seed=0, **settings):
    values = {"n_genes": 300, "n_neighbors": 15, "n_pca_components": 12, **settings}
    values.setdefault("expected_doublet_rate", 0.12)
    return DifferentiableDoubletScorer(DoubletScorerConfig(**values), rngs=nnx.Rngs(seed))


def prepared(counts, **settings):
    block = scorer(**settings)
    block.prepare_from({"counts": counts}, jax.random.key(0))
    return block


def hard_scores(observed, simulated, of_simulated=False):
    queries = simulated if of_simulated else observed
    shares = simulated_share(
        queries, observed, simulated, 1e-6, n_neighbors=K_ADJUSTED, simulated_queries=of_simulated
    )
    return doublet_odds(shares, 0.12, 2.0)


def test_the_same_genes_vary_as_in_scrublet(ref):
    found = variable_genes(ref["counts"].astype(np.float32), share=0.15)
    assert set(found) == set(ref["genes"])


@pytest.mark.parametrize("which", ["scores", "simulated_scores"])
def test_with_the_same_places_scores_are_scrublets(ref, which):
    # Whole neighbours are counted, so a score is the same number or another one: one neighbour more
    # is 0.003 at the least. float32 against float64 leaves 1e-6.
    found = hard_scores(
        jnp.asarray(ref["observed"]), jnp.asarray(ref["simulated"]), which != "scores"
    )
    np.testing.assert_allclose(found, ref[which], atol=1e-5)


def test_from_the_same_pairs_scores_calls_and_threshold_are_scrublets(ref):
    counts = jnp.asarray(ref["counts"], jnp.float32)
    places = make_reference(counts, jnp.asarray(ref["pairs"]), n_axes=12, log=False, share=0.15)
    found = hard_scores(places.observed, places.simulated)
    # Places differ by rounding, so at the edge of a few neighbourhoods another point is nearer:
    # one neighbour, at most 0.03 of score here, in one cell of a hundred.
    same = np.isclose(found, ref["scores"], atol=1e-5)
    assert same.mean() > 0.99
    np.testing.assert_allclose(found, ref["scores"], atol=0.03)
    simulated = hard_scores(places.observed, places.simulated, True)
    threshold, there = valley_threshold(simulated)
    assert there
    np.testing.assert_allclose(threshold, ref["threshold"], atol=0.01)
    np.testing.assert_array_equal(found > threshold, ref["calls"])


def test_the_threshold_is_that_of_the_histogram_minimum(ref):
    threshold, there = valley_threshold(jnp.asarray(ref["simulated_scores"]))
    assert there
    np.testing.assert_allclose(threshold, ref["threshold"], atol=1e-6)


def test_finds_known_doublets_as_well_as_scrublet(ref):
    counts, truth = ref["counts"].astype(np.float32), ref["is_doublet"]
    found = np.asarray(prepared(counts)(counts)["doublet_scores"])
    # The pairs are others than Scrublet's; its own AUROC here moves by 0.01 with the seed.
    assert roc_auc_score(truth, found) > roc_auc_score(truth, ref["scores"]) - 0.02


def test_a_prepared_cell_alone_scores_as_among_all(ref):
    counts = ref["counts"].astype(np.float32)
    block, data = prepared(counts), {"counts": counts}
    unprepared = scorer()
    unprepared.pair_key[...] = block.pair_key[...]
    together = block.apply(data, {}, None)[0]
    whole = unprepared.apply(data, {}, None)[0]
    for name in ("doublet_scores", "threshold", "simulated_scores"):
        np.testing.assert_allclose(together[name], whole[name], atol=2e-3)
    one = block.apply({"counts": counts[7]}, {}, None)[0]
    assert one["doublet_scores"].shape == ()
    np.testing.assert_allclose(one["doublet_scores"], together["doublet_scores"][7], atol=1e-4)


def test_a_new_doublet_scores_above_a_new_cell(ref):
    counts = ref["counts"].astype(np.float32)
    cells = counts[~ref["is_doublet"]]
    block = prepared(cells[:350])
    new = cells[350:]
    pairs = np.random.default_rng(0).integers(0, len(new), (200, 2))
    doublets = new[pairs[:, 0]] + new[pairs[:, 1]]
    low, high = (np.asarray(block(x)["doublet_scores"]) for x in (new, doublets))
    truth = np.repeat([0, 1], [len(low), len(high)])
    assert roc_auc_score(truth, np.concatenate([low, high])) > 0.7


def test_as_temperature_falls_counts_are_whole_and_calls_are_yes_or_no(ref):
    counts = ref["counts"].astype(np.float32)
    block = prepared(counts, temperature=HARD)
    found = block(counts)
    share = share_of_odds(found["doublet_scores"], 0.12, 2.0)
    whole = np.asarray(share) * (K_ADJUSTED + 2)
    # At an edge where two points are equally far to 1e-4, both are still half marked.
    assert np.mean(np.abs(whole - np.round(whole)) < 1e-3) > 0.97
    called = np.asarray(found["predicted_doublets"])
    np.testing.assert_array_equal(called > 0.5, found["doublet_scores"] > found["threshold"])
    far = np.abs(found["doublet_scores"] - found["threshold"]) > 2e-3
    assert np.all(np.minimum(called, 1 - called)[far] < 1e-4)


def test_gradients_of_a_prepared_block_agree_with_finite_differences(ref):
    with jax.enable_x64(True):
        counts = ref["counts"].astype(np.float64)
        block = prepared(counts[:60], n_neighbors=5)
        cells = jnp.asarray(counts[60:64])
        weights = jnp.arange(1.0, 5.0)

        def value(x):
            out = block(x)
            return jnp.sum(weights * (out["doublet_scores"] + out["predicted_doublets"]))

        assert float(jnp.max(jnp.abs(jax.jit(jax.grad(value))(cells)))) > 1e-5
        check_gradients(value, (cells,), eps=1e-6, rtol=1e-3)


def test_gradients_through_axes_and_simulated_doublets_agree_with_finite_differences(ref):
    with jax.enable_x64(True):
        cells = jnp.asarray(ref["counts"][:40], float) + 0.01

        def value(x):
            out = scorer(n_neighbors=5, n_pca_components=4)(x)
            return jnp.sum(jnp.cos(jnp.arange(40.0)) * out["doublet_scores"])

        assert float(jnp.max(jnp.abs(jax.jit(jax.grad(value))(cells)))) > 1e-5
        check_gradients(value, (cells,), eps=1e-07, rtol=1e-3)


def test_pairs_follow_the_seed_and_stay_within_a_batch(ref):
    counts = ref["counts"][:80].astype(np.float32)
    first, again, other = (scorer(s)(counts)["simulated_scores"] for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    # In batch 1 only gene 1 is seen: a doublet across batches would have both genes.
    batch = np.arange(80) % 2
    marked = np.eye(2)[batch] * 10.0
    block = scorer(n_genes=2, n_pca_components=2)
    found = block._reference(jnp.asarray(marked), jnp.asarray(batch))
    assert len(np.unique(np.round(found.simulated, 4), axis=0)) == 2


def test_a_single_cell_without_a_reference_gets_the_expected_rate(ref):
    with pytest.warns(UserWarning, match="not been trained or prepared"):
        found = scorer().apply({"counts": ref["counts"][0], "note": 1}, {}, None)[0]
    assert found["note"] == 1
    assert float(found["doublet_scores"]) == pytest.approx(0.12)


def test_empty_droplets_do_not_spoil_the_reference(ref):
    counts = ref["counts"][:100].astype(np.float32)
    counts[3] = 0
    found = prepared(counts)(counts)
    assert all(np.isfinite(np.asarray(x)).all() for x in found.values())


def test_cells_without_counts_alone_are_refused_in_words():
    with pytest.raises(DataError, match="counts: has 0 cells with counts"):
        prepared(np.zeros((5, 300), np.float32))


def test_a_learnable_threshold_gets_a_gradient(ref):
    counts = ref["counts"][:100].astype(np.float32)
    block = prepared(counts, learnable_threshold=True)

    def called(block):
        return jnp.mean(block(counts)["predicted_doublets"])

    slope = nnx.jit(nnx.grad(called))(block)["threshold_share"][...]
    assert float(slope) < 0  # a higher threshold calls fewer


def test_an_implausible_valley_is_not_the_threshold_and_the_rule_is_told():
    rng = np.random.default_rng(0)
    cells, rate = jnp.asarray(rng.beta(1, 20, 1000)), 0.06
    clear = np.concatenate([rng.normal(0.1, 0.02, 500), rng.normal(0.8, 0.05, 500)])
    few = np.concatenate([rng.normal(0.1, 0.02, 980), rng.normal(0.8, 0.05, 20)])
    early = np.concatenate([rng.normal(0.0, 0.002, 300), rng.normal(0.05, 0.01, 700)])
    wanted = {"VALLEY": clear, "FEW_SEEN": few, "TOO_MANY": early}
    for name, simulated in wanted.items():
        threshold, rule = plausible_threshold(cells, jnp.asarray(simulated), rate, 2.0)
        assert int(rule) == getattr(doublet_scores, name)
        if name == "VALLEY":
            assert 0.2 < threshold < 0.7
        else:
            assert np.mean(cells > float(threshold)) == pytest.approx(rate, abs=2e-3)
        guessed = plausible_threshold(cells, jnp.asarray(simulated), rate, 2.0, guessed=True)[1]
        assert int(guessed) == (0 if name == "VALLEY" else int(rule) + 3)
    assert len(doublet_scores.RULES) == 7


def test_no_more_than_twice_the_expected_rate_is_called():
    # One kind of cell whose depth varies: nothing to tell doublets by, and no plausible valley.
    rng = np.random.default_rng(1)
    depth = np.exp(rng.normal(0, 0.7, (300, 1)))
    counts = rng.poisson(depth * rng.gamma(2.0, 1.0, (1, 60))).astype(np.float32)
    settings = {"n_genes": 60, "n_neighbors": 10, "n_pca_components": 5}
    settings["expected_doublet_rate"] = 0.06
    block = DifferentiableDoubletScorer(DoubletScorerConfig(**settings))
    block.prepare_from({"counts": counts}, jax.random.key(0))
    out = nnx.jit(lambda block, counts: block(counts))(block, counts)
    share = float(np.mean(np.asarray(out["predicted_doublets"]) > 0.5))
    assert share <= 0.13 and 0 <= int(out["threshold_rule"]) <= 3


def test_the_expected_rate_follows_from_the_number_of_cells_of_a_batch():
    assert rate_by_cells(384) == pytest.approx(0.008)  # a plate: held from below
    assert rate_by_cells(5000) == pytest.approx(0.04)
    assert rate_by_cells(90_000) == pytest.approx(0.3)
    batches = np.repeat([3, 0, 1], [2000, 5000, 500])  # 1.6 %, 4 %, 0.8 % of these
    wanted = (2000 * 0.016 + 5000 * 0.04 + 500 * 0.008) / 7500
    assert rate_by_cells(7500, batches) == pytest.approx(wanted)
    assert float(rate_by_cells(7500, jnp.asarray(batches))) == pytest.approx(wanted)
    # A tenth of the cells was looked at: batches are ten times as large as they seem.
    assert rate_by_cells(1500, np.repeat([0, 1], [1000, 500]), 0.1) == pytest.approx(0.2 / 3)


def test_a_rate_that_was_set_is_kept_and_0_asks_the_number_of_cells(ref):
    counts = ref["counts"].astype(np.float32)
    block = prepared(counts, expected_doublet_rate=0.0)
    read = nnx.jit(lambda block, x: block(x)["expected_rate"])
    assert float(read(block, counts[:50])) == pytest.approx(0.008)
    block.dials["expected_doublet_rate"][...] = jnp.asarray(0.06)
    assert float(read(block, counts[:50])) == pytest.approx(0.06)


def test_a_plate_is_not_called_half_doublets():
    # 300 cells, 4 doublets among them; a valley that would call 62 %, as it was seen on a plate.
    rng = np.random.default_rng(2)
    cells = np.concatenate([rng.beta(2, 20, 115), rng.uniform(0.3, 0.6, 181), np.full(4, 0.9)])
    valley = np.concatenate([rng.normal(0.1, 0.02, 300), rng.normal(0.7, 0.1, 300)])
    rate = rate_by_cells(len(cells))
    found = plausible_threshold(jnp.asarray(cells), jnp.asarray(valley), rate, 2.0, guessed=True)
    threshold, rule = found
    assert np.mean(cells > float(valley_threshold(jnp.asarray(valley))[0])) > 0.5
    assert 1 <= np.sum(cells > float(threshold)) <= 4  # of 300 cells 0.8 %
    assert "from the number of cells" in doublet_scores.RULES[int(rule)]


def test_of_a_real_plate_few_cells_are_called(shared_data):
    """Stem cells of two plates, of three media, and 8 doublets of two media."""
    plates = anndata.read_h5ad(shared_data / "scmerge_mESC_2batch_counts.h5ad")
    counts = np.asarray(plates.X.todense() if hasattr(plates.X, "todense") else plates.X)
    media = np.unique(plates.obs["cell_type"], return_inverse=True)[1]
    one, other = np.flatnonzero(media == 0)[:8], np.flatnonzero(media == 2)[:8]
    cells = np.concatenate([counts, counts[one] + counts[other]]).astype(np.float32)
    block = scorer(n_genes=cells.shape[1], expected_doublet_rate=0.0)
    block.prepare_from({"counts": cells}, jax.random.key(0))
    out = nnx.jit(lambda block, x: block(x))(block, cells)
    called = np.asarray(out["predicted_doublets"]) > 0.5
    assert 1 <= called.sum() <= 0.05 * len(cells)
