"""The losses of a run, thinned so that a run of any length is drawn with as many points."""

from collections.abc import Mapping
from typing import Any

import numpy as np

_NOT_TERMS = {"step", "t", "reset_after", "reset"}
MOST_POINTS = 1600


class LossHistory:
    """Rows of losses by column; past `MOST_POINTS` two neighbours become one, their mean.

    So the shape of the whole curve stays, and early steps are never cut off.
    """

    def __init__(self) -> None:
        self.columns: dict[str, np.ndarray] = {"step": np.empty(0)}
        self.stride = 1
        self._waiting: dict[str, list[float]] = {}
        self.last: dict[str, float] = {}

    @property
    def terms(self) -> list[str]:
        """Loss terms, the total first."""
        names = [n for n in self.columns if n != "step"]
        return sorted(names, key=lambda n: n != "total")

    @property
    def silent(self) -> frozenset[str]:
        """Terms that have been 0 at every step, such as that of labels where there are none."""
        rest = [n for n in self.terms if n != "total"]
        found = {
            n for n in rest if len(self.columns[n]) and not np.nan_to_num(self.columns[n]).any()
        }
        return frozenset(found if len(found) < len(rest) else ())

    def add(self, records: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
        """Takes new rows; returns the points to append, or None if all are to be drawn anew."""
        anew = self._forget(records)
        if "step" not in records or not len(records["step"]):
            return None if anew else {}
        new = {
            n: np.asarray(v, float)
            for n, v in records.items()
            if n not in _NOT_TERMS and np.ndim(v) == 1
        }
        steps = np.asarray(records["step"], float)
        for name in new:
            if name not in self.columns:
                anew = True
                self.columns[name] = np.full(len(self.columns["step"]), np.nan)
        rows = {n: new.get(n, np.full(len(steps), np.nan)) for n in self.columns} | {"step": steps}
        for name, values in rows.items():
            fine = values[np.isfinite(values)]
            if name != "step" and len(fine):
                self.last[name] = float(fine[-1])
        points = self._thinned(rows)
        if not anew and not len(points["step"]):
            return {}
        self.columns = {n: np.concatenate([self.columns[n], points[n]]) for n in self.columns}
        while len(self.columns["step"]) > MOST_POINTS:
            anew = True
            self.stride *= 2
            pairs = len(self.columns["step"]) // 2
            odd = {n: v[2 * pairs :] for n, v in self.columns.items()}
            self.columns = {
                n: np.concatenate([_means(v[: 2 * pairs].reshape(pairs, 2)), odd[n]])
                for n, v in self.columns.items()
            }
        return None if anew else points

    def _forget(self, records: Mapping[str, Any]) -> bool:
        """Drops rows that a resumed run does again."""
        after = records.get("reset_after")
        if after is None:
            return False
        keep = self.columns["step"] <= after
        self.columns = {n: v[keep] for n, v in self.columns.items()}
        self._waiting = {}
        if not keep.any():
            self.stride = 1
        return True

    def _thinned(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        joined = {n: np.concatenate([self._waiting.get(n, []), v]) for n, v in rows.items()}
        for n in joined:  # a term that came later has waited for nothing
            missing = len(joined["step"]) - len(joined[n])
            if missing:
                joined[n] = np.concatenate([np.full(missing, np.nan), joined[n]])
        whole = len(joined["step"]) // self.stride
        cut = whole * self.stride
        self._waiting = {n: list(v[cut:]) for n, v in joined.items()}
        return {n: _means(v[:cut].reshape(whole, self.stride)) for n, v in joined.items()}


def _means(groups: np.ndarray) -> np.ndarray:
    """Mean of each row, over the values that are there."""
    if groups.shape[1] == 1:
        return groups[:, 0].copy()
    there = np.isfinite(groups)
    total = np.where(there, groups, 0).sum(1)
    return np.where(there.any(1), total / np.maximum(there.sum(1), 1), np.nan)
