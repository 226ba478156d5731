"""Who may talk to the page: a browser that was sent here by its owner, and no other page that it has open.

A page on the internet can make a browser send requests to this machine. It cannot choose their Host (which says by
what name the browser came, so a name that was made to point here is refused) nor their Origin (which says who sends).
Acting asks for the token besides, which only the address that `elsinore watch` prints holds.
"""

import ipaddress
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",  # the token is in the address
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI application around another, which hears only requests that may be made.

    `host` is where the server listens: on this machine alone, or for others too.
    """

    def __init__(self, app: Any, token: str, host: str):
        self._app, self._token, self._host = app, token, host

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
            await _with_headers(send)({"type": "http.response.start", "status": 403,
                                       "headers": [(b"content-type", b"text/plain; charset=utf-8")]})  # fmt: skip
            await send({"type": "http.response.body", "body": f"{refusal}\n".encode()})

    def _refusal(self, scope: dict) -> str | None:
        """Why this request is not heard; None where it is."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not is_known_host(host, self._host):
            return f"the page is not known as {host!r}: open the address that `elsinore watch` printed."
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return f"requests from {origin!r} are refused."
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD") and not has_token(scope, self._token):
            return "acting needs the token: open the address that `elsinore watch` printed."
        return None


def has_token(scope: dict, token: str) -> bool:
    """Whether the request's address holds the token."""
    given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
    return secrets.compare_digest(given.encode(), token.encode())


def is_known_host(host: str, bound: str) -> bool:
    """Whether a Host header names this machine as its owner would: `localhost`, or an address that is no name.

    Any port will do, since a tunnel may end at another. A server for this machine alone is reached at a loopback
    address only.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in ("localhost", bound) or is_loopback(name) or (_is_address(name) and not is_loopback(bound))
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_headers(send: Any) -> Any:
    async def sending(message: dict) -> None:
        if message["type"] == "http.response.start":
            mine = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = message | {"headers": [*message.get("headers", []), *mine]}
        await send(message)

    return sending
