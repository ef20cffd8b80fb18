"""Makes ot_trajectory.npz: python tests/references/singlecell/make_ot_trajectory.py (POT 0.9.7)

Costs are squared distances over their median. `plan`: `ot.unbalanced.sinkhorn_unbalanced` (entropy
0.1, 1 and 50 for the marginals, Kullback-Leibler to the product of the masses). `grown`: the same
three times, the masses of the rows taken as the next ones to keep to. `assigned`: `ot.emd` of two
groups of 25.
"""

from pathlib import Path

import numpy as np


def cost(x, y):
    import ot

    square = ot.dist(x, y, metric="sqeuclidean")
    return square / np.median(square)


def plan(a, b, costs):
    import ot

    return ot.unbalanced.sinkhorn_unbalanced(
        a, b, costs, 0.1, (1.0, 50.0), numItermax=100_000, stopThr=1e-14, reg_type="kl"
    )


def growing_branches(seed=0, n=400, noise=0.15):
    """A process whose growth and fates are known: cells that turn left or right, and multiply.

    At ``t`` (0, 1, 2) a cell lies at ``(t, t or -t, 1.5 bias, noise)``; it goes right with chance
    ``1 / (1 + exp(-4 bias))``, and until the next time point its kind becomes ``exp(0.8 bias)``
    times as many. Each time point is another sample of 400 (as cells are destroyed when seen).

    Returns:
        Cells, times, side (0 left, 1 right), growth until the next time point (mean 1 by time),
        chance by mass that the descendants at the last time point are on the right.
    """
    rng = np.random.default_rng(seed)
    cells, times, sides, growths, rights = [], [], [], [], []
    for t in range(3):
        bias = rng.uniform(-1, 1, 50 * n)
        kept = rng.choice(len(bias), n, p=np.exp(0.8 * bias * t) / np.exp(0.8 * bias * t).sum())
        bias = bias[kept]
        right = 1 / (1 + np.exp(-4 * bias))
        side = (rng.random(n) < right).astype(int)
        place = np.column_stack([t + 0 * bias, t * (2 * side - 1), 1.5 * bias, np.zeros((n, 3))])
        cells.append(place + rng.normal(scale=noise, size=place.shape))
        times.append(np.full(n, t))
        sides.append(side)
        growth = np.exp(0.8 * bias) if t < 2 else np.ones(n)
        growths.append(growth / growth.mean())
        rights.append(right if t == 0 else side)
    return (
        np.concatenate(cells).astype(np.float32),
        np.concatenate(times).astype(np.int32),
        np.concatenate(sides).astype(np.int32),
        np.concatenate(growths),
        np.concatenate(rights),
    )


def main() -> None:
    import ot

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(40, 4)) + 0.5
    a, b = np.full(30, 1 / 30), np.full(40, 1 / 40)
    grown, growth = None, np.ones(30)
    for _ in range(3):
        grown = plan(a * growth, b, cost(x, y))
        growth = grown.sum(axis=1) / grown.sum() * 30
    equal = np.full(25, 1 / 25)
    np.savez(
        Path(__file__).with_name("ot_trajectory.npz"),
        x=x,
        y=y,
        plan=plan(a, b, cost(x, y)),
        grown=grown,
        growth=growth,
        assigned=ot.emd(equal, equal, cost(x[:25], y[:25])),
    )


if __name__ == "__main__":
    main()
