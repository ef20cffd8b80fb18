"""Archetypes: PCHA as py_pcha has it, exact mixtures, known corners, new cells."""

from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.optimize import nnls

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import (
    ArchetypalAnalysisConfig,
    DifferentiableArchetypalAnalysis,
)
from diffbio_engine.operators.singlecell.archetypal_analysis._archetype_fit import furthest_cells
from diffbio_engine.operators.singlecell.archetypal_analysis._simplex_least_squares import (
    hard_shares,
    soft_shares,
)
from tests.gradients import check_gradients

REFERENCE = Path(__file__).parents[2] / "references/singlecell/archetypal_analysis.npz"
KEY = jax.random.key(0)


def made(counts, *, prepare=True, temperature=None, **settings):
    config = ArchetypalAnalysisConfig(n_genes=counts.shape[1], **settings)
    block = DifferentiableArchetypalAnalysis(config)
    if temperature is not None:
        block.dials["temperature"][...] = jnp.asarray(temperature)
    if prepare:
        block.prepare_from({"counts": counts}, KEY)
    return block


def exact_shares(points, corners):
    """Nonnegative least squares with a heavy row for the sum: another way to the same shares."""
    heavy = 1e4 * np.ones(len(corners))
    return np.stack([nnls(np.vstack([corners.T, heavy]), np.append(x, 1e4))[0] for x in points])


def triangle(n=600, noise=0.02, seed=0):
    """Cells between three corners in twelve genes, the corners among them."""
    random = np.random.default_rng(seed)
    corners = 3 * random.uniform(size=(3, 12))
    shares = random.dirichlet(np.full(3, 0.6), size=n)
    shares[:3] = np.eye(3)
    cells = shares @ corners + noise * random.normal(size=(n, 12))
    return np.abs(cells).astype(np.float32), corners, shares


@pytest.fixture(scope="module")
def pbmc(shared_data):
    data = anndata.read_h5ad(shared_data / "pbmc3k_hvg2000_counts.h5ad")
    counts = data.X.toarray().astype(np.float32)
    block = made(counts)
    return counts, data.obs["cell_type"].to_numpy(), block


def at(block, temperature, counts):
    before = block.dials["temperature"][...]
    block.dials["temperature"][...] = jnp.asarray(temperature)
    out = block(jnp.asarray(counts))
    block.dials["temperature"][...] = before
    return out


def test_five_archetypes_explain_as_much_of_real_cells_as_those_of_pcha(pbmc):
    counts, _, block = pbmc
    best = np.load(REFERENCE)["explained"].max()
    hard, usual = (1 - float(at(block, t, counts)["archetype_loss"]) for t in (0.01, 1.0))
    assert hard > best - 0.01
    assert usual > best - 0.01, "with the temperature that one starts with too"


def test_archetypes_of_real_cells_are_those_of_pcha(pbmc):
    counts, _, block = pbmc
    theirs = np.load(REFERENCE)["archetypes"]
    ours = np.asarray(block(jnp.asarray(counts[:10]))["archetypes"])
    # On the axes that both were found on: outside of these PCHA's, as they are stored, are 0.
    both = (np.concatenate([ours, theirs]) - np.asarray(block.centre[...])) @ block.axes[...]
    alike = np.corrcoef(both)[:5, 5:]
    assert sorted(alike.argmax(axis=1)) == [0, 1, 2, 3, 4]
    assert alike.max(axis=1).min() > 0.95


def test_archetypes_of_blood_are_kinds_of_cells(pbmc):
    counts, kinds, block = pbmc
    shares = np.asarray(block(jnp.asarray(counts))["archetype_weights"])
    tops = {kind: shares[kinds == kind].mean(axis=0) for kind in ("B", "CD14+ Mono", "NK")}
    assert len({int(np.argmax(mean)) for mean in tops.values()}) == 3
    assert all(mean.max() > 0.7 for mean in tops.values())


def test_as_the_temperature_goes_to_0_shares_are_the_exact_least_squares(pbmc):
    counts, _, block = pbmc
    out = at(block, 0.01, counts[:300])
    points = (block._expression(jnp.asarray(counts[:300])) - block.centre[...]) @ block.axes[...]
    corners = (out["archetypes"] - block.centre[...]) @ block.axes[...]
    exact = exact_shares(np.asarray(points, float), np.asarray(corners, float))
    np.testing.assert_allclose(out["archetype_weights"], exact, atol=2e-3)
    assert np.mean(exact == 0) > 0.2
    assert np.all(np.asarray(out["archetype_weights"])[exact == 0] < 2e-3)


def test_as_the_temperature_grows_shares_become_equal(pbmc):
    counts, _, block = pbmc
    even = np.abs(np.asarray(at(block, 1000.0, counts[:300])["archetype_weights"]) - 0.2).max()
    assert even < 0.1
    spread = [
        np.asarray(at(block, t, counts[:300])["archetype_weights"]).std()
        for t in (0.1, 1.0, 10.0, 100.0)
    ]
    assert np.all(np.diff(spread) < 0)


@pytest.mark.parametrize(("n", "features"), [(3, 40), (12, 40), (20, 30)])
def test_shares_solve_their_own_equations_inside_and_far_outside(n, features):
    random = np.random.default_rng(n)
    corners = 3 * random.normal(size=(n, features))
    points = random.dirichlet(np.full(n, 0.5), size=100) @ corners
    points = points + 0.5 * random.normal(size=points.shape)
    points[:10] *= 10
    places, ends = jnp.asarray(points, jnp.float32), jnp.asarray(corners, jnp.float32)
    found = np.asarray(hard_shares(places, ends, jnp.full((100, n), 1 / n), 500))
    np.testing.assert_allclose(found, exact_shares(points, corners), atol=1e-4)
    soft = np.asarray(soft_shares(places, ends, jnp.asarray(0.3)), float)
    slope = (soft @ corners - points) @ corners.T + 0.3 * np.log(soft)
    uneven = soft * (slope - np.sum(soft * slope, axis=1, keepdims=True))
    assert np.abs(uneven).max() < 1e-4 * np.abs(corners @ corners.T).max()


def test_gradients_of_shares_reach_points_corners_and_temperature():
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        corners, points = random.normal(size=(4, 6)), random.normal(size=(5, 6))
        inputs = (jnp.asarray(points), jnp.asarray(corners), jnp.asarray(0.4))
        check_gradients(soft_shares, inputs, eps=1e-6, rtol=1e-5)


def test_known_corners_are_found():
    cells, corners, shares = triangle()
    block = made(cells, n_archetypes=3, normalize=False, hidden_dim=5)
    out = block(jnp.asarray(cells))
    found = np.asarray(out["archetypes"])
    order = [int(np.argmin(np.sum((found - c) ** 2, axis=1))) for c in corners]
    assert sorted(order) == [0, 1, 2]
    assert np.abs(found[order] - corners).max() < 0.15  # of numbers between 0 and 3
    close = np.abs(np.asarray(out["archetype_weights"])[:, order] - shares)
    assert close.mean() < 0.02 and close.max() < 0.1
    assert float(out["archetype_loss"]) < 0.01


def test_archetypes_are_mixtures_of_cells(pbmc):
    counts, _, block = pbmc
    out = block(jnp.asarray(counts[:5]))
    mixtures = np.asarray(jax.nn.softmax(block.mixtures[...], axis=1))
    np.testing.assert_allclose(mixtures.sum(axis=1), 1, atol=1e-5)
    rows = np.asarray(block.corner_rows[...])
    total = counts[rows].sum(axis=1, keepdims=True)
    expected = mixtures @ np.log1p(1e4 * counts[rows] / total)
    np.testing.assert_allclose(out["archetypes"], expected, atol=1e-4)


def test_the_first_cells_are_far_from_each_other():
    cells, _, _ = triangle(noise=0.0)
    assert sorted(np.asarray(furthest_cells(jnp.asarray(cells), 3))) == [0, 1, 2]


def test_without_preparing_it_is_the_analysis_of_the_cells_given():
    cells, corners, _ = triangle(n=200)
    settings = {"n_archetypes": 3, "normalize": False, "hidden_dim": 12}
    alone = made(cells, prepare=False, **settings)
    found = jax.jit(lambda x: alone.apply({"counts": x}, {}, None)[0])(cells)
    whole = made(cells, **settings)(jnp.asarray(cells))
    assert float(found["archetype_loss"]) == pytest.approx(float(whole["archetype_loss"]), abs=1e-3)
    for corner in corners:
        assert np.min(np.sum((np.asarray(found["archetypes"]) - corner) ** 2, axis=1)) < 0.05


def test_new_cells_are_placed_one_by_one_as_all_at_once(pbmc):
    counts, _, _ = pbmc
    block = made(counts[:400], n_archetypes=4)
    whole = np.asarray(block(jnp.asarray(counts[400:420]))["archetype_weights"])
    for i in (0, 7):
        one = block.apply({"counts": counts[400 + i]}, {}, None)[0]
        np.testing.assert_allclose(one["archetype_weights"], whole[i], atol=1e-4)
        assert one["reconstructed"].shape == (counts.shape[1],)


def test_a_refresh_keeps_the_mixtures_and_looks_anew_at_their_cells():
    cells, _, _ = triangle(n=100)
    block = made(cells, n_archetypes=3, normalize=False, hidden_dim=5)
    mixtures, before = np.asarray(block.mixtures[...]), block(jnp.asarray(cells))
    block.prepare_from({"counts": 2 * cells}, KEY, first=False)
    np.testing.assert_array_equal(block.mixtures[...], mixtures)
    after = block(jnp.asarray(2 * cells))
    np.testing.assert_allclose(after["archetypes"], 2 * before["archetypes"], rtol=1e-5)


def test_training_moves_archetypes_to_where_they_explain_more():
    cells, _, _ = triangle(n=200)
    block = made(cells, n_archetypes=3, normalize=False, hidden_dim=5)
    block.mixtures[...] = 0.3 * block.mixtures[...]  # blurred: they lie further inside

    @nnx.jit
    def step(block):
        loss, slope = nnx.value_and_grad(lambda b: b(jnp.asarray(cells))["archetype_loss"])(block)
        block.mixtures[...] -= 10.0 * slope["mixtures"][...]
        return loss

    losses = [float(step(block)) for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]


def test_few_cells_and_cells_that_are_all_the_same_do_no_harm():
    cells, _, _ = triangle(n=4)
    same = np.repeat(cells[:1], 4, axis=0)
    for some, prepare in ((cells, True), (same, True), (same, False)):
        block = made(some, n_archetypes=5, prepare=prepare)
        out = block(jnp.asarray(some))
        assert all(np.all(np.isfinite(np.asarray(x))) for x in out.values())
    with pytest.raises(DataError, match="1 cells"):
        made(cells[:1])
