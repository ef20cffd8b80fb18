"""For each soft operation an input that moves along an axis, and what a person should know of it.

Only this is declared: the operations are found in the namespace, and one that is not named here is
shown under its own name.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from diffbio_engine import soft_ops

# The values of a row that stand still while one moves among them.
STANDING = (-1.5, -0.4, 0.7, 1.6)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One operation, drawn over one number that moves from ``low`` to ``high``.

    ``standing`` are the other values of its row (empty: it takes one number); ``then`` are its
    further arguments; ``part`` is where the drawn number stands in the answer. At ``corners`` the
    hard operation may jump or bend. ``hard``, ``cold`` and ``warm`` are what it does, and what a
    low and a high temperature make of it.
    """

    name: str
    group: str
    title: str
    drawn: str
    hard: str = ""
    cold: str = ""
    warm: str = ""
    also: tuple[str, ...] = ()
    then: tuple[Any, ...] = ()
    standing: tuple[float, ...] = ()
    part: tuple[int, ...] = ()
    corners: tuple[float, ...] = ()
    low: float = -3.0
    high: float = 3.0


def _one(name: str, title: str, drawn: str, *words: str, **more: Any) -> Example:
    hard, cold, warm = words
    more = {"group": "One number", "corners": (0.0,)} | more
    return Example(name=name, title=title, drawn=drawn, hard=hard, cold=cold, warm=warm, **more)


def _compared(name: str, title: str, drawn: str, *words: str, **more: Any) -> Example:
    more = {"group": "Is it so?", "then": (1.0,), "corners": (1.0,)} | more
    return _one(name, title, drawn, *words, **more)


def _row(name: str, title: str, drawn: str, *words: str, **more: Any) -> Example:
    more = {"standing": STANDING, "corners": STANDING} | more
    return _one(name, title, drawn, *words, **more)


_CHOOSING, _ORDER, _QUANTILE = "Which one?", "In which order?", "Medians and quantiles"

_EXAMPLES = (
    _compared(
        "heaviside", "Step: is it above 0?", "truth that x is above 0",
        "Answers no (0) below zero and yes (1) above it, with nothing between.",
        "Still nearly yes or no; only numbers within a few temperatures of 0 get a share of both.",
        "A gentle ramp, so a number that is a little too low still feels which way is up. Every "
        "gate and threshold in a pipeline is made of it.",
        also=("sigmoidal",), then=(), corners=(0.0,),
    ),
    _compared(
        "greater", "Above a threshold", "truth that x > 1",
        "Answers yes (1) if x is above the threshold, here 1, and no (0) if not.",
        "A sharp gate: only numbers close to the threshold are undecided.",
        "The gate opens slowly, and the threshold itself can be learned. Serves filters such as "
        "a least quality of a read or a least number of genes in a cell.",
        also=("greater_equal",),
    ),
    _compared(
        "less", "Below a threshold", "truth that x < 1",
        "Answers yes (1) if x is below the threshold, here 1, and no (0) if not.",
        "A sharp gate: only numbers close to the threshold are undecided.",
        "The gate closes slowly, so a number just above the threshold still counts a little. "
        "Serves ceilings such as a largest share of mitochondrial counts.",
        also=("less_equal",),
    ),
    _compared(
        "equal", "Are they equal?", "truth that x = 1",
        "Answers yes (1) only where both numbers are the same, here 1: a single point.",
        "A narrow peak: numbers within a few temperatures count as nearly equal.",
        "A broad hill: the nearer, the more equal, and a number is drawn towards its match. "
        "Serves comparisons of labels and of letters of a sequence.",
    ),
    _compared(
        "not_equal", "Are they different?", "truth that x ≠ 1",
        "Answers yes (1) everywhere but where both numbers are the same, here 1.",
        "A narrow dip: only numbers that are very near count as the same.",
        "A broad valley: the farther apart, the more different. Serves counts of mismatches.",
    ),
    _compared(
        "isclose", "Are they about equal?", "truth that x is close to 1",
        "Answers yes (1) within a small tolerance, here half a unit, and no (0) outside it.",
        "Nearly the same answer, with rounded edges.",
        "A hill without edges, 1 in the middle. Serves to pair peaks or positions that nearly "
        "coincide.",
        then=(1.0,), corners=(0.5, 1.5),
    ),
    _one(
        "sign", "Sign: up or down?", "sign of x",
        "Keeps only the direction: −1 below zero, 1 above it.",
        "Still nearly −1 or 1; only numbers near zero lie between.",
        "A small change counts as a small direction. Serves the direction of a change of "
        "expression.",
    ),
    _one(
        "abs", "Absolute value", "size of x",
        "Drops the sign. At zero it has a corner, where the gradient jumps from −1 to 1.",
        "The same, with the corner rounded just around zero.",
        "A flat bowl that lies below the corner: tiny differences are forgiven. Serves robust "
        "distances and residuals.",
    ),
    _one(
        "relu", "Keep the positive part", "positive part of x",
        "Gives x above zero and 0 below. Below, nothing is left to learn from.",
        "The same, with the corner rounded just around zero.",
        "Rises early and smoothly, so what is just below zero still feels a pull. Serves "
        "penalties such as clusters that should keep a distance.",
        also=("softrelu",),
    ),
    _one(
        "clip", "Clip: hold within limits", "x held within −1 and 1",
        "Holds x between two limits, here −1 and 1. Outside, its gradient is zero.",
        "The same, with both corners rounded.",
        "The limits give way: an outlier still feels which way is back. Serves to tame extreme "
        "expression values after scaling.",
        then=(-1.0, 1.0), corners=(-1.0, 1.0),
    ),
    _one(
        "round", "Round to whole numbers", "x rounded",
        "Goes to the nearest whole number: a staircase, flat everywhere.",
        "Still a staircase, with steps that can be climbed.",
        "Hardly a step is left, and x comes back as it is (far above 1 it sinks towards 0). Serves "
        "counts of molecules and copy numbers that should be whole in the end.",
        corners=(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5),
    ),
    _row(
        "argmax", "Which is the largest?", "share of x in being the largest",
        "Names the one largest value: x gets 0 until it passes all others, then 1.",
        "The winner takes nearly everything; values close to it get a little.",
        "Everybody gets a share, larger values a larger one. Soft k-means and Harmony share each "
        "cell among clusters in this way.",
        group=_CHOOSING, part=(0,),
    ),
    _row(
        "argmin", "Which is the smallest?", "share of x in being the smallest",
        "Names the one smallest value: x gets 1 while it is below all others, else 0.",
        "The smallest takes nearly everything.",
        "Everybody gets a share, smaller values a larger one. Serves the nearest centroid, the "
        "nearest neighbour, the cheapest path.",
        group=_CHOOSING, part=(0,),
    ),
    _row(
        "max", "The largest value", "largest of the five values",
        "Gives the largest value. The others get no gradient at all.",
        "Nearly the largest; close rivals count a little.",
        "Sinks towards the mean of all, and all get a gradient. Serves best scores, such as that "
        "of a motif along a sequence.",
        group=_CHOOSING,
    ),
    _row(
        "min", "The smallest value", "smallest of the five values",
        "Gives the smallest value. The others get no gradient at all.",
        "Nearly the smallest; close rivals count a little.",
        "Rises towards the mean of all, and all get a gradient. Serves nearest distances.",
        group=_CHOOSING,
    ),
    _row(
        "top_k_mask", "Is it among the best two?", "share of x in the best two",
        "Takes the two largest in (1) and leaves the rest out (0).",
        "The same, save for values that nearly tie for the second place.",
        "Places are shared out among all, and together they still make two. Serves the choice of "
        "variable genes and of neighbours.",
        group=_CHOOSING, then=(2,), part=(0,),
    ),
    _row(
        "top_k", "The best two values", "second largest of the five values",
        "Gives the largest values in order; drawn is the second.",
        "Nearly the second largest; its close rivals count a little.",
        "A mean in which all take part. Serves the best hits of a search.",
        group=_CHOOSING, then=(2,), part=(1,),
    ),
    _row(
        "rank", "Sorted place", "place of x among the five values",
        "Counts places: 1 for the smallest, one more for each value that x passes.",
        "Still a staircase, with steps that can be climbed.",
        "A slope: where all places blur, they come near the middle one. Serves correlations of "
        "ranks and scores of gene sets.",
        group=_ORDER, part=(0,),
    ),
    _row(
        "sort", "Sorted values", "middle one of the five sorted values",
        "Puts the values in order; drawn is the one in the middle place.",
        "Nearly so; values that almost tie are mixed a little.",
        "Every place becomes a mean of more and more values. Serves to match distributions, as "
        "quantile normalization does.",
        group=_ORDER, part=(2,),
    ),
    _row(
        "argsort", "Who is in first place?", "share of x in the first place",
        "Says for every place who stands there; drawn is the first place, that of the smallest.",
        "Nearly one name for each place; values that almost tie share it.",
        "Each place is shared among several. Serves orders that are learned, as of cells along "
        "a trajectory.",
        group=_ORDER, part=(0, 0),
    ),
    _row(
        "median", "Median", "median of the five values",
        "Gives the value in the middle. Only that one gets a gradient; an outlier moves nothing.",
        "Nearly the middle value; its neighbours count a little.",
        "Comes near the mean, and all get a gradient. Serves robust centres, such as size factors "
        "of samples.",
        group=_QUANTILE,
    ),
    _row(
        "quantile", "Quantile", "upper quartile of the five values",
        "Gives the value below which a stated share lies, here three quarters.",
        "Nearly that value; its neighbours count a little.",
        "Comes near the mean, and all get a gradient. Serves cut-offs that are read from the data.",
        also=("percentile",), group=_QUANTILE, then=(0.75,),
    ),
    _row(
        "argmedian", "Which is the median?", "share of x in being the median",
        "Names the value in the middle: x gets 1 while it lies there, else 0.",
        "Its neighbours get a little.",
        "Everybody gets a share, those near the middle a larger one. Serves the most typical cell "
        "of a group.",
        group=_QUANTILE, part=(0,),
    ),
    _row(
        "argquantile", "Which is at the quantile?", "share of x in being the upper quartile",
        "Names the value at a stated share, here three quarters: x gets 1 while it lies there.",
        "Its neighbours get a little.",
        "Everybody gets a share, larger values a larger one. Serves to find the cell that stands "
        "for a cut-off.",
        also=("argpercentile",), group=_QUANTILE, then=(0.75,), part=(0,),
    ),
)  # fmt: skip

# What cannot be given by place.
OPTIONS: dict[str, dict[str, Any]] = {"isclose": {"atol": 0.5}}


def moded() -> dict[str, Callable[..., Any]]:
    """Every operation of the namespace that has modes, straight-through forms aside."""
    return {
        name: function
        for name in soft_ops.__all__
        if inspect.isfunction(function := getattr(soft_ops, name))
        and "mode" in inspect.signature(function).parameters
        and not name.endswith("_st")
    }


@cache
def examples() -> dict[str, Example]:
    """All operations that can be drawn, by name, in the order in which they are listed."""
    there = moded()
    known = [e for e in _EXAMPLES if e.name in there]
    named = {name for e in known for name in (e.name, *e.also)}
    rest = [_unnamed(name, function) for name, function in there.items() if name not in named]
    return {e.name: e for e in (*known, *rest)}


def _unnamed(name: str, function: Callable[..., Any]) -> Example:
    summary = (inspect.getdoc(function) or name).split("\n")[0].replace("``", "")
    of_two = "y" in inspect.signature(function).parameters
    of_a_row = "axis" in inspect.signature(function).parameters
    return Example(
        name=name, group="More", title=name.replace("_", " ").capitalize(), drawn=f"{name} of x",
        hard=summary, then=(1.0,) if of_two else (), standing=STANDING if of_a_row else (),
        corners=STANDING if of_a_row else (1.0,) if of_two else (0.0,),
    )  # fmt: skip
