"""What a person asks of the table of samples, and which files become rows of it."""

from collections.abc import Callable
from typing import Any, Protocol

from app.data.samples import Samples, parts_of
from app.data.samples_told import told
from app.session.datasets import card_with
from app.session.session import DatasetCard, Session
from diffbio_engine.apart import Stop

_JOINING = "Joining the samples"


class Panel(Protocol):
    """What the table needs of the panel around it."""

    card: DatasetCard | None

    def look(self, make: Callable[[Stop], Any], busy: str = ..., of: str = ...) -> Stop:
        """Makes a card in the pool and shows it, or why there is none; gives what ends it."""

    def registered(self, path: str) -> str:
        """A file or folder of the server as a data set of the person: its id."""

    def say_busy(self, text: str, stop: Stop) -> None:
        """How far the look is that this would stop."""

    def waits_for(self, stop: Stop) -> bool:
        """Whether the look that this would stop is still under way."""

    def show_samples(self) -> None:
        """The table instead of the file that was looked at."""


class SamplesDesk:
    """Decides whether a file is one of several samples, and answers what is asked of them.

    Args:
        session: Whose files they are.
        panel: Where files are looked at by themselves.
        show: Shows the table as it is now.
    """

    def __init__(self, session: Session, panel: Panel, show: Callable[[dict[str, Any]], Any]):
        self.session, self._panel, self._show = session, panel, show
        self._samples, self._asked_for = Samples(session, self._tell), 0
        self._joining = Stop()

    def arrived(self, message: dict[str, Any]) -> None:
        """A file that came with others, or while the table is seen, is a sample."""
        known, file = str(message["id"]), str(message.get("path") or "")[-300:]
        row = int(message.get("row") or 0)
        several = int(message.get("of") or 1) > 1
        in_table = bool(self._samples.rows) and (
            self._panel.card is None or self._samples.holds(file)
        )
        if several or in_table or row:
            self._take(lambda: known, file, row)
        else:
            self.look(lambda: known, file, of=known)

    def look(self, find: Callable[[], str], file: str, of: str = "") -> None:
        """Looks at a file; where it holds several samples these become rows.

        Args:
            find: Gives its id, in the pool.
            file: As the person knows it.
            of: Its id, where it is known before.
        """

        def made(stop: Stop) -> DatasetCard | list[str]:
            known = find()
            parts = parts_of(self.session, known, stop)
            if len(parts) < 2:
                return card_with(self.session, known, stop)
            self.session.later(lambda: self._samples.take(known, file, parts))
            return parts

        self._panel.look(made, of=of)

    def asked(self, do: str, message: dict[str, Any]) -> None:
        """Carries out what the page asks of the table."""
        samples, panel = self._samples, self._panel
        key = int(message.get("key") or 0)
        row = samples.row(key)
        if do == "sample_name":
            samples.rename(key, str(message.get("name") or ""))
        elif do == "sample_remove":
            samples.remove(key)
        elif do == "samples_how":
            samples.say(str(message.get("column") or ""), str(message.get("genes") or ""))
        elif do == "samples_clear":
            samples.clear()
            self._tell()
        elif do == "samples_show":
            samples.again()
            panel.show_samples()
        elif do == "sample_add":
            path, listed = str(message.get("path") or ""), str(message.get("id") or "")
            find = (lambda: panel.registered(path)) if path else (lambda: listed)
            self._take(find, path or str(message.get("name") or ""))
        elif do == "sample_open" and row is not None:
            known, part = row.dataset_id, row.part
            panel.look(lambda stop: card_with(self.session, known, stop, part))
        elif do == "samples_join":
            self._joining = panel.look(self._joined, _JOINING)

    def _joined(self, stop: Stop) -> DatasetCard:
        def tell(share: float, left: float) -> None:
            said = f"{_JOINING}: {share:.0%} written, about {max(left, 1):.0f} s left"
            self.session.later(lambda: self._panel.say_busy(said, stop))

        made, _ = self._samples.join(stop, tell)
        return card_with(self.session, made.id, stop)

    def _take(self, find: Callable[[], str], file: str, row: int = 0) -> None:
        session = self.session

        def work() -> tuple[str, list[str]] | BaseException:
            try:
                known = find()
            except Exception as error:
                return error
            try:
                return known, parts_of(session, known, Stop())
            except Exception:  # what is wrong with it is said in its row
                return known, []

        def show(found: tuple[str, list[str]] | BaseException) -> None:
            if isinstance(found, BaseException):
                session.refuse(found)
            else:
                self._samples.take(found[0], file, found[1], row)

        if self._panel.waits_for(self._joining):
            session.say("Joining goes on without what came now: it is a row of the table.")
        else:
            self._panel.show_samples()
        session.read(work, show)

    def _tell(self) -> None:
        """Shows the table as it is now; comparing takes a moment, what was asked last is shown."""
        self._asked_for += 1
        number = self._asked_for

        def look() -> dict[str, Any] | None:
            return told(self._samples) if number == self._asked_for else None

        def show(found: dict[str, Any] | None) -> None:
            if found is not None and number == self._asked_for:
                self._show(found)

        self.session.work(look, show)
