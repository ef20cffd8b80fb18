"""Numbers as people write and read them: settings of the environment, sizes of files."""

from collections.abc import Mapping

from diffbio_engine.errors import SettingError


def number_set(
    environ: Mapping[str, str],
    name: str,
    *,
    least: float = 0.0,
    most: float = 1e9,
    whole: bool = False,
    of: str = "",
    fix: str = "",
) -> float | None:
    """The number that a variable of the environment is set to; None if it is not set.

    Args:
        environ: The environment.
        name: Of the variable.
        least: The smallest number that makes sense.
        most: The largest.
        whole: Whether it has to be a whole number.
        of: What it counts, for the sentence: ``" of minutes"``.
        fix: What to do about a wrong one.

    Raises:
        SettingError: It is no such number.
    """
    said = environ.get(name, "").strip()
    if not said:
        return None
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if not least <= value <= most or (whole and not said.isdecimal()):
        raise SettingError(
            f"{name}={said} is no number{of}.",
            fix=fix or f"Set {name} to a number, or unset it.",
        )
    return value


def in_units(n_bytes: float) -> str:
    """A size in words: ``"1.5 GB"``."""
    for unit, size in (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"
