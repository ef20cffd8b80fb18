"""Several files, a sample each, looked at and joined by readers: one process for each of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diffbio_engine.apart.checked import checked_preview
from diffbio_engine.apart.limits import Limits
from diffbio_engine.apart.progress import listening
from diffbio_engine.apart.reader import AGAIN, Reader
from diffbio_engine.apart.stop import Stop
from diffbio_engine.apart.turns import Turns
from diffbio_engine.data.kinds import kinds
from diffbio_engine.data.samples import Facts, Joined, Sample
from diffbio_engine.data.samples.facts import MOST_GENES
from diffbio_engine.errors import DataError


class OfReaders(Protocol):
    """What is needed of ``Readers``."""

    turns: Turns

    def one(
        self, path: Path, stop: Stop, *, limits: Limits | None = None, name: str = ""
    ) -> AbstractContextManager[Reader]:
        """A reader for one question."""

    def limits_of(self, path: Path) -> Limits:
        """What reading a file may take."""


class SamplesApart:
    """Asks readers about samples; what one file breaks, the others do not notice.

    Args:
        readers: Where processes come from.
    """

    def __init__(self, readers: OfReaders):
        self._readers = readers

    def parts(self, path: Path, person: str = "", *, stop: Stop | None = None) -> list[str]:
        """Names of the samples of a folder or archive; none where it is one data set."""
        found, _ = self._asked(path, person, stop, "samples", path=str(path))
        names = found.get("names")
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise _odd(path.name)
        return names

    def look(
        self,
        path: Path,
        reading: Mapping[str, str],
        person: str = "",
        *,
        stop: Stop | None = None,
    ) -> Facts:
        """What has to be known of one sample.

        Raises:
            DataError: It cannot be read, and why.
        """
        told, arrays = self._asked(
            path, person, stop, "sample", path=str(path), reading=dict(reading)
        )
        if not _is_sample(told, arrays):
            raise _odd(path.name)
        checked_preview(told["preview"], path.name)
        return Facts.of_answer(told, arrays["hashes"])

    def join(
        self,
        samples: Sequence[Sample],
        to: Path,
        person: str = "",
        *,
        column: str,
        genes: str,
        stop: Stop | None = None,
        tell: Callable[[float, float], None] = lambda share, left: None,
    ) -> Joined:
        """Joins samples into an h5ad; a reader writes it block by block.

        Memory is that of the largest file by itself, time that of all files. Tables of text are
        held until all are written: of very many large ones that may be too little.

        Args:
            tell: Called now and then with the share that is written and the seconds left.

        Raises:
            DataError: One of them cannot be read or does not go with the others; names which.
        """
        stop = stop or Stop()
        every = [self._readers.limits_of(s.path) for s in samples]
        largest = max(every, key=lambda limits: limits.memory)
        limits = replace(
            largest,
            file_bytes=sum(one.file_bytes for one in every),
            seconds=sum(one.seconds for one in every),
        )
        told = [
            {"path": str(s.path), "name": s.name, "reading": dict(s.reading), "file": s.file}
            for s in samples
        ]
        with (
            self._readers.turns.turn(person or str(samples[0].path), stop),
            self._readers.one(samples[0].path, stop, limits=limits, name=to.name) as reader,
            listening(to, tell),
        ):
            found, _ = reader.ask("join", samples=told, to=str(to), column=column, genes=genes)
        numbers = [n for k in ("n_cells", "n_genes", "n_any") if isinstance(n := found.get(k), int)]
        said = found.get("said")
        if len(numbers) < 3 or not isinstance(said, list):
            raise _odd(to.name)
        pairs = tuple((str(name), int(n)) for name, n in found.get("samples", ()))
        n_cells, n_genes, n_any = map(int, numbers)
        return Joined(to, n_cells, n_genes, n_any, pairs, tuple(map(str, said)))

    def _asked(
        self, file: Path, person: str, stop: Stop | None, question: str, **told: Any
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        stop = stop or Stop()
        with (
            self._readers.turns.turn(person or str(file), stop),
            self._readers.one(file, stop) as reader,
        ):
            return reader.ask(question, **told)


_WORDS = ("spelling", "organism", "counts")
_KEYS = {"preview", "cells_of_any", "hashes", *_WORDS}
_HASHED = ("cells", "var names", "var ids")


def _is_sample(told: dict[str, Any], arrays: dict[str, np.ndarray]) -> bool:
    """Whether a reader's answer has the form that is relied on; it read a stranger's bytes."""
    preview, sizes, hashes = told.get("preview"), told.get("hashes"), arrays.get("hashes")
    return (
        set(told) == _KEYS
        and isinstance(preview, dict)
        and preview.get("rows") in kinds()
        and all(isinstance(told[word], str) for word in _WORDS)
        and isinstance(told["cells_of_any"], bool)
        and isinstance(sizes, dict)
        and set(sizes) in (set(_HASHED), {*_HASHED, "raw names", "raw ids"})
        and all(isinstance(n, int) and 0 <= n <= MOST_GENES for n in sizes.values())
        and hashes is not None
        and hashes.dtype == np.int32
        and len(hashes) == 2 * sum(sizes.values())
    )


def _odd(name: str) -> DataError:
    return DataError(
        f"{name} could not be read: its reader gave no answer that makes sense.", fix=AGAIN
    )
