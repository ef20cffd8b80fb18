"""The data sets that a tab works on: the data, and those beside it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import param

from app.session.dataset_card import DatasetCard
from app.session.offered_fields import data_ports
from diffbio_engine.pipelines import DataPort
from diffbio_engine.pipelines.spec import DATA, PipelineSpec
from diffbio_engine.ports import DATA_BLOCKS, offered_beside, start_of

# What to watch for any change of the data sets in use.
CARDS = ["card", "beside"]


class DataInUse(param.Parameterized):
    """The data of a tab. Views watch ``CARDS``; ``Session.use_dataset`` is the way to change it."""

    card = param.ClassSelector(
        class_=DatasetCard, allow_None=True, doc="What the block `data` stands for, or None."
    )
    passing: Any = param.Dict(
        {}, doc="Rows that pass the limits on the page, once measured: {'source', 'kept'}."
    )
    beside: Any = param.Dict({}, doc="DatasetCards of other data blocks: {'reference': card}.")

    def of(self, block: str) -> DatasetCard | None:
        """The data set of a data block, or None."""
        return self.card if block == DATA else self.beside.get(block)

    def put(self, block: str, card: DatasetCard) -> None:
        """Takes a data set for a data block."""
        if block == DATA:
            self.card = card
        else:
            self.beside = {**self.beside, block: card}

    @property
    def fields(self) -> Mapping[str, str]:
        """Where each port finds its array in the file; empty before there is a data set."""
        return {} if self.card is None else self.card.fields

    @property
    def offered(self) -> dict[str, str]:
        """The same of all data sets: those beside the data by address."""
        found = dict(self.fields)
        for block, card in self.beside.items():
            found |= offered_beside(block, card.fields)
        return found

    def ports(self, spec: PipelineSpec) -> dict[str, DataPort]:
        """The fields that the data blocks of a document offer now."""
        return data_ports(self.card, spec, self.beside)

    def lacking(self, spec: PipelineSpec) -> str:
        """The first data block that is wired and has no data set; empty if each has one."""
        wired = {DATA, *(start_of(field).block for field in spec.fields)}
        return next((b for b in DATA_BLOCKS if b in wired and self.of(b) is None), "")

    def beside_for_a_run(self, spec: PipelineSpec) -> dict[str, dict[str, Any]]:
        """What a run is told of the data sets beside the data that it reads."""
        wired = {start_of(field).block for field in spec.fields}
        return {
            block: _with_what_it_takes(block, card).for_a_run
            for block, card in self.beside.items()
            if block in wired
        }


def _with_what_it_takes(block: str, card: DatasetCard) -> DatasetCard:
    takes = DATA_BLOCKS[block].takes
    return replace(card, fields={n: place for n, place in card.fields.items() if n in takes})
