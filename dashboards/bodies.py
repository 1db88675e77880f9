"""Bodies of requests: none where a path is only read, and a bound of size and time where a form or a callback is posted.

Pure ASGI, inside the gate: whoever has no account can post the sign-in form and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1 << 20  # bytes; the largest callback of a desk posts a few KB
MAX_FORM = 10_000
BODY_S = 20.0
FORMS = frozenset({"/login", "/logout"})


class TooLargeError(Exception):
    """More bytes than the bound."""


def bound_of(path: str) -> int:
    """How many bytes a path takes."""
    return MAX_FORM if path in FORMS else MAX_BODY


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: it is longer than `most` bytes.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        size += len(message.get("body", b""))
        if size > most:
            raise TooLargeError
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, then waits for the end of the connection as `receive` does."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        while True:
            message = await receive()
            if message["type"] != "http.request":  # what comes beyond the bound is not looked at
                return message

    return again


class Bodies:
    """Reads a posted body before anybody else does, and keeps bodies away from what is only read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, refusal = b"", None
        if scope["method"] == "POST":
            body, refusal = await self._posted(scope, receive)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self.app(scope, replayed(body, receive), send)

    @staticmethod
    async def _posted(scope: Scope, receive: Receive) -> tuple[bytes, JSONResponse | None]:
        most = bound_of(scope["path"])
        lengths = [v for k, v in scope["headers"] if k == b"content-length"]
        if any(not v.isdigit() or int(v) > most for v in lengths):
            return b"", _refused("too_large", 413)
        try:
            with anyio.fail_after(BODY_S):
                return await read_body(receive, most), None
        except TooLargeError:
            return b"", _refused("too_large", 413)
        except TimeoutError:
            return b"", _refused("too_slow", 408)


def _refused(why: str, status: int) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=status, headers={"Connection": "close"})
