"""The command line: the same engine without the page. `python -m diffbio_engine --help`."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

_OF_ITS_OWN = "DIFFBIO_OF_ITS_OWN"


def main(words: Sequence[str]) -> int:
    """Carries out a command.

    `apply` reads a person's file in the process that computes, so it gets one of its own: what
    breaks that down is told in words. Others read files in readers, or in a run's worker.
    """
    if words[:1] == ["apply"] and _OF_ITS_OWN not in os.environ:
        return _watched(words)
    if words[:1] == ["work"]:
        import faulthandler

        faulthandler.enable()  # into worker.log: where compiled code broke down
    from diffbio_engine.command_line import main as carry_out

    return carry_out(words)


def _watched(words: Sequence[str]) -> int:
    command = [sys.executable, "-m", "diffbio_engine", *words]
    child = subprocess.Popen(command, env={**os.environ, _OF_ITS_OWN: "1"})
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            code = child.wait()
            break
        except KeyboardInterrupt:  # the child has heard it too, and says so
            continue
    if code == -signal.SIGKILL:
        why = "was ended by the system, as it is where memory runs out"
    elif code < 0:
        why = f"broke down ({signal.Signals(-code).name})"
    else:
        return code
    print(
        f"error: The process that read the file and placed its cells {why}; nothing was written. "
        "Bring a smaller part of the file, or save it anew where it opens and bring that.",
        file=sys.stderr,
    )
    return 1


def _into_a_pipe(words: Sequence[str]) -> int:
    """The same; where only a part of a list is read (`operators --json | head`), that is enough."""
    try:
        code = main(words)
        sys.stdout.flush()
    except BrokenPipeError:
        if words[:1] not in (["operators"], ["inspect"]):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed last
        return 0
    return code


if __name__ == "__main__":
    sys.exit(_into_a_pipe(sys.argv[1:]))
