"""The two texts that lie in every bundle: what it is, and how to use it."""

README = """# {name}

A trained pipeline of the DiffBio workbench, trained on {cells} cells and {genes} genes.

Apply it to new cells:

    python -m diffbio_engine apply THIS_FOLDER NEW.h5ad --out OUT.h5ad

| file | what |
|---|---|
| `manifest.json` | versions and checksums |
| `pipeline.json` | blocks, wires and every setting |
| `weights.safetensors` | trained weights, dials and prepared state |
| `genes.tsv` | the trained genes, in order |
| `fields.json` | which field each array came from, and the names of the batches |
| `training.json` | seed, steps, losses, every dial that was turned |
"""

EXAMPLE = '''"""Applies this bundle to new cells: python example.py NEW.h5ad OUT.h5ad"""

import sys
from pathlib import Path

from diffbio_engine.bundles import load_bundle, place_cells
from diffbio_engine.data import read, write_result

new, out = sys.argv[1:]
placed = place_cells(load_bundle(Path(__file__).parent), read(new))
print(placed.sentence)
write_result(new, out, placed.arrays, placed.provenance, layers=placed.layers)
'''
