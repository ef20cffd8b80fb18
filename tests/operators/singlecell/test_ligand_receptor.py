"""Ligand-receptor scores: as CellPhoneDB and CellChat have them, and p-values of their own null."""

from itertools import permutations
from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.neighbors import NearestNeighbors

from diffbio_engine.errors import DataError
from diffbio_engine.operators.singlecell import DifferentiableLigandReceptor, LRScoringConfig
from diffbio_engine.operators.singlecell._complexes import rows_of_types
from diffbio_engine.operators.singlecell._ligand_receptor import (
    TypeLevels,
    neighbour_p_values,
    pair_statistic,
    permutation_null,
    trimeans,
)

REFERENCE = Path(__file__).parents[2] / "references/singlecell/ligand_receptor.npz"
KEY = jax.random.key(0)


def made(data, prepare=True, **settings):
    """A block for these arrays, and what it says of them."""
    settings = {"normalize": False, "n_permutations": 200, **settings}
    if "labels" in data:
        settings.setdefault("n_classes", int(data["labels"].max()) + 1)
    sizes = {"n_genes": data["counts"].shape[1], "n_lr_pairs": len(data["lr_pairs"])}
    block = DifferentiableLigandReceptor(LRScoringConfig(**sizes, **settings))
    if prepare:
        block.prepare_from(data, KEY)
    return block, said(block, data)


@nnx.jit
def said(block, data):
    return block(**data)


def simulated(n=300, n_genes=12, seed=0, types=3):
    rng = np.random.default_rng(seed)
    return {
        "counts": rng.gamma(0.7, 1.0, (n, n_genes)).astype(np.float32),
        "lr_pairs": np.array([[0, 1], [2, 3], [4, 5], [6, 6]], np.int32),
        "labels": rng.integers(0, types, n).astype(np.int32),
        "spatial_coords": rng.uniform(0, 1000, (n, 2)).astype(np.float32),
    }


def without(data, *names):
    return {name: value for name, value in data.items() if name not in names}


@pytest.fixture(scope="module")
def kang(shared_data):
    """Kang PBMC with the types and pairs of the stored figures, and these figures."""
    data = anndata.read_h5ad(shared_data / "kang_pbmc_stim_counts.h5ad")
    stored = dict(np.load(REFERENCE))
    names = list(data.var_names)
    pairs = [[names.index(g) for g in pair.split("_")] for pair in stored["pairs"]]
    counts = data.X.toarray().astype(np.float32)
    x = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    # Only the genes of pairs: neighbours are not looked at here, and totals are those of all.
    genes, where = np.unique(pairs, return_inverse=True)
    stored["highest"] = x.max()
    return {
        "counts": x[:, genes],
        "lr_pairs": where.reshape(-1, 2).astype(np.int32),
        "labels": stored["labels"].astype(np.int32),
    }, stored


def test_means_and_p_values_are_those_of_cellphonedb(kang):
    data, stored = kang
    _, out = made(data, n_permutations=1000)
    there = np.isfinite(stored["means"])
    assert there.mean() > 0.9
    found = np.asarray(out["lr_scores_by_type"])
    np.testing.assert_allclose(found[there], stored["means"][there], atol=1e-5)
    ours, theirs = np.asarray(out["lr_pvalues_by_type"])[there], stored["p_values"][there]
    # Two draws of 1000 permutations each: five standard deviations of their difference, and
    # what float16 and the added one leave.
    middle = np.clip(0.5 * (ours + theirs), 1e-3, 1 - 1e-3)
    error = np.abs(ours - theirs)
    assert np.all(error < 5 * np.sqrt(2 * middle * (1 - middle) / 1000) + 3e-3)
    assert np.mean(error) < 0.01


def test_products_of_trimeans_are_those_of_cellchat(kang):
    data, stored = kang
    settings = {"statistic": "hill", "average": "trimean", "n_permutations": 0}
    block, _ = made(data, **settings)
    block.stored.highest[...] = jnp.asarray(stored["highest"])
    out = said(block, data)
    there = np.isfinite(stored["probabilities"])
    assert (stored["probabilities"][there] > 0).sum() > 50
    found = np.asarray(out["lr_scores_by_type"])[there]
    np.testing.assert_allclose(found, stored["probabilities"][there], atol=1e-5)


def test_the_moments_are_those_of_all_permutations():
    rng = np.random.default_rng(1)
    ligand, receptor = rng.normal(2, 1, (2, 6, 2))
    types = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    weights = types / types.sum(axis=0)
    orders = [list(order) for order in permutations(range(6))]
    for statistic, rtol in (("mean", 1e-6), ("hill", 0.3)):
        every = [
            pair_statistic(TypeLevels(weights.T @ ligand[o], weights.T @ receptor[o]), statistic)
            for o in orders
        ]
        with jax.enable_x64(True):
            null = permutation_null(*map(jnp.asarray, (ligand, receptor, types)), statistic)
        np.testing.assert_allclose(null.spread, np.std(every, axis=0), rtol=rtol)
        np.testing.assert_allclose(null.mean, np.mean(every, axis=0), rtol=rtol)


@pytest.mark.parametrize("statistic", ["mean", "hill"])
def test_the_formula_agrees_with_the_permutations(statistic):
    data = without(simulated(), "spatial_coords")
    _, shuffled = made(data, statistic=statistic, n_permutations=2000)
    _, formula = made(data, statistic=statistic, prepare=False)
    by_type = [np.asarray(o["lr_pvalues_by_type"]) for o in (shuffled, formula)]
    # The normal distribution is an approximation for means of 100 skewed values.
    np.testing.assert_allclose(*by_type, atol=0.05)
    np.testing.assert_allclose(shuffled["lr_scores_by_type"], formula["lr_scores_by_type"], 1e-4)


def test_the_p_value_among_neighbours_is_that_of_shuffled_cells():
    rng = np.random.default_rng(2)
    incoming, receptor = rng.gamma(1.0, 1.0, (2, 200, 3))
    receptor[:, 1] += 0.3 * incoming[:, 1]
    observed = (incoming * receptor).mean(axis=0)
    shuffled = [(incoming * rng.permutation(receptor)).mean(axis=0) for _ in range(4000)]
    p = np.asarray(neighbour_p_values(jnp.asarray(incoming), jnp.asarray(receptor)))
    np.testing.assert_allclose(p, np.mean(np.array(shuffled) >= observed, axis=0), atol=0.03)
    assert p[1] < 0.01


@pytest.mark.parametrize("n_permutations", [0, 200])
def test_p_values_of_shuffled_cells_are_spread_evenly(n_permutations):
    rng = np.random.default_rng(3)
    data = simulated(n=400, n_genes=200)
    data["lr_pairs"] = rng.permutation(200).reshape(100, 2).astype(np.int32)
    _, out = made(data, n_permutations=n_permutations)
    for name in ("lr_pvalues", "lr_pvalues_by_type"):
        p = np.asarray(out[name]).ravel()
        assert abs(np.mean(p < 0.5) - 0.5) < 0.2 and np.mean(p < 0.05) < 0.13
    # Of the strongest types, corrected for the choice.
    _, out = made(without(data, "spatial_coords"), n_permutations=n_permutations)
    assert np.mean(np.asarray(out["lr_pvalues"]) < 0.05) < 0.13


def test_a_planted_pair_is_found_between_its_types_and_among_neighbours():
    data = simulated()
    data["counts"][data["labels"] == 0, 0] += 2.0
    data["counts"][data["labels"] == 2, 1] += 2.0
    _, out = made(data)
    p = np.asarray(out["lr_pvalues_by_type"])
    assert p[0, 2, 0] < 0.01 and np.unravel_index(
        np.argmax(out["lr_scores_by_type"][..., 0]), (3, 3)
    ) == (0, 2)
    _, out = made(without(data, "spatial_coords"))
    assert out["lr_pvalues"][0] < 0.01
    assert out["lr_pvalues"][1] > 0.01
    near = data["spatial_coords"][:, 0] < 300
    data["counts"][near, 2] += 2.0
    data["counts"][near, 3] += 2.0
    _, out = made(data)
    assert out["lr_pvalues"][1] < 1e-6 and out["lr_pvalues"][2] > 0.01
    assert out["lr_scores"][near, 1].mean() > 2 * out["lr_scores"][~near, 1].mean()


@pytest.mark.parametrize("prepare", [True, False])
def test_at_temperature_zero_only_the_nearest_neighbour_signals(prepare):
    data = without(simulated(), "labels")
    block, _ = made(data, prepare)
    block.dials["temperature"][...] = jnp.asarray(1e-6)
    out = said(block, data)
    search = NearestNeighbors(n_neighbors=2).fit(data["spatial_coords"])
    nearest = search.kneighbors(data["spatial_coords"])[1][:, 1]
    x, pairs = data["counts"], data["lr_pairs"]
    signal = x[nearest][:, pairs[:, 0]] * x[:, pairs[:, 1]] / x.max() ** 2
    np.testing.assert_allclose(out["lr_scores"], signal / (0.5 + signal), atol=1e-5)


def test_a_prepared_block_places_cells_one_by_one_and_new_cells_as_their_twins():
    for data in (simulated(), without(simulated(), "spatial_coords")):
        block, whole = made(data)
        some = {n: v if n == "lr_pairs" else v[:7] for n, v in data.items()}
        part = said(block, some)
        np.testing.assert_allclose(part["lr_scores"], whole["lr_scores"][:7], atol=1e-5)
        np.testing.assert_array_equal(part["lr_pvalues"], whole["lr_pvalues"])
        np.testing.assert_array_equal(part["lr_scores_by_type"], whole["lr_scores_by_type"])


def test_unknown_cells_do_not_count_and_shares_may_stand_for_labels():
    data = without(simulated(), "spatial_coords")
    data["labels"][::5] = -1
    known = data["labels"] >= 0
    fewer = {n: v if n == "lr_pairs" else v[known] for n, v in data.items()}
    (_, all_cells), (_, known_cells) = (made(d, n_permutations=0) for d in (data, fewer))
    for name in ("lr_scores_by_type", "lr_pvalues_by_type", "lr_pvalues"):
        np.testing.assert_allclose(all_cells[name], known_cells[name], rtol=1e-4, atol=1e-5)
    shares = {**without(fewer, "labels"), "cell_type_probabilities": np.eye(3)[fewer["labels"]]}
    _, soft = made(shares, n_permutations=0, n_classes=3)
    np.testing.assert_allclose(
        soft["lr_scores_by_type"], known_cells["lr_scores_by_type"], rtol=1e-5
    )


def test_a_trimean_is_that_of_numpy():
    rng = np.random.default_rng(4)
    x, labels = rng.gamma(0.5, 1.0, (50, 3)), rng.integers(0, 3, 50)
    found = trimeans(jnp.asarray(x), jnp.asarray(np.eye(4)[labels]))
    for a in range(3):
        quartiles = np.quantile(x[labels == a], [0.25, 0.5, 0.5, 0.75], axis=0)
        np.testing.assert_allclose(found[a], quartiles.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(found[3], 0)


@pytest.mark.parametrize("prepare", [True, False])
def test_a_complex_counts_as_its_scarcest_gene(prepare):
    data = without(simulated(), "spatial_coords")
    x, labels = data["counts"], data["labels"]
    x[:, 0] += 20.0  # everywhere, as B2M
    x[:, 3] += 5.0 * (labels == 1)
    # Ligand: genes 0 and 2; receptor: 1 and, in the second pair, 3 besides.
    data["lr_pairs"] = np.array([[0, 2, 1, -1], [2, 0, 1, 3], [2, -1, 1, -1]], np.int32)
    _, out = made(data, prepare, n_permutations=50 * prepare)
    means = np.array([x[labels == t].mean(axis=0) for t in range(3)])
    ligand, receptor = means[:, [2, 2, 2]], np.stack([means[:, 1]] * 3, axis=1)
    receptor[:, 1] = np.minimum(means[:, 1], means[:, 3])
    wanted = 0.5 * (ligand[:, None] + receptor[None])
    np.testing.assert_allclose(out["lr_scores_by_type"], wanted, rtol=1e-4)
    single = {**data, "lr_pairs": np.array([[2, 1]], np.int32)}
    _, alone = made(single, prepare, n_permutations=50 * prepare)
    # In each cell too; its neighbours and the highest value do not depend on the pairs.
    least = np.minimum(x[:, 0], x[:, 2])
    assert np.all(least == x[:, 2])
    np.testing.assert_allclose(out["lr_scores"][:, 0], alone["lr_scores"][:, 0], rtol=1e-4)
    np.testing.assert_allclose(
        out["lr_pvalues_by_type"][..., 2], alone["lr_pvalues_by_type"][..., 0], atol=0.1
    )


def test_the_settings_take_their_sizes_from_the_data():
    data = simulated(n=60, types=4)
    block = DifferentiableLigandReceptor(LRScoringConfig(n_permutations=20))
    at_once = jax.jit(lambda data: block.apply(data, {}, None)[0])
    assert at_once(without(data, "labels"))["lr_scores"].shape == (60, 4)
    with pytest.raises(DataError, match=r"cannot be counted.*Set n_classes"):
        at_once(data)
    block.prepare_from(data, KEY)
    assert said(block, data)["lr_scores_by_type"].shape == (4, 4, 4)
    assert rows_of_types(np.array([0, 3, -1]), 0).shape == (3, 4)


@pytest.mark.step_by_step
def test_a_gene_or_a_type_that_there_is_not_is_refused():
    data = simulated()
    with pytest.raises(DataError, match="lr_pairs"):
        made({**data, "lr_pairs": data["lr_pairs"] + 8})
    with pytest.raises(DataError, match="labels"):
        made(data, n_classes=2)
    block, _ = made(data, prepare=False)
    with pytest.raises(DataError, match="cannot be halved"):
        made({**data, "lr_pairs": np.zeros((4, 3), np.int32)})
    with pytest.raises(DataError, match="position -1"):
        made({**data, "lr_pairs": np.array([[-1, 0, 1, -1]], np.int32)})
    with pytest.raises(DataError, match="position 12"):
        block.apply({**data, "lr_pairs": data["lr_pairs"] + 6}, {}, None)


def test_one_cell_alone_is_signalled_to_by_nobody():
    data = without(simulated(), "labels", "spatial_coords")
    block, _ = made(data, prepare=False)
    result, _, _ = block.apply({**data, "counts": data["counts"][0]}, {}, None)
    np.testing.assert_array_equal(result["lr_scores"], np.zeros(4))
