"""Files for a person: what was just made for them waits under an address that nobody can guess."""

import re
import secrets
import threading
import time
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import param
from panel.custom import JSComponent

LIFETIME = 600.0
_MOST_BYTES = 256 << 20
# Of a name, in bytes: file systems take 255, and what is made of it gets endings of its own.
_LONGEST_NAME, _ENDING = 160, 24


@dataclass(frozen=True)
class Offer:
    """A file for one person, for ten minutes: in memory, or where it lies."""

    owner: str
    name: str
    content: bytes
    made: float
    path: Path | None = None
    passing: bool = False


class Offers:
    """Files that wait to be fetched; the oldest give way to new ones."""

    def __init__(self) -> None:
        self._lock, self._offers = threading.Lock(), OrderedDict[str, Offer]()

    def add(
        self, owner: str, name: str, content: bytes = b"", path: Path | None = None,
        *, passing: bool = False,
    ) -> str:  # fmt: skip
        """Offers a file; returns where to fetch it, relative to the page.

        Args:
            owner: Who may fetch it.
            name: What it is called there.
            content, path: What is in it, or where it lies.
            passing: Whether the file at `path` was only made to be fetched, and is then removed.
        """
        token, now = secrets.token_urlsafe(24), time.monotonic()
        with self._lock:
            self._offers[token] = Offer(owner, safe_name(name), content, now, path, passing)
            while len(self._offers) > 1 and (
                now - next(iter(self._offers.values())).made > LIFETIME
                or sum(len(o.content) for o in self._offers.values()) > _MOST_BYTES
            ):
                gone = self._offers.popitem(last=False)[1]
                if gone.passing and gone.path is not None:
                    gone.path.unlink(missing_ok=True)
        return f"transfer/offer/{token}"

    def get(self, token: str) -> Offer | None:
        """The file of a token, if it still waits."""
        with self._lock:
            offer = self._offers.get(token)
        fresh = offer is not None and time.monotonic() - offer.made <= LIFETIME
        return offer if fresh else None


OFFERS = Offers()


def safe_name(name: str, fallback: str = "file") -> str:
    """A file name without folders, control signs or anything that a shell or a header minds.

    A long one is shortened in its midst: its ending says what kind of file it is.
    """
    plain = unicodedata.normalize("NFKC", name).replace("\\", "/").split("/")[-1]
    plain = re.sub(r"[^\w.()+\- ]", "_", plain).strip(" .")
    if len(plain.encode()) > _LONGEST_NAME:
        tail = plain[-_ENDING:]
        head = plain.encode()[: _LONGEST_NAME - len(tail.encode()) - 1].decode(errors="ignore")
        plain = f"{head}_{tail}"
    return plain or fallback


class Fetch(JSComponent):
    """Makes the browser fetch a file: ``fetch.get(url)``."""

    url = param.String()
    asked = param.Integer(0)

    _esm = """
    export function render({ model }) {
      model.on("asked", () => {
        const a = document.createElement("a")
        a.href = new URL(model.url, document.baseURI).href
        a.download = ""
        document.body.append(a)
        a.click()
        a.remove()
      })
      const nothing = document.createElement("span")
      nothing.hidden = true
      return nothing
    }
    """

    def __init__(self, **params):
        super().__init__(width=0, height=0, margin=0, **params)

    def get(self, url: str) -> None:
        """Fetches a file from an address relative to the page."""
        self.param.update(url=url, asked=self.asked + 1)
