"""Harmony against its peers, its hard limits, its gradients, and cells it has not seen."""

from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import BatchCorrectionConfig, DifferentiableHarmony
from diffbio_engine.operators.singlecell.harmony._diversity_clustering import ridge_coefficients
from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson
from tests.gradients import check_gradients

REFERENCE = Path(__file__).parents[2] / "references/singlecell/harmony.npz"


def block(**settings) -> DifferentiableHarmony:
    return DifferentiableHarmony(BatchCorrectionConfig(**settings), rngs=nnx.Rngs(0))


def three_batches(n_cells=120, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    batch = np.arange(n_cells) % 3
    kind = (np.arange(n_cells) // 3) % 3
    kinds = 4.0 * np.eye(3, n_features)
    shift = rng.normal(size=(3, n_features))
    cells = kinds[kind] + shift[batch] + 0.4 * rng.normal(size=(n_cells, n_features))
    return {"embeddings": cells.astype(np.float32), "batch_labels": batch}, kind


def difference(found, expected):
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_gives_what_harmonypy_gives_from_the_same_start():
    ref = np.load(REFERENCE)
    harmony = block(n_clusters=16, n_features=30, n_batches=3, variant="harmony2")
    harmony.cluster_centroids[...] = jnp.asarray(ref["centroids"])
    out = harmony(jnp.asarray(ref["embeddings"]), ref["batch_labels"])
    expected = ref["corrected_embeddings"]
    assert difference(out["corrected_embeddings"], expected) <= 0.02
    per_column = [
        np.corrcoef(a, b)[0, 1]
        for a, b in zip(out["corrected_embeddings"].T, expected.T, strict=True)
    ]
    assert min(per_column) > 0.999


def test_gives_what_the_authors_r_package_gives(shared_data):
    folder = shared_data / "harmonypy_golden"
    cells = pd.read_csv(folder / "pbmc_3500_pcs.tsv.gz", sep="\t").to_numpy(np.float32)
    donors = pd.read_csv(folder / "pbmc_3500_meta.tsv.gz", sep="\t")["donor"]
    expected = pd.read_csv(folder / "pbmc_3500_pcs_harmonized.tsv.gz", sep="\t").to_numpy()
    labels = np.unique(donors, return_inverse=True)[1]
    found = np.asarray(block(n_features=30, n_batches=3)(cells, labels)["corrected_embeddings"])
    # harmonypy 2.1.0 with its defaults: mean r 0.993, relative difference 0.145.
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, expected.T, strict=True)]
    assert np.mean(r) >= 0.998
    assert difference(found, expected) <= 0.05
    assert local_inverse_simpson(found, labels).mean() >= 2.30  # R: 2.34, before: 1.51


def test_mixes_the_batches_of_the_cell_lines_and_keeps_the_lines_apart(shared_data):
    data = anndata.read_h5ad(shared_data / "harmony_cell_lines_pcs.h5ad")
    labels = np.unique(data.obs["dataset"], return_inverse=True)[1]
    harmony = block(n_clusters=79, n_features=20, n_batches=3)
    found = harmony(np.asarray(data.obsm["X_pca"], np.float32), labels)["corrected_embeddings"]
    # harmonypy 2.1.0 with its defaults: 1.710 in this measure (from 1.172).
    assert local_inverse_simpson(found, labels).mean() >= 0.98 * 1.710
    assert local_inverse_simpson(found, data.obs["cell_type"].to_numpy()).mean() <= 1.02


def test_a_prepared_block_places_its_own_cells_as_the_whole_method_does(key):
    data, _ = three_batches()
    harmony = block(n_clusters=6, n_features=5, n_batches=3)
    whole = harmony.apply(data, {}, None)[0]
    harmony.prepare_from(data, key)
    placed = harmony.apply(data, {}, None)[0]
    for name in ("corrected_embeddings", "cluster_assignments"):
        np.testing.assert_allclose(placed[name], whole[name], atol=1e-4)
    one = {name: array[7] for name, array in data.items()}
    alone = harmony.apply(one, {}, None)[0]["corrected_embeddings"]
    np.testing.assert_allclose(alone, whole["corrected_embeddings"][7], atol=1e-4)


def test_new_cells_of_known_batches_land_where_their_kind_is(key):
    data, kind = three_batches(300)
    old = {name: array[:240] for name, array in data.items()}
    harmony = block(n_clusters=6, n_features=5, n_batches=3)
    harmony.prepare_from(old, key)
    corrected = np.asarray(harmony(**data)["corrected_embeddings"])
    centres = np.stack([corrected[:240][kind[:240] == k].mean(axis=0) for k in range(3)])
    nearest = np.argmin(((corrected[240:, None] - centres) ** 2).sum(-1), axis=1)
    np.testing.assert_array_equal(nearest, kind[240:])

    def apart(cells):
        """Largest distance between the means of a kind in two batches, new cells only."""
        means = [
            [cells[240:][(kind[240:] == k) & (np.arange(60) % 3 == b)].mean(0) for b in range(3)]
            for k in range(3)
        ]
        return max(np.linalg.norm(m[b] - m[0]) for m in means for b in (1, 2))

    assert apart(corrected) < 0.5 * apart(data["embeddings"])


@pytest.mark.step_by_step
def test_cells_of_a_batch_never_seen_stay_as_they_are_and_a_warning_says_so(key):
    data, _ = three_batches()
    harmony = block(n_clusters=6, n_features=5, n_batches=3)
    harmony.prepare_from(data, key)
    with pytest.warns(UserWarning, match="2 of 120 cells come from a batch that Harmony has not"):
        labels = np.where(np.arange(120) < 2, 7, data["batch_labels"])
        corrected = harmony(data["embeddings"], labels)["corrected_embeddings"]
    np.testing.assert_allclose(corrected[:2], data["embeddings"][:2], atol=1e-6)
    assert np.abs(corrected[2:] - data["embeddings"][2:]).max() > 0.1


@pytest.mark.parametrize("variant", ["published", "harmony2"])
def test_gradients_through_the_whole_method_agree_with_finite_differences(variant):
    with jax.enable_x64(True):
        data, _ = three_batches(24, 3)
        harmony = block(
            n_clusters=3, n_features=3, n_batches=3, n_iterations=3, sigma=0.5, variant=variant
        )
        graph, weights, rest = nnx.split(harmony, nnx.Param, ...)
        tilt = jnp.cos(jnp.arange(72.0)).reshape(24, 3)

        def total(cells, displacement):
            changed = jax.tree.map(lambda _: displacement, weights)
            out = nnx.merge(graph, changed, rest)(cells, data["batch_labels"])
            return jnp.sum(out["corrected_embeddings"] * tilt) + jnp.sum(
                out["cluster_assignments"] ** 2
            )

        start = (jnp.asarray(data["embeddings"], float), 0.01 * tilt[:3])
        check_gradients(total, start, eps=1e-6, rtol=1e-4)
        slopes = jax.jit(jax.grad(total, argnums=(0, 1)))(*start)
        assert all(float(jnp.abs(g).max()) > 1e-9 for g in slopes)


def test_gradients_reach_cells_and_dials_of_a_prepared_block(key):
    data, _ = three_batches()
    data["embeddings"][data["batch_labels"] == 2] *= 0.5
    data = {name: array[:100] for name, array in data.items()}
    harmony = block(n_clusters=6, n_features=5, n_batches=3, sigma=0.5, learnable_temperature=True)
    harmony.prepare_from(data, key)

    def total(harmony, cells):
        return jnp.sum(harmony(cells, data["batch_labels"])["corrected_embeddings"] ** 3)

    weights, cells = nnx.jit(nnx.grad(total, argnums=(0, 1)))(
        harmony, jnp.asarray(data["embeddings"])
    )
    assert jnp.all(jnp.any(cells != 0, axis=1))
    assert jnp.abs(weights.log_temperature[...]) > 0
    before = harmony(**data)["corrected_embeddings"]
    for name, value in (("theta", 8.0), ("lambda_", 100.0), ("sigma", 0.1)):
        old = harmony.dials[name][...]
        harmony.dials[name][...] = jnp.asarray(value)
        assert np.abs(harmony(**data)["corrected_embeddings"] - before).max() > 1e-4
        harmony.dials[name][...] = old


def test_cold_clusters_are_hard_and_correct_by_the_batch_means():
    data, kind = three_batches()
    harmony = block(
        n_clusters=3, n_features=5, n_batches=3, n_iterations=1, temperature=0.01, lambda_=0.0
    )
    harmony.cluster_centroids[...] = jnp.eye(3, 5)
    out = harmony(**data)
    shares, corrected = out["cluster_assignments"], np.array(data["embeddings"])
    np.testing.assert_allclose(shares, np.eye(3)[kind], atol=1e-4)
    for k in range(3):
        of = [(kind == k) & (data["batch_labels"] == b) for b in range(3)]
        means = [data["embeddings"][here].mean(axis=0) for here in of]
        for here, mean in zip(of, means, strict=True):
            corrected[here] += np.mean(means, axis=0) - mean
    np.testing.assert_allclose(out["corrected_embeddings"], corrected, atol=1e-3)


def test_a_large_penalty_or_a_single_batch_leaves_the_cells_alone():
    data, _ = three_batches()
    stiff = block(n_clusters=4, n_features=5, n_batches=3)
    stiff.dials["lambda_"][...] = jnp.asarray(1e9)
    np.testing.assert_allclose(stiff(**data)["corrected_embeddings"], data["embeddings"], atol=1e-4)
    alone = block(n_clusters=4, n_features=5)(data["embeddings"], np.zeros(120, int))
    np.testing.assert_allclose(alone["corrected_embeddings"], data["embeddings"], atol=1e-4)


def test_ridge_in_closed_form_solves_the_normal_equations():
    rng = np.random.default_rng(1)
    weights, batch = rng.uniform(size=(40, 2)), rng.integers(0, 3, 40)
    cells, ridge = rng.normal(size=(40, 4)), 0.7
    one_hot = np.eye(3)[batch]
    design = np.hstack([np.ones((40, 1)), one_hot])
    sums = np.einsum("nk,nb,nd->kbd", weights, one_hot, cells)
    intercept, effects = ridge_coefficients(weights.T @ one_hot, sums, ridge)
    for k in range(2):
        weighted = design * weights[:, [k]]
        expected = np.linalg.solve(
            weighted.T @ design + np.diag([0, ridge, ridge, ridge]), weighted.T @ cells
        )
        np.testing.assert_allclose(intercept[k], expected[0], atol=1e-5)
        np.testing.assert_allclose(effects[k], expected[1:], atol=1e-5)


def test_a_third_batch_is_found_in_the_labels_also_inside_jit():
    data, _ = three_batches()
    said = block(n_clusters=4, n_features=5, n_batches=3)(**data)["corrected_embeddings"]
    found = block(n_clusters=4, n_features=5)
    np.testing.assert_allclose(found(**data)["corrected_embeddings"], said, atol=1e-4)
    inside = nnx.jit(lambda block, data: block.apply(data, {}, None)[0])(found, data)
    np.testing.assert_allclose(inside["corrected_embeddings"], said, atol=1e-4)


def test_fifty_donors_and_twins_of_cells_give_finite_numbers():
    cells = np.ones((50, 4), np.float32)
    harmony = block(n_clusters=20, n_features=4, n_iterations=2)

    def total(x):
        return jnp.sum(harmony(x, np.arange(50))["corrected_embeddings"] ** 2)

    value, slope = jax.jit(jax.value_and_grad(total))(cells)
    assert jnp.isfinite(value) and jnp.all(jnp.isfinite(slope))


@pytest.mark.parametrize(
    "labels, sentence",
    [
        (np.zeros(120, int), r"batch_labels: has one value only \(0\).*Choose a column"),
        (np.arange(120) % 3 - 1, r"batch_labels: has 40 cells without a batch.*Give every cell"),
    ],
)
def test_labels_that_name_no_two_batches_are_refused_in_plain_words(key, labels, sentence):
    data, _ = three_batches()
    with pytest.raises(DataError, match=sentence):
        block(n_features=5).prepare_from({**data, "batch_labels": labels}, key)
