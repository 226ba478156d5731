"""Request checks: only the owner's own browser page may use the server.

A page on the internet can make a browser send requests to this machine. It cannot choose their Host
header (the name the browser used, so a foreign name that resolves to here is refused) nor their
Origin header (the sending page). Controlling runs also needs the token, which is only in the
address that `elsinore watch` prints.
"""

import ipaddress
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

REMEDY = "open the address that `elsinore watch` printed."
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",  # the token is in the address
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI application that passes on allowed requests only.

    `host` is the address the server listens on: a loopback address, or one for other machines too.
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
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not is_known_host(host, self._host):
            return f"the page is not known as {host!r}: {REMEDY}"
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return f"requests from origin {origin!r} are refused: {REMEDY}"
        reads = scope["type"] != "http" or scope["method"] in ("GET", "HEAD")
        if not reads and not has_token(scope, self._token):
            return f"controlling runs needs the token: {REMEDY}"
        return None


def has_token(scope: dict, token: str) -> bool:
    """True if the request's address contains the token."""
    given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
    return secrets.compare_digest(given.encode(), token.encode())


def is_known_host(host: str, bound: str) -> bool:
    """True if a Host header is `localhost`, the bound name, or a plain IP address of this server.

    Any port is allowed, since a tunnel may end at another. A server bound to a loopback address is
    reached at loopback addresses only.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return (
            name in ("localhost", bound)
            or is_loopback(name)
            or (_is_address(name) and not is_loopback(bound))
        )
    except ValueError:
        return False


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
