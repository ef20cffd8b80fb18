"""The command line: run, apply, inspect, join, operators, and the worker that the engine starts."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffbio_engine.errors import UserError
from diffbio_engine.ports import blocks_beside
from diffbio_engine.runs.device import set_up_device


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m diffbio_engine",
        description="Train a pipeline of differentiable operators, and apply it to new cells.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="train a pipeline on a data set")
    what = run.add_mutually_exclusive_group()
    what.add_argument("--preset", help="a ready pipeline (single_cell); `operators` lists all")
    what.add_argument("--pipeline", type=Path, help="a pipeline file (JSON) of the workbench")
    run.add_argument(
        "--data",
        type=Path,
        help="h5ad, 10x h5, mtx folder, zip, tar, loom, h5mu, zarr, csv, xlsx, FASTA, FASTQ, "
        "bedGraph, salmon quant --dumpEq (folder or zip); "
        "without it a demo",
    )
    for block in blocks_beside():
        run.add_argument(
            f"--{block}", type=Path, help=f"a second data set, for what is wired to '{block}'"
        )
        run.add_argument(
            f"--{block}-read",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="how it is read: orientation='genes in rows'",
        )
    run.add_argument("--out", type=Path, required=True, help="folder of the run; must not exist")
    run.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="NAME=PLACE",
        help="where a field lies in the file: batch_labels=obs/batch; NAME= for none; of a second"
        " data set: reference.labels=obs/cell_type",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="BLOCK.SETTING=VALUE",
        help="a setting of a block: cluster.n_clusters=12",
    )
    run.add_argument("--steps", type=_whole, default=0, help="training steps in all")
    run.add_argument("--seed", type=_whole, default=0, help="random seed (0)")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    apply = commands.add_parser("apply", help="apply a trained pipeline to new cells")
    apply.add_argument("bundle", type=Path, help="folder `bundle` of a finished run")
    apply.add_argument("data", type=Path, help="the new cells")
    apply.add_argument("--out", type=Path, required=True, help="the h5ad file to write")
    apply.add_argument("--field", action="append", default=[], metavar="NAME=PLACE")
    apply.add_argument(
        "--least-overlap",
        type=_share,
        default=0.5,
        help="share of the trained genes below which nothing is placed (0.5)",
    )
    look = commands.add_parser("inspect", help="what a file holds, before it is used")
    look.add_argument("data", type=Path, help="a file, a zip or a folder")
    look.add_argument("--json", action="store_true", help="as data")
    for command in (run, apply, look):
        _add_reading(command)
    for command in (run, apply):
        command.add_argument(
            "--layers",
            choices=("small", "all", "none"),
            default="small",
            help="dense layers (normalised counts) in the result: up to 50 MB, all, none",
        )
    add_join(commands)
    listing = commands.add_parser("operators", help="every operator and its declaration")
    listing.add_argument("--json", action="store_true", help="as data, with settings and ports")
    new = commands.add_parser("new", help="the files of a new operator, to be filled in")
    new.add_argument("name", help="domain.name, as in singlecell.soft_kmeans")
    new.add_argument("--into", type=Path, default=Path(), help="the checkout (this folder)")
    check = commands.add_parser("check", help="whether an operator keeps its promises (tests)")
    check.add_argument("name", help="its id; `operators` lists all")
    work = commands.add_parser("work", help="carry out the run of a folder (the engine does this)")
    work.add_argument("folder", type=Path, nargs="?")
    work.add_argument("--spare", action="store_true", help="wait for the folder on standard input")
    work.add_argument(
        "--results", action="store_true", help="train nothing: results as of the last checkpoint"
    )
    preview = commands.add_parser(
        "preview", help="what an ended run shows with other dials (the page asks for it)"
    )
    preview.add_argument("folder", type=Path, help="folder of the run")
    results = commands.add_parser(
        "results", help="result and bundle of a stopped or failed run, as of its last checkpoint"
    )
    results.add_argument("folder", type=Path, help="folder of the run")
    return parser


def _add_reading(command: argparse.ArgumentParser) -> None:
    """How the file is read where it leaves a choice; `inspect` says what there is."""
    how = command.add_argument_group("how the file is read, where it leaves a choice")
    for name, what in (
        ("orientation", '"cells in rows" or "genes in rows" (or just "cells", "genes")'),
        ("genome", 'of a 10x file with several; "all" for all'),
        ("features", 'kind of features, "Antibody Capture"; "all" for every kind'),
        ("separator", "comma, tab, semicolon, space or bar"),
        ("sheet", "of a workbook"),
        ("part", "which matrix, where a folder holds several of the same cells"),
        ("annotation", 'which table about the cells beside it is joined; "none" for none'),
        ("molecules", 'layers added up as counts: "spliced + unspliced" (+ ambiguous)'),
        ("rows", "what they are: cells, samples or spots"),
        ("letters", "what the letters of sequences are: DNA, RNA or protein"),
        ("quality", "from which sign qualities of FASTQ are counted: 33 or 64"),
        ("longest", "how many first positions of each sequence are used (1,024)"),
        ("sequence_column", 'which column of a table holds sequences; "none": it has counts'),
        ("vocabulary", '"none": letters, though a vocabulary (vocab.txt) lies beside them'),
        ("bin_size", "over how many bases the signal of a track is averaged (200)"),
        ("sample", "which one, where a folder or zip holds several (all, joined)"),
        ("m", 'what "3m" stands for among times: minutes or months'),
    ):
        flag = f"--{name.replace('_', '-')}"
        how.add_argument(flag, default="", metavar=name.upper(), help=what)
    how.add_argument(
        "--no-limits",
        action="store_true",
        help="a look at the file may take any time and memory (else READ_SECONDS, which grow with "
        "its size, and READ_MEMORY_GB, half of this machine's)",
    )


def add_join(commands: Any) -> None:
    """Several files, a sample each, as one data set."""
    join = commands.add_parser("join", help="several files, a sample each, as one data set")
    join.add_argument(
        "data", type=Path, nargs="+", help="files and folders; of a zip or folder all samples"
    )
    join.add_argument("--to", type=Path, required=True, help="the h5ad file to write")
    join.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="FILE=NAME",
        help="what a sample is called; else by its file, without what all begin and end with",
    )
    join.add_argument("--column", default="sample", help="the column that names it (sample)")
    join.add_argument(
        "--genes",
        choices=("shared", "all"),
        default="shared",
        help="those that all samples have, or all, with 0 where a sample lacks one",
    )
    join.add_argument(
        "--skip", action="store_true", help="leave out what cannot be joined, instead of stopping"
    )
    join.add_argument("--no-limits", action="store_true", help="any time and memory")


def reading_of(asked: argparse.Namespace) -> dict[str, str]:
    """What was said of how to read the file, as keywords of ``read``."""
    from diffbio_engine.data import Reading

    return Reading.of({n: getattr(asked, n, "") for n in Reading.__dataclass_fields__}).as_dict()


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share from 0 to 1.")
    return value


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to 2147483647.")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses and carries out one command; mistakes are one sentence and exit code 1."""
    asked = _parser().parse_args(arguments)
    # Each command imports what it needs: `operators` and `--help` should not wait for a GPU.
    try:
        if asked.command in ("run", "apply", "inspect", "join"):
            from diffbio_engine.command_line.looking import readers

            readers(limited=not asked.no_limits)  # their imports go on beside those below
        if asked.command == "run":
            set_up_device()
            worker_env = dict(os.environ)
            # This process only looks on; the accelerator is for the worker.
            os.environ["JAX_PLATFORMS"] = "cpu"
            from diffbio_engine.command_line.run import run

            return run(asked, worker_env, reading_of(asked))
        if asked.command == "apply":
            set_up_device()
            from diffbio_engine.command_line.apply import apply

            return apply(asked, reading_of(asked))
        if asked.command == "operators":
            from diffbio_engine.command_line.listing import list_operators

            return list_operators(as_json=asked.json)
        if asked.command == "new":
            from diffbio_engine.command_line.new_operator import new_operator

            print(*new_operator(asked.name, asked.into), sep="\n")
            return 0
        if asked.command == "check":
            from diffbio_engine.command_line.new_operator import check_operator

            return check_operator(asked.name)
        if asked.command == "inspect":
            from diffbio_engine.command_line.look import look

            return look(asked, reading_of(asked))
        if asked.command == "join":
            from diffbio_engine.command_line.join_samples import join_samples

            return join_samples(asked)
        if asked.command == "preview":
            set_up_device()
            os.nice(5)  # runs go first
            from diffbio_engine.runs.worker.preview import preview

            return preview(asked.folder)
        from diffbio_engine.command_line.work import carry_out

        if asked.command == "results":
            return carry_out(asked.folder, results=True)
        return carry_out(asked.folder, spare=asked.spare, results=asked.results)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        for other in getattr(error, "all", ())[1:]:
            print(f"error: {other}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
