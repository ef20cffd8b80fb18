"""Sums over all paths of a hidden Markov model: against every path, hmmlearn and the hard limit."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffbio_engine.parts import hidden_paths
from diffbio_engine.parts.hidden_paths import (
    FORBIDDEN,
    Scores,
    best_paths,
    log_path_sum,
    state_marginals,
)

found_of = jax.jit(lambda s: (log_path_sum(s), state_marginals(s), *best_paths(s)))


def _scores(n, length, states, lengths, seed=0):
    random = np.random.default_rng(seed)
    mask = np.arange(length) < np.asarray(lengths)[:, None]
    parts = (random.normal(size=shape) for shape in ((states,), (states, states)))
    emission = 2 * random.normal(size=(n, length, states))
    return Scores(*(jnp.asarray(p, jnp.float32) for p in (*parts, emission)), jnp.asarray(mask))


def _every_path(scores, row, length):
    initial, transition, emission = (np.asarray(p, float) for p in scores[:3])
    for path in itertools.product(range(len(initial)), repeat=length):
        score = initial[path[0]] + sum(emission[row, t, s] for t, s in enumerate(path))
        yield path, score + sum(transition[a, b] for a, b in itertools.pairwise(path))


def test_sums_marginals_and_best_path_are_those_of_every_path_counted_one_by_one():
    lengths = (4, 1, 3)
    scores = _scores(3, 4, 3, lengths)
    sums, marginals, best, score = (np.asarray(x) for x in found_of(scores))
    for row, length in enumerate(lengths):
        paths, values = zip(*_every_path(scores, row, length), strict=True)
        paths, values = np.array(paths), np.array(values)
        assert sums[row] == pytest.approx(np.log(np.exp(values).sum()), rel=1e-5)
        weights = np.exp(values - np.log(np.exp(values).sum()))
        for t in range(length):
            expected = np.bincount(paths[:, t], weights, minlength=3)
            assert marginals[row, t] == pytest.approx(expected, abs=1e-5)
        assert tuple(best[row, :length]) == tuple(paths[values.argmax()])
        assert score[row] == pytest.approx(values.max(), rel=1e-5)
        assert (best[row, length:] == -1).all() and (marginals[row, length:] == 0).all()


def test_three_models_have_the_likelihood_posterior_and_best_path_of_hmmlearn(shared_data):
    golden = np.load(shared_data / "sequences/golden/hmm_exact_hmmlearn.npz", allow_pickle=False)
    for model in ("m0", "m1", "m2"):
        log = {
            k: np.log(np.maximum(golden[f"{model}_{k}"], 1e-38)) for k in ("start", "trans", "emit")
        }
        emission = log["emit"][:, golden[f"{model}_obs"]].T[None]
        scores = Scores(
            *(jnp.asarray(p, jnp.float32) for p in (log["start"], log["trans"], emission)),
            jnp.ones(emission.shape[:2], bool),
        )
        likelihood, posterior, path, score = found_of(scores)
        assert float(likelihood[0]) == pytest.approx(golden[f"{model}_log_likelihood"], rel=1e-6)
        assert np.abs(posterior[0] - golden[f"{model}_posteriors"]).max() < 1e-5
        assert (np.asarray(path[0]) == golden[f"{model}_viterbi"]).all()
        assert float(score[0]) == pytest.approx(golden[f"{model}_viterbi_log_prob"], rel=1e-6)
        # As the temperature falls the marginals are the best path, however long the sequence.
        cold = jax.jit(lambda s: state_marginals(s.at(1e-4)))(scores)
        assert (np.asarray(cold[0]).argmax(axis=1) == golden[f"{model}_viterbi"]).all()
        assert np.isfinite(cold).all()


def test_long_sequences_in_pieces_have_the_sums_and_gradients_of_one_scan(monkeypatch):
    scores = _scores(3, 700, 4, (700, 513, 0), seed=1)
    both = []
    for few in (hidden_paths._FEW_ROWS, 0):
        monkeypatch.setattr(hidden_paths, "_FEW_ROWS", few)
        both.append(
            jax.jit(
                lambda i, t, e: jax.value_and_grad(
                    lambda *parts: jnp.sum(log_path_sum(Scores(*parts, scores.mask))), (0, 1, 2)
                )(i, t, e)
            )(*scores[:3])
        )
    (pieces, by_pieces), (whole, by_scan) = both
    assert float(pieces) == pytest.approx(float(whole), rel=1e-6)
    for one, other in zip(by_pieces, by_scan, strict=True):
        assert np.asarray(one) == pytest.approx(np.asarray(other), abs=1e-3)
    # The gradient by the steps is how many are expected: one less than positions, in all.
    assert float(by_scan[1].sum()) == pytest.approx(699 + 512, rel=1e-5)


def test_a_path_that_is_all_but_impossible_is_there_when_it_is_the_only_one():
    # State 6 is e^-300 times less likely for a while, and then the only one that may be.
    emission = np.zeros((1, 6, 7), np.float32)
    emission[0, :3, 6] = -100.0
    emission[0, 3:, :6] = FORBIDDEN
    transition = np.where(np.eye(7, dtype=bool), 0.0, FORBIDDEN).astype(np.float32)
    scores = Scores(
        jnp.zeros(7), jnp.asarray(transition), jnp.asarray(emission), jnp.ones((1, 6), bool)
    )
    sums, marginals, best, _ = found_of(scores)
    assert float(sums[0]) == pytest.approx(-300.0)
    assert (np.asarray(best) == 6).all()
    assert np.asarray(marginals[0, :, 6]) == pytest.approx(1.0)
    assert np.isfinite(marginals).all()
