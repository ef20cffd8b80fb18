"""Why a run is given up whose worker was lost again and again, in words."""

import signal

from diffbio_engine.errors import RunError

CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


def why_lost(tries: int, step: int, code: int, doing: str) -> RunError:
    """Why a run is given up: its workers broke down by themselves, or somebody ended them."""
    if -code in CRASHES:
        said = f" while it said '{doing}'" if doing and not step else ""
        return RunError(
            f"The worker broke down {tries} times ({signal.Signals(-code).name}) without getting "
            f"past step {step}{said}; most often the data file is damaged.",
            fix="Look at the file again under Data, or save it anew, and start another run.",
        )
    return RunError(
        f"The worker was killed {tries} times without getting past step {step}"
        " (most often the machine has too little memory).",
        fix="Use fewer cells, genes or a smaller batch, then press Resume.",
    )
