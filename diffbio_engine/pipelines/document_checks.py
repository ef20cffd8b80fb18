"""Whether what a file holds can be a pipeline document at all, before its parts are read."""

from typing import Any

from diffbio_engine.errors import PipelineError

FORMAT = "diffbio-pipeline"
# 2: the quality control of the data; who does not know it would train on all rows.
SCHEMA = 2
_MOST_DEEP = 32
_MOST = {"blocks": 500, "wires": 5_000, "layout": 1_000, "weights": 5_000, "outputs": 5_000}


def check_document(document: Any) -> None:
    """A ``PipelineError`` says what is wrong: another file, a newer one, one that nobody drew."""
    _check_header(document)
    _check_depth(document)
    _check_size(document)


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A document of an earlier schema as this one writes it; what is new says nothing in it."""
    if document["schema"] < 2:
        document = {**document, "schema": 2, "quality_control": {}}
    return document


def _check_header(document: Any) -> None:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise PipelineError(
            "This is not a pipeline file of the workbench.",
            fix=f'Choose a JSON file with "format": "{FORMAT}".',
        )
    schema = document.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise PipelineError(
            f"The pipeline file has no valid schema number ({schema!r}).",
            fix="Export it again from the workbench.",
        )
    if schema > SCHEMA:
        raise PipelineError(
            f"The pipeline file has schema {schema}; this workbench reads up to {SCHEMA}.",
            fix="Open it with a newer version of the workbench.",
        )


def _check_depth(document: Any) -> None:
    """Refuses what only a machine nests so: copying or writing it could end the process."""
    level = [document]
    for _ in range(_MOST_DEEP):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [v for values in inner for v in values if isinstance(v, dict | list | tuple)]
        if not level:
            return
    raise too_deep()


def _check_size(document: dict[str, Any]) -> None:
    """Refuses what nobody draws: all that is checked and drawn of it would stop everybody else."""
    for what, most in _MOST.items():
        held = document.get(what)
        if isinstance(held, list | dict) and len(held) > most:
            raise PipelineError(
                f"The pipeline file has {len(held):,} {what}, and a pipeline has at most {most:,}.",
                fix="Make several pipelines of it.",
            )


def too_deep() -> PipelineError:
    """What is said of a document that only a machine nests so."""
    return PipelineError(
        f"The pipeline file is nested more than {_MOST_DEEP} levels deep.",
        fix="Export it again from the workbench.",
    )
