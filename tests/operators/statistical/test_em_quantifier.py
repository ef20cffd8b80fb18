"""Transcripts by EM: exact cases, the oracle, salmon's accuracy, gradients of the fixed point."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from diffbio_engine.declare import Dial
from diffbio_engine.errors import DataError
from diffbio_engine.operators.statistical import DifferentiableEMQuantifier, EMQuantifierConfig
from tests.gradients import check_gradients

# Of 1,000 and 2,000 bases: 100 fragments fit either only, and 100 both.
TWO = np.repeat([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], 100, axis=0)
LENGTHS = np.array([1000.0, 2000.0])


def quantifier(n, **settings):
    settings = {"n_bootstraps": 0, **settings}
    return DifferentiableEMQuantifier(
        EMQuantifierConfig(n_transcripts=n, **settings), rngs=nnx.Rngs(0)
    )


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def classes_of(folder, name=""):
    """The ports' arrays of a shared sample, with the weights of salmon; and names."""
    about = read(folder / f"quantification/{name}effective_lengths.tsv")
    names = [row["Name"] for row in about]
    number = {one: i for i, one in enumerate(names)}
    rows = read(folder / f"quantification/{name}equivalence_classes.tsv")
    members = [[number[t] for t in row["transcripts"].split(",")] for row in rows]
    weights = [[float(w) for w in row["weights"].split(",")] for row in rows]
    starts = np.cumsum([0, *map(len, members)])[:-1]
    return {
        "class_starts": starts.astype(np.int32),
        "class_transcripts": np.concatenate(members).astype(np.int32),
        "class_weights": np.concatenate(weights).astype(np.float32),
        "class_counts": np.array([row["count"] for row in rows], np.float32),
        "effective_lengths": np.array([row["EffectiveLength"] for row in about], np.float32),
    }, names


def column(path, names, of, what):
    found = {row[of]: float(row[what]) for row in read(path)}
    return np.array([found[name] for name in names])


def accuracy(counts, truth):
    """Correlation of log counts, and the mean absolute relative difference."""
    r = np.corrcoef(np.log1p(counts), np.log1p(truth))[0, 1]
    total = counts + truth
    return r, np.mean(np.abs(counts - truth) / np.where(total > 0, total, 1))


@pytest.fixture(scope="module")
def sequences(shared_data):
    return shared_data / "sequences"


@pytest.fixture(scope="module")
def polyester(sequences):
    return classes_of(sequences)


def test_lengths_are_divided_by_once():
    """The fixed point in closed form: n1 = 100 + 100 * a / (a + b) with a = n1 / 1, b = n2 / 2."""
    block = quantifier(2, prior=0.0)
    found = block.apply({"compatibility": TWO, "effective_lengths": LENGTHS}, {}, None)[0]
    n1 = float(found["expected_counts"][0])
    assert n1 == pytest.approx(100 + 100 * n1 / (n1 + (300 - n1) / 2), rel=1e-5)
    np.testing.assert_allclose(found["tpm"], [0.732e6, 0.268e6], rtol=1e-3)  # sheet of the operator
    assert float(found["abundances"].sum()) == pytest.approx(1, rel=1e-6)
    one = block.em_step(found["abundances"], jnp.asarray(TWO), jnp.asarray(LENGTHS))
    np.testing.assert_allclose(one, found["abundances"], rtol=1e-5)
    more = np.concatenate([TWO, np.zeros((60, 2))])  # fragments that fit nothing count nowhere
    again = block.em_step(found["abundances"], jnp.asarray(more), jnp.asarray(LENGTHS))
    np.testing.assert_allclose(again, one, rtol=1e-6)
    seen = (TWO / LENGTHS) @ (np.asarray(found["abundances"]))
    assert float(found["log_likelihood"]) == pytest.approx(np.log(seen).sum(), rel=1e-6)


def test_classes_are_the_dense_table_in_fewer_rows():
    table = quantifier(2).quantify(jnp.asarray(TWO), jnp.asarray(LENGTHS))
    found = quantifier(2).apply(
        {
            "class_starts": np.array([0, 1, 2], np.int32),
            "class_transcripts": np.array([0, 1, 0, 1], np.int32),
            # Of a class, only the ratios of weights matter: salmon writes them adding up to one.
            "class_weights": np.array([1.0, 1.0, 2 / 3, 1 / 3], np.float32),
            "class_counts": np.full(3, 100.0, np.float32),
            "effective_lengths": LENGTHS,
        }
    )[0]
    np.testing.assert_allclose(found["abundances"], table, rtol=1e-5)


def test_cold_assignment_gives_each_fragment_to_one_transcript():
    """The shared class goes to the shorter transcript as a whole: 200 and 100."""
    found = quantifier(2, temperature=1e-3).quantify(jnp.asarray(TWO), jnp.asarray(LENGTHS))
    np.testing.assert_allclose(found, [2 / 3, 1 / 3], rtol=1e-5)


def test_a_fragment_that_fits_nothing_counts_nowhere():
    table = np.concatenate([TWO, np.zeros((50, 2))])
    found = quantifier(2).apply({"compatibility": table, "effective_lengths": LENGTHS})[0]
    assert float(found["expected_counts"].sum()) == pytest.approx(300, rel=1e-6)
    nothing = quantifier(2).quantify(jnp.zeros((3, 2)), jnp.asarray(LENGTHS))
    assert np.asarray(nothing).tolist() == [0, 0]


def test_a_table_without_lengths_or_of_another_width_is_refused():
    with pytest.raises(DataError, match="missing beside compatibility"):
        quantifier(2).apply({"compatibility": TWO})
    with pytest.raises(DataError, match="3 transcripts where 2"):
        quantifier(2).apply({"compatibility": np.ones((4, 3)), "effective_lengths": np.ones(3)})


@pytest.fixture(scope="module")
def by_salmon(polyester):
    data, _ = polyester
    block = quantifier(441, n_bootstraps=20)
    drawn = block.apply(data)[0]
    block.prepare_from(data, jax.random.key(0))
    known = block.apply(data)[0]
    # Of the prepared fragments they are known, and the same; of others they are drawn again.
    for end in ("counts_low", "counts_high"):
        np.testing.assert_allclose(known[end], drawn[end], rtol=1e-4, atol=1e-3)
        np.testing.assert_array_equal(known[end], block.drawn[end.removeprefix("counts_")][...])
    before = block.drawn["low"][...]
    block.prepare_from(data, jax.random.key(0), first=False)
    assert block.drawn["low"][...] is before  # a refresh draws the same fragments no second time
    doubled = data | {"class_counts": 2 * data["class_counts"]}
    again = block.apply(doubled)[0]["counts_low"]
    assert float(jnp.sum(again)) > 1.5 * float(jnp.sum(known["counts_low"]))
    return known


def test_of_441_transcripts_it_is_as_near_to_the_truth_as_salmon(sequences, polyester, by_salmon):
    """The goals r >= .905 and MARD <= .20; salmon has .906 and .157 (golden/em_peers.tsv)."""
    truth = column(
        sequences / "quantification/truth.tsv", polyester[1], "transcript", "true_fragments"
    )
    r, mard = accuracy(np.asarray(by_salmon["expected_counts"]), truth)
    assert r >= 0.905 and mard <= 0.16
    gain = np.asarray(by_salmon["likelihood_gain"])
    assert 0 < gain[0] < gain[-1] and np.isfinite(gain).all()
    low, high = (np.asarray(by_salmon[f"counts_{end}"]) for end in ("low", "high"))
    assert (low <= high).all()
    counts = np.asarray(by_salmon["expected_counts"])
    common = counts > 20
    assert ((low <= counts) & (counts <= high))[common].mean() > 0.9


def test_of_salmons_own_sample_it_finds_the_abundances(sequences):
    data, names = classes_of(sequences, "salmon_sample_")
    found = quantifier(15).apply(data)[0]
    truth = column(
        sequences / "quantification/salmon_sample_truth.tsv", names, "transcript", "true_fragments"
    )
    assert accuracy(np.asarray(found["expected_counts"]), truth)[0] >= 0.995


def test_maximum_likelihood_is_that_of_the_oracle(sequences, polyester):
    """Weights 1 / length and 14,530 steps, as the oracle had (golden/em_peers.tsv). Where one
    optimum is no better than another, plain steps end at the same, accelerated ones at one as
    likely."""
    data, names = polyester
    lengths = column(
        sequences / "quantification/effective_lengths.tsv", names, "Name", "EffectiveLength"
    )
    weights = 1 / lengths[data["class_transcripts"]]
    data = data | {"class_weights": weights, "effective_lengths": lengths}
    oracle = column(
        sequences / "golden/em_oracle_polyester.tsv", names, "transcript", "expected_counts"
    )
    with jax.enable_x64(True):
        data = {n: np.asarray(x, float) if x.dtype == np.float32 else x for n, x in data.items()}
        plain, quick = (
            {n: np.asarray(x) for n, x in quantifier(441, prior=0.0, **how).apply(data)[0].items()}
            for how in (
                {"n_iterations": 14_530, "gradients": "unrolled"},
                {"n_iterations": 3_000},
            )
        )
    there = oracle >= 0.5
    np.testing.assert_allclose(plain["expected_counts"][there], oracle[there], rtol=1e-4)
    assert float(quick["log_likelihood"]) == pytest.approx(float(plain["log_likelihood"]), abs=1e-3)
    apart = np.abs(quick["expected_counts"] - oracle)[there] / oracle[there]
    assert (apart < 1e-4).mean() > 0.95


def test_gradients_of_the_fixed_point_are_those_of_finite_differences():
    random = np.random.default_rng(3)
    table = random.uniform(0.01, 1.0, (40, 5)) ** 3
    with jax.enable_x64(True):
        block = quantifier(5, n_iterations=3_000, prior=0.3)
        unrolled = quantifier(5, n_iterations=400, prior=0.3, gradients="unrolled")
        lengths = random.uniform(100.0, 900.0, 5)

        graph, dials, rest = nnx.split(block, Dial, ...)
        dials = jax.tree.map(lambda _: np.asarray(0.8), dials)

        def value(table, lengths, dials):
            made = nnx.merge(graph, dials, rest)
            found = made.run({"compatibility": table, "effective_lengths": lengths})
            return found["expected_counts"], found["tpm"] / 1e6, found["em_loss"]

        check_gradients(value, (table, lengths, dials), eps=1e-6, rtol=1e-5)

        def tpm_of(one, lengths):
            given = {"compatibility": jnp.asarray(table), "effective_lengths": lengths}
            return one.run(given)["tpm"][1]

        both = [jax.grad(lambda x, one=one: tpm_of(one, x))(lengths) for one in (block, unrolled)]
        np.testing.assert_allclose(*both, rtol=1e-6)


def test_unrolled_steps_alone_reach_the_first_abundances():
    def slope(block):
        graph, weights, rest = nnx.split(block, nnx.Param, ...)

        def value(weights):
            made = nnx.merge(graph, weights, rest)
            return made.quantify(jnp.asarray(TWO), jnp.asarray(LENGTHS))[0]

        return np.asarray(jax.tree.leaves(jax.grad(value)(weights))[0])

    assert np.abs(slope(quantifier(2, n_iterations=3, gradients="unrolled"))).max() > 1e-3
    assert np.abs(slope(quantifier(2))).max() == 0
