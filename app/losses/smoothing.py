"""The curve that a loss follows under the noise of its mini-batches."""

from collections.abc import Mapping

import numpy as np

GRID = 160
# Widths of the kernel as shares of the steps so far; which of them, cross-validation says.
WIDTHS = (0.006, 0.02, 0.06, 0.18)
_FEWEST = 1.5

Curve = tuple[np.ndarray, np.ndarray]


def smoothed(steps: np.ndarray, columns: Mapping[str, np.ndarray]) -> dict[str, Curve]:
    """Local linear regression on a grid of at most `GRID` steps, for each column.

    With weights ``w_j = exp(-d_j^2 / 2 h^2)``, ``d_j = step_j - grid``, the fit of
    ``value ~ a + b d`` at ``d = 0``. It has no lag, unlike a running mean, and no bias at the ends.
    Of four widths ``h`` each term gets the one that foretells points best which it has not seen: a
    term without noise is followed closely, one in much noise is averaged over many steps. Missing
    values count for nothing; fewer than three points stay as they are.

    References:
        Fan and Gijbels (1996), Local Polynomial Modelling and Its Applications, chapters 3 and 4.
    """
    curves, fits = {}, dict[bytes, _Fits]()
    for name, values in columns.items():
        fine = np.isfinite(values)
        at = steps[fine]
        if len(at) < 3:
            curves[name] = at, values[fine]
            continue
        which = fine.tobytes()
        if which not in fits:  # one for all terms that are there at the same steps
            fits[which] = _Fits(at)
        curves[name] = fits[which].of(values[fine])
    return curves


class _Fits:
    """How much each step counts at each point of the grid, for each width."""

    def __init__(self, steps: np.ndarray):
        n = min(GRID, len(steps))
        self._seen = np.unique(np.linspace(0, len(steps) - 1, n).astype(int))
        self.grid = steps[self._seen]
        gap = (steps[-1] - steps[0]) / (len(steps) - 1)
        widths = np.maximum(np.array(WIDTHS) * (steps[-1] - steps[0]), _FEWEST * gap)
        away = steps - self.grid[:, None]
        self._kernels = [_kernel(away / width) for width in np.unique(widths)]

    def of(self, values: np.ndarray) -> Curve:
        """The curve of the width that foretells left-out points best."""
        rows = np.arange(len(self._seen))
        best, least = np.zeros(0), np.inf
        for kernel in self._kernels:
            curve, own = kernel @ values, kernel[rows, self._seen]
            # Of a linear smoother, the error at a point that was left out.
            missed = (values[self._seen] - curve) / np.maximum(1 - own, 1e-3)
            error = float(np.mean(missed**2))
            if error <= least * 1.02:  # as good as: the smoother one
                best, least = curve, min(error, least)
        return self.grid, best


def _kernel(away: np.ndarray) -> np.ndarray:
    weight = np.exp(-0.5 * away**2)
    s0, s1, s2 = (np.sum(weight * away**k, 1, keepdims=True) for k in (0, 1, 2))
    return weight * (s2 - s1 * away) / (s0 * s2 - s1**2)


def noise(values: np.ndarray) -> float:
    """Standard deviation of the noise, from differences of neighbours; jumps do not count."""
    fine = values[np.isfinite(values)]
    if len(fine) < 3:
        return 0.0
    return float(1.4826 * np.median(np.abs(np.diff(fine))) / np.sqrt(2))
