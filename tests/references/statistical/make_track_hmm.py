"""Golden numbers of `DifferentiableTrackHMM`: hmmlearn's GaussianHMM on whole contigs.

Three contigs of 1,300, 512 and 40 bins, with three states whose means and spreads overlap, so that
posteriors near the edges of windows of 512 bins depend on what lies beyond them. Made with

    pip install hmmlearn==0.3.3
    python tests/references/statistical/make_track_hmm.py

in float64. The parameters are given, not fitted; likelihoods, posteriors and paths are of each
contig as a whole.
"""

from pathlib import Path

import numpy as np
from hmmlearn.hmm import GaussianHMM

LENGTHS = (1300, 512, 40)
START = np.array([0.6, 0.3, 0.1])
STEPS = np.array([[0.97, 0.02, 0.01], [0.03, 0.95, 0.02], [0.02, 0.08, 0.9]])
MEANS, SPREADS = np.array([0.0, 0.8, 2.0]), np.array([0.7, 0.6, 0.9])


def main() -> None:
    """Writes ``track_hmm.npz`` beside this file."""
    model = GaussianHMM(n_components=3, covariance_type="diag", init_params="", params="")
    model.startprob_, model.transmat_ = START, STEPS
    model.means_, model.covars_ = MEANS[:, None], np.square(SPREADS)[:, None]
    random = np.random.default_rng(11)
    told: dict[str, np.ndarray] = {
        "start": START, "steps": STEPS, "means": MEANS, "spreads": SPREADS
    }  # fmt: skip
    for k, length in enumerate(LENGTHS):
        signal, _ = model.sample(length, random_state=int(random.integers(2**31)))
        signal = signal.astype(np.float32).astype(np.float64)
        score, posteriors = model.score_samples(signal)
        _, path = model.decode(signal, algorithm="viterbi")
        told |= {
            f"signal_{k}": signal[:, 0].astype(np.float32), f"score_{k}": np.array(score),
            f"posteriors_{k}": posteriors.astype(np.float32), f"path_{k}": path.astype(np.int8),
        }  # fmt: skip
    np.savez_compressed(Path(__file__).with_name("track_hmm.npz"), **told)


if __name__ == "__main__":
    main()
