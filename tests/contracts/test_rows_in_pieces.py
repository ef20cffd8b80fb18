"""A data set goes through a pipeline in pieces: what is not of records must not depend on them.

Rows that are kept of each record are put together; of anything else the last piece is taken
(`pipelines/population.py`), which is right only of what a block has found when it looked at all.
"""

import warnings

import jax
import numpy as np
import pytest

from diffbio_engine.declare import Declaration, Kind, Loss, operators
from tests.contracts.examples_of_operators import example_inputs, example_operator
from tests.contracts.test_every_operator import applied


def _of_the_whole(declared: Declaration) -> set[str]:
    """Its outputs that belong to no record: networks, gene tables, plans."""
    return {
        port.name
        for port in declared.outputs
        if not port.per_record and port.kind != Kind.LOSS and not port.dense
    }


CONCERNED = [
    declared
    for declared in operators().values()
    if not issubclass(declared.make, Loss)
    and not declared.make.needs_all_records  # it is never given a piece
    and any(port.per_record for port in declared.inputs)
    and _of_the_whole(declared)
]


@pytest.mark.parametrize("declared", CONCERNED, ids=lambda declared: declared.id)
def test_what_belongs_to_no_record_is_the_same_whichever_rows_are_asked(declared):
    inputs = example_inputs(declared)
    rows = {port.name for port in declared.inputs if port.per_record}
    if "slice_labels" in inputs:  # the example has fewer classes than slices
        inputs["slice_labels"] = np.arange(8, dtype=np.int32) % declared.make.example.get(
            "n_slices", 3
        )
    block = example_operator(declared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if block.prepares():
            arrays = {name: np.asarray(value) for name, value in inputs.items()}
            block.prepare_from(arrays, jax.random.key(3), first=True)
    block.eval()
    # Filled up with rows of their own, as chunks are, so that one shape is compiled.
    pieces = [[0, 1, 2, 3] * 2, [4, 5, 6, 7] * 2]
    first, second = (
        applied(block, {n: np.asarray(v)[piece] if n in rows else v for n, v in inputs.items()})
        for piece in pieces
    )
    for name in _of_the_whole(declared) & set(first):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-3, atol=1e-4, err_msg=name)
