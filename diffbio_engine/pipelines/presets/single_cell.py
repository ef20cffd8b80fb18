"""The single-cell pipeline: ambient removal, normalisation, batch correction, map, clusters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from diffbio_engine.declare import Config, Operator, dial, setting, size
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.pipelines.pipeline import Pipeline
from diffbio_engine.pipelines.plan import plan
from diffbio_engine.pipelines.presets.preset import JOINT, VARIABLE_GENES, Preset, is_measured
from diffbio_engine.pipelines.spec import Block, PipelineSpec, Wire
from diffbio_engine.pipelines.wiring import DataPort


class SingleCellPipelineConfig(Config):
    """Settings of the single-cell pipeline."""

    stochastic: bool = setting(True, doc="A training step draws latent states.", advanced=True)
    n_genes: int = size("genes", default=2000, doc="Number of genes.")
    n_clusters: int = setting(10, low=2, high=200, doc="How many clusters to form.")
    latent_dim: int = setting(64, low=2, high=256, doc="Width of the latent space.")
    hidden_dims: tuple[int, ...] = setting(
        (128, 64), low=1, high=4096, doc="Widths of the hidden layers of the normaliser."
    )
    umap_n_components: int = setting(2, low=2, high=3, doc="Dimensions of the map.")
    batch_correction_clusters: int = setting(
        100, low=2, high=500, doc="Clusters within which batches are corrected."
    )
    batch_correction_iterations: int = setting(
        10, low=1, high=50, doc="Rounds of batch correction."
    )
    clustering_temperature: float = dial(
        1.0, low=0.01, high=10.0, log=True, doc="Softness of the clusters."
    )
    n_batches: int = size("batches", default=2, doc="Number of batches.")
    enable_ambient_removal: bool = setting(True, doc="Remove ambient RNA.")
    enable_batch_correction: bool = setting(True, doc="Correct batches.")
    enable_dim_reduction: bool = setting(True, doc="Draw a map.")
    enable_clustering: bool = setting(True, doc="Form clusters.")


def single_cell_spec(config: SingleCellPipelineConfig) -> PipelineSpec:
    """The document of the pipeline with these settings."""
    blocks: list[Block] = []
    wires: list[Wire] = []
    outputs: dict[str, str] = {}
    counts = "data.counts"
    if config.enable_ambient_removal:
        blocks.append(Block("ambient", "singlecell.ambient_removal"))
        wires += [
            Wire(counts, "ambient.counts"),
            Wire("data.ambient_profile", "ambient.ambient_profile"),
        ]
        counts = outputs["decontaminated_counts"] = "ambient.decontaminated_counts"
    network = {"latent_dim": config.latent_dim, "hidden_dims": config.hidden_dims}
    blocks.append(Block("normalize", "normalization.vae_normalizer", network))
    wires.append(Wire(counts, "normalize.counts"))
    outputs |= {
        name: f"normalize.{name}"
        for name in ("normalized", "latent", "latent_mean", "latent_logvar", "reconstructed")
    }
    # What follows learns from where a cell is, not from a draw around it.
    cells = "normalize.latent_mean"
    if config.enable_batch_correction:
        rounds = {
            "n_clusters": config.batch_correction_clusters,
            "n_iterations": config.batch_correction_iterations,
        }
        blocks.append(Block("harmony", "singlecell.harmony", rounds))
        wires += [
            Wire(cells, "harmony.embeddings"),
            Wire("data.batch_labels", "harmony.batch_labels"),
        ]
        cells = outputs["corrected_embeddings"] = "harmony.corrected_embeddings"
    if config.enable_dim_reduction:
        shape = {"n_components": config.umap_n_components}
        blocks.append(Block("umap", "normalization.umap", shape))
        # The map follows the cells; a picture should not bend what it shows.
        wires.append(Wire(cells, "umap.features", stop_gradient=True))
        outputs["embeddings_2d"] = "umap.embedding"
    if config.enable_clustering:
        found = {
            "n_clusters": config.n_clusters,
            "temperature": config.clustering_temperature,
        }
        blocks.append(Block("cluster", "singlecell.soft_kmeans", found))
        wires.append(Wire(cells, "cluster.embeddings"))
        outputs["cluster_assignments"] = "cluster.cluster_assignments"
    return PipelineSpec(
        name="Single cell",
        blocks=tuple(blocks),
        wires=tuple(wires),
        outputs=outputs,
        training=JOINT,
        layout={b.id: (280.0 + 300.0 * i, 160.0) for i, b in enumerate(blocks)},
    )


class SingleCellPipeline(Pipeline):
    """Counts to clusters in five stages, differentiable from end to end.

    Ambient RNA is removed (optional), a variational autoencoder normalises the counts, Harmony
    corrects batches (optional), UMAP draws (optional), soft k-means clusters (optional).

    The stages are attributes, None where switched off: ``ambient_removal``, ``vae_normalizer``,
    ``batch_correction``, ``dim_reduction``, ``clustering``. A new pipeline is not trained: see
    ``diffbio_engine.training.fit``. In ``apply`` a stage that is switched off passes on what came
    before it (for clusters: equal shares); ``stages_run`` says which results are results.

    References:
        Lopez et al. (2018), Nature Methods; Fleming et al. (2023), Nature Methods;
        Korsunsky et al. (2019), Nature Methods; Sainburg et al. (2021), Neural Computation.
    """

    def __init__(
        self, config: SingleCellPipelineConfig, *, rngs: nnx.Rngs | None = None, seed: int = 0
    ) -> None:
        self.config = config
        data = {
            "counts": DataPort.named("counts", config.n_genes),
            "ambient_profile": DataPort.named("ambient_profile", config.n_genes),
            "batch_labels": DataPort.named("batch_labels", n_classes=config.n_batches),
        }
        super().__init__(plan(single_cell_spec(config), data), rngs=rngs, seed=seed)

    def _stage(self, block: str) -> Operator | None:
        return self.blocks[block] if block in self.plan.blocks else None

    @property
    def ambient_removal(self) -> Operator | None:
        return self._stage("ambient")

    @property
    def vae_normalizer(self) -> Operator:
        return self.blocks["normalize"]

    @property
    def batch_correction(self) -> Operator | None:
        return self._stage("harmony")

    @property
    def dim_reduction(self) -> Operator | None:
        return self._stage("umap")

    @property
    def clustering(self) -> Operator | None:
        return self._stage("cluster")

    def _take(self, data: Mapping[str, Any]) -> dict[str, jax.Array]:
        _refuse_bad_counts(data.get("counts"), self.config.n_genes)
        return super()._take(data)

    def _completed(self, result: dict[str, Any]) -> dict[str, Any]:
        latent = result["latent"]
        # The losses of the documentation take them by these names.
        result |= {"mu": result["latent_mean"], "log_var": result["latent_logvar"]}
        corrected = result.setdefault("corrected_embeddings", latent)
        result.setdefault("embeddings_2d", corrected[:, : self.config.umap_n_components])
        n_clusters = self.config.n_clusters
        equal = jnp.full((latent.shape[0], n_clusters), 1.0 / n_clusters, latent.dtype)
        result.setdefault("cluster_assignments", equal)
        stages = ("ambient", "normalize", "harmony", "umap", "cluster")
        result["stages_run"] = {s: jnp.asarray(s in self.plan.blocks) for s in stages}
        return result


def _refuse_bad_counts(counts: Any, n_genes: int) -> None:
    if counts is None or isinstance(counts, jax.core.Tracer):
        return
    counts = jnp.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != n_genes:
        raise DataError(
            f"has shape {counts.shape} where (cells, {n_genes}) was expected.",
            fix="Set n_genes to the number of genes.",
            where="counts",
        )
    if not isinstance(counts, jax.core.Tracer) and bool(jnp.any(counts < 0)):
        raise DataError(
            f"has values below 0 (the smallest is {float(counts.min()):g}).",
            fix="Use raw counts, not scaled values.",
            where="counts",
        )


def create_single_cell_pipeline(
    n_genes: int = 2000,
    n_clusters: int = 10,
    latent_dim: int = 64,
    enable_ambient_removal: bool = True,
    enable_batch_correction: bool = True,
    enable_dim_reduction: bool = True,
    enable_clustering: bool = True,
    *,
    seed: int = 42,
    **settings: Any,
) -> SingleCellPipeline:
    """A single-cell pipeline; any other field of its configuration goes by keyword."""
    if unknown := set(settings) - set(SingleCellPipelineConfig.__dataclass_fields__):
        raise SettingError(
            f"there is no setting '{unknown.pop()}'.", fix="See SingleCellPipelineConfig."
        )
    config = SingleCellPipelineConfig(
        n_genes=n_genes,
        n_clusters=n_clusters,
        latent_dim=latent_dim,
        enable_ambient_removal=enable_ambient_removal,
        enable_batch_correction=enable_batch_correction,
        enable_dim_reduction=enable_dim_reduction,
        enable_clustering=enable_clustering,
        **settings,
    )
    return SingleCellPipeline(config, seed=seed)


def _for_fields(fields: Mapping[str, str] | None) -> PipelineSpec:
    """The pipeline as it is opened on the page, with ten latent dimensions.

    The 64 of the configuration's default keep noise of their own: neighbours in them cannot be
    drawn in a plane (trustworthiness of umap-learn's map 0.81, with ten 0.97, pbmc3k).

    Ambient removal comes with it only where the file holds a profile. One that is guessed from
    the cells themselves (``ambient:...``) says little in filtered data: the block can be added.
    """

    document = single_cell_spec(
        SingleCellPipelineConfig(
            latent_dim=10,
            hidden_dims=(128, 128),
            enable_ambient_removal=is_measured("ambient_profile", fields),
            enable_batch_correction=is_measured("batch_labels", fields),
        )
    )
    return replace(document, variable_genes=VARIABLE_GENES)


PRESET = Preset(
    id="single_cell",
    title="Single cell: counts to map and clusters",
    summary="Ambient RNA, normalisation, batch correction, UMAP and clusters.",
    make=_for_fields,
    demo="three_batches",
    place=1,
)
