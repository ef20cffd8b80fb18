"""What the administrator's environment says of runs: where they compute, and how many at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffbio_engine.errors import RunError
from diffbio_engine.quantities import number_set
from diffbio_engine.runs.folder.patience import seconds_paused
from diffbio_engine.runs.queue.dask_launcher import DaskLauncher

LAUNCHERS = ("local", "dask")
_TLS = {
    "DASK_TLS_CA": "tls_ca_file",
    "DASK_TLS_CERT": "tls_client_cert",
    "DASK_TLS_KEY": "tls_client_key",
}


def engine_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """``max_running`` and ``launcher`` for `Engine`; connects to the cluster if one is chosen.

    Args:
        environ: ``LAUNCHER`` (``local`` or ``dask``), ``DASK_SCHEDULER``, ``DASK_TLS_CA``,
            ``DASK_TLS_CERT``, ``DASK_TLS_KEY``, ``DASK_RESOURCES``, ``MAX_RUNNING`` and
            ``PAUSED_MINUTES``; what is absent has its default.

    Raises:
        SettingError: A number is none.
        RunError: Another value is wrong, or nobody answers at the scheduler's address.
    """
    said = {name: value.strip() for name, value in environ.items() if value.strip()}
    seconds_paused(said)
    return {"max_running": _max_running(said), "launcher": _launcher(said)}


def _max_running(said: Mapping[str, str]) -> int | None:
    most = number_set(
        said,
        "MAX_RUNNING",
        least=1,
        most=9_999,
        whole=True,
        of=" of runs",
        fix="Give a whole number from 1 on; without it GPUs and processors decide.",
    )
    return None if most is None else int(most)


def _launcher(said: Mapping[str, str]) -> DaskLauncher | None:
    chosen = said.get("LAUNCHER", "")
    address = said.get("DASK_SCHEDULER", "")
    if chosen and chosen not in LAUNCHERS:
        raise RunError(
            f"LAUNCHER={chosen} is not known.", fix=f"Choose one of {', '.join(LAUNCHERS)}."
        )
    if not chosen and address:
        raise RunError(
            "DASK_SCHEDULER is set, but LAUNCHER is not.",
            fix="Add LAUNCHER=dask, or LAUNCHER=local to compute on this machine.",
        )
    if chosen != "dask":
        return None
    if not address.startswith(("tcp://", "tls://")):
        raise RunError(
            f"DASK_SCHEDULER={address} is no address of a Dask scheduler.",
            fix="Give one such as tcp://10.0.0.5:8786, or tls://10.0.0.5:8786 with certificates.",
        )
    return DaskLauncher(address, _resources(said), _certificates(said, address))


def _certificates(said: Mapping[str, str], address: str) -> dict[str, str]:
    """What `distributed.Security` is given; empty where Dask's own configuration says it."""
    given = {name: said[name] for name in _TLS if name in said}
    if given and not address.startswith("tls://"):
        raise RunError(
            f"{', '.join(given)} would not be used with DASK_SCHEDULER={address}.",
            fix="Write the address with tls://, or remove them.",
        )
    if given and len(given) < len(_TLS):
        missing = [name for name in _TLS if name not in given]
        raise RunError(f"{', '.join(missing)} is missing.", fix="Name all three files of TLS.")
    for name, path in given.items():
        try:
            Path(path).open("rb").close()
        except OSError as error:
            raise RunError(
                f"{name}={path} cannot be read ({error.strerror}).",
                fix="Name a file in PEM form that the server's account may read.",
            ) from None
    return {_TLS[name]: path for name, path in given.items()}


def _resources(said: Mapping[str, str]) -> dict[str, float]:
    """``GPU=1,place=2`` as numbers by name."""
    text = said.get("DASK_RESOURCES", "")
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            found[name.strip()] = 0.0
        if not name.strip() or not 0 < found[name.strip()] < float("inf"):
            raise RunError(
                f"DASK_RESOURCES={text} cannot be understood.",
                fix="Write what one run needs as the Dask workers declare it: GPU=1.",
            )
    return found
