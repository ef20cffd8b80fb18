"""Places in the tissue of several slides, side by side: no spot has neighbours on another slide."""

from collections.abc import Sequence

import numpy as np


def side_by_side(slides: Sequence[np.ndarray]) -> tuple[np.ndarray, bool]:
    """All places below each other, and whether slides were moved.

    Slides have axes of their own that begin alike, so they lie over each other. Where any two do,
    each is moved along the first axis, as far from the one before it as the widest is wide; what
    lies on one slide keeps its distances.

    Args:
        slides: Of each sample its places, (rows, axes).
    """
    places = [np.array(slide, np.float64) for slide in slides]  # those of the samples stay
    known = [p[np.isfinite(p).all(axis=1)] for p in places]
    boxes = [(p.min(axis=0), p.max(axis=0)) if len(p) else None for p in known]
    there = [box for box in boxes if box is not None]
    over = any(
        (one[0] <= other[1]).all() and (other[0] <= one[1]).all()
        for i, one in enumerate(there)
        for other in there[:i]
    )
    if not over:
        return np.concatenate(slides), False
    gap = max(float((high - low).max()) for low, high in there) or 1.0
    begin = there[0][0][0]
    for place, box in zip(places, boxes, strict=True):
        if box is not None:
            place[:, 0] += begin - box[0][0]
            begin += float(box[1][0] - box[0][0]) + gap
    return np.concatenate(places), True
