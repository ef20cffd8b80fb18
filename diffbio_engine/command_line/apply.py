"""`apply`: a trained pipeline places new cells."""

import argparse

from tqdm import tqdm

from diffbio_engine.axes import axis_of, said_of
from diffbio_engine.bundles import load_bundle, place_cells
from diffbio_engine.command_line.looking import looked_at
from diffbio_engine.data import Fields, read, write_result


def apply(asked: argparse.Namespace, reading: dict[str, str]) -> int:
    """Reads bundle and data, places the cells, writes one h5ad file."""
    looked_at(asked.data, reading, limited=not asked.no_limits)
    bundle = load_bundle(asked.bundle)
    dataset = read(asked.data, **reading)
    with tqdm(total=100, unit="%", desc="Placing cells", leave=False) as bar:
        placed = place_cells(
            bundle,
            dataset,
            fields=Fields.parse(asked.field).as_dict(),
            layers=asked.layers,
            least_overlap=asked.least_overlap,
            tick=lambda share: bar.update(round(100 * share) - bar.n),
        )
    written = write_result(
        placed.dataset or dataset,
        asked.out,
        placed.arrays,
        placed.provenance,
        layers=placed.layers,
        main_map=placed.main_map,
    )
    rows = axis_of(dataset.rows)
    found = [said_of(rows, note) for note in placed.notes]
    for note in (*dataset.warnings, *found, *written.notes):
        print(note)
    n = (placed.dataset or dataset).n_cells
    print(f"{n} {rows.name} placed; written to {written.path}")
    return 0
