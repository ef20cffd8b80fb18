"""Hidden Markov model of a signal: the forward algorithm of NumPy, peaks that are known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from diffbio_engine.operators.statistical import DifferentiableTrackHMM, TrackHMMConfig

START, STEPS = np.array([0.7, 0.3]), np.array([[0.9, 0.1], [0.2, 0.8]])
MEANS, SPREADS = np.array([0.5, 3.0]), np.array([0.4, 1.1])


@pytest.fixture(scope="module")
def model():
    model = DifferentiableTrackHMM(TrackHMMConfig(num_states=2, transform="none", least_spread=0.1))
    model.log_initial_params[...] = jnp.log(START)
    model.log_transition_params[...] = jnp.log(STEPS)
    model.means[...] = jnp.asarray(MEANS, float)
    model.log_spreads[...] = jnp.log(jnp.sqrt(SPREADS**2 - 0.01))
    return model


def test_likelihood_posteriors_and_best_path_are_sums_over_all_paths(model):
    signal = np.array([0.4, 0.9, 2.5, 3.9, 0.2, 0.7])
    paths = list(itertools.product(range(2), repeat=6))
    chances = []
    for path in paths:
        steps = np.prod([STEPS[a, b] for a, b in itertools.pairwise(path)])
        seen = np.prod(norm.pdf(signal, MEANS[list(path)], SPREADS[list(path)]))
        chances.append(START[path[0]] * steps * seen)
    total = np.sum(chances)
    posterior = [
        sum(c for p, c in zip(paths, chances, strict=True) if p[t] == 1) / total for t in range(6)
    ]
    # The second row is the same, and two places past its end.
    rows = jnp.asarray([[*signal, np.nan, np.nan], [*signal[:4], *[np.nan] * 4]])
    found = jax.jit(lambda x: model(x))(rows)
    assert float(found["log_likelihood"][0]) == pytest.approx(np.log(total), rel=1e-5)
    np.testing.assert_allclose(found["state_posteriors"][0, :6, 1], posterior, atol=1e-5)
    assert tuple(found["viterbi_path"][0, :6].tolist()) == paths[int(np.argmax(chances))]
    assert (np.asarray(found["likeliest_states"])[:, -2:] == -1).all()
    assert np.asarray(found["state_posteriors"])[1, 4:].max() == 0
    np.testing.assert_allclose(found["state_means"], MEANS, rtol=1e-5)
    bins = -float(np.sum(found["log_likelihood"])) / 10
    assert float(found["track_hmm_loss"]) == pytest.approx(bins, rel=1e-5)


def test_the_start_finds_peaks_and_orders_states_from_low_to_high():
    random = np.random.default_rng(0)
    peak = np.zeros((8, 200), int)
    peak[:, 60:80] = 1
    signal = random.poisson(np.where(peak, 20.0, 0.5)).astype(np.float32)
    model = DifferentiableTrackHMM(TrackHMMConfig(num_states=2))
    model.prepare_from({"signal": signal}, jax.random.key(0))
    found = jax.jit(lambda x: model(x))(jnp.asarray(signal))
    assert np.mean(np.asarray(found["likeliest_states"]) == peak) > 0.99
    low, high = np.asarray(found["state_means"])
    assert low < 1 < 15 < high
    alike = DifferentiableTrackHMM(TrackHMMConfig(num_states=2))
    alike.prepare_from({"signal": np.ones((4, 10), np.float32)}, jax.random.key(0))
    assert not alike.fitted
    # A chromosome begins with megabases of nothing: what follows tells states apart all the same.
    late = np.concatenate([np.zeros((300, 200), np.float32), signal])
    model = DifferentiableTrackHMM(TrackHMMConfig(num_states=2))
    model.prepare_from({"signal": late}, jax.random.key(0))
    assert model.fitted
