"""Domains of a simulated tissue with known layers, their graph, and spots not seen before."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from diffbio_engine.data.demos.simulated_tissue import simulate_tissue
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.operators.singlecell import DifferentiableSpatialDomain, SpatialDomainConfig
from diffbio_engine.operators.singlecell.spatial_domain._spatial_graph import neighbours_in_slices


def block(**settings) -> DifferentiableSpatialDomain:
    values = {"n_domains": 6, "hidden_dim": 20, "n_components": 20, "n_genes": 400} | settings
    return DifferentiableSpatialDomain(SpatialDomainConfig(**values))


@pytest.fixture(scope="module")
def tissue():
    """Ports of two slices and the layer of each spot."""
    made = simulate_tissue(seed=1, n_spots=1600)
    return {
        "counts": made.X.toarray(),
        "spatial_coords": made.obsm["spatial"],
        "slice_labels": made.obs["slice"].cat.codes.to_numpy().astype(np.int32),
    }, made.obs["layer"].cat.codes.to_numpy()


@pytest.fixture(scope="module")
def prepared(tissue):
    made = block()
    made.prepare_from(tissue[0], jax.random.key(0))
    return made


def run(block, data, rows=slice(None)):
    return block.run({n: jnp.asarray(x[rows]) for n, x in data.items()})


@pytest.fixture(scope="module")
def found(prepared, tissue):
    return run(prepared, tissue[0])


def test_layers_are_found_where_expression_alone_does_not_tell_them(found, tissue):
    data, layer = tissue
    logged = np.log1p(1e4 * data["counts"] / data["counts"].sum(axis=1, keepdims=True))
    scores = PCA(20, random_state=0).fit_transform(logged)
    alone = KMeans(6, n_init=4, random_state=0).fit_predict(scores)
    assert adjusted_rand_score(layer, alone) < 0.3
    assert adjusted_rand_score(layer, found["domain_labels"]) > 0.6


def test_neighbours_are_those_of_scikit_learn_in_each_slice(tissue):
    data, _ = tissue
    places, slices = data["spatial_coords"], data["slice_labels"]
    found = neighbours_in_slices(places, slices, 6)
    assert (slices[found] == slices[:, None]).all()
    for which in (0, 1):
        rows = np.flatnonzero(slices == which)
        near = NearestNeighbors(n_neighbors=6).fit(places[rows])
        apart = np.linalg.norm(places[found[rows]] - places[rows][:, None], axis=2)
        np.testing.assert_allclose(apart, near.kneighbors()[0], rtol=1e-3)


def test_the_untrained_embedding_is_the_mean_of_components_over_neighbours(tissue):
    data, _ = tissue
    plain = block(alpha=0.0)
    plain.prepare_from(data, jax.random.key(0))
    z = np.asarray(run(plain, data)["spatial_embeddings"])
    x = np.asarray(plain.features[...])
    near = np.asarray(plain.neighbours[...])
    mean = (x + x[near].sum(axis=1)) / (1 + near.shape[1])
    for c in range(5):
        assert np.corrcoef(z[:, c], mean[:, c])[0, 1] > 0.97


def test_a_batch_has_the_embedding_that_it_has_among_all(prepared, found, tissue):
    rows = np.arange(100, 1500, 37)
    part = run(prepared, tissue[0], rows)
    for name in ("spatial_embeddings", "domain_assignments", "reconstructed_expression"):
        np.testing.assert_allclose(part[name], np.asarray(found[name])[rows], atol=2e-4)


def test_a_spot_that_was_held_out_lies_in_the_domain_of_its_surroundings(tissue):
    data, layer = tissue
    kept = np.arange(len(layer)) % 10 > 0
    some = block()
    some.prepare_from({n: x[kept] for n, x in data.items()}, jax.random.key(0))
    labels = np.asarray(run(some, data)["domain_labels"])
    old, new = (adjusted_rand_score(layer[rows], labels[rows]) for rows in (kept, ~kept))
    assert new > old - 0.15


def test_as_the_temperature_falls_each_spot_belongs_to_the_nearest_domain(tissue, prepared):
    old = prepared.dials["temperature"][...]
    prepared.dials["temperature"][...] = jnp.asarray(0.01)
    out = run(prepared, tissue[0], slice(0, 300))
    prepared.dials["temperature"][...] = old
    shares = np.asarray(out["domain_assignments"])
    np.testing.assert_array_equal(shares.argmax(axis=1), out["domain_labels"])
    assert np.mean(shares.max(axis=1) > 0.999) > 0.95


def test_the_loss_has_a_slope_in_weights_prototypes_and_counts(prepared, tissue):
    data = {n: jnp.asarray(x[:64]) for n, x in tissue[0].items()}

    def loss(block, counts):
        out = block.run({**data, "counts": counts})
        return out["reconstruction_loss"] + out["domain_loss"]

    slopes, to_counts = nnx.jit(nnx.grad(loss, argnums=(0, 1)))(prepared, data["counts"])
    for path, slope in nnx.to_flat_state(slopes):
        assert float(jnp.max(jnp.abs(slope[...]))) > 0, path
    assert float(jnp.max(jnp.abs(to_counts))) > 0


def test_a_refresh_keeps_weights_and_prototypes(tissue):
    data, _ = tissue
    some = block(n_neighbors=6)
    part = {n: x[:400] for n, x in data.items()}
    some.prepare_from(part, jax.random.key(0))
    before = run(some, part)["domain_assignments"]
    weights = np.asarray(some.network.inner[...])
    some.prepare_from(part, jax.random.key(0), first=False)
    np.testing.assert_array_equal(some.network.inner[...], weights)
    after = run(some, part)["domain_assignments"]
    assert np.mean(np.argmax(before, 1) == np.argmax(after, 1)) > 0.95


def test_a_radius_leaves_out_what_is_further_away(tissue):
    data, _ = tissue
    part = {n: x[:200] for n, x in data.items()}
    alone = block(radius=1e-3)
    alone.prepare_from(part, jax.random.key(0))
    z = run(alone, part)["spatial_embeddings"]
    moved = dict(part, spatial_coords=part["spatial_coords"][::-1].copy())
    # Without neighbours, the place does not matter.
    np.testing.assert_allclose(run(alone, moved)["spatial_embeddings"], z, atol=1e-5)


def test_too_few_spots_and_heads_that_do_not_fit_are_refused(tissue):
    with pytest.raises(DataError, match="too few for 6 domains"):
        block().prepare_from({n: x[:5] for n, x in tissue[0].items()}, jax.random.key(0))
    with pytest.raises(SettingError, match="num_heads"):
        block(hidden_dim=5, num_heads=4)
