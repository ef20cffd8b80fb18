"""Makes mmd_batch_correction.npz: discrepancies by scikit-learn's rbf_kernel, pair by pair."""

from pathlib import Path

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

WIDTHS = (0.5, 2.0, 8.0, 32.0)  # squared


def kernel(a, b):
    return np.mean([rbf_kernel(a, b, gamma=1 / (2 * width)) for width in WIDTHS], axis=0)


def unbiased(a, b):
    within = [(kernel(x, x).sum() - len(x)) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return sum(within) - 2 * kernel(a, b).mean()


def main():
    random = np.random.default_rng(3)
    labels = random.permutation(np.repeat([0, 1, 2], [25, 40, 15]))
    points = random.normal(size=(80, 6)) + 0.4 * labels[:, None]
    groups = [points[labels == g] for g in range(3)]
    expected = [[0.0 if a is b else unbiased(a, b) for b in groups] for a in groups]
    np.savez_compressed(
        Path(__file__).with_name("mmd_batch_correction.npz"),
        points=points,
        labels=labels,
        sq_widths=np.array(WIDTHS),
        discrepancies=np.array(expected),
    )


if __name__ == "__main__":
    main()
