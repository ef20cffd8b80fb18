"""What every answer of the server carries: who may show it, and what a page of it may load."""

import re
import secrets
from http.cookies import SimpleCookie
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

from app.access.cookies import MARK

# Cookies that scripts of the page read.
_READ_BY_SCRIPTS = (MARK, "diffbio-theme")
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def content_policy(nonce: str) -> str:
    """What a page may load: from this server only, scripts only where the server wrote them.

    Components of Panel are modules that the page makes itself (``blob:``); styles are written
    by scripts throughout, which no browser can tell from those of others.
    """
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: 'nonce-{nonce}'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' blob: data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Guarding(OutputTransform):
    """Tornado applies it to every answer of every handler: pages, files, errors, redirects."""

    def __init__(self, request: HTTPServerRequest):
        self._nonce = secrets.token_urlsafe(16)
        connection: Any = request.connection
        write, secure = connection.write_headers, request.protocol == "https"

        # The headers are complete, cookies included, only when they go out.
        def write_headers(start_line: Any, headers: HTTPHeaders, *more: Any, **named: Any) -> Any:
            self._complete(headers, secure)
            return write(start_line, headers, *more, **named)

        connection.write_headers = write_headers

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Marks the scripts of a page as ours."""
        if "text/html" in headers.get("Content-Type", "") and finishing:
            chunk = _SCRIPT.sub(b'<script nonce="%s"' % self._nonce.encode(), chunk)
            if "Content-Length" in headers:
                headers["Content-Length"] = str(len(chunk))
        if "text/html" in headers.get("Content-Type", ""):
            headers["Cache-Control"] = "no-store"
        return status_code, headers, chunk

    def _complete(self, headers: HTTPHeaders, secure: bool) -> None:
        for name, value in _ALWAYS.items():
            headers[name] = value
        headers["Content-Security-Policy"] = content_policy(self._nonce)
        # Nobody else's page asks anything here, and nobody needs to know which server this is.
        for name in [n for n in headers if n.startswith("Access-Control-")]:
            del headers[name]
        headers.pop("Server", None)
        cookies = headers.get_list("Set-Cookie")
        if cookies:
            del headers["Set-Cookie"]
            for cookie in cookies:
                headers.add("Set-Cookie", _guarded(cookie, secure))


def _guarded(cookie: str, secure: bool) -> str:
    """The cookie as it was, never sent for another site, nor without TLS where there is."""
    jar = SimpleCookie(cookie)
    for name, morsel in jar.items():
        morsel["samesite"] = morsel["samesite"] or "Lax"
        morsel["httponly"] = not name.startswith(_READ_BY_SCRIPTS)
        if secure:
            morsel["secure"] = True
        return morsel.OutputString()
    return cookie
