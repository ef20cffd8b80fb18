"""Who may sign in: a file of names and salted hashes of passwords, and the command that makes it.

``python -m app.login add NAME --file users.json`` asks for the password, or reads it from standard
input. The file is read again when it changes, so nobody has to restart the server.
"""

import argparse
import base64
import getpass
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
import sys
import tempfile
import unicodedata
from contextlib import suppress
from pathlib import Path

from diffbio_engine.errors import DataError, UserError

_LOG = logging.getLogger("diffbio.app")
# Work of one hash: 16 MB and about a tenth of a second (OWASP's least for scrypt).
_N, _R, _P = 2**14, 8, 5
_MEMORY = 64 << 20
_HASH = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,2})\$(\d{1,2})\$([\w+/=]{16,64})\$([\w+/=]{40,100})")
_MOST_BYTES = 1024
_FEWEST_SIGNS = 8
# Names that the page gives to those who have not signed in anywhere.
_TAKEN = {"local", "guest", "default_user"}
_COMMAND = "python -m app.login"


def hash_of(password: str) -> str:
    """A salted hash, as the file holds it: ``scrypt$N$r$p$salt$hash``."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    salted, hashed = (base64.b64encode(b).decode() for b in (salt, digest))
    return f"scrypt${_N}${_R}${_P}${salted}${hashed}"


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "replace")[:_MOST_BYTES]
    return hashlib.scrypt(plain, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _is_right(password: str, kept: str) -> bool:
    n, r, p, salt, hashed = kept.split("$")[1:]
    try:
        found = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    except ValueError:  # parameters that this machine refuses
        return False
    return hmac.compare_digest(found, base64.b64decode(hashed))


def checked_name(name: str) -> str:
    """The name in one spelling; a ``DataError`` if it cannot be a name."""
    name = unicodedata.normalize("NFC", name)
    if not name or name != name.strip() or len(name) > 64 or not name.isprintable():
        raise DataError(
            f"{name[:64]!r} cannot be a name to sign in with.",
            fix="Use 1 to 64 letters, digits and signs, without spaces at the ends.",
        )
    if name.lower() in _TAKEN:
        raise DataError(f"'{name}' means somebody who has not signed in.", fix="Use another name.")
    return name


class _Unreadable(DataError):
    """The file of people is absent or closed to this account."""


class People:
    """The people of a file, which is read again when it changes.

    A file that is emptied, removed or closed while the server runs admits nobody; one that is
    damaged, as while somebody edits it, changes nothing.

    Args:
        path: JSON, ``{"name": "scrypt$..."}``.

    Raises:
        DataError: If the file is absent, cannot be read, is no such file or holds plain passwords.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._seen: tuple[int, ...] | None = _stamp(self.path)
        self._said = ""
        self._hashes = read_people(self.path)
        self._of_nobody = hash_of(secrets.token_urlsafe())

    def mark(self, name: str) -> str:
        """Tells one password of a person from the next; empty if there is no such person."""
        self._renew()
        kept = self._hashes.get(name)
        return "" if kept is None else hashlib.sha256(f"{name}\n{kept}".encode()).hexdigest()[:24]

    def are(self, name: str, password: str) -> bool:
        """Whether name and password belong together; takes as long for a name that is not there."""
        self._renew()
        right = _is_right(password, self._hashes.get(name, self._of_nobody))
        return right and name in self._hashes

    def _renew(self) -> None:
        now = _stamp(self.path)
        if now == self._seen:
            return
        self._seen = now
        said = ""
        try:
            self._hashes = read_people(self.path, may_be_empty=True)
            if not self._hashes:
                said = f"The file of people {self.path} names nobody; nobody is admitted."
        except _Unreadable as error:
            self._hashes, self._seen = {}, None  # it may be readable again without a change
            said = f"Nobody is admitted. {error}"
        except UserError as error:
            said = f"The file of people was changed and is not used: {error}"
        if said and said != self._said:
            _LOG.error("%s", said)
        self._said = said


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        now = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


def read_people(path: Path, *, may_be_empty: bool = False) -> dict[str, str]:
    """Hash by name, as the file says; a ``DataError`` says what is wrong and the way out."""
    make = f"Make it: {_COMMAND} add NAME --file {path}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _Unreadable(f"The file of people {path} is not there.", fix=make) from None
    except OSError as error:
        raise _Unreadable(
            f"The file of people {path} cannot be read ({error.strerror}).",
            fix="Name a file that the server's account may read.",
        ) from None
    except (ValueError, RecursionError):
        raise DataError(f"The file of people {path} is no JSON.", fix=make) from None
    if not isinstance(content, dict) or not (content or may_be_empty):
        raise DataError(f"The file of people {path} names nobody.", fix=make)
    plain = [n for n, kept in content.items() if not (isinstance(kept, str) and _is_hash(kept))]
    if plain:
        raise DataError(
            f"The file of people {path} holds {len(plain)} of {len(content)} passwords as plain "
            "text or damaged.",
            fix=f"Replace plain ones by salted hashes: {_COMMAND} protect --file {path}",
        )
    return {checked_name(name): kept for name, kept in content.items()}


def _is_hash(kept: str) -> bool:
    found = _HASH.fullmatch(kept)
    if found is None:
        return False
    n, r, p = (int(found[i]) for i in (1, 2, 3))
    return n >= 2**12 and n & (n - 1) == 0 and 128 * n * r < _MEMORY and r >= 1 and 1 <= p <= 16


def _write(path: Path, people: dict[str, str]) -> None:
    """Whole or not at all: a new file for this account alone, an old one as it was for others."""
    path = path.resolve()  # a link stays one
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".people-")
    try:
        if path.exists():  # of another account, perhaps, whose server has to read it
            old = path.stat()
            with suppress(PermissionError):
                os.fchown(handle, old.st_uid, old.st_gid)
            os.fchmod(handle, stat.S_IMODE(old.st_mode))
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(people, file, indent=1, ensure_ascii=False, sort_keys=True)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _asked_password() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("The same again: ") != password:
            raise DataError("The two passwords differ; nothing was changed.")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < _FEWEST_SIGNS:
        raise DataError(
            f"This password is too short: {len(password)} of at least {_FEWEST_SIGNS} signs.",
            fix="Several words are good.",
        )
    if len(password.encode()) > _MOST_BYTES:
        raise DataError("This password is too long.", fix="Several words are enough.")
    return password


def _changed(asked: argparse.Namespace) -> str:
    path = Path(asked.file)
    if asked.do == "protect":
        people = json.loads(path.read_text(encoding="utf-8"))
        plain = [n for n, kept in people.items() if isinstance(kept, str) and not _is_hash(kept)]
        _write(path, {**people, **{checked_name(n): hash_of(people[n]) for n in plain}})
        return f"{len(plain)} passwords of {path} are salted hashes now."
    people = read_people(path, may_be_empty=True) if path.exists() else {}
    if asked.do == "list":
        return "\n".join(sorted(people)) or f"{path} names nobody."
    name = checked_name(asked.name)
    if asked.do == "remove":
        if people.pop(name, None) is None:
            raise DataError(f"{path} has no '{name}'.", fix=f"See {_COMMAND} list --file {path}")
        _write(path, people)
        return f"{name} can no longer sign in by {path}."
    people[name] = hash_of(_asked_password())
    _write(path, people)
    return f"{name} can sign in by {path}. Start the workbench with LOGIN={path}"


def main(words: list[str] | None = None) -> int:
    """The command; 0 if it was done."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Who may sign in to the workbench.")
    does = parser.add_subparsers(dest="do", required=True)
    for do, told in {
        "add": "adds a person, or gives them a new password",
        "remove": "removes a person; who is signed in is not any more",
        "list": "lists the names",
        "protect": "replaces passwords in plain text by salted hashes",
    }.items():
        one = does.add_parser(do, help=told)
        if do in ("add", "remove"):
            one.add_argument("name")
        one.add_argument("--file", default=os.environ.get("LOGIN") or "users.json")
    try:
        print(_changed(parser.parse_args(words)))
    except (UserError, OSError, ValueError, AttributeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
