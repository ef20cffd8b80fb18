"""`work`: carries out the run of a folder in this process."""

import sys
from pathlib import Path

from diffbio_engine.errors import RunError
from diffbio_engine.runs.device import set_up_device
from diffbio_engine.runs.folder.paths import RunFolder


def carry_out(folder: Path | None, *, spare: bool = False, results: bool = False) -> int:
    """Works on a folder, or, as a spare, waits to be told which.

    Args:
        folder: Of the run.
        spare: Wait for the folder on standard input.
        results: Train nothing; write result and bundle as of the last checkpoint.
    """
    set_up_device()
    # After the set-up, because this imports JAX.
    from diffbio_engine.runs.worker.train import work

    if spare:
        from diffbio_engine.declare import operators
        from diffbio_engine.runs.queue.warm_worker import wait_for_run

        operators()  # their imports are the slow ones
        _warm_up()
        folder = wait_for_run()
        if folder is None:
            return 0
    if folder is None:
        raise RunError("No folder was given.", fix="Name the folder of a run.")
    return _only_results(RunFolder(folder)) if results else work(folder)


def _only_results(folder: RunFolder) -> int:
    from diffbio_engine.runs.worker.train import work

    if folder.checkpoint_step() is None:
        raise RunError(
            f"There is no checkpoint of a run in {folder.path}.",
            fix="Name the folder of a run that has been trained for a while.",
        )
    wanted = folder.control()["want"]
    folder.request("results")
    try:
        code = work(folder.path)
    finally:
        folder.request(wanted)  # whoever carries the run on later finds it as it was
    if error := folder.error():
        print(f"error: {error['what']} {error['fix']}".strip(), file=sys.stderr)
    elif code == 0:
        print(folder.status()["message"])
        print(f"Result:  {folder.result}\nBundle:  {folder.bundle}")
    return code


def _warm_up() -> None:
    """Lays out sixty random cells: loads the backend and the kernels that most runs need."""
    import numpy as np
    from flax import nnx

    from diffbio_engine.operators.normalization.umap import DifferentiableUMAP, UMAPConfig

    block = DifferentiableUMAP(UMAPConfig(input_features=4, n_epochs=10), rngs=nnx.Rngs(0))
    block.fit(np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32))
