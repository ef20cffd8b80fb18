"""Soft versions of operations on order: maximum, sort, rank, the largest k.

``softness`` says how far apart values must be to be told apart: relative to the spread of the row
(``standardize=True``, the default: ``sigmoid((x - mean) / sd)`` is what is compared), or in the
unit of ``x`` (``standardize=False``). The more values, the closer they lie: `softness_for` gives
one that sees as sharp among ``n`` as 0.1 does among ten.

``mode``: ``hard`` is the classical operation; ``smooth`` gives every value a share; ``c0``, ``c1``,
``c2`` give most of them none and have that many continuous derivatives.

``method``:

* ``softsort``: O(n) for each place that is asked for, O(n^2) for a whole sort, in O(n) memory;
* ``neuralsort``: likewise after O(n^2) for the distances of all values, nearer to the hard order
  where values are uneven;
* ``sorting_network``: all sorted values in O(n log^2 n), and as much for each row of shares;
* ``fast_soft_sort``: all sorted values or ranks in O(n log n), exact at a softness well above 0,
  but with gradients only among values that are near each other; it knows no soft places;
* ``ot`` and ``smooth_sort``: softjax's, with the extra ``soft-ops-advanced``; ``ot_kwargs`` go to
  its solver. They know no ``where``.

For a network and ``fast_soft_sort`` values are sorted as such, on the standardized scale, and then
brought back; they are not the means under shares.

``where`` says which values count. Mask with it and never with a large number: one sentinel of 1e10
in a row squeezes all other values together. Places after the last value that counts hold 0.

Ties share alike. A value that is not a number makes its whole row so (hard mode: as in
``jax.numpy``). A row without values is refused. With ``gated_grad=False`` the gradient passes only
through the values and not through the shares.

Gradients reach ``x`` and ``softness``.

References:
    Prillo and Eisenschlos (2020), SoftSort: a continuous relaxation for the argsort operator.
    Grover, Wang, Zweig, Ermon (2019), Stochastic optimization of sorting networks via continuous
    relaxations.
    Petersen, Borgelt, Kuehne, Deussen (2021), Differentiable sorting networks.
    Blondel, Teboul, Berthet, Djolonga (2020), Fast differentiable sorting and ranking.
"""

from typing import Any

import jax
import jax.numpy as jnp

from diffbio_engine.errors import SettingError
from diffbio_engine.soft_ops._modes import Mode, SoftIndex, as_float, check_softness
from diffbio_engine.soft_ops._rows import Method, Rows
from diffbio_engine.soft_ops._through_softjax import also_through_softjax


def softness_for(n: int, softness: float = 0.1) -> float:
    """A softness among ``n`` standardized values as sharp as ``softness`` is among ten.

    Neighbours lie about ``1 / n`` apart, so it is ``softness * 10 / n``.
    """
    return softness * 10.0 / n


@also_through_softjax
def argmax(
    x: jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "softsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    where: jax.Array | None = None,
) -> SoftIndex:
    """Soft place of the largest value: shares of every position, at the end, (..., [n]).

    Args:
        x: Any array.
        axis: Along which; None for the flattened array.
        keepdims: Keep the axis, with length 1.
        softness, mode, method, standardize, where: See the module.
    """
    row = Rows(x, axis, where, softness, mode, method, standardize)
    return row.index_out(row.extreme(largest=True), keepdims)


@also_through_softjax
def argmin(
    x: jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "softsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    where: jax.Array | None = None,
) -> SoftIndex:
    """Soft place of the smallest value; see ``argmax``."""
    row = Rows(x, axis, where, softness, mode, method, standardize)
    return row.index_out(row.extreme(largest=False), keepdims)


@also_through_softjax
def max(
    x: jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "softsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    gated_grad: bool = True,
    where: jax.Array | None = None,
) -> jax.Array:
    """Soft maximum: the mean of the values under the shares of ``argmax``.

    So it lies below the maximum. Dynamic programs want ``logsumexp_max``, which lies above.
    """
    row = Rows(x, axis, where, softness, mode, method, standardize)
    return row.value_out(row.extreme_value(largest=True, gated_grad=gated_grad), keepdims)


@also_through_softjax
def min(
    x: jax.Array,
    axis: int | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "softsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    gated_grad: bool = True,
    where: jax.Array | None = None,
) -> jax.Array:
    """Soft minimum; see ``max``."""
    row = Rows(x, axis, where, softness, mode, method, standardize)
    return row.value_out(row.extreme_value(largest=False, gated_grad=gated_grad), keepdims)


@also_through_softjax
def argsort(
    x: jax.Array,
    axis: int | None = None,
    descending: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    where: jax.Array | None = None,
) -> SoftIndex:
    """Soft order: for every place the shares of every position, (..., n, ..., [n]).

    Rows add up to 1, columns only nearly: for weights of a selection use ``top_k_mask``.
    Memory: O(n^2), as it is the answer.
    """
    row = Rows(x, axis, where, softness, mode, method, standardize)
    return row.order_out(row.shares(row.all_places(descending)))


@also_through_softjax
def sort(
    x: jax.Array,
    axis: int | None = None,
    descending: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    gated_grad: bool = True,
    where: jax.Array | None = None,
) -> jax.Array:
    """Values in soft order: the means under the shares of ``argsort``."""
    row = Rows(x, axis, where, softness, mode, method, standardize)
    return row.back(row.values(row.all_places(descending), gated_grad))


@also_through_softjax
def rank(
    x: jax.Array,
    axis: int | None = None,
    descending: bool = False,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    where: jax.Array | None = None,
) -> jax.Array:
    """Soft rank of each value, from 1; the smallest has rank 1 unless ``descending``.

    The mean place of a value, over the shares that it has in each place. Values that do not count
    have rank 0. In hard mode ties are ranked in the order in which they stand.
    """
    row = Rows(x, axis, where, softness, mode, method, standardize)
    return row.back(row.ranks(descending))


@also_through_softjax
def top_k(
    x: jax.Array,
    k: int,
    axis: int = -1,
    softness: float | jax.Array = 0.1,
    mode: Mode = "smooth",
    method: Method = "neuralsort",
    standardize: bool = True,
    ot_kwargs: dict[str, Any] | None = None,
    gated_grad: bool = True,
    where: jax.Array | None = None,
) -> tuple[jax.Array, SoftIndex | None]:
    """The ``k`` largest values, largest first, (..., k, ...), and their soft places, [n] last.

    ``fast_soft_sort`` and ``smooth_sort`` know no places: None stands there.
    """
    row = Rows(x, axis, where, softness, mode, method, standardize)
    if not 1 <= k <= row.n:
        raise SettingError(
            f"{k} values are asked where there are {row.n}.", fix=f"Use 1 to {row.n}.", where="k"
        )
    places = jnp.concatenate([row.from_end(i) for i in range(k)], axis=-1)
    if row.sorts_values:
        values = row.values(places, gated_grad)
        shares = None if method == "fast_soft_sort" else row.shares(places)
    else:
        shares = row.shares(places)
        values = row.mean_under(shares, gated_grad)
    return row.back(values), None if shares is None else row.order_out(shares)


def logsumexp_max(
    x: jax.Array,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    softness: float | jax.Array = 0.1,
    where: jax.Array | None = None,
) -> jax.Array:
    """``softness log sum exp(x / softness)``: the soft maximum of dynamic programs.

    It lies above the maximum, by at most ``softness log n``, is associative, and its gradient is a
    softmax; so sums over paths stay sums over paths. ``softness`` has the unit of ``x``.

    References:
        Mensch and Blondel (2018), Differentiable dynamic programming.
    """
    check_softness(softness)
    scaled = as_float(x) / softness
    return softness * jax.nn.logsumexp(scaled, axis=axis, keepdims=keepdims, where=where)
