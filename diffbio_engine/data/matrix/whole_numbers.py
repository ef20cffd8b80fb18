"""Counts that were rounded on their way: 22.999998 is 23, and no fraction."""

import numpy as np

# What 32 bits, a quotient and its product, or six decimals of text leave of a whole number.
LEAST, _RELATIVE = 1e-4, 1e-6


def rounding_of(values: np.ndarray) -> float | None:
    """By how much values differ from whole numbers at most; None if they are others."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not_whole(values).any():
        return None
    return float(np.abs(values - np.round(values)).max(initial=0.0))


def not_whole(values: np.ndarray) -> np.ndarray:
    """Of each finite value whether it is no whole number, by more than rounding."""
    return np.abs(values - np.round(values)) > LEAST + _RELATIVE * np.abs(values)


def are_whole(values: np.ndarray) -> bool:
    """Whether values are whole numbers, but for rounding."""
    return rounding_of(values) is not None
