"""Cell types: CellTypist's numbers, the mixture's likelihood, the bound, names, refusals."""

import json
import sys
from pathlib import Path

import anndata
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import expit, logsumexp
from scipy.stats import nbinom
from sklearn.linear_model import LogisticRegression

from diffbio_engine.declare import set_temperature
from diffbio_engine.errors import DataError, SettingError
from diffbio_engine.operators.singlecell import CellAnnotatorConfig, DifferentiableCellAnnotator
from diffbio_engine.operators.singlecell.cell_annotator._label_conditioned_vae import (
    LabelledLatent,
    semi_supervised_bound,
)
from diffbio_engine.operators.singlecell.cell_annotator._logistic_annotation import (
    fit_softmax_regression,
)
from diffbio_engine.operators.singlecell.cell_annotator._marker_annotation import (
    MarkerWeights,
    marker_scores,
)
from tests.gradients import check_gradients

REFERENCES = Path(__file__).parents[2] / "references/singlecell"
sys.path.append(str(REFERENCES))
from annotation_cases import MARKERS, known_number

FORMS = ("celltypist", "cellassign", "scanvi")
PEERS = json.loads((REFERENCES / "annotation_peers.json").read_text())
pytestmark = pytest.mark.filterwarnings("ignore:.*has not been trained or prepared")


def annotator(mode="celltypist", n_types=3, n_genes=12, **settings):
    settings = {"latent_dim": 3, "hidden_dims": (8,), **settings}
    config = CellAnnotatorConfig(
        annotation_mode=mode, n_cell_types=n_types, n_genes=n_genes, **settings
    )
    return DifferentiableCellAnnotator(config, rngs=nnx.Rngs(1))


@pytest.fixture(scope="module")
def cells():
    """Three types, each with four marker genes of its own, and half of the labels."""
    rng = np.random.default_rng(4)
    kinds = np.arange(90) % 3
    markers = np.repeat(np.eye(3), 4, axis=1).astype(np.float32)
    rate = 3.0 * (1 + 3 * markers[kinds]) * rng.gamma(8, 1 / 8, (90, 1))
    labels = np.where(np.arange(90) < 45, kinds, -1).astype(np.int32)
    counts = rng.poisson(rate).astype(np.float32)
    return {"counts": counts, "labels": labels, "marker_matrix": markers, "truth": kinds}


def wires(cells, mode):
    names = {"celltypist": ("labels",), "cellassign": ("marker_matrix",), "scanvi": ("labels",)}
    return {n: cells[n] for n in ("counts", *names[mode])}


_PREPARED = {}


def prepared(cells, mode, **settings):
    """Prepared once for all tests, with the temperature as it was declared."""
    if (mode, *settings.values()) not in _PREPARED:
        block = annotator(mode, **settings)
        block.prepare_from(wires(cells, mode), jax.random.key(0))
        _PREPARED[mode, *settings.values()] = block
    set_temperature(_PREPARED[mode, *settings.values()], 1.0)
    return _PREPARED[mode, *settings.values()]


@nnx.jit
def run(block, counts, labels=None, marker_matrix=None, key=None):
    return block(counts, labels, marker_matrix, key)


@pytest.fixture(scope="module")
def pbmc(shared_data):
    data = anndata.read_h5ad(shared_data / "pbmc3k_hvg2000_counts.h5ad")
    kinds = data.obs["cell_type"].astype(str).to_numpy()
    return data.X.toarray(), kinds, np.unique(kinds), data.var_names


def test_with_celltypists_weights_its_probabilities_come_out(pbmc):
    x, _, names, _ = pbmc
    with np.load(REFERENCES / "cell_annotator.npz") as file, jax.enable_x64(True):
        block = annotator(n_types=9, n_genes=2000)
        weights, mean, scale = np.zeros((2000, 9)), np.zeros(2000), np.ones(2000)
        weights[file["genes"]] = file["coefficients"].T
        mean[file["genes"]], scale[file["genes"]] = file["mean"], file["scale"]
        block.form.classifier_head.kernel = nnx.Param(jnp.asarray(weights))
        block.form.classifier_head.bias = nnx.Param(jnp.asarray(file["intercepts"]))
        block.form.gene_mean[...], block.form.gene_scale[...] = (
            jnp.asarray(mean),
            jnp.asarray(scale),
        )
        held = np.random.default_rng(0).permutation(len(x))[len(x) // 2 :][:200]
        out = run(block, jnp.asarray(x[held], float))
        logits = np.asarray(out["logits"])
        assert list(file["names"]) == list(names)
        # What celltypist calls a probability is of one type against the rest.
        np.testing.assert_allclose(expit(logits), file["probabilities"], atol=1e-6)
        shares = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
        np.testing.assert_allclose(out["cell_type_probabilities"], shares, atol=1e-6)
        assert (out["cell_type_labels"] == file["decisions"].argmax(1)).all()


def test_held_out_cells_are_named_as_well_as_by_celltypist(pbmc):
    x, kinds, names, _ = pbmc
    order = np.random.default_rng(0).permutation(len(x))
    seen, held = order[: len(x) // 2], order[len(x) // 2 :]
    truth = np.searchsorted(names, kinds)
    labels = np.full(len(x), -1)
    labels[seen] = truth[seen]
    block = annotator(n_types=9, n_genes=2000)
    block.prepare_from({"counts": x, "labels": labels}, jax.random.key(0))
    out = run(block, x[held], truth[held])
    accuracy = float((out["cell_type_labels"] == truth[held]).mean())
    with np.load(REFERENCES / "cell_annotator.npz") as file:
        assert accuracy >= file["accuracy"] - 0.005, accuracy


def test_the_regression_is_converged_and_is_scikit_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 20))
    y = (x[:, :3] + rng.normal(size=(300, 3))).argmax(1)
    weights, bias = fit_softmax_regression(x, y, 4, l2=2.0)
    known = LogisticRegression(C=0.5, tol=1e-8, max_iter=5000).fit(x, y)
    np.testing.assert_allclose(weights[:, :3].T, known.coef_, atol=2e-3)
    np.testing.assert_allclose(np.diff(bias[:3]), np.diff(known.intercept_), atol=2e-3)
    assert (weights[:, 3] == 0).all() and bias[3] < bias[:3].min() - 9, "no cell of it was seen"


@pytest.mark.parametrize("mode", FORMS)
def test_types_that_markers_tell_apart_are_found(cells, mode):
    block = prepared(cells, mode)
    out = run(block, cells["counts"], None, cells["marker_matrix"])
    unknown = cells["labels"] < 0
    hits = np.asarray(out["cell_type_labels"] == cells["truth"])
    assert hits[unknown].mean() > 0.95
    np.testing.assert_allclose(out["cell_type_probabilities"].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(out["confidence"], out["cell_type_probabilities"].max(1))


@pytest.mark.parametrize("mode", FORMS)
def test_new_cells_are_placed_one_by_one_as_they_are_together(cells, mode):
    block, x, marks = prepared(cells, mode), cells["counts"], cells["marker_matrix"]
    whole = run(block, x[:9], None, marks)
    each = [run(block, x[i : i + 3], None, marks) for i in (0, 3, 6)]
    for name in ("cell_type_probabilities", "latent", "confidence"):
        apart = np.concatenate([e[name] for e in each])
        np.testing.assert_allclose(whole[name], apart, rtol=1e-3, atol=1e-4)
    one, _, _ = block.apply({"counts": x[4], "marker_matrix": marks}, {}, None)
    assert one["cell_type_probabilities"].shape == (3,)


@pytest.mark.parametrize("mode", FORMS)
def test_at_a_low_temperature_each_cell_has_one_type(cells, mode):
    block = prepared(cells, mode)
    soft = run(block, cells["counts"], None, cells["marker_matrix"])
    set_temperature(block, 0.01)
    out = run(block, cells["counts"], None, cells["marker_matrix"])
    logits = np.asarray(soft["logits"])
    top = np.sort(logits, axis=1)
    clear = top[:, -1] - top[:, -2] > 0.2
    sure = np.eye(3)[logits.argmax(1)]
    assert clear.sum() > 80
    np.testing.assert_allclose(out["cell_type_probabilities"][clear], sure[clear], atol=1e-6)
    assert (out["cell_type_labels"] == soft["cell_type_labels"]).all()


def test_cells_of_unknown_type_add_nothing_to_the_cross_entropy(cells):
    block, x, labels = annotator(), cells["counts"], cells["labels"]
    all_of_them = run(block, x, labels)["classification_loss"]
    known_only = run(block, x[:45], labels[:45])["classification_loss"]
    np.testing.assert_allclose(all_of_them, known_only, rtol=1e-5)
    slope = jax.jit(jax.grad(lambda c: block(c, labels)["classification_loss"]))(jnp.asarray(x))
    assert np.abs(slope[:45]).max() > 0 and (slope[45:] == 0).all()
    assert run(block, x, np.full(90, -1))["classification_loss"] == 0
    block = prepared(cells, "celltypist")
    outputs = [run(block, x, y)["cell_type_probabilities"] for y in (labels, None)]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("mode", FORMS)
def test_gradients_of_all_weights_agree_with_finite_differences(cells, mode):
    with jax.enable_x64(True):
        block = annotator(mode, learnable_temperature=True, gene_likelihood="poisson")
        graph, weights, rest = nnx.split(block, nnx.Param, ...)
        weights = jax.tree.map(lambda w: w.astype(float), weights)
        labels, marks = cells["labels"][40:50], jnp.asarray(cells["marker_matrix"], float)

        def loss(weights, x, marks):
            out = nnx.merge(graph, weights, rest)(x, labels, marks, jax.random.key(2))
            return sum(out[n] for n in ("classification_loss", "elbo_loss", "penalty_loss"))

        x = jnp.asarray(cells["counts"][40:50], float) + 0.3
        wanted = (weights, x, marks)
        check_gradients(loss, wanted, eps=1e-5, rtol=1e-3)


def test_the_markers_mixture_is_scipys_negative_binomial(cells):
    rng = np.random.default_rng(2)
    x, marks = cells["counts"][:7], cells["marker_matrix"]
    weights = MarkerWeights(*(rng.normal(size=s) for s in (12, (3, 12), 12, 3)))
    size, level = rng.normal(size=(7, 1)), rng.normal(size=12)
    with jax.enable_x64(True):
        found = marker_scores(jnp.asarray(x, float), size, level, jnp.asarray(marks), weights)
    theta, shares = np.exp(weights.log_theta), weights.class_logits
    delta = np.log1p(np.exp(weights.raw_delta))
    for t in range(3):
        mu = np.exp(size + level + weights.log_mu + delta[t] * marks[t])
        exact = nbinom.logpmf(x, theta, theta / (theta + mu)).sum(1)
        exact = exact + shares[t] - logsumexp(shares)
        np.testing.assert_allclose(found[:, t], exact, rtol=1e-6)


def test_from_markers_alone_blood_cells_are_named_better_than_by_cellassign(pbmc):
    x, kinds, names, genes = pbmc
    marks = np.array([[float(g in MARKERS[n]) for g in genes] for n in names], np.float32)
    rows = np.random.default_rng(1).permutation(len(x))[:800]
    block = annotator("cellassign", n_types=9, n_genes=2000)
    block.prepare_from({"counts": x[rows], "marker_matrix": marks}, jax.random.key(0))
    out = run(block, x, None, marks)
    accuracy = float((names[np.asarray(out["cell_type_labels"])] == kinds).mean())
    assert accuracy > max(PEERS["CellAssign, accuracy"].values()), accuracy


def test_an_unknown_type_is_averaged_over_what_the_classifier_sees():
    rng = np.random.default_rng(3)
    logits, apart = rng.normal(size=(5, 3)), rng.uniform(1, 4, (5, 3))
    cells = LabelledLatent(jnp.zeros((5, 2)), jnp.asarray(logits), jnp.full(5, 7.0), apart)
    found = semi_supervised_bound(cells, jnp.array([2, -1, -1, 0, -1]), beta=0.5)
    shares = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    inner = (shares * (apart + np.log(3) + np.log(shares))).sum(1)
    inner[[0, 3]] = apart[[0, 3], [2, 0]] + np.log(3)
    np.testing.assert_allclose(found, 7 + 0.5 * inner, rtol=1e-5)


def test_the_divergence_from_a_types_gaussian_is_the_closed_form(cells):
    model = prepared(cells, "scanvi").form.model
    rng = np.random.default_rng(5)
    mean, log_var = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    centre, spread = np.asarray(model.prior_means[...]), np.asarray(model.prior_logvars[...])
    ratio = np.exp(log_var[:, None] - spread) + (mean[:, None] - centre) ** 2 / np.exp(spread)
    exact = 0.5 * (ratio - 1 + spread - log_var[:, None]).sum(2)
    found = model.divergence(jnp.asarray(mean), jnp.asarray(log_var))
    np.testing.assert_allclose(found, exact, rtol=1e-4)


def test_known_labels_can_be_given_with_the_rows_they_belong_to(cells):
    block = prepared(cells, "scanvi", gene_likelihood="zinb")
    rows = np.arange(45)
    given = {"counts": cells["counts"], "known_labels": cells["labels"][:45], "label_indices": rows}
    result, _, _ = jax.jit(lambda data: block.apply(data, {}, None))(given)
    plain = run(block, cells["counts"], cells["labels"])
    assert set(given) <= set(result)
    np.testing.assert_allclose(
        result["classification_loss"], plain["classification_loss"], rtol=1e-3
    )
    loss = block.compute_elbo_loss(given["counts"], given["known_labels"], rows, beta=1.0)
    np.testing.assert_allclose(loss, plain["elbo_loss"] + plain["classification_loss"], rtol=1e-4)


def test_few_labels_and_all_cells_name_more_than_the_few_labels_alone(pbmc):
    """600 cells, 500 genes, at most ten labels a type; the start, before any training."""
    x, kinds, names, _ = pbmc
    rows = np.random.default_rng(0).permutation(len(x))[:600]
    x, kinds = x[rows], kinds[rows]
    x = x[:, np.argsort(-x.var(axis=0), kind="stable")[:500]]
    known = known_number(kinds, 0, 10)
    truth = np.searchsorted(names, kinds)
    labels = np.where(known, truth, -1)
    found = {}
    for mode in ("celltypist", "scanvi"):
        block = annotator(mode, n_types=9, n_genes=500, latent_dim=10)
        block.prepare_from({"counts": x, "labels": labels}, jax.random.key(0))
        called = np.asarray(run(block, x)["cell_type_labels"])
        found[mode] = (called == truth)[~known].mean()
    assert found["scanvi"] > 0.8 and found["scanvi"] > found["celltypist"], found


def test_likeness_to_profiles_is_a_weighted_correlation_and_genes_without_a_profile_do_not_count(
    cells,
):
    counts, kinds = cells["counts"][:20], cells["truth"]
    profiles = np.stack([cells["counts"][kinds == k].mean(axis=0) for k in range(3)])
    profiles[:, 10:] = 0  # genes that the reference has not

    def levels(x):
        return np.log1p(1e4 * x / x.sum(axis=1, keepdims=True))

    known = levels(profiles[:, :10].astype(float))
    expected = [
        [(c := np.cov(cell, type_, aweights=known.var(axis=0), ddof=0))[0, 1]
         / np.sqrt(c[0, 0] * c[1, 1]) for type_ in known]
        for cell in levels(counts[:, :10].astype(float))
    ]  # fmt: skip
    block = annotator("singler")
    out = block(counts, reference_profiles=profiles)
    np.testing.assert_allclose(out["logits"], np.array(expected) / 0.02, rtol=2e-4, atol=2e-3)
    set_temperature(block, 0.01)
    cold = block(counts, reference_profiles=profiles)["cell_type_probabilities"]
    np.testing.assert_allclose(cold, np.eye(3)[np.argmax(expected, axis=1)], atol=1e-6)
    set_temperature(block, 1.0)
    other = counts.copy()
    other[:, 10:] = 7
    again = block(other, reference_profiles=profiles)
    np.testing.assert_allclose(again["logits"], out["logits"], rtol=1e-5)
    nothing = block(np.zeros((1, 12), np.float32), reference_profiles=profiles)
    np.testing.assert_allclose(nothing["cell_type_probabilities"], 1 / 3, rtol=1e-5)
    check_gradients(
        lambda x, p: block(x, reference_profiles=p)["cell_type_probabilities"][:, 0].sum(),
        (counts[:4] + 0.5, profiles + 0.5),
        eps=1e-2,
        rtol=2e-2,
    )


def test_a_reference_of_the_same_tissue_names_most_cells(pbmc):
    """Profiles of one half of 3k PBMC, and the other half: 0.865; without weights of genes 0.84."""
    x, kinds, names, _ = pbmc
    half = np.random.default_rng(0).random(len(x)) < 0.5
    profiles = np.stack([x[half & (kinds == name)].mean(axis=0) for name in names])
    block = annotator("singler", n_types=9, n_genes=2000)
    out = block(x[~half], reference_profiles=profiles)
    truth = np.searchsorted(names, kinds[~half])
    assert np.mean(np.asarray(out["cell_type_labels"]) == truth) > 0.85
    assert 0.75 < np.mean(out["confidence"]) < 0.87  # as sure as it is right, or less


def test_an_untrained_scanvi_is_fitted_before_it_answers(cells, recwarn):
    data = {n: cells[n] for n in ("counts", "labels")}
    block = annotator("scanvi")
    result, _, _ = block.apply(data, {}, None)
    assert block.fitted and not [w for w in recwarn if "has not been trained" in str(w.message)]
    called = np.asarray(result["cell_type_labels"])
    assert np.mean(called[45:] == cells["truth"][45:]) > 0.9
    with pytest.warns(UserWarning, match="has not been trained or prepared"):
        annotator("scanvi").apply({"counts": cells["counts"]}, {}, None)


def test_contradictions_and_what_is_missing_are_refused_in_words(cells):
    with pytest.raises(SettingError, match=r"marker_matrix_shape.*no markers"):
        CellAnnotatorConfig(annotation_mode="scanvi", marker_matrix_shape=(10, 2000))
    with pytest.raises(SettingError, match="marker_matrix_shape"):
        CellAnnotatorConfig(annotation_mode="cellassign", marker_matrix_shape=(3, 4))
    with pytest.raises(SettingError, match="gene_likelihood"):
        CellAnnotatorConfig(gene_likelihood="zinb")
    CellAnnotatorConfig(annotation_mode="cellassign", marker_matrix_shape=(10, 2000))
    for mode in ("celltypist", "scanvi"):
        with pytest.raises(DataError, match="labels: are missing"):
            annotator(mode).prepare_from({"counts": cells["counts"]}, jax.random.key(0))
    with pytest.raises(DataError, match="labels: go up to 2"):
        annotator(n_types=2).prepare_from(wires(cells, "celltypist"), jax.random.key(0))
    with pytest.raises(DataError, match="marker_matrix: is missing"):
        annotator("cellassign").apply({"counts": cells["counts"]}, {}, None)
    x, table = cells["counts"], cells["marker_matrix"]
    with pytest.raises(DataError, match="reference_profiles: is missing: singler"):
        annotator("singler").apply({"counts": x}, {}, None)
    with pytest.raises(DataError, match="labels: are types of the data, and singler"):
        annotator("singler")(x, cells["labels"], reference_profiles=table)
    with pytest.raises(DataError, match=r"is wired, and celltypist uses none. Choose .* singler"):
        annotator("celltypist")(x, reference_profiles=table)
    with pytest.raises(DataError, match="label_indices"):
        annotator("scanvi").apply({"counts": cells["counts"], "known_labels": [1]}, {}, None)


@pytest.mark.parametrize("mode", FORMS)
def test_each_form_has_only_its_own_weights(mode):
    block = annotator(mode)
    names = {str(path[1]) for path in nnx.to_flat_state(nnx.state(block, nnx.Param)).paths}
    only = {
        "celltypist": {"classifier_head"},
        "cellassign": {"log_mu", "raw_delta", "log_dispersion", "class_logits"},
        "scanvi": {"model"},
    }
    assert names == only[mode]
