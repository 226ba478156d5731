"""Request checks: only the owner's own browser page may use the server.

A page on the internet can make a browser send requests to this machine. It cannot choose their Host
header (the name the browser used, so a foreign name that resolves to here is refused) nor their
Origin header (the sending page). Controlling runs also needs the token. It is in the address that
`elsinore watch` prints; the first page exchanges it for a cookie and leaves it out of its own
address, so that it is in no history. A browser that `elsinore watch` opens gets a code in place of
the token, which can be exchanged once: addresses are in the list of processes.
"""

import hashlib
import ipaddress
import re
import secrets
import time
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import cookie_parser

REMEDY = "open the address that `elsinore watch` printed."
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


CODE_SECONDS = 60.0  # in which a browser must exchange the code it was started with
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::[0-9]{1,5})?", re.ASCII)


class Access:
    """The secrets that show that a client is the owner: the token, a cookie, and codes for one
    use."""

    def __init__(self, token: str):
        self._token = token
        self._codes: dict[str, float] = {}  # code -> end of its time
        # cookies are sent to every port of a host: another server must not replace this one's
        self._cookie = f"elsinore-{hashlib.sha256(token.encode()).hexdigest()[:12]}"
        self._session = secrets.token_urlsafe(32)

    def code(self) -> str:
        """A code that can be exchanged for the cookie once, soon."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = time.monotonic() + CODE_SECONDS
        return code

    def exchange(self, scope: dict) -> str | None:
        """The header `Set-Cookie` for a token or a code in the request's address; None for
        neither."""
        until = self._codes.pop(_query(scope, "code"), 0.0)
        if time.monotonic() > until and not self._has_token(scope):
            return None
        return f"{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/"

    def is_owner(self, scope: dict) -> bool:
        """True for a request with the token, or one that this server's own page sent with the
        cookie."""
        return self._has_token(scope) or self._has_cookie(scope)

    def _has_token(self, scope: dict) -> bool:
        return secrets.compare_digest(_query(scope, "token").encode(), self._token.encode())

    def _has_cookie(self, scope: dict) -> bool:
        """True for a request with the cookie; pages of other ports on this host send it, too."""
        headers = _headers(scope)
        given = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        acts = scope.get("method", "GET") not in ("GET", "HEAD")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        if acts and "origin" not in headers:  # a browser tells it; the guard compares it
            return False
        return secrets.compare_digest(given.encode(), self._session.encode())


class Guard:
    """An ASGI application that passes on allowed requests only.

    `host` is the address the server listens on: a loopback address, or one for other machines too.
    """

    def __init__(self, app: Any, access: Access, host: str):
        self._app, self._access, self._host = app, access, host

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await _with_headers(send)(
                {
                    "type": "http.response.start",
                    "status": 403,
                    "headers": [(b"content-type", b"text/plain; charset=utf-8")],
                }
            )
            await send({"type": "http.response.body", "body": f"{refusal}\n".encode()})

    def _refusal(self, scope: dict) -> str | None:
        """The reason to refuse a request; None for an allowed one."""
        headers = _headers(scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not is_known_host(host, self._host):
            return f"the page is not known as {host!r}: {REMEDY}"
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return f"requests from origin {origin!r} are refused: {REMEDY}"
        reads = scope["type"] != "http" or scope["method"] in ("GET", "HEAD")
        if not reads and not self._access.is_owner(scope):
            return f"controlling runs needs the token: {REMEDY}"
        return None


def _headers(scope: dict) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _query(scope: dict, name: str) -> str:
    """A parameter of the request's address, empty without it."""
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get(name, [""])[0]


def is_known_host(host: str, bound: str) -> bool:
    """True if a Host header is `localhost`, the bound name, or a plain IP address of this server.

    Any port is allowed, since a tunnel may end at another. A server bound to a loopback address is
    reached at loopback addresses only.
    """
    found = HOST.fullmatch(host.lower())
    name = (found[1] or found[2]) if found else ""
    return bool(name) and (
        name in ("localhost", bound.lower())
        or is_loopback(name)
        or (_is_address(name) and not is_loopback(bound))
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """True if only this machine can reach a server bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_headers(send: Any) -> Any:
    async def sending(message: dict) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = message | {"headers": [*message.get("headers", []), *added]}
        await send(message)

    return sending
