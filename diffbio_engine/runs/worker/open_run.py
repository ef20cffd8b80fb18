"""From the plain data of a run to the live things: the cells, the pipeline, its training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from diffbio_engine.axes import said_of
from diffbio_engine.data import (
    Dataset,
    Fields,
    Records,
    asked_for,
    most_variable_genes,
    open_source,
)
from diffbio_engine.data.kinds import kind_named
from diffbio_engine.data.quality import Filtered
from diffbio_engine.data.sampling.cell_totals import (
    OVER_ALL_GENES,
    TOTAL_COUNTS,
    place_of_totals,
)
from diffbio_engine.declare import Declaration, find_operator
from diffbio_engine.errors import DataError, RunError, SettingError, UserError, did_you_mean
from diffbio_engine.pipelines import DataPort, Pipeline, PipelineSpec, Plan, plan, ports_of
from diffbio_engine.ports import DATA, DATA_BLOCKS, SEQUENCES, DialName, start_of
from diffbio_engine.runs.folder.run_spec import RunSpec
from diffbio_engine.runs.worker.chosen_cells import cells_that_are_kept, chosen_by_nobody
from diffbio_engine.training import Stage, Training, schedule_from, stages_from
from diffbio_engine.training.dials import LEARNING_RATE


@dataclass
class Opened:
    """A run, ready to be carried out.

    Attributes:
        dataset: The cells and genes that quality control has kept.
        quality_control: What it has removed and why, as plain data; empty where it was not asked.
    """

    spec: RunSpec
    dataset: Dataset
    fields: Fields
    cells: Records
    training: Training
    quality_control: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pipeline(self) -> Pipeline:
        return self.training.pipeline


def check_run(spec: RunSpec) -> None:
    """Finds the mistakes of a person without building or computing anything.

    Cost: reads the data once (not the counts of a large file, which stay on disk, unless quality
    control asks for a pass over them).
    """
    _looked_at(spec, measure=False)


def _looked_at(
    spec: RunSpec, *, measure: bool = True
) -> tuple[Filtered, Fields, Records, Plan, dict[str, Any]]:
    document = PipelineSpec.from_json(spec.pipeline)
    if not spec.dataset.get("path"):
        raise RunError("The run has no data set.", fix="Choose one, then press Run.", where="data")
    needed = tuple(name for name in document.fields if start_of(name).block == DATA)
    if not needed:
        plan(document, {})  # says what is missing
    dataset = spec.opened_data()
    fields = Fields(spec.dataset.get("fields") or {})
    if "counts" in needed and "counts" not in fields and dataset.places:
        # No matrix was taken for counts: what the first one holds instead is then said.
        fields = fields.with_field("counts", dataset.places[0])
    place = fields.get("counts") or "X"
    kept = kind_named(dataset.rows).controlled(dataset, document.quality_control, place)
    dataset = kept.dataset
    kind_named(dataset.rows).require_enough(dataset)
    try:
        cells = open_source(
            dataset,
            fields,
            needed if measure else [n for n in needed if not _is_measured(n, fields)],
            counts_must_be_raw="counts" in needed,
            several_batches=_corrects_batches(document),
        )
    except DataError as error:
        raise error.at(DATA) from None
    cells.notes += (*kept.notes, *chosen_by_nobody(document, cells.rows_in_file))
    for name in document.fields:
        if name not in needed:
            _put_beside(spec, name, cells, measure=measure)
    planned = _planned(document, cells)
    return kept, fields, cells, planned, _training_options(spec, planned)


def _planned(document: PipelineSpec, cells: Records) -> Plan:
    """The plan of these cells. Its document is as written: it counts the rows of the file."""
    made = plan(cells_that_are_kept(document, cells.rows_in_file), _ports(cells))
    return replace(made, spec=document)


def _put_beside(spec: RunSpec, field: str, cells: Records, *, measure: bool) -> None:
    """Adds what another data set than the data tells of itself as a whole."""
    block, port = start_of(field).parts
    told = spec.dataset_of(block)
    if not told.get("path"):
        raise RunError(
            f"The pipeline needs {DATA_BLOCKS[block].one}, a second data set.",
            fix=f"Choose one (on the command line --{block} FILE), then run.",
            where=block,
        )
    fields = told.get("fields") or {}
    try:
        dataset = spec.opened_data(block)
        found = kind_named(dataset.rows).beside(port, dataset, fields, cells, measure=measure)
    except DataError as error:
        raise error.at(block) from None
    cells.per_dataset[field] = found.codes
    cells.label_names[field] = found.names
    cells.notes += found.notes


def _say_what_is_known_beside(cells: Records) -> None:
    """How many of the genes that are trained on a second data set has.

    Raises:
        DataError: None of them.
    """
    for name, values in cells.per_dataset.items():
        block = start_of(name).block
        if block == DATA:
            continue
        n = int((values != 0).any(axis=0).sum())
        said = f"{n:,} of the {cells.n_genes:,} genes that are trained on are in the {block}."
        if not n:
            raise DataError(
                said,
                fix="Train on more genes (variable_genes of the data), or choose another one.",
                where=block,
            )
        cells.notes += (said,)


def _is_measured(field: str, fields: Fields) -> bool:
    """Whether it follows from all counts, which takes a pass over them and is never refused."""
    return field == TOTAL_COUNTS and place_of_totals(fields) == OVER_ALL_GENES


def _ports(cells: Records) -> dict[str, DataPort]:
    known = {name: len(names) for name, names in cells.label_names.items()}
    known[SEQUENCES.name] = len(cells.along.get(SEQUENCES.classes, ()))
    return ports_of(cells, known)


def with_variable_genes(
    cells: Records, n_genes: int, say: Callable[[str, str], None] | None = None
) -> Records:
    """The cells seen through their most variable genes, chosen within batches where these matter.

    Genes that a field names are kept as well. The cells themselves, where there are no more genes.
    """
    if not n_genes or cells.counts is None or cells.n_genes <= n_genes:
        return cells
    if say:
        say("data", f"Choosing {n_genes:,} variable genes of {cells.n_genes:,}")
    batches = cells.per_cell.get("batch_labels")
    named = asked_for(cells.per_dataset, n_genes)
    chosen = most_variable_genes(cells.counts, n_genes, batches, named)
    return cells.of_genes(chosen)


def _training_options(spec: RunSpec, planned: Plan) -> dict[str, Any]:
    """What the run says of its training, else what the pipeline suggests."""
    suggested = planned.spec.training
    schedules = {**suggested.get("schedules", {}), **spec.schedules}
    known = _dials(planned)
    learned = _learned(planned)
    for name in (*schedules, *spec.dials):
        if name in learned:
            raise SettingError(
                f"{name} is learned in this run, so nobody turns it.",
                fix="Leave it to the training, or switch off that it is learned, in the block.",
                where="training",
            )
        if name not in known:
            raise SettingError(
                f"there is no dial '{name}'.",
                fix=did_you_mean(name, known) or f"Dials are {', '.join(known)}.",
                where="training",
            )
    try:
        return {
            "stages": stages_from(spec.stages or suggested.get("stages", ()), planned),
            "batch_size": int(suggested.get("batch_size", spec.batch_size)),
            "learning_rate": float(suggested.get("learning_rate", spec.learning_rate)),
            "schedules": {name: schedule_from(values) for name, values in schedules.items()},
        }
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise error.at("training") from None
        raise SettingError(
            f"what the pipeline says of its training cannot be understood ({error}).",
            fix="Correct stages, schedules, batch_size or learning_rate, or remove them.",
            where="training",
        ) from None


def _dials(planned: Plan) -> list[str]:
    blocks = planned.blocks.values()
    own = [f"{b.id}.{s.name}" for b in blocks for s in b.config.dials()]
    return [LEARNING_RATE, *(DialName.of_loss(port) for port in planned.losses), *own]


def _learned(planned: Plan) -> set[str]:
    """Dials by declaration, which these settings leave to the training."""
    blocks = planned.blocks.values()
    own = {f"{b.id}.{s.name}" for b in blocks for s in b.declared.settings if s.live}
    return own - set(_dials(planned))


def open_run(spec: RunSpec, say: Callable[[str, str], None] | None = None) -> Opened:
    """Reads the data and builds the pipeline; every mistake is named before anything is trained."""
    if say:
        say("data", "Reading the data")
    kept, fields, cells, planned, options = _looked_at(spec)
    if say and kept.notes:
        say("data", said_of(cells.record, kept.notes[0]))
    seen = with_variable_genes(cells, planned.spec.variable_genes, say)
    if seen is not cells:
        cells, planned = seen, _planned(planned.spec, seen)
        _say_what_is_known_beside(cells)
    if say:
        say("", "Building the pipeline")
    pipeline = Pipeline(planned, seed=spec.seed)
    if spec.steps:  # so many are wanted, of all cells: none is held out to find the end by
        options["stages"] = tuple(replace(stage, held_out=0.0) for stage in options["stages"])
    training = Training(pipeline, cells, seed=spec.seed, say=say, **options)
    if spec.steps:
        training.stages = shortened(training, spec.steps)
    for name, value in spec.dials.items():
        training.turn(name, value)
    return Opened(spec, kept.dataset, fields, cells, training, kept.facts)


def shortened(training: Training, steps: int) -> tuple[Stage, ...]:
    """The stages, all scaled so that they take ``steps`` steps together."""
    planned = [stage.n_steps(training.steps_per_epoch) for stage in training.stages]
    share = steps / sum(planned)
    ends = [round(sum(planned[: i + 1]) * share) for i in range(len(planned))]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    return tuple(
        replace(stage, steps=n, epochs=0.0)
        for stage, n in zip(training.stages, lengths, strict=True)
        if n
    )


def _corrects_batches(document: PipelineSpec) -> bool:
    """Whether a block that must be told batches is wired to them."""
    targets = [w.end.parts for w in document.wires if w.source == "data.batch_labels"]
    required = (_required(find_operator(document.block(b).operator), p) for b, p in targets)
    return any(required)


def _required(declared: Declaration, port: str) -> bool:
    return any(p.name == port and not p.optional for p in declared.inputs)


def title_of(spec: RunSpec) -> str:
    """What the run is called if nobody named it."""
    name: Any = spec.pipeline.get("name") or "Pipeline"
    return spec.title or f"{name} on {spec.dataset.get('name') or 'data'}"
