"""Soft versions of discrete operations: one flat namespace.

``from diffbio_engine import soft_ops; soft_ops.max(x, softness=0.1)``. Several names are those of
Python's own functions, so import the module and not its names.

At low softness every function gives the classical answer; at high softness it gives gradients.
``README.md`` in this folder says which functions there are, in which modes, and what is special.
"""

from diffbio_engine.soft_ops._modes import MODES, SOFT_MODES, Mode, SoftBool, SoftIndex, SoftMode
from diffbio_engine.soft_ops.autograd_safe import arccos, arcsin, div, log, norm, sqrt
from diffbio_engine.soft_ops.comparison import (
    equal,
    greater,
    greater_equal,
    isclose,
    less,
    less_equal,
    not_equal,
)
from diffbio_engine.soft_ops.elementwise import (
    abs,
    clip,
    heaviside,
    relu,
    round,
    sigmoidal,
    sign,
    softrelu,
)
from diffbio_engine.soft_ops.logical import (
    all,
    any,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
)
from diffbio_engine.soft_ops.quantile import (
    argmedian,
    argpercentile,
    argquantile,
    median,
    percentile,
    quantile,
)
from diffbio_engine.soft_ops.selection import (
    choose,
    dynamic_index_in_dim,
    dynamic_slice,
    dynamic_slice_in_dim,
    take,
    take_along_axis,
    where,
)
from diffbio_engine.soft_ops.sorting import (
    argmax,
    argmin,
    argsort,
    logsumexp_max,
    max,
    min,
    rank,
    softness_for,
    sort,
    top_k,
)
from diffbio_engine.soft_ops.straight_through import grad_replace, st
from diffbio_engine.soft_ops.top_k_mask import top_k_mask

# Every operation with a hard mode, in its straight-through form.
abs_st, sign_st, heaviside_st = st(abs), st(sign), st(heaviside)
relu_st, clip_st, round_st = st(relu), st(clip), st(round)
greater_st, greater_equal_st = st(greater), st(greater_equal)
less_st, less_equal_st = st(less), st(less_equal)
equal_st, not_equal_st, isclose_st = st(equal), st(not_equal), st(isclose)
argmax_st, argmin_st, max_st, min_st = st(argmax), st(argmin), st(max), st(min)
argsort_st, sort_st, rank_st = st(argsort), st(sort), st(rank)
top_k_st, top_k_mask_st = st(top_k), st(top_k_mask)
argquantile_st, quantile_st = st(argquantile), st(quantile)
argmedian_st, median_st = st(argmedian), st(median)
argpercentile_st, percentile_st = st(argpercentile), st(percentile)

__all__ = [
    "abs",
    "abs_st",
    "all",
    "any",
    "arccos",
    "arcsin",
    "argmax",
    "argmax_st",
    "argmedian",
    "argmedian_st",
    "argmin",
    "argmin_st",
    "argpercentile",
    "argpercentile_st",
    "argquantile",
    "argquantile_st",
    "argsort",
    "argsort_st",
    "choose",
    "clip",
    "clip_st",
    "div",
    "dynamic_index_in_dim",
    "dynamic_slice",
    "dynamic_slice_in_dim",
    "equal",
    "equal_st",
    "grad_replace",
    "greater",
    "greater_equal",
    "greater_equal_st",
    "greater_st",
    "heaviside",
    "heaviside_st",
    "isclose",
    "isclose_st",
    "less",
    "less_equal",
    "less_equal_st",
    "less_st",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp_max",
    "max",
    "max_st",
    "median",
    "median_st",
    "min",
    "min_st",
    "norm",
    "not_equal",
    "not_equal_st",
    "percentile",
    "percentile_st",
    "quantile",
    "quantile_st",
    "rank",
    "rank_st",
    "relu",
    "relu_st",
    "round",
    "round_st",
    "sigmoidal",
    "sign",
    "sign_st",
    "softness_for",
    "softrelu",
    "sort",
    "sort_st",
    "sqrt",
    "st",
    "take",
    "take_along_axis",
    "top_k",
    "top_k_mask",
    "top_k_mask_st",
    "top_k_st",
    "where",
    "MODES",
    "Mode",
    "SOFT_MODES",
    "SoftBool",
    "SoftIndex",
    "SoftMode",
]
