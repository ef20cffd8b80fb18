"""The two texts that lie in every bundle: how to use it, and what it is."""

from diffbio_engine.data import Records
from diffbio_engine.data.kinds import kind_named

README = """# {name}

A trained pipeline of the DiffBio workbench, trained on {trained_on}.

Apply it to new {rows}:

    python -m diffbio_engine apply THIS_FOLDER {new} --out OUT.h5ad

| file | what |
|---|---|
| `manifest.json` | versions and checksums |
| `pipeline.json` | blocks, wires and every setting |
| `weights.safetensors` | trained weights, dials and prepared state |
{genes}| `fields.json` | which field each array came from, and the names of the batches |
| `training.json` | seed, steps, losses, every dial that was turned |
"""

EXAMPLE = '''"""Applies this bundle to new {rows}: python example.py {new} OUT.h5ad"""

import sys
from pathlib import Path

from diffbio_engine.bundles import load_bundle, place_cells
from diffbio_engine.data import read, write_result

new, out = sys.argv[1:]
placed = place_cells(load_bundle(Path(__file__).parent), read(new))
print(placed.sentence)
write_result(placed.dataset, out, placed.arrays, placed.provenance, layers=placed.layers)
'''
_GENES = "| `genes.tsv` | the trained genes, in order |\n"


def texts_of_bundle(name: str, cells: Records) -> tuple[str, str]:
    """``example.py`` and ``README.md``, in the words of the kind of data.

    Args:
        name: Of the pipeline.
        cells: What it was trained on.
    """
    kind = kind_named(cells.record.name)
    words = {"rows": kind.name, "new": f"NEW{next(iter(kind.endings), '.h5ad')}"}
    genes = _GENES if cells.var_names is not None and len(cells.var_names) else ""
    trained_on = kind.described(cells)
    readme = README.format(name=name, trained_on=trained_on, genes=genes, **words)
    return EXAMPLE.format(**words), readme
