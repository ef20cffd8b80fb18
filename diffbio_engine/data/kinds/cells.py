"""Cells by genes: files of counts, as single-cell programs and people write them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from diffbio_engine.axes import axis_of
from diffbio_engine.data.dataset import Dataset
from diffbio_engine.data.fields.places import Labels
from diffbio_engine.data.fields.type_profiles import type_profiles
from diffbio_engine.data.genes.alignment import GeneAlignment, align_genes
from diffbio_engine.data.genes.spreadsheet_names import warn_of_changed_names
from diffbio_engine.data.kinds import DataKind, Opening
from diffbio_engine.data.matrix.matrix_preview import MatrixPreview, look
from diffbio_engine.data.readers.about_cells import is_about_cells
from diffbio_engine.data.readers.archive_names import is_archive
from diffbio_engine.data.readers.containers import open_file, open_folder, refuse_other_kinds
from diffbio_engine.data.readers.folders import data_files, is_mtx
from diffbio_engine.data.readers.molecules import offer_sums
from diffbio_engine.data.readers.mtx_folder import (
    folder_of_mtx,
    is_names_of_mtx,
    open_mtx,
    read_along,
)
from diffbio_engine.data.readers.samples_apart import (
    names_below,
    sample_alone,
    samples_in_names,
)
from diffbio_engine.data.readers.samples_in_names import name_samples
from diffbio_engine.data.readers.sequence_tables import choice_of
from diffbio_engine.data.readers.workbooks import is_workbook
from diffbio_engine.data.sampling.records import Records
from diffbio_engine.data.writers.gene_table import write_table_by_group
from diffbio_engine.data.writers.h5ad import Written
from diffbio_engine.data.writers.table_beside import Beside
from diffbio_engine.errors import DataError

BY_GROUP = Beside("Genes by group (CSV)", "_genes_by_group.csv")
# So few rows of so many genes can be cells or samples: which was taken is said.
_FEW_CELLS, _MANY_GENES = 200, 1_000

_DESCRIBES = (
    "If it describes the samples or cells of another table, bring both together: drop both at once,"
    " or a folder or zip with the two in it. Else keep one row of names and one column of names,"
    " and numbers between them."
)


class Cells(DataKind):
    """Single cells; whatever no other kind has files of is opened as a matrix of genes."""

    record = axis_of("cells")
    order = 90
    leaves: ClassVar[tuple[Beside, ...]] = (BY_GROUP,)
    has_quality_control = True
    joins = True

    def open(self, path: Path, how: Opening) -> Dataset:
        try:
            dataset, place = _as_it_is(path, how)
        except DataError as error:
            if "words where numbers" in error.what and is_about_cells(path):
                raise DataError(error.what, fix=_DESCRIBES, where=error.where) from None
            raise
        files = data_files(place) if place.is_dir() else read_along(path)
        dataset.m = how.reading.m
        if how.reading.sequence_column and path.is_file():  # and was said to be none
            dataset.choices = (*dataset.choices, choice_of(path, how.reading))
        name_samples(dataset, files)
        offer_sums(dataset, how.reading)
        warn_of_changed_names(dataset)
        return dataset

    def told(self, dataset: Dataset, why: str) -> tuple[str, ...]:
        if dataset.n_cells > _FEW_CELLS or dataset.n_genes < _MANY_GENES:
            return ()
        seen = first_look(dataset)
        zeros = "" if seen is None else f" ({seen.zeros:.0%} of the values are zeros)"
        return (
            f"The {dataset.n_cells:,} rows are taken for single cells{zeros}. If each is a sample"
            " of many cells (bulk), say so under 'Rows are'.",
        )

    def beside(
        self,
        port: str,
        dataset: Dataset,
        fields: Mapping[str, str],
        records: Records,
        *,
        measure: bool = True,
    ) -> Labels:
        if port != "profiles" or records.var_names is None:
            return super().beside(port, dataset, fields, records, measure=measure)
        return type_profiles(dataset, fields, records.var_names, records.var_ids, measure=measure)

    def align(self, records: Records, trained: Mapping[str, Any], least: float) -> GeneAlignment:
        names = () if records.var_names is None else records.var_names
        alignment = align_genes(names, records.var_ids, trained["names"], trained["ids"])
        alignment.require(least)
        return alignment

    def write(self, dataset: Dataset, out: Path, arrays: Mapping[str, Any], **more: Any) -> Written:
        """Also ``..._genes_by_group.csv``, where something was found of genes in each group."""
        written = super().write(dataset, out, arrays, **more)
        said = write_table_by_group(dataset, arrays, BY_GROUP.of(out))
        return replace(written, notes=(*written.notes, *said))


def first_look(dataset: Dataset) -> MatrixPreview | None:
    """What the first matrix holds; None where there is none that can be read."""
    try:
        return next((look(place, dataset.stored(place)) for place in dataset.places), None)
    except DataError:
        return None


def _as_it_is(path: Path, how: Opening) -> tuple[Dataset, Path]:
    """The data set, and the file or the (unpacked) folder that it is of."""
    reading, with_uns = how.reading, how.with_uns
    if reading.sample:
        inside = path
        if is_archive(path):
            files = samples_in_names(names_below(path)).get(reading.sample)
            inside = how.unpacked(path, only=files)
        alone = sample_alone(path, reading.sample, inside, how.stack)
        return open_folder(alone, reading, reading.sample, with_uns=with_uns), alone
    if path.is_dir():
        return open_folder(path, reading, path.name, with_uns=with_uns), path
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes).", fix="Upload or copy the file again.")
    refuse_other_kinds(path)
    if is_archive(path) and not is_workbook(path):
        inside = how.unpacked(path)
        return open_folder(inside, reading, path.name, with_uns=with_uns), inside
    if is_mtx(path) or is_names_of_mtx(path):
        folder = folder_of_mtx(path)
        return open_mtx(folder, reading, folder.name, deep=False), path
    return open_file(path, reading, with_uns=with_uns), path
