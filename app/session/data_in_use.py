"""The data set that a tab works on."""

from collections.abc import Mapping
from typing import Any

import param

from app.session import edits
from app.session.dataset_card import DatasetCard
from diffbio_engine.pipelines import DataPort
from diffbio_engine.pipelines.spec import PipelineSpec


class DataInUse(param.Parameterized):
    """The data of a tab. Views watch ``card``; ``Session.use_dataset`` is the way to change it."""

    card: Any = param.Parameter(None, doc="The DatasetCard in use, or None.")

    @property
    def fields(self) -> Mapping[str, str]:
        """Where each port finds its array in the file; empty before there is a data set."""
        card: DatasetCard | None = self.card
        return {} if card is None else card.fields

    def ports(self, spec: PipelineSpec) -> dict[str, DataPort]:
        """The fields that the ``data`` block of a document offers now."""
        return edits.data_ports(self.card, spec)
