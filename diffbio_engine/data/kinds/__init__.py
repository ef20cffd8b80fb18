"""Kinds of data, a file each: what a row is, how its files are opened, told of and written."""

import importlib
import inspect
import pkgutil
import tempfile
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from diffbio_engine.axes import Axis, said_of
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.dataset.plain_note import in_other_words
from diffbio_engine.data.fields.places import Labels
from diffbio_engine.data.genes.alignment import GeneAlignment
from diffbio_engine.data.inspection.preview import Preview, preview_of
from diffbio_engine.data.quality import Filtered, filtered, unfiltered
from diffbio_engine.data.readers.archives import unpack
from diffbio_engine.data.readers.packed_text import bare_name
from diffbio_engine.data.readers.tars import is_tar, unpack_tar
from diffbio_engine.data.reading import Choice, Reading
from diffbio_engine.data.sampling.records import Records
from diffbio_engine.data.writers.h5ad import Written, write_h5ad
from diffbio_engine.data.writers.table_beside import Beside
from diffbio_engine.errors import DataError, did_you_mean
from diffbio_engine.ports import Offer, offer_of
from diffbio_engine.ports.quality_control import QualityControl

USUAL = "cells"
_OF_THESE = (
    "It compares the {rows} that it was fitted to: what it found of them says nothing of others."
)
# Fields that one kind has alone, and what they are.
_OF_OTHERS = {"signal": "a signal along the genome", "class_counts": "equivalence classes"}


@dataclass(frozen=True)
class Opening:
    """How a file is opened.

    Attributes:
        reading: What a person said of it.
        stack: Closes what has to stay open as long as the data set lives.
        unpack_to: Where an archive is unpacked; None: to a place that ``stack`` clears away.
        with_uns: Whether what is kept beside the tables is read too; a look needs none of it.
    """

    reading: Reading = field(default_factory=Reading)
    stack: ExitStack = field(default_factory=ExitStack)
    unpack_to: Any = None
    with_uns: bool = True

    def unpacked(self, path: Path, only: Collection[str] | None = None) -> Path:
        """The folder of what lies in a zip or tar, or of those of its files that are wanted."""
        folder = self.unpack_to or self.stack.enter_context(
            tempfile.TemporaryDirectory(prefix="diffbio-")
        )
        return (unpack_tar if is_tar(path) else unpack)(path, Path(folder), only)


class DataKind:
    """One kind of data; each has a file in this folder, and is found there.

    Attributes:
        record: What a row is: an axis of records.
        shares_files_of: Name of the kind whose files can hold this one too; which of them a file
            is of is then told by ``why`` and can be said by a person. Empty: it has its own files.
        endings: How names of its own files end, in small letters: ``".fasta"``; packed ones too.
        said: What its own files are called where a person is told what can be brought.
        order: Kinds are asked from small to large.
        never: Fields that data of this kind do not have.
        offers: What is said of a field of these data, where it is not what its port says.
        leaves: What ``write`` leaves beside a result.
        fewest: With how many rows a run begins to mean something.
        or_else: What else to do where there are fewer, after ", ".
        repeats: A column of words is one of groups if each value stands in so many rows, on
            average.
        has_quality_control: Whether rows can be removed by the quality control of counts.
        joins: Whether several files of it can be joined into one: on the genes that they share.
        same_names: Whether rows of different files are called alike: places on a slide.
    """

    record: ClassVar[Axis]
    endings: ClassVar[tuple[str, ...]] = ()
    said: ClassVar[str] = ""
    shares_files_of: ClassVar[str] = ""
    order: ClassVar[int] = 50
    never: ClassVar[frozenset[str]] = frozenset()
    offers: ClassVar[Mapping[str, Offer]] = {}
    leaves: ClassVar[tuple[Beside, ...]] = ()
    fewest: ClassVar[int] = 1
    or_else: ClassVar[str] = ""
    repeats: ClassVar[int] = 10
    has_quality_control: ClassVar[bool] = False
    joins: ClassVar[bool] = False
    same_names: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """As data sets, runs and commands write it: ``"cells"``."""
        return self.record.name

    def offer(self, field: str) -> Offer:
        """What is said of a field; without a title it is no choice for data of this kind."""
        said = self.offers.get(field) or offer_of(field)
        return replace(said, title="") if field in self.never else said

    def opens(self, path: Path) -> bool:
        """Whether this is a file of its own: by its name, if nothing better is known."""
        return path.is_file() and bare_name(path).endswith(self.endings)

    def takes(self, path: Path, reading: Reading) -> bool:
        """The same where a person may have said how it is read."""
        return self.opens(path)

    def open(self, path: Path, how: Opening) -> Dataset:
        """Opens a file that it recognises.

        Raises:
            DataError: In words for a person, where the file is damaged or holds something else.
        """
        raise NotImplementedError

    def why(self, dataset: Dataset) -> str:
        """Why the rows of an opened file are of this kind, in words; empty if nothing says so."""
        return ""

    def size(self, n: int, n_genes: int) -> str:
        """How large a data set is: ``"2,638 cells x 2,000 genes"``."""
        return f"{n:,} {self.name if n != 1 else self.record.one} x {n_genes:,} genes"

    def adopt(self, dataset: Dataset) -> None:
        """Makes an opened data set one of this kind."""

    def say_of_rows(self, dataset: Dataset) -> None:
        """Says of its rows what readers, which write of cells, have said of an opened file."""
        dataset.warnings = [in_other_words(w, said_of(self.record, w)) for w in dataset.warnings]
        dataset.choices = tuple(
            replace(
                choice,
                title=said_of(self.record, choice.title),
                why=said_of(self.record, choice.why),
                possible=tuple((v, said_of(self.record, title)) for v, title in choice.possible),
            )
            for choice in dataset.choices
        )

    def told(self, dataset: Dataset, why: str) -> tuple[str, ...]:
        """What a person should know of data of this kind before they use it.

        Args:
            why: Why its rows are taken for this kind; empty where somebody said so, or nothing
                did.
        """
        return ()

    def fields(self, found: Preview, places: Mapping[str, str]) -> dict[str, str]:
        """Where the ports find their arrays, by what is usual: port name to place."""
        return {port: place for port, place in places.items() if port not in self.never}

    def beside(
        self,
        port: str,
        dataset: Dataset,
        fields: Mapping[str, str],
        records: Records,
        *,
        measure: bool = True,
    ) -> Labels:
        """What a second data set of this kind tells of itself as a whole: an array, and names.

        Args:
            port: What of it: ``"profiles"`` of a reference.
            dataset: The second data set.
            fields: Where it has what this is computed from.
            records: The data beside which it stands, for their genes.
            measure: False to find a mistake without a pass over its values.

        Raises:
            DataError: Data of this kind have no such thing, or these lack what it takes.
        """
        raise DataError(
            f"{dataset.name} is of {self.name}, which have no {port}.",
            fix="Choose another data set as reference.",
        )

    def require_enough(self, dataset: Dataset) -> None:
        """Refuses a run of so few rows that nothing is learned from it."""
        n = dataset.n_cells
        if n < self.fewest:
            raise DataError(
                f"{dataset.name} has {n:,} {self.name if n != 1 else self.record.one}; a run needs"
                f" {self.fewest:,} at least.",
                fix=f"Choose data with more {self.name}{self.or_else}.",
                where="data",
            )

    def controlled(
        self, dataset: Dataset, control: QualityControl, place: str, *, is_new: bool = False
    ) -> Filtered:
        """What the quality control of a pipeline leaves of a data set; see `filtered`."""
        leave = filtered if self.has_quality_control else unfiltered
        return leave(dataset, control, place, is_new=is_new)

    def preview(self, dataset: Dataset) -> Preview:
        """What a person sees of a file before using it."""
        size = self.size(dataset.n_cells, dataset.n_genes)
        return replace(preview_of(dataset, repeats=self.repeats), size=size)

    def align(self, records: Records, trained: Mapping[str, Any], least: float) -> GeneAlignment:
        """Matches new data with those that a pipeline was trained on.

        Args:
            trained: ``names`` and ``ids`` of the trained genes.
            least: The share of them that has to be found.

        Raises:
            DataError: Less than that is found; names another species or spelling.
        """
        raise NotImplementedError

    def as_trained(
        self, records: Records, fields: Mapping[str, Mapping[str, Any]], name: str
    ) -> tuple[Records, list[str]]:
        """New records as a trained pipeline takes them, beyond their genes; what to know of that.

        Args:
            fields: What the bundle says of each field that it needs.
            name: Of the new data set.

        Raises:
            DataError: They are something else than it was trained on.
        """
        return records, []

    def unlike(self, fields: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]) -> str:
        """Why a file cannot be what a pipeline was trained on, by its preview; empty if it may be.

        Args:
            fields: What the bundle says of each field that it needs.
            found: The preview as plain data.
        """
        if "design" in fields:
            return _OF_THESE.format(rows=self.name)
        if other := next((what for field, what in _OF_OTHERS.items() if field in fields), ""):
            return f"It reads {other}, and the rows of this file are {self.name}."
        if any("letters" in facts for facts in fields.values()):
            return f"It reads sequences of letters, and the rows of this file are {self.name}."
        return ""

    def ruler(self, name: str, length: int) -> tuple[str, int, int, int]:
        """What a record of ``length`` positions is a part of, where they lie: `Finding.ruler`."""
        return name, 1, 1, length

    def described(self, records: Records) -> str:
        """What a pipeline was trained on, for the text that lies in its bundle."""
        said = f"{records.n:,} {self.name if records.n != 1 else self.record.one}"
        return f"{said} and {records.n_genes:,} genes" if records.n_genes else said

    def write(self, dataset: Dataset, out: Path, arrays: Mapping[str, Any], **more: Any) -> Written:
        """Writes what goes home; see ``write_h5ad`` for what there is."""
        return write_h5ad(dataset, out, arrays, **more)


@cache
def kinds() -> dict[str, DataKind]:
    """Every kind by its name, in the order in which they are asked."""
    found: list[DataKind] = []
    for info in pkgutil.iter_modules(__path__, __name__ + "."):
        module = importlib.import_module(info.name)
        found += [
            kind()
            for kind in vars(module).values()
            if inspect.isclass(kind)
            and issubclass(kind, DataKind)
            and kind.__module__ == info.name
            and not kind.__name__.startswith("_")
        ]
    return {kind.name: kind for kind in sorted(found, key=lambda k: (k.order, k.name))}


def kind_named(name: str) -> DataKind:
    """The kind of this name."""
    known = {kind.record.one: kind for kind in kinds().values()} | kinds()
    if name not in known:
        raise DataError(
            f"There is no kind of rows called '{name}'.",
            fix=did_you_mean(name, kinds()) or f"There are {', '.join(kinds())}.",
            where="rows",
        )
    return known[name]


def left_beside(result: Path) -> list[tuple[Beside, Path]]:
    """What lies beside a result, and where."""
    can = dict.fromkeys(one for kind in kinds().values() for one in kind.leaves)
    return [(one, one.of(result)) for one in can if one.of(result).exists()]


def kind_of_file(path: Path, reading: Reading) -> DataKind:
    """Who opens this file: the kind that has such files of its own, else that of cells."""
    return next((k for k in kinds().values() if k.takes(path, reading)), kind_named(USUAL))


def tell_rows(dataset: Dataset, opener: DataKind, reading: Reading) -> DataKind:
    """What the rows of an opened file are; puts it down in the data set, with what else may be."""
    family = [k for k in kinds().values() if opener.name in (k.name, k.shares_files_of)]
    reasons = {k.name: why for k in family if k is not opener and (why := k.why(dataset))}
    taken = kind_named(reading.rows or next(iter(reasons), opener.name))
    if taken not in family:
        raise DataError(
            f"The rows of {dataset.name} cannot be {taken.name}.",
            fix=f"Say {' or '.join(k.name for k in family)}.",
            where="rows",
        )
    dataset.rows = taken.name
    taken.adopt(dataset)
    why = "" if reading.rows else reasons.get(taken.name, "")
    if len(family) > 1:
        titles = tuple((name, name) for name in sorted(k.name for k in family))
        choice = Choice("rows", "Rows are", taken.name, titles, why)
        dataset.choices = (*dataset.choices, choice)
    dataset.warnings += taken.told(dataset, why)
    return taken
