"""Files in and out: slices of an upload are streamed to disk, and what is offered is fetched.

`app.serve` takes ``ROUTES`` from here. Bokeh does not ask who comes to such routes, so each request
is checked here: a token that only a tab of this server gives out, who asks by `app.access.gate`,
that both mean the same person, and (by Tornado) that a page of ours sends it.
"""

import asyncio
import contextlib
import errno
import json
import os
from typing import Any

from bokeh.server.util import check_allowlist
from tornado.web import HTTPError, RequestHandler, stream_request_body

from app.access.gate import person_of
from app.files.downloads import OFFERS
from app.files.uploads import DESKS, announced
from diffbio_engine.errors import DataError, UserError

SLICE = 16 << 20


class _Guarded(RequestHandler):
    """Who asks, and whether they may."""

    def check_person(self, owner: str) -> None:
        """Refuses with 403 unless whoever asks is the owner."""
        if person_of(self) != owner:
            raise HTTPError(403, reason="This belongs to somebody else")

    def check_origin(self) -> None:
        """Refuses a page of another site that sends requests with this person's cookies."""
        origin = self.request.headers.get("Origin")
        host = (origin or "").split("://")[-1].lower()
        if not origin or host == self.request.host.lower():
            return
        # A proxy may not hand on the port under which it is reached: what sockets accept, too.
        allowed = getattr(self.application, "websocket_origins", ())
        if not check_allowlist(host, list(allowed)):
            raise HTTPError(403, reason="Wrong origin")

    def say(self, status: int, **content: Any) -> None:
        """Answers with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(content))

    def refuse(self, status: int, error: UserError) -> None:
        """Answers with a sentence."""
        self.say(status, sentence=str(error))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answers with a sentence too where Tornado, or an error of ours, ends the request."""
        self.say(status_code, sentence=f"{self._reason}.")


class UploadHandler(_Guarded):
    """``POST uploads`` with name, size and parts: where to send the slices, and from where on."""

    def prepare(self) -> None:
        """Checks who asks."""
        self.check_origin()
        self.desk: Any = DESKS.get(self.request.headers.get("X-Desk", ""))
        if self.desk is None:
            raise HTTPError(403, reason="This page is out of date; reload it")
        self.check_person(self.desk.owner)

    def post(self) -> None:
        """Begins an upload, or carries one on."""
        try:
            upload = self.desk.begin(announced(self.request.body))
            offset = upload.partial.stat().st_size
        except UserError as error:
            return self.refuse(507 if "disk" in error.what else 400, error)
        except OSError as error:
            return self.refuse(507, _not_stored("The file", error))
        self.say(200, id=upload.id, offset=offset, slice=SLICE)


@stream_request_body
class SliceHandler(_Guarded):
    """``PUT uploads/<id>?offset=n``: appends a slice; 409 with the offset it has if it differs."""

    def prepare(self) -> None:
        """Checks who asks and where the slice belongs, before any of it is read."""
        self.check_origin()
        self.desk: Any = None
        self.upload: Any = None
        self.mine, self.wrong, self.full, self.arrived, self.file = False, False, False, 0, None
        self.broken: OSError | None = None
        desk = DESKS.get(self.request.headers.get("X-Desk", ""))
        if desk is None:
            raise HTTPError(403, reason="This page is out of date; reload it")
        self.check_person(desk.owner)
        self.desk, self.upload = desk, desk.uploads.get(self.path_args[0])
        if self.upload is None:
            raise HTTPError(404, reason="There is no such upload")
        connection: Any = self.request.connection
        connection.set_max_body_size(2 * SLICE)
        try:
            self.start = self.upload.partial.stat().st_size
        except OSError:
            self.desk.forget(self.upload)
            raise HTTPError(410, reason="What had arrived is gone; drop the file again") from None
        offset = self.get_query_argument("offset", "")
        self.wrong = self.upload.busy or offset != str(self.start)
        if not self.wrong:
            self.mine = self.upload.busy = True
            try:
                self.file = self.upload.partial.open("ab")
            except OSError as error:
                self.broken = error

    def data_received(self, chunk: bytes) -> None:
        """Writes a piece of the slice."""
        if self.file is None or self.full or self.wrong or self.broken:
            return
        self.arrived += len(chunk)
        try:
            if self.start + self.arrived > self.upload.size:
                self.wrong = True
            else:
                self.file.write(chunk)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self.full = True
            else:
                self.broken = error

    async def put(self, upload_id: str) -> None:
        """All of the slice is here."""
        upload = self.upload
        arrived_whole = not self.wrong and not self.full and not self.broken
        self._close(keep=arrived_whole)
        if self.full:
            self.desk.give_up(upload)
            return self.refuse(
                507,
                DataError(
                    f"The disk of the server was full before {upload.name} had arrived; nothing of "
                    "it was kept.",
                    fix="Delete data sets or runs that are no longer needed, then upload it again.",
                ),
            )
        try:
            offset = upload.partial.stat().st_size
            if self.broken:
                raise self.broken
            if self.wrong:
                return self.say(409, offset=offset)
            if offset < upload.size:
                return self.say(200, offset=offset, done=False)
            await asyncio.to_thread(self.desk.finish, upload)
        except UserError as error:
            self.desk.give_up(upload)
            return self.refuse(400, error)
        except FileNotFoundError:
            self.desk.forget(upload)
            return self.refuse(410, _deleted(upload.name))
        except OSError as error:
            self.desk.give_up(upload)
            return self.refuse(507, _not_stored(upload.name, error))
        self.say(200, offset=offset, done=True, id=upload.id)

    def delete(self, upload_id: str) -> None:
        """The person does not want it any more."""
        self._close(keep=True)
        self.desk.give_up(self.upload)
        self.say(200)

    def on_connection_close(self) -> None:
        """The line broke: what arrived of the slice is kept, and the next one begins there."""
        self._close(keep=True)

    def on_finish(self) -> None:
        """Whatever happened, the upload is free again."""
        self._close(keep=True)

    def _close(self, keep: bool) -> None:
        if self.file is not None:
            try:
                self.file.close()
            except OSError:  # what was buffered no longer fits on the disk
                self.full = True
            self.file = None
            if not keep:
                with contextlib.suppress(OSError):  # deleted meanwhile
                    os.truncate(self.upload.partial, self.start)
        if self.mine and self.upload is not None:
            self.mine = self.upload.busy = False


class OfferHandler(_Guarded):
    """``GET offer/<token>``: a file that was made for this person, or a folder as a zip."""

    async def get(self, token: str) -> None:
        """Sends the file piece by piece."""
        offer = OFFERS.get(token)
        if offer is None:
            raise HTTPError(404, reason="This link has run out; ask for the file again")
        self.check_person(offer.owner)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", f'attachment; filename="{_ascii(offer.name)}"')
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        if offer.path is None:
            self.set_header("Content-Length", str(len(offer.content)))
            self.finish(offer.content)
            return
        try:
            file = offer.path.open("rb")
        except OSError:
            raise HTTPError(410, reason="This file is gone; ask for it again") from None
        with file:
            self.set_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            while piece := file.read(1 << 20):
                self.write(piece)
                await self.flush()


def _deleted(name: str) -> DataError:
    return DataError(
        f"What had arrived of {name} is gone: it was deleted, in another tab perhaps.",
        fix="Drop the file again if you still want it.",
    )


def _not_stored(name: str, error: OSError) -> DataError:
    return DataError(
        f"{name} could not be stored on the server: {error.strerror or error}.",
        fix="Ask whoever runs the server to look at its DATA_DIR.",
    )


def _ascii(name: str) -> str:
    return name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")


ROUTES: list[tuple[str, Any, dict[str, Any]]] = [
    (r"/transfer/uploads", UploadHandler, {}),
    (r"/transfer/uploads/([0-9a-f]+)", SliceHandler, {}),
    (r"/transfer/offer/([\w-]+)", OfferHandler, {}),
]
