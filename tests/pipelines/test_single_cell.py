"""The single-cell pipeline as its documentation promises it: every example runs as written."""

import anndata as ad
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.losses import ClusteringCompactnessLoss, VAELoss
from diffbio_engine.pipelines import (
    SingleCellPipeline,
    SingleCellPipelineConfig,
    create_single_cell_pipeline,
    presets,
)

N_CELLS, N_GENES, N_BATCHES = 100, 200, 3


@pytest.fixture(scope="module")
def data():
    data = {
        "counts": jax.random.poisson(
            jax.random.PRNGKey(0), lam=5.0, shape=(N_CELLS, N_GENES)
        ).astype(jnp.float32),
        "ambient_profile": jax.random.uniform(jax.random.PRNGKey(1), (N_GENES,)),
        "batch_labels": jax.random.randint(jax.random.PRNGKey(2), (N_CELLS,), 0, N_BATCHES),
    }
    data["ambient_profile"] = data["ambient_profile"] / data["ambient_profile"].sum()
    return data


@pytest.fixture(scope="module")
def pipeline():
    return create_single_cell_pipeline(
        n_genes=N_GENES,
        n_clusters=10,
        latent_dim=16,
        hidden_dims=(32, 16),
        batch_correction_clusters=8,
        batch_correction_iterations=2,
    )


@pytest.fixture(scope="module")
def result(pipeline, data):
    # Compiled as a whole: one operation after the other, each would be compiled by itself.
    return jax.jit(lambda data: pipeline.apply(data, {}, None)[0])(data)


def test_quick_start_gives_every_result_with_its_shape(result, data):
    assert result["normalized"].shape == (N_CELLS, N_GENES)
    assert result["latent"].shape == (N_CELLS, 16)
    assert result["corrected_embeddings"].shape == (N_CELLS, 16)
    assert result["embeddings_2d"].shape == (N_CELLS, 2)
    assert result["cluster_assignments"].shape == (N_CELLS, 10)
    assert result["decontaminated_counts"].shape == (N_CELLS, N_GENES)
    for name in data:
        assert name in result
    assert all(result["stages_run"].values())


def test_configuration_has_the_fields_and_defaults_of_the_documentation():
    config = SingleCellPipelineConfig()
    told = {
        "n_genes": 2000,
        "n_clusters": 10,
        "latent_dim": 64,
        "hidden_dims": (128, 64),
        "umap_n_components": 2,
        "batch_correction_clusters": 100,
        "batch_correction_iterations": 10,
        "clustering_temperature": 1.0,
        "enable_ambient_removal": True,
        "enable_batch_correction": True,
        "enable_dim_reduction": True,
        "enable_clustering": True,
    }
    assert {name: getattr(config, name) for name in told} == told


def test_a_pipeline_is_made_from_its_configuration():
    config = SingleCellPipelineConfig(
        n_genes=50,
        n_clusters=15,
        latent_dim=12,
        hidden_dims=(25, 12),
        umap_n_components=2,
        batch_correction_clusters=5,
        batch_correction_iterations=20,
        clustering_temperature=0.5,
    )
    pipeline = SingleCellPipeline(config, rngs=nnx.Rngs(42))
    assert pipeline.clustering.config.temperature == 0.5
    assert pipeline.batch_correction.config.n_iterations == 20
    assert pipeline.clustering.centroids.shape == (15, 12)
    assert pipeline.vae_normalizer.config.hidden_dims == (25, 12)


FLAGS = ("ambient_removal", "batch_correction", "dim_reduction", "clustering")


@pytest.mark.parametrize("off", [(name,) for name in FLAGS] + [FLAGS])
def test_stages_can_be_switched_off_and_their_keys_stay(off, data):
    small = create_single_cell_pipeline(
        n_genes=N_GENES,
        latent_dim=8,
        hidden_dims=(16,),
        batch_correction_clusters=4,
        batch_correction_iterations=1,
        **{f"enable_{name}": False for name in off},
    )
    result = jax.jit(lambda data: small.apply(data, {}, None)[0])(data)
    for name in FLAGS:
        assert (getattr(small, name) is None) == (name in off)
    assert ("decontaminated_counts" in result) == ("ambient_removal" not in off)
    assert result["embeddings_2d"].shape == (N_CELLS, 2)
    if "clustering" in off:
        np.testing.assert_allclose(result["cluster_assignments"], 0.1)
        assert not result["stages_run"]["cluster"]
    if "batch_correction" in off:
        np.testing.assert_array_equal(result["corrected_embeddings"], result["latent"])


def test_gradients_reach_the_counts_and_every_stage(pipeline, data):
    def loss(pipeline, counts):
        result = pipeline.apply({**data, "counts": counts}, {}, None)[0]
        decontaminated = jnp.mean(result["decontaminated_counts"] ** 2)
        return (
            jnp.sum(result["cluster_assignments"][:, 0])
            + jnp.mean(result["embeddings_2d"] ** 2)
            + jnp.mean(result["normalized"] ** 2)
            + decontaminated
        )

    both = nnx.jit(nnx.grad(loss, argnums=(0, 1)))
    gradients, gradient = both(pipeline, data["counts"])
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    reached = {
        path[1] for path, g in nnx.to_flat_state(gradients) if np.abs(np.asarray(g[...])).max() > 0
    }
    assert {"ambient", "normalize", "cluster", "umap"} <= reached


def test_supervised_training_as_documented_lowers_the_cross_entropy(data):
    pipeline = create_single_cell_pipeline(
        n_genes=N_GENES,
        n_clusters=3,
        latent_dim=8,
        hidden_dims=(16,),
        batch_correction_clusters=4,
        batch_correction_iterations=1,
        enable_dim_reduction=False,
    )
    labels = jax.nn.one_hot(jnp.arange(N_CELLS) % 3, 3)
    optimizer = nnx.Optimizer(pipeline, optax.adam(1e-2), wrt=nnx.Param)

    def loss_fn(pipeline, data, labels):
        result, _, _ = pipeline.apply(data, {}, None)
        log_probs = jnp.log(result["cluster_assignments"] + 1e-10)
        return -jnp.mean(jnp.sum(labels * log_probs, axis=-1))

    @nnx.jit
    def train_step(pipeline, optimizer, data, labels):
        loss, grads = nnx.value_and_grad(loss_fn)(pipeline, data, labels)
        optimizer.update(pipeline, grads)
        return loss

    pipeline.train_mode()
    losses = [float(train_step(pipeline, optimizer, data, labels)) for _ in range(30)]
    pipeline.eval_mode()
    assert losses[-1] < 0.8 * losses[0]


def test_the_losses_of_the_documentation_combine(result):
    vae_loss = VAELoss(kl_weight=0.1)
    cluster_loss = ClusteringCompactnessLoss()
    vae = vae_loss(
        result["normalized"],
        result["counts"],
        jnp.zeros_like(result["latent"]),
        jnp.zeros_like(result["latent"]),
    )
    tight = cluster_loss(result["corrected_embeddings"], result["cluster_assignments"])
    assert np.isfinite(vae + 0.1 * tight)


def test_results_go_into_anndata_as_documented(result):
    adata = ad.AnnData(np.asarray(result["counts"]))
    adata.obsm["X_latent"] = np.asarray(result["latent"])
    adata.obsm["X_umap_diffbio"] = np.asarray(result["embeddings_2d"])
    adata.obs["cluster_diffbio"] = np.asarray(jnp.argmax(result["cluster_assignments"], axis=-1))
    assert adata.obs["cluster_diffbio"].between(0, 9).all()


def test_an_untrained_pipeline_says_so(pipeline, data):
    assert not pipeline.vae_normalizer.fitted


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"counts": -jnp.ones((4, N_GENES))}, "has values below 0"),
        ({"counts": jnp.ones((4, 7))}, r"where \(cells, 200\) was expected"),
    ],
)
def test_wrong_counts_are_refused_in_words(pipeline, data, change, sentence):
    with pytest.raises(DataError, match=sentence):
        pipeline.apply({**data, **change}, {}, None)


def test_a_missing_field_and_an_unknown_setting_are_named(pipeline, data):
    with pytest.raises(DataError, match=r"data\.batch_labels: is missing"):
        pipeline.apply({k: v for k, v in data.items() if k != "batch_labels"}, {}, None)
    with pytest.raises(SettingError, match="there is no setting 'n_cluster'"):
        create_single_cell_pipeline(n_cluster=3)


def test_the_preset_leaves_out_what_the_data_cannot_feed():
    preset = presets()["single_cell"]
    guessed = {"counts": "X", "ambient_profile": "ambient:mean"}
    assert [b.id for b in preset.make(guessed).blocks] == ["normalize", "umap", "cluster"]
    found = {"counts": "X", "ambient_profile": "var/soup", "batch_labels": "obs/donor"}
    assert len(preset.make(found).blocks) == len(preset.make(None).blocks) == 5
