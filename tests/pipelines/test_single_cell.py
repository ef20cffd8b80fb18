"""The single-cell pipeline as its documentation promises it: its examples, sizes and calls.

| block of the documentation | test |
|---|---|
| Quick Start | `test_quick_start` |
| SingleCellPipelineConfig, table | `test_configuration_has_the_fields_and_defaults_...` |
| SingleCellPipelineConfig, example | `test_a_pipeline_is_made_from_its_configuration` |
| Input Format | `test_whole_counts_and_codes_of_eight_bits_...` |
| Output Format | `test_every_key_of_the_documentation_...` |
| Stages 1 to 5, Accessing Components | `test_components_are_attributes_or_none` |
| Optional Components | `test_components_...`, `test_stages_can_be_switched_off_...` |
| Supervised Cell Type Classification | `test_supervised_training_as_documented_...` |
| Unsupervised Clustering with VAE Loss | `test_the_losses_of_the_documentation_combine` |
| Inference, Visualization | `test_inference_as_documented` |
| New Data Projection | `test_new_cells_are_projected_by_the_trained_pipeline` |
| Integration with Scanpy/AnnData | `test_results_go_into_anndata_as_documented` |

Its training step puts a module through `jax.jit` and `jax.value_and_grad`, which Flax refuses:
`nnx.jit` and `nnx.value_and_grad` stand there instead.
"""

import anndata as ad
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
import scipy.sparse
from flax import nnx

from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.losses import ClusteringCompactnessLoss, VAELoss
from diffbio_engine.pipelines import (
    SingleCellPipeline,
    SingleCellPipelineConfig,
    create_single_cell_pipeline,
    presets,
)

n_cells, n_genes, n_batches = 100, 2000, 3


@pytest.fixture(scope="module")
def data():
    data = {
        "counts": jax.random.poisson(
            jax.random.PRNGKey(0), lam=5.0, shape=(n_cells, n_genes)
        ).astype(jnp.float32),
        "ambient_profile": jax.random.uniform(jax.random.PRNGKey(1), (n_genes,)),
        "batch_labels": jax.random.randint(jax.random.PRNGKey(2), (n_cells,), 0, n_batches),
    }
    data["ambient_profile"] = data["ambient_profile"] / data["ambient_profile"].sum()
    return data


@pytest.fixture(scope="module")
def pipeline():
    return create_single_cell_pipeline(
        n_genes=2000,
        n_clusters=10,
        latent_dim=64,
    )


@pytest.fixture(scope="module")
def apply(pipeline):
    """`pipeline.apply`, compiled as a whole: step by step, each operation would be by itself."""
    compiled = jax.jit(lambda data: pipeline.apply(data, {}, None)[0])
    return lambda data, state, metadata: (compiled(data), state, metadata)


@pytest.fixture(scope="module")
def result(apply, data):
    result, _, _ = apply(data, {}, None)
    return result


def test_quick_start(result):
    assert result["normalized"].shape == (100, 2000)
    assert result["latent"].shape == (100, 64)
    assert result["embeddings_2d"].shape == (100, 2)
    assert result["cluster_assignments"].shape == (100, 10)


def test_every_key_of_the_documentation_is_returned_with_its_shape(result, data):
    told = {
        "counts": (n_cells, n_genes),
        "ambient_profile": (n_genes,),
        "batch_labels": (n_cells,),
        "decontaminated_counts": (n_cells, n_genes),
        "normalized": (n_cells, n_genes),
        "latent": (n_cells, 64),
        "corrected_embeddings": (n_cells, 64),
        "embeddings_2d": (n_cells, 2),
        "cluster_assignments": (n_cells, 10),
    }
    assert {name: result[name].shape for name in told} == told
    assert all(np.isfinite(result[name]).all() for name in told)
    for name, given in data.items():
        np.testing.assert_array_equal(result[name], given)
    assert all(result["stages_run"].values())


def test_whole_counts_and_codes_of_eight_bits_give_what_floats_give(apply, data, result):
    key, ambient_profile = jax.random.PRNGKey(0), jnp.ones(n_genes) / n_genes
    counts = jax.random.poisson(key, lam=5.0, shape=(n_cells, n_genes))
    batch = pd.Categorical.from_codes(np.asarray(data["batch_labels"]), ["a", "b", "c"])
    codes = jnp.array(batch.codes)
    assert counts.dtype == jnp.int32 and codes.dtype == jnp.int8
    whole = {"counts": counts, "ambient_profile": ambient_profile, "batch_labels": codes}
    found, _, _ = apply(whole, {}, None)
    floats, _, _ = apply({**data, "ambient_profile": ambient_profile}, {}, None)
    for name in ("normalized", "latent", "corrected_embeddings", "cluster_assignments"):
        np.testing.assert_allclose(found[name], floats[name], rtol=1e-3, atol=1e-5)


def test_components_are_attributes_or_none(pipeline):
    assert type(pipeline.ambient_removal).__name__ == "DifferentiableAmbientRemoval"
    assert type(pipeline.vae_normalizer).__name__ == "VAENormalizer"
    assert type(pipeline.batch_correction).__name__ == "DifferentiableHarmony"
    assert type(pipeline.dim_reduction).__name__ == "DifferentiableUMAP"
    assert type(pipeline.clustering).__name__ == "SoftKMeansClustering"
    assert pipeline.clustering.centroids.shape == (10, 64)
    minimal_pipeline = create_single_cell_pipeline(
        n_genes=2000,
        enable_ambient_removal=False,
        enable_batch_correction=False,
        enable_dim_reduction=False,
        enable_clustering=False,
    )
    assert minimal_pipeline.vae_normalizer is not None
    for stage in ("ambient_removal", "batch_correction", "dim_reduction", "clustering"):
        assert getattr(minimal_pipeline, stage) is None


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
        n_genes=5000,
        n_clusters=15,
        latent_dim=128,
        hidden_dims=(256, 128),
        umap_n_components=2,
        batch_correction_clusters=50,
        batch_correction_iterations=20,
        clustering_temperature=0.5,
        enable_ambient_removal=True,
        enable_batch_correction=True,
        enable_dim_reduction=True,
        enable_clustering=True,
    )
    pipeline = SingleCellPipeline(config, rngs=nnx.Rngs(42))
    assert pipeline.clustering.config.temperature == 0.5
    assert pipeline.batch_correction.config.n_iterations == 20
    assert pipeline.clustering.centroids.shape == (15, 128)
    assert pipeline.vae_normalizer.config.hidden_dims == (256, 128)


FLAGS = ("ambient_removal", "batch_correction", "dim_reduction", "clustering")


@pytest.mark.parametrize("off", [FLAGS[::3], FLAGS[1:3]])
def test_stages_can_be_switched_off_and_their_keys_stay(off, data):
    small = create_single_cell_pipeline(
        n_genes=40,
        latent_dim=8,
        hidden_dims=(16,),
        batch_correction_clusters=4,
        batch_correction_iterations=1,
        **{f"enable_{name}": False for name in off},
    )
    few = {name: value[..., :40] if value.ndim > 1 else value for name, value in data.items()}
    few["ambient_profile"] = jnp.ones(40) / 40
    result = jax.jit(lambda data: small.apply(data, {}, None)[0])(few)
    for name in FLAGS:
        assert (getattr(small, name) is None) == (name in off)
    assert ("decontaminated_counts" in result) == ("ambient_removal" not in off)
    assert result["embeddings_2d"].shape == (n_cells, 2)
    if "clustering" in off:
        np.testing.assert_allclose(result["cluster_assignments"], 0.1)
        assert not result["stages_run"]["cluster"]
    if "batch_correction" in off:
        np.testing.assert_array_equal(result["corrected_embeddings"], result["latent"])


@pytest.fixture(scope="module")
def trained():
    """A smaller one after the documentation's supervised training, with its first and last loss."""
    pipeline = create_single_cell_pipeline(
        n_genes=2000,
        n_clusters=10,
        latent_dim=10,
        batch_correction_clusters=10,
        batch_correction_iterations=2,
        enable_dim_reduction=False,
    )
    optimizer = nnx.Optimizer(pipeline, optax.adam(1e-2), wrt=nnx.Param)

    def loss_fn(pipeline, data, labels):
        result, _, _ = pipeline.apply(data, {}, None)
        # Cross-entropy with true cell type labels
        log_probs = jnp.log(result["cluster_assignments"] + 1e-10)
        return -jnp.mean(jnp.sum(labels * log_probs, axis=-1))

    @nnx.jit
    def train_step(pipeline, optimizer, data, labels):
        loss, grads = nnx.value_and_grad(loss_fn)(pipeline, data, labels)
        optimizer.update(pipeline, grads)
        return loss

    types = jnp.arange(n_cells) % 3
    rates = 0.5 + 4.0 * jax.random.uniform(jax.random.PRNGKey(4), (3, n_genes))
    train_data = {
        "counts": jax.random.poisson(jax.random.PRNGKey(5), rates[types]),
        "ambient_profile": jnp.ones(n_genes) / n_genes,
        "batch_labels": jnp.arange(n_cells) % 2,
    }
    train_labels = jax.nn.one_hot(types, 10)
    pipeline.train_mode()
    losses = []
    for _epoch in range(60):
        losses.append(float(train_step(pipeline, optimizer, train_data, train_labels)))
    pipeline.eval_mode()
    return pipeline, losses, rates


def test_supervised_training_as_documented_lowers_the_cross_entropy(trained):
    _, losses, _ = trained
    assert losses[-1] < 0.8 * losses[0]


def test_new_cells_are_projected_by_the_trained_pipeline(trained):
    pipeline, _, rates = trained
    types = np.arange(60) % 3
    new_data = {
        "counts": jax.random.poisson(jax.random.PRNGKey(6), rates[types]),
        "ambient_profile": jnp.ones(n_genes) / n_genes,
        "batch_labels": jnp.arange(60) % 2,
    }
    pipeline.eval_mode()
    new_result, _, _ = nnx.jit(lambda p, d: p.apply(d, {}, None))(pipeline, new_data)
    new_clusters = jnp.argmax(new_result["cluster_assignments"], axis=-1)
    # Cluster k was taught to be type k, on other cells.
    assert np.mean(np.asarray(new_clusters) == types) > 0.9


def test_the_losses_of_the_documentation_combine(pipeline, data):
    vae_loss = VAELoss(kl_weight=0.1)
    cluster_loss = ClusteringCompactnessLoss()

    def combined_loss(pipeline, counts):
        data_here = {**data, "counts": counts}
        result, _, _ = pipeline.apply(data_here, {}, None)
        vae_l = vae_loss(
            result["normalized"],
            data_here["counts"],
            result["latent_mean"],
            result["latent_logvar"],
        )
        cluster_l = cluster_loss(
            result["corrected_embeddings"],
            result["cluster_assignments"],
        )
        total = vae_l + 0.1 * cluster_l
        # Only for this test: what shows that gradients pass through all stages.
        others = result["embeddings_2d"], result["decontaminated_counts"]
        return total + sum(jnp.mean(value**2) for value in others), (vae_l, cluster_l)

    both = nnx.jit(nnx.value_and_grad(combined_loss, argnums=(0, 1), has_aux=True))
    (_, (vae_l, cluster_l)), (gradients, gradient) = both(pipeline, data["counts"])
    assert np.isfinite(vae_l) and np.isfinite(cluster_l)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    reached = {
        path[1] for path, g in nnx.to_flat_state(gradients) if np.abs(np.asarray(g[...])).max() > 0
    }
    assert {"ambient", "normalize", "cluster", "umap"} <= reached


def test_the_latent_is_returned_with_the_names_that_losses_take(result):
    kl = -0.5 * jnp.mean(1 + result["log_var"] - result["mu"] ** 2 - jnp.exp(result["log_var"]))
    assert kl > 0 and result["reconstructed"].shape == (n_cells, n_genes)
    np.testing.assert_array_equal(result["mu"], result["latent_mean"])


def test_inference_as_documented(result):
    hard_assignments = jnp.argmax(result["cluster_assignments"], axis=-1)
    cell_type_probs = result["cluster_assignments"]
    np.testing.assert_allclose(cell_type_probs.sum(axis=-1), 1.0, rtol=1e-5)
    assert hard_assignments.shape == (100,)
    embeddings = result["embeddings_2d"]
    assert embeddings[:, 0].shape == embeddings[:, 1].shape == (100,)


def test_results_go_into_anndata_as_documented(apply, data):
    adata = ad.AnnData(scipy.sparse.csr_matrix(np.asarray(data["counts"])))
    adata.obs["batch"] = pd.Categorical(np.asarray(data["batch_labels"]).astype(str))
    given = {
        "counts": jnp.array(adata.X.toarray()),
        "ambient_profile": jnp.ones(adata.n_vars) / adata.n_vars,
        "batch_labels": jnp.array(adata.obs["batch"].cat.codes),
    }
    result, _, _ = apply(given, {}, None)
    adata.obsm["X_latent"] = np.asarray(result["latent"])
    adata.obsm["X_umap_diffbio"] = np.asarray(result["embeddings_2d"])
    adata.obs["cluster_diffbio"] = np.asarray(jnp.argmax(result["cluster_assignments"], axis=-1))
    assert adata.obs["cluster_diffbio"].between(0, 9).all()


def test_an_untrained_pipeline_says_so(pipeline, data):
    assert not pipeline.vae_normalizer.fitted


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"counts": -jnp.ones((4, n_genes))}, "has values below 0"),
        ({"counts": jnp.ones((4, 7))}, r"where \(cells, 2000\) was expected"),
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
