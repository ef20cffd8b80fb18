"""Several files, a sample each: looked at one by one, told in a table, joined into one data set."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from app.files.readers import READERS
from app.session.datasets import known_dataset
from app.session.session import Session
from diffbio_engine.apart import Stop, StoppedError
from diffbio_engine.data.readers.samples_apart import sample_word
from diffbio_engine.data.samples import (
    GENES,
    Comparison,
    Facts,
    Joined,
    Sample,
    Verdict,
    compare,
    proposed_names,
)
from diffbio_engine.errors import DataError, UserError
from diffbio_engine.runs.folder.durable_files import explain_os_error
from diffbio_engine.workspace import DatasetEntry
from diffbio_engine.workspace.room import size_of

_MOST_SAMPLES = 96
_LONGEST_NAME = 60


@dataclass(eq=False)
class Row:
    """A sample of the table.

    Attributes:
        key: Tells rows apart.
        dataset_id: The file as the store knows it.
        file: What the person knows it as, with its folders.
        part: Which sample of an archive or folder; empty if the file is one.
        name: What the person called the sample; empty while a name is proposed.
        found: What the reader told, or why it could not; None while it looks.
        reading: How it was read when it was looked at.
        stop: Ends the look.
    """

    key: int
    dataset_id: str
    file: str
    part: str = ""
    name: str = ""
    found: Facts | UserError | None = None
    reading: dict[str, str] = field(default_factory=dict)
    stop: Stop = field(default_factory=Stop)

    @property
    def path(self) -> str:
        """From what a name is proposed."""
        return self.part or self.file


class Samples:
    """The rows of one tab, and what is done with them.

    Args:
        session: Whose files they are.
        changed: Called when there is something new to show.
    """

    def __init__(self, session: Session, changed: Callable[[], None]):
        self.session, self._changed = session, changed
        self.rows: list[Row] = []
        self.column, self.genes = "sample", GENES[0]
        self.refused = frozenset[int]()  # keys of rows of which was told that they cannot be joined
        self._keys = 0
        session.on_close(self.clear)

    def clear(self) -> None:
        """Takes all rows away; the files stay among the person's data sets."""
        for row in self.rows:
            row.stop.set()
        self.rows = []
        self.column, self.genes = "sample", GENES[0]

    def take(self, dataset_id: str, file: str, parts: list[str], instead_of: int = 0) -> None:
        """A row for a file, or for each sample in it.

        A file takes the place of one of its name that cannot be joined, or of that on which the
        person let it go; what that row was called stays.

        Args:
            file: As the person knows it, with its folders.
            parts: The samples of an archive or folder that holds several.
            instead_of: The key of a row.
        """
        # As it was told: comparing many samples takes a while, and this is no place to wait.
        bad = {r.key for r in self.rows if isinstance(r.found, UserError)} | self.refused
        for part in parts or [""]:
            self._keys += 1
            row = Row(self._keys, dataset_id, file or "file", part)
            old = next((r for r in self.rows if r.key == instead_of), None)
            old = old or self._same(row, bad)
            instead_of = 0
            if old is not None:
                old.stop.set()
                row.name = old.name
                self.rows[self.rows.index(old)] = row
            elif len(self.rows) < _MOST_SAMPLES:
                self.rows.append(row)
            else:
                self.session.say(
                    f"At most {_MOST_SAMPLES} samples can be joined at once.", "warning"
                )
                break
            self._look(row)
        self._changed()

    def holds(self, file: str) -> bool:
        """Whether a file of this name is among them."""
        return any(PurePosixPath(r.file) == PurePosixPath(file) for r in self.rows)

    def _same(self, row: Row, bad: Collection[int]) -> Row | None:
        """A row of the same name that cannot be joined as it is.

        Good ones stay: two runs of Cell Ranger call their files alike.
        """
        for old in self.rows:
            of_part = bool(old.part) and _last(old.part) in (_last(row.path), sample_word(row.path))
            same = _last(old.file) == _last(row.file) and old.part == row.part
            if old.key in bad and (of_part or same):
                return old
        return None

    def again(self) -> None:
        """Looks anew at files of which a person has said meanwhile how they are read."""
        for row in self.rows:
            if self.reading(row) != row.reading:
                row.stop.set()
                row.stop, row.found = Stop(), None
                self._look(row)
        self._changed()

    def remove(self, key: int) -> None:
        """Takes a row away."""
        for row in self.rows:
            if row.key == key:
                row.stop.set()
        self.rows = [r for r in self.rows if r.key != key]
        self._changed()

    def rename(self, key: int, name: str) -> None:
        """Calls a sample something else; without a name one is proposed again."""
        for row in self.rows:
            if row.key == key:
                row.name = name.strip()[:_LONGEST_NAME]
        self._changed()

    def say(self, column: str, genes: str) -> None:
        """How they are joined."""
        self.column = column.strip()[:_LONGEST_NAME] or "sample"
        self.genes = genes if genes in GENES else GENES[0]
        self._changed()

    def called(self) -> list[tuple[Row, str]]:
        """Each row and what its sample is called: as the person said, else as proposed."""
        rows = list(self.rows)
        proposed = proposed_names([row.path for row in rows])
        return [(row, row.name or name) for row, name in zip(rows, proposed, strict=True)]

    def row(self, key: int) -> Row | None:
        """A row by its key."""
        return next((r for r in self.rows if r.key == key), None)

    def reading(self, row: Row) -> dict[str, str]:
        """How the file of a row is read: as the person said of it, and which sample of it."""
        said = self.session.store.reading(self.session.owner, row.dataset_id)
        return {**said, **({"sample": row.part} if row.part else {})}

    # -- looking and joining, in the pool --------------------------------------------------------

    def _look(self, row: Row) -> None:
        session, stop = self.session, row.stop

        def work() -> Facts | BaseException:
            try:
                dataset = known_dataset(session, row.dataset_id)
                row.reading = self.reading(row)
                return READERS.samples.look(dataset.path, row.reading, session.owner, stop=stop)
            except Exception as error:
                return error

        def show(found: Facts | BaseException) -> None:
            if stop.is_set or row not in self.rows or isinstance(found, StoppedError):
                return
            if not isinstance(found, Facts | UserError):
                session.refuse(found)
                found = DataError(f"It cannot be looked at ({type(found).__name__}).")
            row.found = found
            self._changed()

        session.read(work, show)

    def join(self, stop: Stop, tell: Callable[[float, float], None]) -> tuple[DatasetEntry, Joined]:
        """Joins what can be joined into a new data set of the person; for the pool.

        Args:
            tell: Called now and then with the share that is written and the seconds left.

        Raises:
            UserError: There are too few, or a file changed meanwhile.
        """
        session = self.session
        store, owner = session.store, session.owner
        rows = self.called()
        verdicts = compared(rows)[1]
        twice = called_twice(rows, verdicts)
        good = [
            (row, name)
            for row, name in rows
            if row.key in verdicts and verdicts[row.key].is_good and name not in twice
        ]
        known = {row.dataset_id: known_dataset(session, row.dataset_id) for row, _ in good}
        samples = [
            Sample(known[row.dataset_id].path, name, self.reading(row), row.file)
            for row, name in good
        ]
        called = joined_name([name for _, name in good])
        session.room.require(owner, sum(size_of(d.path) for d in known.values()), called)
        made = store.new_upload(owner, called)
        try:
            with explain_os_error(made.partial_path):
                made.partial_path.parent.mkdir(parents=True, exist_ok=True)
            joined = READERS.samples.join(
                samples,
                made.partial_path,
                owner,
                column=self.column,
                genes=self.genes,
                stop=stop,
                tell=tell,
            )
            return store.finish_upload(owner, made.id), joined
        except BaseException:
            store.delete_dataset(owner, made.id)
            raise


def compared(rows: Sequence[tuple[Row, str]]) -> tuple[Comparison, dict[int, Verdict]]:
    """The readable rows beside each other, and the verdict of each by its key."""
    readable = [(r.key, name, r.found) for r, name in rows if isinstance(r.found, Facts)]
    found = compare([(name, facts) for _, name, facts in readable])
    return found, dict(zip([key for key, _, _ in readable], found.verdicts, strict=True))


def called_twice(rows: Sequence[tuple[Row, str]], verdicts: Mapping[int, Verdict]) -> set[str]:
    """Names that several samples have which could be joined but for that."""
    good = Counter(name for row, name in rows if row.key in verdicts and verdicts[row.key].is_good)
    return {name for name, n in good.items() if n > 1}


def _last(path: str) -> str:
    return PurePosixPath(path).name


def joined_name(names: list[str]) -> str:
    """What the joined file is called: by its samples where they are few."""
    words = "_".join(names)
    few = len(names) <= 4 and len(words) <= 60
    return f"joined_{words}.h5ad" if few else f"joined_{len(names)}_samples.h5ad"


def parts_of(session: Session, dataset_id: str, stop: Stop) -> list[str]:
    """The samples that a file holds; none where it is one data set. For the pool."""
    dataset = known_dataset(session, dataset_id)
    if not (dataset.path.is_dir() or _may_hold_several(dataset)):
        return []
    return READERS.samples.parts(dataset.path, session.owner, stop=stop)


def _may_hold_several(dataset: DatasetEntry) -> bool:
    return dataset.path.name.lower().endswith((".zip", ".tar", ".tgz", ".tar.gz", ".gz"))
