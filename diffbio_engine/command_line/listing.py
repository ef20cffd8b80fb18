"""`operators`: every declaration, for people or as data."""

import json

from diffbio_engine.declare import domains, operators
from diffbio_engine.pipelines import presets


def list_operators(*, as_json: bool) -> int:
    """Prints every operator, and the ready pipelines."""
    if as_json:
        print(json.dumps([d.as_data() for d in operators().values()], indent=1))
        return 0
    heading = ""
    for declared in operators().values():
        if declared.domain != heading:
            heading = declared.domain
            print(f"\n{domains()[heading]}")
        print(f"  {declared.id:38} {declared.summary}")
    print("\nReady pipelines, for `run --preset`")
    for preset in presets().values():
        print(f"  {preset.id:38} {preset.summary}")
    return 0
