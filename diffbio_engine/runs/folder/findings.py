"""What a run found besides the map: gene tables, networks, transport plans, compositions.

One file, ``findings.npz``, replaced whole: the arrays by port, and the facts about them as JSON.
"""

import contextlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffbio_engine.ports import Address
from diffbio_engine.runs.folder.durable_files import replace_with

FILE = "findings.npz"
_FACTS = "facts.json"
# The axis along which the mean shares of groups of cells lie.
GROUPS = "groups"
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
# All genes of the file, where a pipeline was trained on some of them.
ALL_GENES = "all genes"


@dataclass(frozen=True)
class Finding:
    """One array with words.

    Attributes:
        port: ``"block.port"``.
        axes: Names of its axes; what lies along each is in ``Findings.names``.
        values: The array; for shares the mean share by group of cells.
        ranks: As ``Port.ranks``.
        role: As ``Port.role``; empty for none.
        ruler: Of what lies along positions of some records: for each what it is a part of, where
            the first position lies there, how much each covers and how many it has:
            ``("chr1", 0, 200, 512)``. Other records count positions from 1.
    """

    port: str
    title: str
    doc: str
    kind: str
    axes: tuple[str, ...]
    values: np.ndarray
    ranks: str = ""
    role: str = ""
    ruler: tuple[tuple[str, int, int, int], ...] = ()


@dataclass(frozen=True)
class Findings:
    """All that a run has found so far.

    Attributes:
        names: By ``"block.axis"``, ``"genes"`` or ``"all genes"``, what lies along an axis.
        kinds: By port, the kind of everything that can be drawn on a map.
        first: The port by which the map is coloured until somebody chooses: what the pipeline
            names first among its results; empty for the clusters.
        record: What the rows of the data set are.
    """

    step: int
    found: tuple[Finding, ...]
    names: dict[str, list[str]]
    kinds: dict[str, str]
    first: str = ""
    record: str = "cells"

    def along(self, finding: Finding, axis: str) -> list[str]:
        """Names along an axis of a finding.

        Genes are those that the pipeline was trained on, or all of the file: what fits.
        """
        own = f"{Address.parse(finding.port).block}.{axis}"
        length = finding.values.shape[finding.axes.index(axis)]
        fit = (k for k in (own, axis, ALL_GENES) if len(self.names.get(k, ())) == length)
        return self.names[next(fit, own if own in self.names else axis)]

    def of(self, block: str, role: str | None = None) -> list[Finding]:
        """What one block found; of one role only, where it is named."""
        own = (f for f in self.found if Address.parse(f.port).block == block)
        return [f for f in own if role is None or f.role == role]


def save_findings(folder: Path, findings: Findings) -> None:
    """Replaces the findings of a run folder."""
    facts: dict[str, Any] = {
        "step": findings.step,
        "names": findings.names,
        "kinds": findings.kinds,
        "first": findings.first,
        "record": findings.record,
        "found": [{k: v for k, v in asdict(f).items() if k != "values"} for f in findings.found],
    }
    arrays = {f.port: np.asarray(f.values) for f in findings.found}
    arrays[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    path = folder / FILE
    replace_with(path, lambda file: np.savez(file, allow_pickle=False, **arrays), durable=False)


def _known(told: dict[str, Any]) -> dict[str, Any]:
    """Without what a newer version says besides."""
    return {k: v for k, v in told.items() if k in Finding.__dataclass_fields__}


def load_findings(folder: Path) -> Findings | None:
    """The findings of a run folder; None before there are any."""
    with contextlib.suppress(*_UNREADABLE):
        content = io.BytesIO((folder / FILE).read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            facts = json.loads(arrays[_FACTS].tobytes())
            found = tuple(
                Finding(
                    **{
                        **_known(f),
                        "axes": tuple(f["axes"]),
                        "ruler": tuple(map(tuple, f.get("ruler", ()))),
                    },
                    values=arrays[f["port"]],
                )
                for f in facts["found"]
            )
        first, record = facts.get("first", ""), facts.get("record", "cells")
        return Findings(facts["step"], found, facts["names"], facts["kinds"], first, record)
    return None
