"""What this server's cookies are called: a browser keeps them by host and tells no ports apart.

Two workbenches on one machine would otherwise sign each other's people out at every sign-in.
"""

import hashlib

USER, LOGIN, BEFORE, MARK = "user", "login", "before", "_xsrf"


def cookie_of(what: str, secret: str | bytes | None) -> str:
    """The name of a cookie of the server with this secret: ``"login-3f2a9c0b11d4"``.

    Args:
        what: What it says.
        secret: Kept in the data folder, so that the name outlives a restart; without one the name
            is the plain one.
    """
    if not secret:
        return what
    known = secret.encode() if isinstance(secret, str) else secret
    return f"{what}-{hashlib.sha256(b'cookies ' + known).hexdigest()[:12]}"
