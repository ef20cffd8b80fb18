"""Two methods that are rarely used and need solvers: they are softjax's, if it is there.

``ot``: transport to sorted anchors (Cuturi, Teboul, Vert 2019, Differentiable ranks and sorting
using optimal transport). ``smooth_sort``: a permutahedron with all derivatives (Paulus and others
2026, SoftJAX); mode ``smooth`` only.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from diffbio_engine.errors import SettingError
from diffbio_engine.soft_ops._modes import MODES, as_float, check_choice, check_softness

SOFTJAX_METHODS = ("ot", "smooth_sort")


def also_through_softjax[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Hands the methods that are softjax's to the function of the same name there."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def either(*args: P.args, **named: P.kwargs) -> R:
        bound = signature.bind(*args, **named)
        bound.apply_defaults()
        asked: dict[str, Any] = dict(bound.arguments)
        method = asked["method"]
        if method not in SOFTJAX_METHODS:
            if asked["ot_kwargs"] is not None:
                raise SettingError(
                    f"is for method='ot'; the method is '{method}'.",
                    fix="Leave it out, or choose that method.",
                    where="ot_kwargs",
                )
            return function(*args, **named)
        if asked["mode"] == "hard":
            asked.update(method="softsort", ot_kwargs=None)
            return function(**asked)  # type: ignore[call-arg]
        return _by_softjax(function.__name__, asked)

    return either


def _by_softjax(name: str, asked: dict[str, Any]) -> Any:
    method = asked["method"]
    check_softness(asked["softness"])
    check_choice(asked["mode"], MODES, "mode")
    if method == "smooth_sort" and (asked["mode"] != "smooth" or name.startswith("arg")):
        raise SettingError(
            f"smooth_sort gives values in mode 'smooth' only, not {name} in '{asked['mode']}'.",
            fix="Use another method, for instance neuralsort.",
            where="method",
        )
    if asked.pop("where") is not None:
        raise SettingError(
            f"masks are not offered with method='{method}'.",
            fix="Use softsort, neuralsort, sorting_network or fast_soft_sort.",
            where="where",
        )
    try:
        import softjax
    except ImportError as missing:
        raise ImportError(
            f"method='{method}' needs the package softjax, which is not installed. Install it with"
            " the extra: pip install 'diffbio-workbench[soft-ops-advanced]'. The methods softsort,"
            " neuralsort, sorting_network and fast_soft_sort need nothing."
        ) from missing
    asked["x"] = as_float(asked["x"])
    return getattr(softjax, name)(**asked)
