"""What it costs and saves that a worker keeps the memory of its steps (`runs/device.py`).

    python tests/benchmarks/kept_memory.py [--cells 4000] [--steps 300] [--rounds 1]

The whole job by the command line on simulated cells (../shared/data/gen_scale.py, 2000 genes), in
turns: as glibc does by itself, and with thresholds. Seconds, processor seconds of the program and
of the kernel, page faults without reading and the greatest memory are of all processes of one run
together (wait4). A first run fills the cache of compiled programs and is not counted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
VARIANTS = {
    # A tunable of glibc.malloc tells the worker that somebody has decided; this one does nothing.
    "glibc by itself": {"GLIBC_TUNABLES": "glibc.malloc.check=0"},
    "as the worker sets it": {},
    "as for glibc before 2.36": {
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
        "MALLOC_TOP_PAD_": str(128 << 20),
    },
}


def one_run(data: Path, out: Path, steps: int, changes: dict[str, str]) -> list[float]:
    """Seconds, seconds of the program, of the kernel, million page faults, GB at most."""
    env = {n: v for n, v in os.environ.items() if n not in (*NAMES, "GLIBC_TUNABLES")} | changes
    command = [sys.executable, "-m", "diffbio_engine", "run", "--preset", "single_cell"]
    command += ["--data", str(data), "--out", str(out), "--steps", str(steps), "--quiet"]
    began = time.perf_counter()
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"The run in {out} ended with {status}.")
    return [seconds, used.ru_utime, used.ru_stime, used.ru_minflt / 1e6, used.ru_maxrss / 2**20]


def main() -> None:
    """Runs all variants in turns and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, n = Path(place), 0
        data = folder / "cells.h5ad"
        generator = ROOT.parent / "shared/data/gen_scale.py"
        subprocess.run([sys.executable, generator, str(asked.cells), data], check=True)
        one_run(data, folder / "warm", 20, {})
        print("| | seconds | program | kernel | million faults | GB |\n|---|---|---|---|---|---|")
        for _ in range(asked.rounds):
            for name, changes in VARIANTS.items():
                n += 1
                found = one_run(data, folder / f"run{n}", asked.steps, changes)
                numbers = " | ".join(f"{value:.2f}" for value in found)
                print(f"| {name} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
