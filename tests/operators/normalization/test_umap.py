"""UMAP: the objective, the quality of the map, new cells, memory."""

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scanpy
from flax import nnx
from sklearn.manifold import trustworthiness

from diffbio_engine.errors import SettingError
from diffbio_engine.operators.normalization import DifferentiableUMAP, UMAPConfig
from diffbio_engine.operators.normalization.umap._map_objective import (
    objective_of_batch,
    objective_of_graph,
    sq_distances,
)
from tests.gradients import check_gradients


def small(**settings):
    settings = {"input_features": 5, "hidden_dim": 1, "n_neighbors": 3} | settings
    return DifferentiableUMAP(UMAPConfig(**settings), rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def components(shared_data):
    """50 principal components of every other cell of pbmc3k."""
    cells = anndata.read_h5ad(shared_data / "pbmc3k_hvg2000_counts.h5ad")[::2].copy()
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    scanpy.pp.pca(cells, n_comps=50)
    return cells.obsm["X_pca"].astype(np.float32)


@pytest.fixture(scope="module")
def fitted(components):
    umap = DifferentiableUMAP(UMAPConfig(input_features=50), rngs=nnx.Rngs(0))
    return umap.fit(components[: len(components) * 4 // 5])


def test_loss_of_two_similarities_is_the_published_sum():
    p = np.array([[0, 0.3, 0.9], [0.3, 0, 0.2], [0.9, 0.2, 0]])
    q = np.array([[1, 0.5, 0.7], [0.5, 1, 0.1], [0.7, 0.1, 1]])
    off = ~np.eye(3, dtype=bool)
    wanted = -(p[off] * np.log(q[off]) + (1 - p[off]) * np.log(1 - q[off])).sum()
    assert small().umap_loss(p, q) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    "metric, drawn", [("euclidean", None), ("cosine", None), ("euclidean", (3, 4, 5, 0, 1, 2))]
)
def test_gradients_agree_with_finite_differences(metric, drawn):
    with jax.enable_x64(True):
        block = small(metric=metric)
        x = jax.random.normal(jax.random.key(0), (6, 5), dtype=jnp.float64)
        neighbour = None if drawn is None else jnp.array(drawn)
        check_gradients(
            lambda x: block(x, neighbour=neighbour)["umap_loss"], (x,), eps=1e-6, rtol=0.0001
        )


@pytest.mark.parametrize("drawn", [None, (1, 0, 3, 2, 5, 4)])
def test_cells_that_coincide_have_finite_gradients(drawn):
    neighbour = None if drawn is None else jnp.array(drawn)
    block = small()
    slope = jax.jit(jax.grad(lambda x: block(x, neighbour=neighbour)["umap_loss"]))(
        jnp.ones((6, 5))
    )
    assert jnp.isfinite(slope).all()


def test_drawn_batches_estimate_the_objective_of_the_graph(components):
    x = components[:600]
    umap = DifferentiableUMAP(UMAPConfig(input_features=50, n_epochs=20), rngs=nnx.Rngs(0))
    umap.prepare_from({"features": x}, jax.random.key(0))
    p = umap.fuzzy_similarities(jnp.asarray(x))
    places = umap.embedding_head.by_network(jnp.asarray(x))
    a, b = umap.embedding_head.curve()
    whole = objective_of_graph(p, sq_distances(places), a, b, 5)
    indices, shares = umap.neighbour_graph()
    random, half, found = np.random.default_rng(0), 128, []
    partner = jnp.concatenate([jnp.arange(half, 2 * half), jnp.arange(half)])
    for _ in range(40):
        anchors = random.choice(len(x), half, replace=False)
        heights = np.cumsum(shares[anchors], axis=1)
        column = (heights < random.random((half, 1)) * heights[:, -1:]).sum(axis=1)
        batch = np.concatenate([anchors, indices[anchors, column]])
        found.append(float(objective_of_batch(places[batch], partner, a, b, 5)))
    # Shares of a row differ by a few per cent between cells.
    assert np.mean(found) == pytest.approx(float(whole), rel=0.05)


def test_map_of_pbmc3k_keeps_neighbours_and_places_new_cells_among_theirs(components, fitted):
    # umap-learn 0.5.12 on all cells: 0.922, new cells 0.919; on half of them a little less.
    n_old = len(components) * 4 // 5
    old, new = components[:n_old], components[n_old:]
    assert trustworthiness(old, fitted.transform(old), n_neighbors=15) >= 0.90
    assert trustworthiness(new, fitted.transform(new), n_neighbors=15) >= 0.88
    network = fitted.embedding_head.by_network(jnp.asarray(old))
    assert trustworthiness(old, np.asarray(network), n_neighbors=15) >= 0.87


def test_apply_and_transform_are_the_same_map(components, fitted):
    result, _, _ = fitted.apply({"features": components[:1100]}, {}, None)
    np.testing.assert_allclose(result["embedding"], fitted.transform(components[:1100]), atol=1e-3)


def test_a_training_step_ends_the_anchors(components, fitted):
    x = jnp.asarray(components[:50])
    block = nnx.clone(fitted)
    kernel = block.embedding_head.projection_backbone.output.kernel
    kernel[...] = kernel[...].at[0, 0].add(1e-3)
    np.testing.assert_array_equal(block.place(x), block.embedding_head.by_network(x))


def test_training_on_edges_lowers_the_objective(components):
    x = components[:500]
    trained = DifferentiableUMAP(UMAPConfig(input_features=50, n_epochs=20), rngs=nnx.Rngs(0))
    trained.fit(x)
    p = trained.fuzzy_similarities(jnp.asarray(x))

    def network_now():
        places = trained.embedding_head.by_network(jnp.asarray(x))
        a, b = trained.embedding_head.curve()
        return places, float(objective_of_graph(p, sq_distances(places), a, b, 5))

    first, before = network_now()
    trained.fit(x, epochs=20)
    places, after = network_now()
    assert after < before
    # No drift of scale, and the map stays centred.
    assert 0.5 < float(places.std() / first.std()) < 2
    assert float(jnp.abs(places.mean(axis=0)).max()) < 2


def test_nothing_above_the_dense_limit_is_cells_by_cells():
    block = small(dense_limit=20)
    text = str(jax.make_jaxpr(lambda x: block(x))(jnp.ones((97, 5))))
    assert "97,97" not in text
    assert "high_dim_similarities" not in block(jnp.ones((97, 5)))


def test_one_cell_and_two_cells_have_a_place():
    for n in (1, 2):
        outputs = small()(jnp.arange(5.0 * n).reshape(n, 5))
        assert all(jnp.isfinite(value).all() for value in outputs.values())


@pytest.mark.parametrize(
    "settings",
    [
        {"n_components": 0},
        {"n_neighbors": 0},
        {"hidden_dim": 0},
        {"input_features": 0},
        {"metric": "manhattan"},
        {"min_dist": 0.9, "spread": 0.5},
    ],
)
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(SettingError):
        UMAPConfig(**settings)
