"""Makes softjax.json. Run: python tests/references/soft_ops/make_softjax.py  (about 5 minutes)

What softjax 0.1.1 answers in float64, for every function that has a mode, in every soft mode, by
every method that needs no solver, at two softnesses. Eight values, a power of two: into a sorting
network that has to be filled up, softjax lets what fills it up leak (listed in the test).
"""

import inspect
import json
import warnings
from pathlib import Path

import jax
import numpy as np

warnings.simplefilter("ignore")  # softjax brings along a package that calls itself unmaintained
import softjax

jax.config.update("jax_enable_x64", True)

X = [0.31, -1.24, 2.13, 0.78, -0.52, 1.57, 1.13, -2.21]
Y = [0.44, 0.95, 1.2, -0.31, -0.6, 0.02, 1.11, -2.3]
MORE = {"clip": (-0.7, 1.1), "top_k": (3,)}
METHODS = ("softsort", "neuralsort", "sorting_network", "fast_soft_sort")
MODES = ("smooth", "c0", "c1", "c2")


def arguments(name: str, parameters) -> tuple:
    """Those beside the array."""
    if name in MORE:
        return MORE[name]
    if "y" in parameters:
        return (np.array(Y),)
    return (0.3,) if "q" in parameters else (30.0,) if "p" in parameters else ()


def main() -> None:
    found = {}
    for name in softjax.__all__:
        function = getattr(softjax, name)
        parameters = inspect.signature(function).parameters if inspect.isfunction(function) else {}
        if "mode" not in parameters or name.endswith("_st"):
            continue
        ways = METHODS if "method" in parameters else (None,)
        if name.startswith("arg"):
            ways = tuple(w for w in ways if w != "fast_soft_sort")
        for mode in MODES:
            for method in ways:
                for softness, standardize in ((0.1, True), (1.0, False), (1.0, True)):
                    how = {"mode": mode, "softness": softness}
                    if method:
                        how |= {"method": method, "standardize": standardize}
                    elif not standardize:
                        continue
                    if name == "rank":
                        how["descending"] = False
                    answer = function(np.array(X), *arguments(name, parameters), **how)
                    answer = answer[0] if isinstance(answer, tuple) else answer
                    case = json.dumps([name, how])
                    found[case] = np.round(np.asarray(answer, float), 9).tolist()
        print(name, len(found), flush=True)
    facts = {"softjax": "0.1.1", "x": X, "y": Y, "answers": found}
    Path(__file__).with_name("softjax.json").write_text(json.dumps(facts, indent=0) + "\n")


if __name__ == "__main__":
    main()
