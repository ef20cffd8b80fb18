"""Whether arrays and settings agree on how long each axis is."""

from collections.abc import Mapping

from diffbio_engine.declare.settings import Config, settings_of
from diffbio_engine.errors import DataError
from diffbio_engine.ports import Port


def check_axes(
    ports: tuple[Port, ...], shapes: Mapping[str, tuple[int, ...]], config: Config
) -> dict[str, int]:
    """The length of each axis; a ``DataError`` where two arrays or a setting disagree."""
    told = {s.axis: getattr(config, s.name) for s in settings_of(type(config)) if s.axis}
    lengths = {axis: length for axis, length in told.items() if length}  # 0: as the data are
    said_by = dict.fromkeys(lengths, "the settings")
    for port in ports:
        if port.name not in shapes:
            continue
        shape, names = shapes[port.name], port.axis_names
        if len(shape) != len(names):
            raise DataError(
                f"has {len(shape)} axes where {len(names)} were expected ({port.axes or 'none'}).",
                fix="Wire an array of that form.",
                where=port.name,
            )
        for name, length in zip(names, shape, strict=True):
            expected = int(name) if name.isdigit() else lengths.setdefault(name, length)
            if expected != length:
                raise DataError(
                    f"has {length} {name} where {expected} were expected"
                    f" (from {said_by.get(name, 'the operator')}).",
                    fix=f"Use arrays that share the same {name}.",
                    where=port.name,
                )
            said_by.setdefault(name, port.name)
    return lengths
