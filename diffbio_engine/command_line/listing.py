"""`operators`: every declaration, for people or as data."""

import json

from diffbio_engine.declare import domains, operators


def list_operators(*, as_json: bool) -> int:
    """Prints every operator."""
    if as_json:
        print(json.dumps([d.as_data() for d in operators().values()], indent=1))
        return 0
    heading = ""
    for declared in operators().values():
        if declared.domain != heading:
            heading = declared.domain
            print(f"\n{domains()[heading]}")
        print(f"  {declared.id:38} {declared.summary}")
    return 0
