"""`work`: carries out the run of a folder in this process."""

from pathlib import Path

from diffbio_engine.runs.worker import set_up_device, work


def carry_out(folder: Path | None, *, spare: bool = False) -> int:
    """Works on a folder, or, as a spare, waits to be told which."""
    set_up_device()
    if spare:
        from diffbio_engine.runs.spare import wait_for_run

        folder = wait_for_run()
        if folder is None:
            return 0
    assert folder is not None
    return work(folder)
