"""Soft operations beside softjax: value and gradient of the same call, in turns, in one run.

    python tests/benchmarks/soft_ops_vs_softjax.py [--values 1000 10000] [--rounds 7]

For each function with the method that it uses by itself, and `sort` with every method: seconds
for value and gradient together, compiled (the least over the rounds: what a machine that others
use adds is no part of it), and the seconds that compiling took. The gradient is that of a sum
with uneven weights. Normal values in float32, softness 0.1, mode smooth; c1 where a line says so.
Then the seconds that `import diffbio_engine.soft_ops` takes above `import jax`.
"""

import argparse
import subprocess
import sys
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from diffbio_engine import soft_ops

warnings.simplefilter("ignore")  # softjax brings along a package that calls itself unmaintained
import softjax

CASES = [
    ("sort", {}),
    ("top_k", {}),
    ("quantile", {}),
    ("argmax", {}),
    ("sort", {"mode": "c1"}),
    ("argmax", {"mode": "c1"}),
    ("sort", {"method": "softsort"}),
    ("sort", {"method": "sorting_network"}),
    ("sort", {"method": "fast_soft_sort"}),
    ("sort", {"method": "fast_soft_sort", "mode": "c1"}),
    ("sort", {"method": "fast_soft_sort", "softness": 3.0}),
]
MORE = {"top_k": (10,), "quantile": (0.3,)}


def compiled(library, name: str, how: dict, x: jax.Array):
    """The compiled value and gradient, and the seconds that compiling took."""

    def total(x: jax.Array) -> jax.Array:
        answer = getattr(library, name)(x, *MORE.get(name, ()), **how)
        answer = answer[0] if isinstance(answer, tuple) else answer
        weights = jnp.arange(1.0, answer.size + 1) / answer.size
        return jnp.sum(answer * weights.reshape(answer.shape))

    start = time.perf_counter()
    function = jax.jit(jax.value_and_grad(total)).lower(x).compile()
    return function, time.perf_counter() - start


def seconds(function, x: jax.Array) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function(x))
    return time.perf_counter() - start


def import_seconds(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(5)]
    return min(map(float, runs))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--values", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print("call, values: ours ms, softjax ms, softjax / ours; compiling: ours s, softjax s")
    for n in options.values:
        x = jnp.asarray(np.random.default_rng(0).normal(size=n), jnp.float32)
        for name, how in CASES:
            both = [compiled(library, name, how, x) for library in (soft_ops, softjax)]
            first = [seconds(f, x) for f, _ in both]
            # A call of less than a millisecond is mostly Python: many rounds, or chance decides.
            rounds = 300 if max(first) < 5e-3 else options.rounds
            times = [[seconds(f, x) for f, _ in both] for _ in range(rounds)]
            ours, theirs = np.min(times, axis=0)
            words = ", ".join(f"{k}={v}" for k, v in how.items())
            print(
                f"{name}({words}), {n}: {1e3 * ours:.3g}, {1e3 * theirs:.3g}, {theirs / ours:.1f}x;"
                f" {both[0][1]:.2f}, {both[1][1]:.2f}",
                flush=True,
            )
    jax_alone, with_ours = import_seconds("jax"), import_seconds("jax, diffbio_engine.soft_ops")
    print(f"import: jax {jax_alone:.2f} s, with diffbio_engine.soft_ops {with_ours:.2f} s")


if __name__ == "__main__":
    main()
