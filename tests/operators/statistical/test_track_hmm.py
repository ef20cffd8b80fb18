"""Hidden Markov model of a signal: the forward algorithm of NumPy, peaks that are known."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from diffbio_engine.operators.statistical import DifferentiableTrackHMM, TrackHMMConfig
from diffbio_engine.operators.statistical.track_hmm import _whole_contigs

GOLDEN = Path(__file__).parents[2] / "references/statistical/track_hmm.npz"
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


def test_windows_of_a_contig_are_read_as_hmmlearn_reads_it_whole_in_whatever_order(monkeypatch):
    """hmmlearn's GaussianHMM on three contigs (`references/statistical/make_track_hmm.py`)."""
    monkeypatch.setattr(_whole_contigs, "_AT_ONCE", 4)  # of nine: in three groups
    golden = np.load(GOLDEN)
    model = DifferentiableTrackHMM(
        TrackHMMConfig(num_states=3, transform="none", least_spread=0.001)
    )
    model.log_initial_params[...] = jnp.log(golden["start"])
    model.log_transition_params[...] = jnp.log(golden["steps"])
    model.means[...] = jnp.asarray(golden["means"], float)
    model.log_spreads[...] = jnp.log(jnp.sqrt(golden["spreads"] ** 2 - 1e-6))
    rows, order, contigs = [], [], []
    for k in range(3):
        signal = golden[f"signal_{k}"]
        for i, at in enumerate(range(0, len(signal), 256)):
            piece = signal[at : at + 256]
            rows.append(np.pad(piece, (0, 256 - len(piece)), constant_values=np.nan))
            order.append(100 * k + i)
            contigs.append(k)
    order, contigs = np.array(order), np.array(contigs)
    drawn = np.random.default_rng(0).permutation(len(rows))
    signal = jnp.asarray(np.stack(rows)[drawn])
    found = jax.jit(lambda s, o: model(s, o))(signal, jnp.asarray(order[drawn]))
    found = {name: np.asarray(v) for name, v in found.items()}
    back = np.argsort(drawn)
    for k in range(3):
        mine = back[contigs == k]
        n = len(golden[f"signal_{k}"])
        posteriors = found["state_posteriors"][mine].reshape(-1, 3)[:n]
        np.testing.assert_allclose(posteriors, golden[f"posteriors_{k}"], atol=1e-5)
        path = found["viterbi_path"][mine].reshape(-1)
        np.testing.assert_array_equal(path[:n], golden[f"path_{k}"])
        assert (path[n:] == -1).all()
        score = found["log_likelihood"][mine].sum()
        assert score == pytest.approx(float(golden[f"score_{k}"]), rel=1e-5)
    alone = jax.jit(lambda s: model(s))(signal)
    # Windows by themselves say something else at their edges, and are what the loss is of.
    assert np.abs(alone["state_posteriors"] - found["state_posteriors"]).max() > 0.05
    assert float(alone["track_hmm_loss"]) == pytest.approx(float(found["track_hmm_loss"]), rel=1e-6)
