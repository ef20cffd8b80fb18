"""Hidden Markov model: hmmlearn's numbers, known states, states that last, membrane helices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from diffbio_engine.errors import SettingError
from diffbio_engine.operators.statistical import DifferentiableHMM, HMMConfig
from diffbio_engine.operators.statistical.hmm._state_chains import StateChains
from diffbio_engine.parts.hidden_paths import log_path_sum
from tests.gradients import check_gradients

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


def _model(start, transition, emission, **settings):
    states, letters = emission.shape
    model = DifferentiableHMM(
        HMMConfig(num_states=states, num_emissions=letters, **settings), rngs=nnx.Rngs(0)
    )
    for parameter, values in (
        (model.log_initial_params, start),
        (model.log_transition_params, transition),
        (model.log_emission_params, emission),
    ):
        parameter[...] = jnp.log(jnp.maximum(jnp.asarray(values, jnp.float32), 1e-30))
    return model


@pytest.fixture(scope="module")
def golden(shared_data):
    return np.load(shared_data / "sequences/golden/hmm_exact_hmmlearn.npz", allow_pickle=False)


def test_likelihood_posteriors_and_best_path_are_those_of_hmmlearn(golden):
    model = _model(*(golden[f"m1_{k}"] for k in ("start", "trans", "emit")), temperature=1e-4)
    found = model.apply({"sequences": jnp.asarray(golden["m1_obs"], jnp.uint8)})[0]
    assert float(found["log_likelihood"]) == pytest.approx(golden["m1_log_likelihood"], rel=1e-5)
    assert np.abs(found["state_posteriors"] - golden["m1_posteriors"]).max() < 1e-5
    assert (np.asarray(found["viterbi_path"]) == golden["m1_viterbi"]).all()
    # The hard limit: the softened score is that of the best path, and the soft path is that path.
    assert float(found["soft_viterbi"]) == pytest.approx(golden["m1_viterbi_log_prob"], rel=1e-5)
    path = np.asarray(found["soft_path"])
    assert (path.argmax(axis=1) == golden["m1_viterbi"]).all()
    assert np.median(path.max(axis=1)) == pytest.approx(1.0, abs=1e-5)


def test_letters_given_as_rows_are_read_as_codes_are_and_carry_gradients(golden):
    model = _model(*(golden[f"m0_{k}"] for k in ("start", "trans", "emit")))
    codes = jnp.asarray(golden["m0_obs"][:12], jnp.uint8)[None]
    rows = jax.nn.one_hot(codes, 6)
    whole = jax.jit(lambda x: model(x)["log_likelihood"])
    assert float(whole(rows)[0]) == pytest.approx(float(whole(codes)[0]), rel=1e-6)
    with jax.enable_x64(True):
        soft = 0.8 * np.asarray(rows, float) + 0.2 / 6
        check_gradients(
            lambda x: log_path_sum(model.scores(x)), (soft,), eps=1e-4, rtol=1e-3, atol=1e-3
        )


def test_padding_and_letters_that_are_not_told_say_nothing_of_the_states(golden):
    model = _model(*(golden[f"m1_{k}"] for k in ("start", "trans", "emit")))
    codes = np.full((2, 40), 255, np.uint8)
    codes[0, :20] = codes[1, :20] = golden["m1_obs"][:20]
    codes[1, 20:25] = 4  # not told
    found = jax.jit(lambda x: model(x))(jnp.asarray(codes))
    told, longer = (np.asarray(found["log_likelihood"])[i] for i in (0, 1))
    assert longer - told == pytest.approx(5 * np.log(1 / 4), rel=1e-4)
    assert (np.asarray(found["viterbi_path"])[0, 20:] == -1).all()
    assert np.asarray(found["state_posteriors"])[0, 20:].max() == 0
    assert np.asarray(found["state_shares"]).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_state_that_lasts_is_a_chain_of_steps_with_the_same_emissions():
    chains = StateChains((1, 3))
    assert chains.state_of_step.tolist() == [0, 1, 1, 1]
    assert chains.allowed.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 1]]
    known = np.array([[0, 1, 1, 1, 1, 0, 1, 1, -1]])
    assert chains.steps_of_labels(known).tolist() == [[0, 1, 2, 3, 3, 0, -1, -1, -1]]
    model = DifferentiableHMM(HMMConfig(num_states=2, min_lengths=(1, 3)), rngs=nnx.Rngs(0))
    letters = jnp.asarray([[0, 0, 1, 1, 0, 0]], jnp.uint8)
    model.log_emission_params[...] = jnp.asarray([[4.0, 0, 0, 0], [0, 4.0, 0, 0]])
    path = np.asarray(model(letters)["viterbi_path"])[0]
    run = np.flatnonzero(path == 1)
    assert not len(run) or len(run) >= 3 or run[-1] == 5 or run[0] == 0
    with pytest.raises(SettingError, match="3 lengths for 2 states"):
        DifferentiableHMM(HMMConfig(num_states=2, min_lengths=(1, 2, 3)))


def test_held_to_known_states_the_loss_is_that_of_their_path(golden):
    start, transition, emission = (golden[f"m1_{k}"] for k in ("start", "trans", "emit"))
    model = _model(start, transition, emission)
    codes, states = golden["m1_obs"][None, :30], golden["m1_true_states"][None, :30]
    path = np.log(start[states[0, 0]]) + np.log(emission[states[0], codes[0]]).sum()
    path += np.log(transition[states[0, :-1], states[0, 1:]]).sum()
    loss = model(jnp.asarray(codes, jnp.uint8), None, jnp.asarray(states))["hmm_loss"]
    assert float(loss) == pytest.approx(-path / 30, rel=1e-4)
    told = _model(start, transition, emission, discriminative=True)
    found = told(jnp.asarray(codes, jnp.uint8), None, jnp.asarray(states))
    together = -path - -float(found["log_likelihood"][0])
    assert float(found["hmm_loss"]) == pytest.approx(together / 30, rel=1e-3)


def test_states_that_nobody_told_are_found_by_composition():
    random = np.random.default_rng(0)
    truth = np.repeat([[0, 1, 0]], 60, axis=1).reshape(1, 180)
    rich = np.array([[0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1]])
    codes = np.array([[random.choice(4, p=rich[s]) for s in truth[0]] for _ in range(8)], np.uint8)
    model = DifferentiableHMM(HMMConfig(num_states=2), rngs=nnx.Rngs(0))
    model.prepare_from({"sequences": codes}, jax.random.key(0))
    found = np.asarray(model(jnp.asarray(codes))["state_posteriors"]).argmax(axis=-1)
    assert (found == truth).mean() > 0.9


def test_letters_that_are_all_alike_or_not_told_leave_the_states_undecided():
    model = DifferentiableHMM(HMMConfig(num_states=2), rngs=nnx.Rngs(0))
    for codes in (np.full((3, 9), 4, np.uint8), np.zeros((3, 9), np.uint8)):
        model.prepare_from({"sequences": codes}, jax.random.key(0))
        for logits in (model.log_initial_params, model.log_transition_params):
            assert np.isfinite(np.asarray(logits[...])).all()


def proteins(path):
    lines = path.read_text().splitlines()
    codes = np.full((len(lines) // 3, 608), 255, np.uint8)
    states = np.full(codes.shape, -1, np.int32)
    for row, (letters, labels) in enumerate(zip(lines[1::3], lines[2::3], strict=True)):
        codes[row, : len(letters)] = [RESIDUES.find(a) if a in RESIDUES else 20 for a in letters]
        states[row, : len(labels)] = [int(a in "Hh") for a in labels]
    return codes, states


def step_of(model):
    """A step of Adam on p(states given letters), or on what the model's loss is."""
    optimizer = nnx.Optimizer(model, optax.adam(0.03), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, codes, states):
        def loss(model):
            scores = model.scores(codes)
            return model._loss(scores, log_path_sum(scores), states)

        optimizer.update(model, nnx.grad(loss)(model))

    return functools.partial(step, model, optimizer)


def test_helices_of_unseen_membrane_proteins_are_found_as_well_as_by_counting(shared_data):
    """Residues right: hmmlearn with 1 + 17 states from counts 0.8822, TMHMM 2.0 0.8735."""
    folder = shared_data / "sequences/hmm"
    codes, states = proteins(folder / "membrane_train.3line")
    unseen, truth = proteins(folder / "membrane_test.3line")
    settings = {"num_states": 2, "num_emissions": 20, "min_lengths": (1, 17)}
    model = DifferentiableHMM(HMMConfig(**settings, discriminative=True), rngs=nnx.Rngs(0))
    model.prepare_from({"sequences": codes, "known_states": states}, jax.random.key(0))
    step = step_of(model)
    random = np.random.default_rng(0)
    for _ in range(25):
        rows = random.permutation(len(codes))[:32]
        step(jnp.asarray(codes[rows]), jnp.asarray(states[rows]))
    posteriors = nnx.jit(lambda model, x: model(x)["state_posteriors"])(model, jnp.asarray(unseen))
    found, there = np.asarray(posteriors).argmax(axis=-1), truth >= 0
    assert (found == truth)[there].mean() >= 0.882
