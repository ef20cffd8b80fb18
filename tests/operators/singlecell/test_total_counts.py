"""Blocks that see some genes, and the total counts of cells, say of these what they say in all."""

import jax
import numpy as np
import pytest

from diffbio_engine.declare import find_operator, operators

KEY = jax.random.key(0)
N, N_GENES, N_SOME = 120, 40, 12
TAKES_TOTALS = [d.id for d in operators().values()
                if any(p.name == "total_counts" for p in d.inputs)]  # fmt: skip


def counts_of_cells(loud, seed=0):
    """Cells of three types; what is not among the first genes is ``loud`` in every second cell."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(1.0, 2.0, (3, N_GENES))[np.arange(N) % 3]
    rates[:, 8] = 80  # scores are in units of the highest expression: of a gene that all runs see
    rates *= rng.lognormal(0.0, 0.3, (N, 1))
    rates[::2, N_SOME:] *= loud
    return rng.poisson(rates).astype(np.float32)


BESIDE = {
    "labels": (np.arange(N) % 3).astype(np.int32),
    "condition_labels": (np.arange(N) % 2).astype(np.int32),
    "spatial_coords": np.random.default_rng(1).uniform(0, 100, (N, 2)).astype(np.float32),
    "lr_pairs": np.array([[0, 1], [2, 3], [4, 5]], np.int32),
    "tf_indices": np.array([1, 4, 7], np.int32),
    "pseudotime": np.linspace(0, 1, N, dtype=np.float32),
}
# Block: what is wired, what it says, and which axis of that is the genes' (None: it has none).
CASES = {
    "singlecell.ligand_receptor": (
        ("lr_pairs", "labels", "spatial_coords"), {"n_permutations": 50},
        {"lr_scores": None, "lr_scores_by_type": None, "lr_pvalues_by_type": None},
    ),
    "singlecell.cell_communication": (
        ("lr_pairs", "labels", "spatial_coords"), {"hidden_dim": 8, "num_heads": 2},
        {"communication_scores": None, "communication_by_type": None},
    ),
    "singlecell.grn": (
        ("tf_indices",), {"chance_edges": None}, {"grn_matrix": 1, "regulated_share": 0},
    ),
    "singlecell.switch_de": (("pseudotime",), {}, {"switch_scores": 0, "p_values": 0}),
    "singlecell.differential_distribution": (
        ("condition_labels",), {}, {"ks_statistics": 0, "mean_change": 0},
    ),
}  # fmt: skip


def said_by(operator, counts, **more):
    wired, settings, told = CASES[operator]
    declared = find_operator(operator)
    arrays = {"counts": counts, **{name: BESIDE[name] for name in wired}, **more}
    lengths = {"genes": counts.shape[1], "classes": 3, "pairs": 3, "regulators": 3}
    sizes = {s.name: lengths[s.axis] for s in declared.settings if s.axis in lengths}
    block = declared.make(declared.make.Config.from_dict({**settings, **sizes}))
    block.prepare_from(arrays, KEY)
    said = block(**arrays)
    some = {}
    for name, axis in told.items():
        value = np.asarray(said[name])
        some[name] = value if axis is None else np.take(value, np.arange(N_SOME), axis)
    return some


@pytest.mark.parametrize("operator", CASES)
def test_with_total_counts_some_genes_are_judged_as_among_all(operator):
    whole = counts_of_cells(loud=6.0)
    some, totals = whole[:, :N_SOME], whole.sum(axis=1)
    in_all = said_by(operator, whole)
    with_totals = said_by(operator, some, total_counts=totals)
    of_these = said_by(operator, some)
    for name, value in in_all.items():
        np.testing.assert_allclose(with_totals[name], value, rtol=2e-3, atol=2e-4, err_msg=name)
    assert any(
        not np.allclose(of_these[name], value, rtol=0.02, atol=0.02)
        for name, value in in_all.items()
    ), "without totals the levels would be of these genes only"


def test_two_data_sets_with_the_same_genes_and_different_totals_differ_as_they_do_in_full():
    """The chosen genes alone cannot tell these apart; their totals can."""
    first = counts_of_cells(loud=1.0)
    second = first.copy()
    second[::2, N_SOME:] *= 9
    some = first[:, :N_SOME]
    operator = "singlecell.ligand_receptor"
    for whole in (first, second):
        here = said_by(operator, some, total_counts=whole.sum(axis=1))["lr_scores_by_type"]
        np.testing.assert_allclose(here, said_by(operator, whole)["lr_scores_by_type"], rtol=1e-5)
    told = [said_by(operator, some, total_counts=w.sum(axis=1)) for w in (first, second)]
    assert np.abs(told[0]["lr_scores_by_type"] - told[1]["lr_scores_by_type"]).max() > 0.2


def test_every_block_that_log_normalises_counts_can_be_told_the_totals():
    assert len(TAKES_TOTALS) >= 11
    for operator in TAKES_TOTALS:
        port = next(p for p in find_operator(operator).inputs if p.name == "total_counts")
        assert port.optional and port.per_record
    normalised = [
        d.id for d in operators().values() if any(s.name == "normalize" for s in d.settings)
    ]
    # MAGIC gives back counts of the genes it is given, each cell at its own size among these.
    assert set(normalised) - set(TAKES_TOTALS) <= {"singlecell.diffusion_imputer"}


def test_the_scanvi_form_is_a_model_of_the_genes_given_and_takes_no_totals():
    annotator = find_operator("singlecell.cell_annotator").make
    forms = {
        form: annotator.takes_totals(annotator.Config(annotation_mode=form))
        for form in ("celltypist", "cellassign", "scanvi")
    }
    assert forms == {"celltypist": True, "cellassign": True, "scanvi": False}


def test_one_cell_in_a_notebook_has_one_total():
    block = find_operator("singlecell.stochastic_gate_selector").make
    gates = block(block.Config(n_genes=3))
    counts = np.array([[1.0, 0, 3], [0, 2, 2]], np.float32)
    gates.prepare_from({"expression": counts}, KEY)
    both = gates.apply({"expression": counts, "total_counts": np.array([10.0, 40.0])})[0]
    one = gates.apply({"expression": counts[1], "total_counts": np.array(40.0)})[0]
    np.testing.assert_allclose(one["gated_features"], both["gated_features"][1], rtol=1e-6)
