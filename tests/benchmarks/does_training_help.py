"""Does training help? Each ready pipeline at its start, in stages, jointly, as the page trains it.

    python tests/benchmarks/does_training_help.py [PIPELINE ...] [--steps 120] [--cells 1000]
        [--seed 0] [--only start trained]

start     every block has looked at the data (`prepare`), nothing is trained.
staged    each block that has a loss learns alone, in running order, for --steps; the blocks after
          it then look at the data anew and start from there. No loss reaches an earlier block.
joint     one objective of all losses at their default weights, --steps in all.
longer    the same for three times as many steps.
trained   as on the page: a tenth of the cells held out, until they are explained no better, and
          then the weights that explained them best. How it ended goes to standard error.

Two data sets for each pipeline, with a known truth or published labels; at most --cells of each,
and 1000 genes. Maps, and blocks without a loss that nothing scored follows from, are left out:
no gradient comes from them. Higher scores are better.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import anndata as ad
import jax
import numpy as np
from flax import nnx
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score, average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from diffbio_engine.data import CellSource, inspect
from diffbio_engine.data.demos.examples import half_labelled_blood_cells, simulate_batches
from diffbio_engine.data.demos.simulated_cells import simulated_cells
from diffbio_engine.data.demos.simulated_time_course import simulate_time_course
from diffbio_engine.data.demos.simulated_tissue import simulate_tissue
from diffbio_engine.parts.neighbourhood_metrics import local_inverse_simpson
from diffbio_engine.pipelines import Pipeline, PipelineSpec, prepare, presets, values_of_cells
from diffbio_engine.pipelines.presets.preset import JOINT
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.open_run import open_run
from diffbio_engine.training import Stage, Training

DATA = Path(__file__).resolve().parents[3] / "shared/data"
sys.path.insert(0, str(DATA))

# What nothing that is scored follows from.
LEFT_OUT = {
    "annotation": ("umap", "cluster", "normalize"),
    "integration": ("umap_harmony", "umap_mmd", "umap_wgan", "umap_uncorrected", "cluster"),
    "doublets": ("umap", "cluster", "impute", "normalize", "ambient"),
    "trajectory": ("phate", "fates", "transport"),
    "regulatory_network": ("umap", "cluster", "normalize"),
    "communication": ("umap", "cluster", "normalize", "pairs"),
    "spatial": ("umap", "align", "normalize"),
    "simulation": ("umap",),
}


@dataclass(frozen=True)
class Case:
    """A data set, where its fields lie, and what is scored: a port and a function of its value."""

    name: str
    data: ad.AnnData
    fields: dict[str, str]
    scores: dict[str, tuple[str, Callable[[np.ndarray, CellSource], float]]]
    settings: dict[str, dict[str, int]] | None = None


def few(data: ad.AnnData, cells: int) -> ad.AnnData:
    """At most so many cells of it, and its 1000 most counted genes."""
    rows = np.sort(np.random.default_rng(0).permutation(data.n_obs)[:cells])
    total = np.asarray(data.X.sum(axis=0)).ravel()
    genes = np.sort(np.argsort(-total)[:1000])
    return data[rows][:, genes].copy()


def pbmc3k(cells: int) -> ad.AnnData:
    return few(ad.read_h5ad(DATA / "pbmc3k_hvg2000_counts.h5ad"), cells)


def of_gen_scale(cells: int) -> ad.AnnData:
    import gen_scale

    counts, obs, _, _ = gen_scale.generate(cells, G=1000, seed=0)
    data = ad.AnnData(counts)
    data.obs["doublet"], data.obs["batch"] = obs["doublet"], obs["batch"].astype(str)
    data.obs["cell_type"] = obs["cell_type"].astype(str)
    return data


def codes(column) -> np.ndarray:
    return np.unique(np.asarray(column).astype(str), return_inverse=True)[1]


def neighbours_agree(labels: np.ndarray) -> Callable[[np.ndarray, CellSource], float]:
    """Share of the cells whose label most of the 15 nearest others have."""

    def score(space: np.ndarray, _: CellSource) -> float:
        near = NearestNeighbors(n_neighbors=16).fit(space).kneighbors(return_distance=False)
        near = near[:, :15]
        votes = np.apply_along_axis(np.bincount, 1, labels[near], minlength=labels.max() + 1)
        return float(np.mean(votes.argmax(axis=1) == labels))

    return score


def rand(labels: np.ndarray) -> Callable[[np.ndarray, CellSource], float]:
    return lambda shares, _: float(adjusted_rand_score(labels, shares.argmax(axis=1)))


def mixing(batch: np.ndarray) -> Callable[[np.ndarray, CellSource], float]:
    width = min(30, len(batch) // 12)
    return lambda x, _: float(local_inverse_simpson(x, batch, perplexity=width).mean())


def single_cell(cells: int) -> Iterator[Case]:
    for name, data in (("gen_scale 0", of_gen_scale(cells)), ("pbmc3k", pbmc3k(cells))):
        kind, batches = codes(data.obs["cell_type"]), "batch" in data.obs
        space = "harmony.corrected_embeddings" if batches else "normalize.latent_mean"
        yield Case(
            name,
            data,
            {"batch_labels": "obs/batch"} if batches else {},
            {
                "types of neighbours": (space, neighbours_agree(kind)),
                "... on the map": ("umap.embedding", neighbours_agree(kind)),
                "ARI of clusters": ("cluster.cluster_assignments", rand(kind)),
            },
        )


def annotation(cells: int) -> Iterator[Case]:
    blood = half_labelled_blood_cells()
    real = pbmc3k(cells)
    truth, random = real.obs["cell_type"].astype(str).to_numpy(), np.random.default_rng(0)
    real.obs["known_type"] = "unknown"
    for kind in np.unique(truth):
        some = random.permutation(np.flatnonzero(truth == kind))[:10]
        real.obs.iloc[some, real.obs.columns.get_loc("known_type")] = kind
    for name, data, label in (
        ("blood, half labelled", blood, "bulk_labels"),
        ("pbmc3k, 10 labels a type", real, "cell_type"),
    ):
        true = data.obs[label].astype(str).to_numpy()
        hidden = (data.obs["known_type"].astype(str) == "unknown").to_numpy()

        def right(shares, source, true=true, hidden=hidden):
            named = np.asarray(source.label_names["labels"])[shares.argmax(axis=1)]
            return float(np.mean(named[hidden] == true[hidden]))

        scores = {"accuracy, hidden labels": ("annotate.cell_type_probabilities", right)}
        yield Case(name, data, {"labels": "obs/known_type"}, scores)


def integration(cells: int) -> Iterator[Case]:
    for name, data in (
        ("three batches", simulate_batches(seed=1, n_cells=cells)),
        ("stem cells", ad.read_h5ad(DATA / "scmerge_mESC_2batch_counts.h5ad")),
    ):
        batch, kind = codes(data.obs["batch"]).astype(np.int32), codes(data.obs["cell_type"])
        scores = {}
        for way, port in (
            ("Harmony", "harmony.corrected_embeddings"),
            ("MMD", "mmd.latent"),
            ("WGAN", "wgan.latent"),
        ):
            scores[f"{way}: iLISI"] = (port, mixing(batch))
            scores[f"{way}: types of neighbours"] = (port, neighbours_agree(kind))
        yield Case(name, data, {"batch_labels": "obs/batch"}, scores)


def doublets(cells: int) -> Iterator[Case]:
    for name, data in (
        ("Splat", simulated_cells(seed=1, n_cells=cells)),
        ("gen_scale 0", of_gen_scale(cells)),
    ):
        truth = data.obs["doublet"].to_numpy().astype(bool)

        def area(found, _, truth=truth):
            return float(roc_auc_score(truth, found))

        scores = {
            "AUROC of neighbour scores": ("doublets.doublet_scores", area),
            "AUROC of Solo": ("solo.doublet_probabilities", area),
        }
        yield Case(name, data, {"batch_labels": "obs/batch"}, scores)


def trajectory(cells: int) -> Iterator[Case]:
    paul = few(ad.read_h5ad(DATA / "paul_myeloid_tradeseq_counts.h5ad"), cells)
    weight, curve = (paul.obs[f"slingshot_{n}_curve1"].to_numpy() for n in ("w", "pt"))
    paul.obs["time"] = np.where((weight > 0.5) & np.isfinite(curve), curve, np.nan)
    course = simulate_time_course(seed=1, n_cells=cells, n_differing=12)
    course.obs["time"] = course.obs["true_pseudotime"]
    for name, data in (("Paul, lineage 1", paul), ("time course 1", course)):
        time_of = data.obs["time"].to_numpy(float)
        on = np.isfinite(time_of)

        def order(found, _, on=on, time_of=time_of):
            return float(spearmanr(found[on], time_of[on]).statistic)

        root = int(np.nanargmin(time_of))
        scores = {"rank correlation of time": ("order.pseudotime", order)}
        yield Case(name, data, {}, scores, {"order": {"root_cell_index": root}})


def regulatory_network(cells: int) -> Iterator[Case]:
    for seed in (1, 2):
        data = simulate_time_course(seed=seed, n_cells=cells, n_differing=12)

        def found_edges(matrix, source, data=data):
            names, regulators = list(data.var_names), list(data.uns["regulators"])
            seen = [names[i] for i in np.asarray(source.per_dataset["tf_indices"]).ravel()]
            both = [r for r in seen if r in regulators]
            true = data.varm["true_network"][:, [regulators.index(r) for r in both]] != 0
            ours = np.abs(matrix[[seen.index(r) for r in both]]).T
            return float(average_precision_score(true.ravel(), ours.ravel()))

        yield Case(
            f"time course {seed}", data, {}, {"AUPRC of edges": ("network.grn_matrix", found_edges)}
        )


def communication(cells: int) -> Iterator[Case]:
    for seed in (1, 2):
        data = simulate_tissue(seed=seed, n_spots=cells)
        active = {t.split(":")[0].replace(" ", "_") for t in data.uns["active_pairs"]}

        def speaks(effects, source, active=active):
            names = [n.replace("-", "_") for n in source.label_names["lr_pairs"]]
            return float(roc_auc_score([n in active for n in names], (effects**2).sum(axis=1)))

        scores = {
            "AUROC of active pairs": ("messages.pair_effects", speaks),
            "layers of neighbours, niche": (
                "messages.niche_embeddings",
                neighbours_agree(codes(data.obs["layer"])),
            ),
        }
        fields = {"spatial_coords": "obsm/spatial", "labels": "obs/cell_type"}
        yield Case(f"tissue {seed}", data, fields, scores)


def spatial(cells: int) -> Iterator[Case]:
    for seed in (2, 3):
        data = simulate_tissue(seed=seed, n_spots=cells)
        scores = {"ARI of domains": ("domains.domain_assignments", rand(codes(data.obs["layer"])))}
        fields = {"spatial_coords": "obsm/spatial", "slice_labels": "obs/slice"}
        yield Case(f"tissue {seed}", data, fields, scores)


def simulation(cells: int) -> Iterator[Case]:
    for name, data, label in (
        ("Splat", simulated_cells(seed=1, n_cells=cells), "group"),
        ("pbmc3k", pbmc3k(cells), "cell_type"),
    ):
        scores = {
            "ARI with simulated groups": ("agree.adjusted_rand_index", lambda v, _: float(v)),
        }
        yield Case(name, data, {"labels": f"obs/{label}"}, scores)


def without(spec: PipelineSpec, left_out: tuple[str, ...]) -> PipelineSpec:
    """The pipeline without these blocks."""

    def stays(port: str) -> bool:
        return port.split(".")[0] not in left_out

    return replace(
        spec,
        blocks=tuple(b for b in spec.blocks if b.id not in left_out),
        wires=tuple(w for w in spec.wires if stays(w.source) and stays(w.target)),
        outputs={n: p for n, p in spec.outputs.items() if stays(p)},
        weights={p: w for p, w in spec.weights.items() if stays(p)},
        training={},
    )


def opened(pipeline: str, case: Case, path: Path, stages: tuple[Stage, ...], seed: int) -> Training:
    fields = {**inspect(path).suggested, **case.fields}
    spec = without(presets()[pipeline].make(fields), LEFT_OUT.get(pipeline, ()))
    for block, settings in (case.settings or {}).items():
        spec = spec.with_config(block, **settings)
    dataset = {"path": str(path), "name": case.name, "fields": fields}
    run = open_run(RunSpec(pipeline=spec.to_json(), dataset=dataset, seed=seed))
    return Training(run.pipeline, run.cells, stages, batch_size=256, seed=seed, learning_rate=1e-3)


def scored(case: Case, training: Training) -> list[float]:
    """The scores of the present weights, after all blocks have looked at the data once more."""
    pipeline: Pipeline = nnx.clone(training.sync())
    if training.step:
        prepare(pipeline, training.cells, first=False, seed=training.seed)
    pipeline.eval_mode()
    ports = tuple(dict.fromkeys(port for port, _ in case.scores.values()))
    values = values_of_cells(pipeline, training.cells, ports)
    return [score(values[port], training.cells) for port, score in case.scores.values()]


def in_stages(training: Training, steps: int) -> tuple[Stage, ...]:
    """Each block that has a loss, alone, in running order."""
    plan, order = training.pipeline.plan, list(training.pipeline.plan.blocks)
    losses = plan.losses
    stages: list[Stage] = []
    for block in order:
        own = [p for p in losses if p.split(".")[0] == block and losses[p] > 0]
        if own and plan.blocks[block].learns:
            off = {p: 0.0 for p in losses if p.split(".")[0] != block}
            after = tuple(
                b for b in order[order.index(block) :] if plan.blocks[b].declared.make.prepares()
            )
            stages.append(
                Stage(block, steps=steps, learns=(block,), weights=off, refresh_every=3,
                      prepare=after if stages else ())
            )  # fmt: skip
    return tuple(stages)


def as_the_page(pipeline: str, case: Case, path: Path, seed: int) -> list[float]:
    """The scores of what a run of the page leaves."""
    training = opened(pipeline, case, path, (Stage(**JOINT["stages"][0]),), seed)
    for _ in training:
        pass
    training.settle()
    print(f"# {case.name}: {' '.join(training.how_it_ended())}", file=sys.stderr, flush=True)
    return scored(case, training)


def compared(
    pipeline: str, case: Case, steps: int, seed: int, folder: Path, only: list[str]
) -> None:
    began = time.process_time()
    path = folder / f"{pipeline}.h5ad"
    case.data.write_h5ad(path)
    long = Stage("joint", steps=3 * steps, refresh_every=3)
    training = opened(pipeline, case, path, (long,), seed)
    training.prepare()
    found = dict.fromkeys(WAYS, [float("nan")] * len(case.scores))
    found["start"] = scored(case, training)
    if {"joint", "longer"} & set(only):
        for report in training:
            if report.step == steps:
                found["joint"] = scored(case, training)
        found["longer"] = scored(case, training)
    stages = in_stages(training, steps)
    if len(stages) > 1 and "staged" in only:  # one block: as joint
        staged = opened(pipeline, case, path, stages, seed)
        for _ in staged:
            pass
        found["staged"] = scored(case, staged)
    if "trained" in only:
        found["trained"] = as_the_page(pipeline, case, path, seed)
    spent = time.process_time() - began
    for i, name in enumerate(case.scores):
        row = " | ".join(f"{found[way][i]:.3f}" for way in WAYS)
        print(f"| {pipeline}, {case.name}: {name} | {row} |", flush=True)
    print(f"# {[s.name for s in stages]}, {spent:.0f} CPU s", file=sys.stderr, flush=True)


WAYS = ("start", "staged", "joint", "longer", "trained")
EVERY = (
    single_cell, annotation, integration, doublets, trajectory, regulatory_network, communication,
    spatial, simulation,
)  # fmt: skip


def main() -> None:
    wanted = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    by_name = {f.__name__: f for f in EVERY}
    wanted.add_argument("pipelines", nargs="*", default=list(by_name))
    wanted.add_argument("--steps", type=int, default=120)
    wanted.add_argument("--cells", type=int, default=1000)
    wanted.add_argument("--seed", type=int, default=0)
    wanted.add_argument("--only", nargs="*", choices=WAYS, default=WAYS)
    asked = wanted.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.pipelines:
            for case in by_name[name](asked.cells):
                compared(name, case, asked.steps, asked.seed, Path(folder), asked.only)
                jax.clear_caches()


if __name__ == "__main__":
    main()
