"""Hidden Markov models beside hmmlearn: speed in one run, and helices of membrane proteins.

Run: python tests/benchmarks/hidden_markov_models.py SHARED [--peers FOLDER]

hmmlearn is no dependency: where it is not installed, ``--peers`` names a folder of packages that
has it, and without either its columns are left out. Speed: posteriors of one sequence, compiled
before, each on one core. Helices: 160 proteins to learn from and 60 to be judged by
(``sequences/hmm`` of the shared data). A protein has "all helices right" if it has as many helices
as were found, and each shares 5 residues or more with its own; found stretches of fewer than 10
residues are no helices, and residues that no structure resolves are outside, as they are for the
peers in ``sequences/golden/hmm_membrane_peers.tsv``.
"""

import argparse
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from diffbio_engine.operators.statistical import DifferentiableHMM, HMMConfig
from tests.operators.statistical.test_hmm import proteins, step_of

SHARED_RESIDUES, SHORTEST = 5, 10


def speed(n_states, length, repeats=5):
    """Milliseconds for the posteriors of a sequence, ours and hmmlearn's; how far they differ."""
    random = np.random.default_rng(0)
    start, steps, letters = (
        random.dirichlet(np.ones(n), m)
        for n, m in ((n_states, None), (n_states, n_states), (4, n_states))
    )
    steps = 0.9 * np.eye(n_states) + 0.1 * steps
    codes = random.integers(0, 4, length)
    model = DifferentiableHMM(HMMConfig(num_states=n_states, num_emissions=4), rngs=nnx.Rngs(0))
    for parameter, values in (
        (model.log_initial_params, start),
        (model.log_transition_params, steps),
        (model.log_emission_params, letters),
    ):
        parameter[...] = jnp.log(jnp.asarray(values, jnp.float32))
    rows = jnp.asarray(codes, jnp.uint8)[None]
    posteriors = nnx.jit(lambda model, x: model(x)["state_posteriors"])
    ours = np.asarray(posteriors(model, rows))[0]
    mine = timed(lambda: posteriors(model, rows).block_until_ready(), repeats)
    if "hmmlearn" not in sys.modules:
        return mine, np.nan, np.nan
    from hmmlearn.hmm import CategoricalHMM

    peer = CategoricalHMM(n_states)
    peer.startprob_, peer.transmat_, peer.emissionprob_ = start, steps, letters
    peer.n_features = 4
    theirs = peer.predict_proba(codes[:, None])
    return (
        mine,
        timed(lambda: peer.predict_proba(codes[:, None]), repeats),
        np.abs(ours - theirs).max(),
    )


def timed(work, repeats):
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return 1000 * float(np.median(seconds))


def learned(codes, states, lengths, epochs, discriminative=True):
    settings = {"num_states": 2, "num_emissions": 20, "min_lengths": lengths}
    model = DifferentiableHMM(
        HMMConfig(**settings, discriminative=discriminative), rngs=nnx.Rngs(0)
    )
    model.prepare_from({"sequences": codes, "known_states": states}, jax.random.key(0))
    step = step_of(model)
    random = np.random.default_rng(0)
    for _ in range(epochs):
        order = random.permutation(len(codes))
        for rows in order.reshape(-1, 32):
            step(jnp.asarray(codes[rows]), jnp.asarray(states[rows]))
    return model


@nnx.jit
def found_by(model, codes):
    found = model(codes)
    return found["state_posteriors"], found["viterbi_path"]


def helices(states):
    edges = np.diff(np.concatenate([[0], states == 1, [0]]).astype(int))
    return list(zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True))


def all_right(found, truth):
    right = 0
    for row, true in zip(found, truth, strict=True):
        own = helices(true[true >= 0])
        said = [h for h in helices(row[true >= 0]) if h[1] - h[0] >= SHORTEST]
        shared = [[min(a[1], b[1]) - max(a[0], b[0]) for b in said] for a in own]
        alike = len(own) == len(said)
        right += alike and all(shared[i][i] >= SHARED_RESIDUES for i in range(len(own)))
    return right / len(truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--peers", type=Path, help="folder of packages that has hmmlearn")
    asked = parser.parse_args()
    if asked.peers:
        sys.path.append(str(asked.peers))
    try:
        import hmmlearn  # noqa: F401
    except ImportError:
        print("hmmlearn is not installed: its columns are left out")
    print("states  length   ours ms   hmmlearn ms   largest difference of a posterior")
    for n_states, length in ((3, 1_000), (3, 20_000), (8, 20_000), (3, 200_000)):
        mine, theirs, apart = speed(n_states, length)
        print(f"{n_states:6} {length:7,} {mine:9.1f} {theirs:13.1f}   {apart:.1e}", flush=True)
    folder = asked.shared / "sequences/hmm"
    codes, states = proteins(folder / "membrane_train.3line")
    unseen, truth = proteins(folder / "membrane_test.3line")
    print("states  trained                 decoding   residues right   all helices right")
    for lengths in ((1, 1), (1, 17)):
        for epochs, how in ((0, "counts"), (5, "5 epochs, p(z|x)"), (20, "20 epochs, p(z|x)")):
            model = learned(codes, states, lengths, epochs)
            posteriors, path = found_by(model, jnp.asarray(unseen))
            for name, found in (
                ("posterior", np.asarray(posteriors).argmax(-1)),
                ("viterbi", np.asarray(path)),
            ):
                right = (found == truth)[truth >= 0].mean()
                print(
                    f"{lengths[0]}+{lengths[1]:<5} {how:22} {name:10} {right:12.4f}"
                    f" {all_right(found, truth):18.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
