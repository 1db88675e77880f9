"""HTTP/1.1 as uvicorn speaks it, with a bound of time and size for the head of a request.

uvicorn waits without end for a head that has begun: nine hundred half requests hold nine hundred connections (and as much memory as their
heads are long) until somebody restarts the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEAD_S = 20.0
MAX_HEAD = 64 << 10


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose head has not come within `HEAD_S`, or is longer than `MAX_HEAD` bytes."""

    _waiting: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head."""
        super().data_received(data)
        if self._waiting is not None:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._give_up()

    def on_message_begin(self) -> None:
        """A further request on the connection."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is waited for."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._waiting is None:
            self._head = 0
            self._waiting = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.close()
